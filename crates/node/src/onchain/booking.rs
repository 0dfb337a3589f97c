//! Where payments on the chain meet the ledger.

use wallet::onchain::Spend;

use crate::node::Node;

impl Node {
    /// Called with each payment that the own wallet or a watched one has recorded, also again for the
    /// same id: whoever books it does so by the id. The ledger has no account for bitcoin on the chain
    /// yet, so it is only noted.
    #[expect(clippy::unused_self, reason = "the ledger is the node's")]
    pub(crate) fn book_onchain_spend(&self, spend: &Spend) {
        tracing::info!(
            id = spend.id,
            txid = spend.txid,
            amount_sat = spend.amount_sat,
            fee_sat = spend.fee_sat,
            "a payment on the chain is recorded"
        );
    }
}
