// An agent in JavaScript, with nothing of ours: it reads our payment request with cashu-ts, pays for
// an answer with ecash that it minted itself, and takes the change back to the mint.
import assert from 'node:assert/strict';
import {
  MintQuoteState,
  Wallet,
  decodePaymentRequest,
  getEncodedToken,
  getTokenMetadata,
} from '@cashu/cashu-ts';

const url = process.env.NODE_URL;
const sum = (proofs) => proofs.reduce((total, proof) => total + Number(proof.amount), 0);

async function ask(body, token) {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token ? { 'X-Cashu': token } : {}) },
    body: JSON.stringify(body),
  });
}

async function challenge(body) {
  const response = await ask(body);
  assert.equal(response.status, 402);
  const request = decodePaymentRequest(response.headers.get('x-cashu'));
  assert.equal(request.unit, 'sat');
  assert.deepEqual(request.mints, [`${url}/mint`]);
  const problem = await response.json();
  assert.equal(problem.code, 'payment_required');
  assert.equal(problem.price_sat, Number(request.amount));
  return request;
}

const question = {
  model: 'default',
  messages: [{ role: 'user', content: 'What is a merkle tree?' }],
  max_tokens: 24,
};
const request = await challenge(question);

const wallet = new Wallet(request.mints[0], { unit: request.unit });
await wallet.loadMint();
const quote = await wallet.createMintQuoteBolt11(100);
let state = quote.state;
const deadline = Date.now() + 20_000;
while (state === MintQuoteState.UNPAID) {
  assert.ok(Date.now() < deadline, 'the play mint pays its own quotes');
  await new Promise((resolve) => setTimeout(resolve, 50));
  state = (await wallet.checkMintQuoteBolt11(quote.quote)).state;
}
let purse = await wallet.mintProofsBolt11(100, quote.quote);
assert.equal(sum(purse), 100);

async function payment(amount) {
  const { keep, send } = await wallet.send(amount, purse);
  purse = keep;
  const token = getEncodedToken({ mint: request.mints[0], unit: 'sat', proofs: send });
  assert.ok(token.startsWith('cashuB'));
  return token;
}

// A whole answer: paid with more than the price, the change in the header.
const paid = Number(request.amount) + 6;
const token = await payment(paid);
const response = await ask(question, token);
assert.equal(response.status, 200, await response.clone().text());
const answer = await response.json();
assert.ok(answer.choices[0].message.content.length > 0);
const price = Number(response.headers.get('freehold-price-sat'));
const change = response.headers.get('x-cashu');
assert.equal(Number(getTokenMetadata(change).amount), paid - price);
const returned = await wallet.receive(change);
assert.equal(sum(returned), paid - price);
purse = purse.concat(returned);
assert.equal(sum(purse), 100 - price);
const { receipt } = answer.payment;
assert.equal(receipt.signed_receipt.receipt.price_msat, price * 1000);

// A stream: the change comes in its last chunk.
const streamed = { ...question, stream: true };
const second = await challenge(streamed);
const stream = await ask(streamed, await payment(Number(second.amount) + 3));
assert.equal(stream.status, 200);
assert.match(stream.headers.get('content-type'), /^text\/event-stream/);
const data = (await stream.text()).split('\n').filter((line) => line.startsWith('data: '));
assert.equal(data.pop(), 'data: [DONE]');
const chunks = data.map((line) => JSON.parse(line.slice(6)));
assert.ok(chunks.some((chunk) => chunk.choices[0]?.delta?.content));
const settled = chunks.find((chunk) => chunk.payment).payment;
purse = purse.concat(await wallet.receive(settled.change));
assert.equal(sum(purse), 100 - price - settled.price_sat);

// What was spent is refused, and a fresh request comes with the refusal.
const refused = await ask({ ...question, max_tokens: 5 }, token);
assert.equal(refused.status, 400);
assert.equal((await refused.json()).code, 'payment_used');
assert.equal(decodePaymentRequest(refused.headers.get('x-cashu')).unit, 'sat');

console.log(JSON.stringify({ spent_sat: price + settled.price_sat }));
