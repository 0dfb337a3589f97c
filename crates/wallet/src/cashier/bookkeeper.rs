//! What happens on Lightning, written into the books before the library forgets it.

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{books, now_ms};
use crate::lightning::{Event, EventSink, PaymentId, PaymentStatus, SinkError};
use crate::{Db, WalletError};

/// Books each event before the library forgets it.
pub(super) struct Bookkeeper {
    pub(super) db: Db,
    pub(super) received: broadcast::Sender<[u8; 32]>,
    pub(super) settled: broadcast::Sender<PaymentId>,
}

/// Books how a payment stands.
pub(super) fn book_status(
    tx: &rusqlite::Transaction<'_>,
    id: PaymentId,
    status: &PaymentStatus,
    now_ms: i64,
) -> Result<(), WalletError> {
    let id = id.to_string();
    match status {
        PaymentStatus::Succeeded { preimage, fee_msat } => {
            let preimage = preimage.map(|preimage| hex::encode(preimage.0));
            books::succeeded(tx, &id, *fee_msat, preimage.as_deref(), now_ms)
        }
        PaymentStatus::Failed { reason } => books::failed(tx, &id, reason, now_ms),
        PaymentStatus::Unsent => books::failed(tx, &id, "never_sent", now_ms),
        PaymentStatus::Pending => Ok(()),
    }
}

#[async_trait]
impl EventSink for Bookkeeper {
    async fn book(&self, event: &Event) -> Result<(), SinkError> {
        let now_ms = now_ms();
        match event.clone() {
            Event::PaymentReceived { id, amount_msat } => {
                let book = move |tx: &rusqlite::Transaction<'_>| {
                    books::received(tx, &id.to_string(), amount_msat, now_ms)
                };
                self.db.write(book).await?;
                let _ = self.received.send(id.0);
            }
            Event::PaymentSucceeded {
                id,
                preimage,
                fee_msat,
            } => {
                let status = PaymentStatus::Succeeded { preimage, fee_msat };
                self.settle(id, status, now_ms).await?;
            }
            Event::PaymentFailed { id, reason } => {
                self.settle(id, PaymentStatus::Failed { reason }, now_ms)
                    .await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Bookkeeper {
    async fn settle(
        &self,
        id: PaymentId,
        status: PaymentStatus,
        now_ms: i64,
    ) -> Result<(), WalletError> {
        self.db
            .write(move |tx| book_status(tx, id, &status, now_ms))
            .await?;
        let _ = self.settled.send(id);
        Ok(())
    }
}
