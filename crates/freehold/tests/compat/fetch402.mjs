// A buyer in JavaScript, with nothing of ours: it finds the challenge that it knows among all of them, pays it, and
// gets what it paid for. Its wallet is the neighbour's.
import assert from 'node:assert/strict';
import { fetch402, fetchWithMpp } from '@getalby/lightning-tools/402';

const node = process.env.NODE_URL;
const paid = [];
const wallet = {
  async payInvoice({ invoice }) {
    const response = await fetch(`${node}/api/sandbox/pay`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${process.env.OWNER_TOKEN}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ request: invoice }),
    });
    assert.equal(response.status, 200);
    const { preimage } = await response.json();
    paid.push(invoice);
    return { preimage };
  },
};

const url = `${node}/api/echo`;
const first = await fetch402(url, { method: 'GET' }, { wallet, maxAmount: 10 });
assert.equal(first.status, 200);
assert.equal((await first.json()).method, 'GET');
assert.equal(first.payment.amountSat, 5);
assert.match(first.payment.credentials.value, /^L402 /);

// Where L402 comes first, this client doesn't see what follows; so it says what it wants.
const headers = { 'Accept-Payment': 'lightning/charge' };
const second = await fetchWithMpp(url, { method: 'POST', body: 'question', headers }, { wallet });
assert.equal(second.status, 200);
assert.equal((await second.json()).body, 'question');
assert.match(second.payment.credentials.value, /^Payment /);
assert.ok(second.headers.get('payment-receipt'));

// A credential buys one call, and the client pays nothing more for trying.
const again = await fetch402(url, { method: 'GET' }, { wallet, credentials: first.payment.credentials });
assert.equal(again.status, 402);
assert.equal((await again.json()).code, 'payment_used');
assert.equal(paid.length, 2);
console.log('ok');
