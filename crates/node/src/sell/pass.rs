//! A call that was let in: it counts when the upstream has answered, and not before.

use std::sync::Arc;

use http402::mpp::{PAYMENT_RECEIPT, Receipt};
use http402::xcashu::X_CASHU;
use rusqlite::Transaction;
use serde_json::json;

use super::kept::{self, KeptAnswer};
use super::sessions::Hold;
use super::uses::Use;
use super::{Answer, Offer, SellError, Unit};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::locks::Guard;
use crate::node::{Node, now_ms};
use crate::serve::Sale;

/// Who pays for a call, durably taken or set aside.
pub(super) enum Payer {
    /// The owner, or a call of the free tier.
    Nobody,
    /// A Lightning payment, whole: by macaroon or charge.
    Lightning(Use),
    Ecash {
        sale: Box<Sale>,
        _guard: Guard,
    },
    Session(Hold),
}

/// A call that may go to the upstream. It ends with [`served`](Self::served), [`failed`](Self::failed) or
/// [`interrupted`](Self::interrupted); one that is dropped counts as interrupted at the next start.
pub struct Pass {
    node: Node,
    offer: Arc<Offer>,
    payer: Payer,
    receipt: Option<Receipt>,
    /// How its buyer names the call.
    name: Option<String>,
}

impl Pass {
    pub(super) fn new(
        node: &Node,
        offer: &Arc<Offer>,
        payer: Payer,
        receipt: Option<Receipt>,
    ) -> Self {
        Self {
            node: node.clone(),
            offer: Arc::clone(offer),
            payer,
            receipt,
            name: None,
        }
    }

    pub(super) fn name(&mut self, name: Option<String>) {
        self.name = name;
    }

    /// True if a short answer should be given to [`keep`](Self::keep): its buyer may ask for it again.
    #[must_use]
    pub fn is_to_be_kept(&self) -> bool {
        self.name.is_some()
            && self.offer.unit == Unit::Call
            && matches!(self.payer, Payer::Lightning(_) | Payer::Ecash { .. })
    }

    /// Keeps the answer, in case it is lost on its way. Before [`served`](Self::served).
    ///
    /// # Errors
    /// If that can't be written; then the answer can be sent once only.
    #[boxed]
    pub async fn keep(&self, mut answer: KeptAnswer) -> Result<()> {
        let payment = match &self.payer {
            Payer::Lightning(taken) => taken.payment.clone(),
            Payer::Ecash { sale, .. } => kept::of_sale(&sale.id),
            Payer::Nobody | Payer::Session(_) => return Ok(()),
        };
        let Some(name) = self.name.clone() else {
            return Ok(());
        };
        let receipt = self.receipt.as_ref();
        let receipt = receipt.map(|receipt| (PAYMENT_RECEIPT.to_owned(), receipt.encode()));
        answer.headers.extend(receipt);
        let keep = move |tx: &Transaction<'_>| answer.insert(tx, &payment, &name, now_ms());
        self.node.inner.db.write(keep).await
    }

    /// What is sold.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// True if somebody pays: then the answer is for nobody else, and for no cache.
    #[must_use]
    pub const fn is_paid(&self) -> bool {
        !matches!(self.payer, Payer::Nobody)
    }

    /// True if a session pays.
    pub(super) const fn is_of_session(&self) -> bool {
        matches!(self.payer, Payer::Session(_))
    }

    /// The upstream has answered: the call counts. Returns headers for the answer.
    ///
    /// # Errors
    /// If that can't be written, or no change be made; then the payment is good at the next try.
    #[boxed]
    pub async fn served(&mut self) -> Result<Vec<(&'static str, String)>> {
        let mut headers = Vec::new();
        match &mut self.payer {
            Payer::Nobody => {}
            Payer::Lightning(taken) => {
                let taken = taken.clone();
                self.node.inner.db.write(move |tx| taken.served(tx)).await?;
            }
            Payer::Ecash { sale, .. } => {
                let change = Box::pin(self.node.settle_call_sale(sale)).await?;
                headers.extend(change.map(|token| (X_CASHU, token)));
            }
            Payer::Session(hold) => hold.take()?,
        }
        headers.extend(
            self.receipt
                .as_ref()
                .map(|receipt| (PAYMENT_RECEIPT, receipt.encode())),
        );
        Ok(headers)
    }

    /// Takes one more unit of an answer that is sold by the minute or the MiB. False if it isn't paid for: one payment
    /// buys one unit, a session as many as it has.
    #[must_use]
    pub fn take_unit(&self) -> bool {
        match &self.payer {
            Payer::Nobody => true,
            Payer::Session(hold) => hold.take_unit(),
            Payer::Lightning(_) | Payer::Ecash { .. } => false,
        }
    }

    /// Whether it makes sense to wait for money when [`take_unit`](Self::take_unit) finds none.
    #[must_use]
    pub const fn may_be_topped_up(&self) -> bool {
        self.is_of_session()
    }

    /// The upstream couldn't answer: it wasn't a call. Ecash goes back in the answer, everything else is good for
    /// another try.
    ///
    /// # Errors
    /// If that can't be written, or the token be made; then the payment is good at the next try.
    #[boxed]
    pub async fn failed(self, error: SellError) -> Result<Answer> {
        let mut answer = Answer::problem(&error, Some(&self.offer));
        let payment = match self.payer {
            Payer::Nobody => "none",
            Payer::Lightning(taken) => {
                self.node.inner.db.write(move |tx| taken.failed(tx)).await?;
                "not_consumed"
            }
            Payer::Session(hold) => {
                drop(hold);
                "not_consumed"
            }
            Payer::Ecash { sale, _guard } => {
                let refunded = self.node.refund_sale(&sale, error.into()).await?;
                let change = refunded.refund().and_then(|settled| settled.change.clone());
                answer.headers.extend(change.map(|token| (X_CASHU, token)));
                "returned"
            }
        };
        answer.body["payment"] = json!(payment);
        Ok(answer)
    }

    /// It isn't known whether the upstream did its work: the buyer's request broke off. The payment is good for
    /// another try, though not for ever.
    ///
    /// # Errors
    /// If that can't be written; then it is so at the next start.
    #[boxed]
    pub async fn interrupted(self) -> Result<(), NodeError> {
        if let Payer::Lightning(taken) = self.payer {
            self.node
                .inner
                .db
                .write(move |tx| taken.interrupted(tx))
                .await?;
        }
        Ok(())
    }
}
