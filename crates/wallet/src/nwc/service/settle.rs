//! The background: payments whose end isn't known are asked about, and what is past is forgotten.

use std::sync::Arc;

use nostr_sdk::{EventId, PublicKey};

use super::Inner;
use super::intake::ReplyTo;
use super::pay::{Ended, InFlight, ended_payment};
use crate::nwc::error::NwcError;
use crate::nwc::limits::{REQUEST_AGE_MAX_S, REQUEST_AHEAD_MAX_S, SETTLE_PAUSE};
use crate::nwc::message::{ErrorCode, Failure};
use crate::nwc::request_log::LoggedRequest;

impl Inner {
    pub(super) async fn keep_settling(self: Arc<Self>) {
        // Without connections there would be nobody to answer to.
        self.is_ready.notified().await;
        loop {
            if let Err(error) = self.settle().await {
                tracing::error!(code = error.code(), "requests can't be settled: {error}");
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
    }

    async fn settle(self: &Arc<Self>) -> Result<(), NwcError> {
        for logged in self.log.open().await? {
            // One that a task is at work on is that task's.
            if let Some(_in_flight) = InFlight::enter(self, &logged.id) {
                self.settle_one(&logged).await;
            }
        }
        // Older ones are refused for their age anyway, whatever the log knows of them. Twice the time,
        // so that a clock that jumps a little loses nothing.
        let keep_s = 2 * (REQUEST_AGE_MAX_S + REQUEST_AHEAD_MAX_S);
        self.log.prune(self.now_s().saturating_sub(keep_s)).await
    }

    async fn settle_one(self: &Arc<Self>, logged: &LoggedRequest) {
        let ended = if logged.method.pays() {
            match self.backend.payment(&logged.id).await {
                Ok(state) => ended_payment(logged.method)(state),
                Err(failure) => {
                    tracing::warn!(%failure, "it isn't known yet how a payment ended");
                    None
                }
            }
        } else {
            let message = "the wallet was interrupted; ask again";
            let failure = Failure::new(ErrorCode::Internal, message);
            Some(Ended::refused(logged.method, failure))
        };
        if let Some(ended) = ended {
            let reply = self.way_back(logged);
            self.conclude(reply, logged, ended).await;
        }
    }

    /// Where the answer goes; nowhere if the connection is gone.
    fn way_back(&self, logged: &LoggedRequest) -> Option<ReplyTo> {
        let client = PublicKey::from_hex(&logged.client).ok()?;
        let event = EventId::from_hex(&logged.id).ok()?;
        let connection = self.connections().get(&client).cloned()?;
        Some(ReplyTo {
            connection,
            event,
            encryption: logged.encryption,
        })
    }
}
