//! Purses whose ecash this node's mint pays out over Lightning, and takes in.

use async_trait::async_trait;
use wallet::nwc::{
    ErrorCode, Failure, InvoiceFacts, ListTransactions, Method, NewInvoice, Payment, PaymentState,
    Transaction, TransactionState, TransactionType,
};
use wallet::purse::PurseName;
use wallet::sat_to_msat;

use super::lightning::PurseLightning;
use crate::error::Result;
use crate::lightning::{InvoiceOrder, PurseInvoice, PursePayment, PursePaymentState};
use crate::node::Node;

/// As many as are listed at most.
const LISTED_MAX: u32 = 100;

pub(super) struct OwnPurses {
    node: Node,
}

impl OwnPurses {
    pub fn new(node: Node) -> Self {
        Self { node }
    }
}

#[async_trait]
impl PurseLightning for OwnPurses {
    async fn methods(&self, _: &PurseName) -> Vec<Method> {
        vec![
            Method::PayInvoice,
            Method::MakeInvoice,
            Method::LookupInvoice,
            Method::ListTransactions,
        ]
    }

    async fn balance_msat(&self, _: &PurseName) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn pay(&self, purse: &PurseName, payment: &Payment) -> Result<PaymentState> {
        let order = InvoiceOrder {
            invoice: payment.invoice.clone(),
            fee_max_sat: None,
            key: Some(payment.key.clone()),
            intent: None,
        };
        let agent = purse.clone().into();
        let paid = self.node.purse_pay_for(&agent, order).await?;
        Ok(state_of(&paid))
    }

    async fn payment(&self, key: &str) -> Result<Option<PaymentState>> {
        let found = self.node.purse_payment_by_key(key).await?;
        Ok(found.as_ref().map(state_of))
    }

    async fn make_invoice(&self, purse: &PurseName, invoice: &NewInvoice) -> Result<Transaction> {
        let description = invoice.description.as_deref().unwrap_or_default();
        let made = self
            .node
            .purse_invoice(purse, invoice.amount_msat, description)
            .await?;
        Ok(incoming(made))
    }

    async fn transaction(
        &self,
        purse: &PurseName,
        payment_hash: &str,
    ) -> Result<Option<Transaction>> {
        if let Some(invoice) = self.node.find_purse_invoice(payment_hash).await?
            && invoice.purse == *purse
        {
            if invoice.is_open {
                // Whoever asks wants to know how it is now.
                self.node.settle_purse_invoice(&invoice).await?;
            }
            let now = self.node.find_purse_invoice(payment_hash).await?;
            return Ok(now.map(incoming));
        }
        let paid = self
            .node
            .purse_payments(Some(purse.clone()), LISTED_MAX)
            .await?;
        let paid = paid
            .into_iter()
            .find(|payment| payment.payment_hash == payment_hash);
        Ok(paid.map(outgoing))
    }

    async fn transactions(
        &self,
        purse: &PurseName,
        query: &ListTransactions,
    ) -> Result<Vec<Transaction>> {
        let mut all = Vec::new();
        if query.kind != Some(TransactionType::Outgoing) {
            let invoices = self.node.purse_invoices(purse, LISTED_MAX).await?;
            all.extend(invoices.into_iter().map(incoming));
        }
        if query.kind != Some(TransactionType::Incoming) {
            let paid = self
                .node
                .purse_payments(Some(purse.clone()), LISTED_MAX)
                .await?;
            all.extend(paid.into_iter().map(outgoing));
        }
        all.retain(|one| {
            let is_paid = one.state() == TransactionState::Settled;
            (is_paid || query.unpaid == Some(true))
                && query.from_s.is_none_or(|from_s| one.created_s >= from_s)
                && query.until_s.is_none_or(|until_s| one.created_s <= until_s)
        });
        all.sort_by_key(|one| std::cmp::Reverse(one.created_s));
        let (offset, limit) = (
            query.offset.unwrap_or(0),
            query.limit.unwrap_or(LISTED_MAX).min(LISTED_MAX),
        );
        let listed = all.into_iter().skip(offset as usize).take(limit as usize);
        Ok(listed.collect())
    }
}

fn state_of(payment: &PursePayment) -> PaymentState {
    match payment.state {
        PursePaymentState::Paying => PaymentState::Pending,
        PursePaymentState::Voided => {
            PaymentState::Failed(Failure::new(ErrorCode::PaymentFailed, "nothing was paid"))
        }
        PursePaymentState::Settled => PaymentState::Paid {
            preimage: payment.preimage.clone().unwrap_or_default(),
            fees_paid_msat: sat_to_msat(payment.fee_sat.unwrap_or(0)),
        },
    }
}

fn seconds(ms: i64) -> u64 {
    ms.max(0).unsigned_abs() / 1_000
}

fn incoming(invoice: PurseInvoice) -> Transaction {
    let facts = InvoiceFacts::read(&invoice.invoice).ok();
    let state = match (invoice.settled_ms, invoice.is_open) {
        (Some(_), _) => TransactionState::Settled,
        (None, true) => TransactionState::Pending,
        (None, false) => TransactionState::Expired,
    };
    Transaction {
        kind: TransactionType::Incoming,
        state: Some(state),
        description: Some(invoice.description),
        description_hash: None,
        preimage: None,
        payment_hash: invoice.payment_hash,
        amount_msat: sat_to_msat(invoice.amount_sat),
        fees_paid_msat: 0,
        created_s: seconds(invoice.created_ms),
        expires_s: facts.map(|facts| facts.expires_s),
        settled_s: invoice.settled_ms.map(seconds),
        invoice: Some(invoice.invoice),
    }
}

fn outgoing(payment: PursePayment) -> Transaction {
    let state = match payment.state {
        PursePaymentState::Paying => TransactionState::Pending,
        PursePaymentState::Settled => TransactionState::Settled,
        PursePaymentState::Voided => TransactionState::Failed,
    };
    Transaction {
        kind: TransactionType::Outgoing,
        state: Some(state),
        invoice: None,
        description: None,
        description_hash: None,
        preimage: payment.preimage,
        payment_hash: payment.payment_hash,
        amount_msat: sat_to_msat(payment.amount_sat),
        fees_paid_msat: sat_to_msat(payment.fee_sat.unwrap_or(0)),
        created_s: seconds(payment.created_ms),
        expires_s: None,
        settled_s: payment
            .settled_ms
            .filter(|_| payment.state == PursePaymentState::Settled)
            .map(seconds),
    }
}
