//! Lightning for purses that another wallet backs.

use std::time::Duration;

use async_trait::async_trait;
use wallet::nwc::{
    ListTransactions, LookedUp, MakeInvoice, Method, NewInvoice, PayOutcome, Payment, PaymentState,
    Transaction,
};
use wallet::purse::PurseName;

use super::book::{self, BackedPayment, Begun, End};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};
use crate::nwc::lightning::PurseLightning;

/// How long to wait for a payment before it is looked up instead.
const PAY_TIME_MAX: Duration = Duration::from_secs(90);
/// How long after its invoice has expired a payment that the other wallet knows nothing of counts as
/// never made. No route holds money that long without the wallet knowing.
const UNKNOWN_MAX_S: u64 = 24 * 60 * 60;
/// The most payments in a list.
const LIST_MAX: u32 = 500;

/// See the module. A handle: all that it knows is in the node's database.
pub(crate) struct BackedPurses {
    node: Node,
}

impl BackedPurses {
    pub fn new(node: Node) -> Self {
        Self { node }
    }
}

#[async_trait]
impl PurseLightning for BackedPurses {
    async fn methods(&self, purse: &PurseName) -> Vec<Method> {
        let wallets = self.node.inner.nwc.wallets.lock().await;
        let wallet = wallets.get(purse);
        let mut methods = vec![Method::LookupInvoice, Method::ListTransactions];
        // What a wallet that isn't connected yet can do is found out when it is asked.
        let can = |method: &Method| wallet.is_none_or(|wallet| wallet.can(*method));
        methods.extend(
            [Method::PayInvoice, Method::MakeInvoice]
                .into_iter()
                .filter(can),
        );
        methods
    }

    async fn balance_msat(&self, purse: &PurseName) -> Result<Option<u64>> {
        let wallet = self.node.backing(purse).await?;
        Ok(Some(wallet.balance_msat().await?))
    }

    async fn pay(&self, purse: &PurseName, payment: &Payment) -> Result<PaymentState> {
        // A wallet that can't be reached reserves nothing.
        self.node.backing(purse).await?;
        let (node, purse, payment) = (self.node.clone(), purse.clone(), payment.clone());
        // Whoever asked may go away in the middle of it.
        self.node
            .uninterrupted(async move { node.pay_backed(&purse, &payment).await })
            .await
    }

    async fn payment(&self, key: &str) -> Result<Option<PaymentState>> {
        let wanted = key.to_owned();
        let found = self
            .node
            .inner
            .db
            .write(move |tx| book::find(tx, &wanted))
            .await?;
        Ok(found.map(|payment| payment.payment_state()))
    }

    async fn make_invoice(&self, purse: &PurseName, invoice: &NewInvoice) -> Result<Transaction> {
        let wallet = self.node.backing(purse).await?;
        let wanted = MakeInvoice {
            amount_msat: invoice.amount_msat,
            description: invoice.description.clone(),
            description_hash: invoice.description_hash.map(hex::encode),
            expiry_s: invoice.expiry_s,
        };
        Ok(wallet.make_invoice(wanted).await?)
    }

    async fn transaction(
        &self,
        purse: &PurseName,
        payment_hash: &str,
    ) -> Result<Option<Transaction>> {
        let (name, hash) = (purse.clone(), payment_hash.to_owned());
        let ours = self
            .node
            .inner
            .db
            .write(move |tx| book::by_hash(tx, &name, &hash))
            .await?;
        Ok(ours.map(|payment| payment.transaction()))
    }

    async fn transactions(
        &self,
        purse: &PurseName,
        query: &ListTransactions,
    ) -> Result<Vec<Transaction>> {
        let name = purse.clone();
        let rows = self
            .node
            .inner
            .db
            .write(move |tx| book::list(tx, &name, LIST_MAX))
            .await?;
        let within = |t: &Transaction| {
            query.from_s.is_none_or(|from_s| t.created_s >= from_s)
                && query.until_s.is_none_or(|until_s| t.created_s <= until_s)
                && query.kind.is_none_or(|kind| t.kind == kind)
        };
        let found = rows.iter().map(BackedPayment::transaction).filter(within);
        let skipped = found.skip(query.offset.unwrap_or(0) as usize);
        Ok(skipped
            .take(query.limit.unwrap_or(LIST_MAX) as usize)
            .collect())
    }
}

impl Node {
    async fn pay_backed(&self, purse: &PurseName, payment: &Payment) -> Result<PaymentState> {
        let _guard = self.inner.payments.lock(&lock_key(&payment.key)).await;
        let (name, new) = (purse.clone(), payment.clone());
        let begin = move |tx: &rusqlite::Transaction<'_>| book::begin(tx, &name, &new, now_ms());
        match self.inner.db.write(begin).await? {
            Begun::Now => {}
            Begun::Before(known) => return Ok(known.payment_state()),
            Begun::Asked(approval) => {
                return Err(NodeError::ApprovalNeeded(Box::new((*approval).into())));
            }
        }
        let wallet = self.backing(purse).await?;
        let amount_msat = Some(payment.amount_msat);
        let end = match wallet
            .pay_invoice(&payment.invoice, amount_msat, PAY_TIME_MAX)
            .await
        {
            Ok(PayOutcome::Paid {
                preimage,
                fees_paid_msat,
            }) => End::Paid {
                preimage: Some(preimage),
                fee_msat: fees_paid_msat.unwrap_or(0),
            },
            Ok(PayOutcome::Failed(failure)) => End::Failed(failure.to_string()),
            Ok(PayOutcome::Unknown) => return Ok(PaymentState::Pending),
            // Nothing was sent.
            Err(error) => End::Failed(error.to_string()),
        };
        self.book_end(&payment.key, end).await
    }

    async fn book_end(&self, key: &str, end: End) -> Result<PaymentState> {
        let key = key.to_owned();
        let payment = self
            .inner
            .db
            .write(move |tx| book::settle(tx, &key, &end, now_ms()))
            .await?;
        Ok(payment.payment_state())
    }

    /// Looks up the payments whose end isn't known. One wallet's silence doesn't hold up the others.
    pub(in crate::nwc) async fn settle_backed(&self) -> Result<()> {
        let open = self.inner.db.write(|tx| book::open(tx)).await?;
        for payment in open {
            let Some(_guard) = self.inner.payments.try_lock(&lock_key(&payment.key)) else {
                continue;
            };
            match self.look_up_backed(&payment).await {
                Ok(Some(end)) => {
                    let state = self.book_end(&payment.key, end).await?;
                    tracing::info!(key = payment.key, ?state, "a payment's end is known now");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(
                        key = payment.key,
                        code = error.code(),
                        "a payment can't be looked up: {error}"
                    );
                }
            }
        }
        Ok(())
    }

    async fn look_up_backed(&self, payment: &BackedPayment) -> Result<Option<End>> {
        let wallet = self.backing(&payment.purse).await?;
        Ok(match wallet.look_up(&payment.payment_hash).await? {
            LookedUp::Paid {
                preimage,
                fees_paid_msat,
            } => Some(End::Paid {
                preimage,
                fee_msat: fees_paid_msat,
            }),
            LookedUp::Failed => Some(End::Failed("the other wallet says that it failed".into())),
            LookedUp::NotFound if is_long_past(payment.expires_s) => {
                Some(End::Failed("the other wallet has never heard of it".into()))
            }
            LookedUp::Pending | LookedUp::NotFound => None,
        })
    }
}

fn is_long_past(expires_s: u64) -> bool {
    let now_s = now_ms().max(0).unsigned_abs() / 1_000;
    now_s > expires_s.saturating_add(UNKNOWN_MAX_S)
}

/// Keeps a live payment and the background apart.
fn lock_key(key: &str) -> String {
    format!("nwc:{key}")
}
