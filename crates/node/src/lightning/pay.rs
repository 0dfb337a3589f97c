//! Paying over Lightning, from the owner's money.

use serde::{Deserialize, Serialize};
use wallet::cashier::Payment;
use wallet::cashier::books::{BookedPayment, Holder};
use wallet::lightning::{LightningError, Payable, PaymentId, Preimage};

use super::invoice::payment_id;
use crate::boxed;
use crate::error::Result;
use crate::node::Node;

/// What the way may cost unless it is said: a hundredth, and this much for small amounts.
const FEE_SHARE: u64 = 100;
const FEE_MIN_MSAT: u64 = 10_000;

/// A payment to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayInput {
    /// A BOLT 11 invoice or a BOLT 12 offer.
    pub request: String,
    /// How much, if it doesn't say.
    #[serde(default)]
    pub amount_msat: Option<u64>,
    /// What the way may cost.
    #[serde(default)]
    pub fee_max_msat: Option<u64>,
    /// For an offer: the payment's name, 64 hex digits. The same name pays once.
    #[serde(default)]
    pub id: Option<String>,
}

impl Node {
    /// Pays an invoice or an offer. If it isn't over in a minute, it comes back as pending, and goes on.
    ///
    /// # Errors
    /// Nothing was paid, unless the error's code is `lightning_outcome_unknown`.
    #[boxed]
    pub async fn lightning_pay(&self, input: PayInput) -> Result<BookedPayment> {
        let node = self.clone();
        self.uninterrupted(async move { node.lightning_pay_once(input).await })
            .await
    }

    async fn lightning_pay_once(&self, input: PayInput) -> Result<BookedPayment> {
        let what = Payable::parse(&input.request)?;
        let amount_msat = match (input.amount_msat, what.amount_msat()?) {
            (Some(given), _) => given,
            (None, Some(wanted)) => wanted,
            (None, None) => return Err(LightningError::AmountMissing.into()),
        };
        let id = match (what.payment_id(), &input.id) {
            (Some(hash), _) => hash,
            (None, Some(chosen)) => payment_id(chosen)?,
            (None, None) => PaymentId(rand::random()),
        };
        let payment = Payment {
            holder: Holder::Owner,
            request: input.request,
            amount_msat: input.amount_msat,
            fee_max_msat: input
                .fee_max_msat
                .unwrap_or_else(|| fee_max_msat(amount_msat)),
        };
        Ok(self.cashier()?.pay_as(id, what, payment).await?)
    }

    /// Pays to a node that didn't ask.
    ///
    /// # Errors
    /// As [`lightning_pay`](Self::lightning_pay).
    #[boxed]
    pub async fn lightning_keysend(
        &self,
        node_id: &str,
        amount_msat: u64,
    ) -> Result<BookedPayment> {
        let node_id = node_id.parse();
        let node_id = node_id.map_err(|_| LightningError::Invalid("node id"))?;
        let (node, preimage) = (self.clone(), Preimage(rand::random()));
        self.uninterrupted(async move {
            let fee_max_msat = fee_max_msat(amount_msat);
            let cashier = node.cashier()?;
            Ok(cashier
                .keysend(node_id, amount_msat, fee_max_msat, preimage)
                .await?)
        })
        .await
    }

    /// Books what became of open payments, and what the chain did.
    pub(crate) async fn resume_lightning(&self) -> Result<()> {
        if let Some(cashier) = &self.inner.cashier {
            cashier.settle_open(false).await?;
            self.follow_chain().await?;
        }
        Ok(())
    }

    /// The newest outgoing payments of the owner and of the mint, oldest first.
    ///
    /// # Errors
    /// `no_lightning`, or a database error.
    #[boxed]
    pub async fn lightning_payments(&self, limit: u32) -> Result<Vec<BookedPayment>> {
        Ok(self.cashier()?.payments(false, limit).await?)
    }
}

/// What the way may cost, if nobody says.
pub(crate) fn fee_max_msat(amount_msat: u64) -> u64 {
    (amount_msat / FEE_SHARE).max(FEE_MIN_MSAT)
}
