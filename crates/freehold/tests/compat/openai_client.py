"""A program that knows nothing but OpenAI's package, pointed at a Freehold node."""

import os

import openai

URL = os.environ["NODE_URL"] + "/v1"
MODEL = "smollm2-135m-instruct"
QUESTION = [
    {"role": "system", "content": "You are brief."},
    {"role": "user", "content": "What is a merkle tree?"},
]


def client(key, **options):
    return openai.OpenAI(base_url=URL, api_key=key, max_retries=0, timeout=60, **options)


def expect(kind, status, code, call):
    """The call must raise this exception, with our code and message in it."""
    try:
        call()
    except openai.APIStatusError as error:
        assert isinstance(error, kind), repr(error)
        assert error.status_code == status, repr(error)
        assert error.code == code, repr(error)
        assert len(str(error)) > 10
        return error
    raise AssertionError(f"{code} was expected")


def chat(openai_client, **options):
    return openai_client.chat.completions.create(
        **{"model": MODEL, "messages": QUESTION, "max_tokens": 16, **options}
    )


def use(key, is_paid):
    ours = client(key)

    models = ours.models.list()
    assert [model.id for model in models] == [MODEL], models

    answer = chat(ours)
    assert answer.choices[0].message.content, answer
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == MODEL

    # The way that OpenAI's own documentation reads a stream.
    text = ""
    for chunk in chat(ours, stream=True):
        if chunk.choices[0].delta.content is not None:
            text += chunk.choices[0].delta.content
    assert text

    usage = None
    for chunk in chat(ours, stream=True, stream_options={"include_usage": True}):
        if not chunk.choices:
            usage = chunk.usage
    assert usage is not None and usage.completion_tokens > 0

    # The package's helper that puts the pieces together.
    with ours.chat.completions.stream(model=MODEL, messages=QUESTION, max_tokens=8) as stream:
        kinds = {event.type for event in stream}
        assert "content.delta" in kinds and "content.done" in kinds, kinds
        assert stream.current_completion_snapshot.choices[0].message.content

    raw = ours.chat.completions.with_raw_response.create(
        model=MODEL, messages=QUESTION, max_tokens=8
    )
    price = int(raw.headers["freehold-price-sat"])
    assert (price > 0) == is_paid, price
    assert raw.parse().choices[0].message.content

    # Leaving in the middle of a stream.
    with chat(ours, stream=True, max_tokens=200) as stream:
        next(iter(stream))


use(os.environ["OWNER_TOKEN"], is_paid=False)
use(os.environ["PURSE_TOKEN"], is_paid=True)

expect(openai.AuthenticationError, 401, "token_invalid", lambda: chat(client("nonsense")))
expect(openai.NotFoundError, 404, "model_not_found",
       lambda: chat(client(os.environ["OWNER_TOKEN"]), model="gpt-17"))
expect(openai.BadRequestError, 400, "context_length_exceeded",
       lambda: chat(client(os.environ["OWNER_TOKEN"]),
                    messages=[{"role": "user", "content": "hello " * 20_000}]))
expect(openai.APIStatusError, 402, "insufficient_funds",
       lambda: chat(client(os.environ["EMPTY_TOKEN"])))

# A visitor: no key at all. The exception carries all that is needed to pay.
visitor = client("unused")
no_key = {"Authorization": openai.Omit()}
error = expect(openai.APIStatusError, 402, "payment_required",
               lambda: chat(visitor, extra_headers=no_key))
assert error.response.headers["x-cashu"].startswith("creqA")

raw = visitor.chat.completions.with_raw_response.create(
    model=MODEL, messages=QUESTION, max_tokens=16,
    extra_headers={**no_key, "X-Cashu": os.environ["ECASH"]},
)
assert raw.headers["x-cashu"].startswith("cashuB")
assert raw.parse().choices[0].message.content
print("ok")
