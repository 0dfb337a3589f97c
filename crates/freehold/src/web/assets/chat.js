// Streams answers into the page. Without this script the same form works, one answer a page.
"use strict";

const form = document.getElementById("ask");
const log = document.getElementById("log");
const prompt_ = document.getElementById("prompt");
const stop = document.getElementById("stop");
const clear = document.getElementById("clear");
const submit = form?.querySelector("button[type=submit]");

/** The conversation so far, as the model is told it. */
let messages = [];
/** Ends the answer that is under way. */
let abort = null;

function addTurn(kind, text) {
  const turn = document.createElement("p");
  turn.className = `turn ${kind}`;
  turn.textContent = text;
  log.append(turn);
  turn.scrollIntoView({ block: "nearest" });
  return turn;
}

/** The data of each event in a stream of them. */
async function* events(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  }
}

function failure(error) {
  return new Error(error.hint ? `${error.message} — ${error.hint}` : error.message);
}

async function answer(turn) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ messages, stream: true }),
    signal: abort.signal,
  });
  if (!response.ok) throw failure((await response.json()).error);
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw failure(chunk.error);
    turn.textContent += chunk.choices[0]?.delta.content ?? "";
    turn.scrollIntoView({ block: "nearest" });
  }
  throw new Error("The answer was cut off. Is the node still running?");
}

function setBusy(busy) {
  submit.disabled = busy;
  stop.hidden = !busy;
  clear.hidden = busy || messages.length === 0;
  log.setAttribute("aria-busy", String(busy));
}

async function ask(question) {
  messages.push({ role: "user", content: question });
  addTurn("user", question);
  const turn = addTurn("assistant waiting", "");
  abort = new AbortController();
  setBusy(true);
  try {
    await answer(turn);
  } catch (error) {
    if (error.name !== "AbortError") addTurn("error", error.message);
  }
  turn.classList.remove("waiting");
  if (turn.textContent) {
    messages.push({ role: "assistant", content: turn.textContent });
  } else {
    // What got no answer isn't asked again along with the next question.
    messages.pop();
    turn.remove();
  }
  setBusy(false);
  prompt_.focus();
}

if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = prompt_.value.trim();
    if (!question || submit.disabled) return;
    prompt_.value = "";
    ask(question);
  });
  prompt_.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  stop.addEventListener("click", () => abort?.abort());
  clear.addEventListener("click", () => {
    messages = [];
    log.replaceChildren();
    setBusy(false);
    prompt_.focus();
  });
}
