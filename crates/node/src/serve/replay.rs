//! A sale that came before: its answer again, or its work after a crash.

use tokio::sync::mpsc::{self, UnboundedSender};

use super::order::Order;
use super::sale::{Sale, no_summary};
use super::{AnswerEvent, Payer, Settled};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};
use crate::sell::SellError;

/// How long a call that was paid and cut off waits for a retry, before its money goes back.
pub(super) const RETRY_MAX_MS: i64 = 10 * 60 * 1_000;

impl Node {
    /// Sends a settled sale's answer again, with the same change and receipt.
    pub(super) fn replay(&self, sale: &Sale, events: &UnboundedSender<AnswerEvent>) -> Result<()> {
        let change = sale.change_token.clone();
        if let Some((code, message)) = sale.error.clone() {
            let error = Box::new(NodeError::FailedBefore { code, message });
            let settled = Box::new(Settled {
                change,
                ..Settled::default()
            });
            let _ = events.send(AnswerEvent::Failed(NodeError::Refunded { error, settled }));
            return Ok(());
        }
        let Some(answer) = sale.answer.clone() else {
            return Err(NodeError::NotFound {
                what: "stored answer for",
                id: sale.id.clone(),
            });
        };
        let _ = events.send(AnswerEvent::Text(answer));
        let settled = Settled {
            summary: Some(sale.summary.unwrap_or_else(no_summary)),
            price_sat: sale.price_sat,
            change,
            receipt: None,
        };
        let (node, id, events) = (self.clone(), sale.receipt_id.clone(), events.clone());
        self.inner.tasks.spawn(async move {
            let receipt = match id {
                Some(id) => node.receipt(&id).await.ok(),
                None => None,
            };
            let _ = events.send(AnswerEvent::End(Box::new(Settled { receipt, ..settled })));
        });
        Ok(())
    }

    /// Brings every open sale to its end, as far as mint and model allow: an answer that
    /// the buyer finds when it asks again, or its money back.
    pub(crate) async fn resume_sales(&self) -> Result<()> {
        for id in self.inner.db.write(|tx| Sale::open_ids(tx)).await? {
            // Whoever holds the lock is at it already.
            let Some(guard) = self.inner.sales.try_lock(&id) else {
                continue;
            };
            let lookup = id.clone();
            let Some(sale) = self
                .inner
                .db
                .write(move |tx| Sale::find(tx, &lookup))
                .await?
            else {
                continue;
            };
            if sale.is_settled() {
                continue;
            }
            let sale = match self.collect_sale(sale).await {
                Ok(sale) => sale,
                Err(error) => {
                    tracing::info!(code = error.code(), "a sale isn't settled: {error}");
                    continue;
                }
            };
            if sale.offer.is_some() {
                // A retry finds it paid. Whoever doesn't come back finds the money instead.
                if now_ms() - sale.created_ms > RETRY_MAX_MS {
                    self.refund_sale(&sale, SellError::Interrupted.into())
                        .await?;
                }
                continue;
            }
            let order = match self.order_again(&sale).await {
                Ok(order) => order,
                // No engine right now: the next round tries again.
                Err(error) if error.http_status() >= 500 => continue,
                // It can't be done any more (another model, say): the money goes back.
                Err(error) => {
                    self.refund_sale(&sale, error).await?;
                    continue;
                }
            };
            let (events, _nobody) = mpsc::unbounded_channel();
            let payer = Payer::Ecash {
                sale: Box::new(sale),
                _guard: guard,
            };
            self.work(order, payer, events).await;
        }
        Ok(())
    }

    /// The order as it was when it was paid for; what its price was then, it stays.
    async fn order_again(&self, sale: &Sale) -> Result<Order> {
        let mut order = self.price(sale.body.clone()).await?;
        order.restore_terms(sale);
        Ok(order)
    }

    /// Forgets what was asked and answered more than a day ago; the receipts stay.
    pub(crate) async fn forget_old_answers(&self) -> Result<()> {
        let before_ms = now_ms() - wallet::purse::DAY_MS;
        self.inner
            .db
            .write(move |tx| Sale::forget(tx, before_ms))
            .await
    }
}
