// Alby's SDK at both ends: its wallet service backs a purse, and its client pays from that purse.
// In between stands the node, whose limits hold whatever the two would agree on.
import assert from 'node:assert/strict';
import { NWCClient, NWCWalletService, NWCWalletServiceKeyPair } from '@getalby/sdk/nwc';
import { generateSecretKey, getPublicKey } from 'nostr-tools';

const { NODE_URL, OWNER_TOKEN, RELAY_URL, INVOICES } = process.env;
const [cheap, dear] = JSON.parse(INVOICES);
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const [walletSecret, clientSecret] = [generateSecretKey(), generateSecretKey()];

async function api(path, body) {
  const response = await fetch(`${NODE_URL}/api${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${OWNER_TOKEN}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}

// The wallet behind the purse.
let paid = 0;
const transaction = (invoice) => ({
  type: 'incoming',
  state: 'pending',
  invoice: invoice.text,
  payment_hash: invoice.payment_hash,
  amount: invoice.amount_msat,
  fees_paid: 0,
  created_at: 1,
  expires_at: 2,
  settled_at: 0,
  description: '',
  description_hash: '',
  preimage: '',
});
const handler = {
  getInfo: async () => ({ result: { alias: 'Alby', methods: [], network: 'regtest' } }),
  getBalance: async () => ({ result: { balance: 5_000_000 } }),
  makeInvoice: async () => ({ result: transaction(dear) }),
  payInvoice: async ({ invoice }) => {
    assert.equal(invoice, cheap.text);
    paid += 1;
    return { result: { preimage: cheap.preimage, fees_paid: 1_000 } };
  },
};
const service = new NWCWalletService({ relayUrls: [RELAY_URL] });
const methods = ['get_info', 'get_balance', 'make_invoice', 'pay_invoice', 'lookup_invoice'];
await service.publishWalletServiceInfoEvent(hex(walletSecret), methods, []);
const keys = new NWCWalletServiceKeyPair(hex(walletSecret), getPublicKey(clientSecret));
await service.subscribe(keys, handler);

await api('/purses', { name: 'alby', policy: { per_payment_sat: 50, per_day_sat: 100, total_sat: 1_000 } });
const relay = encodeURIComponent(RELAY_URL);
const uri = `nostr+walletconnect://${keys.walletPubkey}?relay=${relay}&secret=${hex(clientSecret)}`;
const backing = await api('/purses/alby/back', { uri });
assert.equal(backing.alias, 'Alby');
const connection = await api('/nwc', { purse: 'alby', relays: [RELAY_URL] });

// The program that spends.
const client = new NWCClient({ nostrWalletConnectUrl: connection.uri });
async function introduced() {
  for (;;) {
    try {
      return await client.getWalletServiceInfo();
    } catch {
      // The node hasn't said yet what the connection can do.
    }
  }
}
const offered = await introduced();
assert.deepEqual(offered.encryptions, ['nip44_v2', 'nip04']);
assert.ok(offered.capabilities.includes('pay_invoice') && offered.capabilities.includes('get_budget'));

const sent = new Promise((resolve) => client.subscribeNotifications(resolve, ['payment_sent']));
await new Promise((resolve) => setTimeout(resolve, 500));
const info = await client.getInfo();
assert.ok(info.methods.includes('pay_invoice'));
// The other wallet has more; what the purse may spend is what it has.
assert.equal((await client.getBalance()).balance, 100_000);
assert.deepEqual(await client.getBudget(), {
  used_budget: 0,
  total_budget: 100_000,
  renewal_period: 'daily',
});
const made = await client.makeInvoice({ amount: dear.amount_msat });
assert.equal(made.invoice, dear.text);

const payment = await client.payInvoice({ invoice: cheap.text });
assert.equal(payment.preimage, cheap.preimage);
assert.equal(payment.fees_paid, 1_000);
assert.equal((await client.payInvoice({ invoice: cheap.text })).preimage, cheap.preimage);
assert.equal(paid, 1, 'an invoice is paid once');
assert.equal((await client.getBudget()).used_budget, cheap.amount_msat + 1_000);

const told = await sent;
assert.equal(told.notification.payment_hash, cheap.payment_hash);
const found = await client.lookupInvoice({ payment_hash: cheap.payment_hash });
assert.equal(found.state, 'settled');
assert.equal((await client.listTransactions({})).transactions.length, 1);
await assert.rejects(client.payInvoice({ invoice: dear.text }), { code: 'QUOTA_EXCEEDED' });
await assert.rejects(client.signMessage({ message: 'x' }), { code: 'NOT_IMPLEMENTED' });
assert.equal(paid, 1);

await api(`/nwc/${connection.connection.id}/revoke`, {});
for (;;) {
  try {
    await client.getBalance();
  } catch (error) {
    assert.equal(error.code, 'UNAUTHORIZED');
    break;
  }
}
console.log('ok');
process.exit(0);
