//! What happens on Lightning, told to a handler that makes it durable before the library forgets it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bitcoin::OutPoint;
use bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::events::PaymentFailureReason;
use ldk_node::{Event as LdkEvent, Node};
use tokio::sync::{broadcast, watch};

use super::channels::ChannelId;
use super::outgoing::{self, PaymentId, PaymentStatus, Preimage};
use super::store::Store;
use super::{LightningError, preimage_of};

/// A handler that fails is called again after so long, and then after twice as long.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Something that happened. The same event may come again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An outgoing payment arrived.
    PaymentSucceeded {
        /// The payment.
        id: PaymentId,
        /// The proof.
        preimage: Option<Preimage>,
        /// What the way cost.
        fee_msat: u64,
    },
    /// An outgoing payment failed for good.
    PaymentFailed {
        /// The payment.
        id: PaymentId,
        /// Why, in a word that programs can read.
        reason: String,
    },
    /// Money came in.
    PaymentReceived {
        /// The payment: its hash.
        id: PaymentId,
        /// How much.
        amount_msat: u64,
    },
    /// The payment of a hold invoice is here, and waits to be claimed or failed.
    PaymentClaimable {
        /// The payment: its hash.
        id: PaymentId,
        /// How much.
        amount_msat: u64,
        /// From this height on it is too late to claim it.
        deadline_height: Option<u32>,
    },
    /// We forwarded a payment.
    PaymentForwarded {
        /// What was forwarded.
        amount_msat: Option<u64>,
        /// What we earned.
        earned_msat: u64,
    },
    /// A channel waits for its transaction to be in a block.
    ChannelPending {
        /// The channel.
        id: ChannelId,
        /// The peer.
        node_id: PublicKey,
        /// The output that is the channel.
        funding: OutPoint,
    },
    /// A channel can be used.
    ChannelReady {
        /// The channel.
        id: ChannelId,
        /// The peer.
        node_id: Option<PublicKey>,
    },
    /// A channel was closed.
    ChannelClosed {
        /// The channel.
        id: ChannelId,
        /// The peer.
        node_id: Option<PublicKey>,
        /// Why.
        reason: String,
    },
}

/// Why a handler couldn't make an event durable.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Makes events durable.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Is told each event, one after the other, until it returns `Ok`: then the library forgets
    /// the event. Some come again after a restart, even those that were booked before it, so
    /// booking one twice must do no harm.
    ///
    /// # Errors
    /// If the event couldn't be made durable; it will be told again.
    async fn book(&self, event: &Event) -> Result<(), SinkError>;
}

/// Needs no events: for tests, and for programs that ask for payments instead.
#[async_trait]
impl EventSink for () {
    async fn book(&self, _event: &Event) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Passes events on, one after the other.
pub(super) struct Pump {
    pub(super) node: Arc<Node>,
    pub(super) store: Store,
    pub(super) sink: Arc<dyn EventSink>,
    pub(super) told: broadcast::Sender<Event>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Pump {
    pub(super) async fn run(mut self) {
        loop {
            let event = tokio::select! {
                event = self.node.next_event_async() => event,
                _ = self.stop.wait_for(|stop| *stop) => return,
            };
            tokio::select! {
                () = self.pass_on(event) => {}
                _ = Self::stopped(self.stop.clone()) => return,
            }
        }
    }

    /// Passes on what a crash left unacknowledged, before anything new is paid: told later, the end of an old attempt
    /// would be taken for that of a new one with the same id.
    ///
    /// # Errors
    /// `Storage` if it can't be booked.
    pub(super) async fn catch_up(&self) -> Result<(), LightningError> {
        while let Some(event) = self.node.next_event() {
            let booked = self.try_book(event).await;
            booked.map_err(|error| LightningError::Storage(error.to_string()))?;
            if !self.acknowledge().await {
                return Err(LightningError::Storage(
                    "an event can't be acknowledged".into(),
                ));
            }
        }
        Ok(())
    }

    async fn stopped(mut stop: watch::Receiver<bool>) {
        let _ = stop.wait_for(|stop| *stop).await;
    }

    async fn pass_on(&self, event: LdkEvent) {
        let mut pause = RETRY_PAUSE;
        let event = loop {
            match self.try_book(event.clone()).await {
                Ok(event) => break event,
                Err(error) => {
                    tracing::error!(target: "wallet::lightning", "an event waits: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
            }
        };
        self.acknowledge().await;
        if let Some(event) = event {
            // Nobody need listen.
            let _ = self.told.send(event);
        }
    }

    /// Lets the library forget the event. If that fails, it comes again, and is booked once more to no effect.
    async fn acknowledge(&self) -> bool {
        let node = Arc::clone(&self.node);
        let handled = tokio::task::spawn_blocking(move || node.event_handled()).await;
        let is_done = matches!(handled, Ok(Ok(())));
        if !is_done {
            tracing::warn!(target: "wallet::lightning", "an event couldn't be acknowledged");
        }
        is_done
    }

    async fn try_book(&self, event: LdkEvent) -> Result<Option<Event>, SinkError> {
        let store = self.store.clone();
        let event = tokio::task::spawn_blocking(move || translate(&store, event)).await??;
        if let Some(event) = &event {
            self.sink.book(event).await?;
        }
        Ok(event)
    }
}

/// Our event for the library's, after our own record of the payment is settled.
fn translate(store: &Store, event: LdkEvent) -> Result<Option<Event>, LightningError> {
    Ok(Some(match event {
        LdkEvent::PaymentSuccessful {
            payment_id,
            payment_hash,
            payment_preimage,
            fee_paid_msat,
        } => {
            let ldk_id = PaymentId(payment_id.map_or(payment_hash.0, |id| id.0));
            let preimage = payment_preimage.map(preimage_of);
            let fee_msat = fee_paid_msat.unwrap_or(0);
            let status = PaymentStatus::Succeeded { preimage, fee_msat };
            let id = settle(store, ldk_id, status)?;
            Event::PaymentSucceeded {
                id,
                preimage,
                fee_msat,
            }
        }
        LdkEvent::PaymentFailed {
            payment_id, reason, ..
        } => {
            let Some(ldk_id) = payment_id else {
                return Ok(None);
            };
            let reason = failure(reason).to_owned();
            let status = PaymentStatus::Failed {
                reason: reason.clone(),
            };
            let id = settle(store, PaymentId(ldk_id.0), status)?;
            Event::PaymentFailed { id, reason }
        }
        LdkEvent::PaymentReceived {
            payment_hash,
            amount_msat,
            ..
        } => Event::PaymentReceived {
            id: PaymentId(payment_hash.0),
            amount_msat,
        },
        LdkEvent::PaymentClaimable {
            payment_hash,
            claimable_amount_msat,
            claim_deadline,
            ..
        } => Event::PaymentClaimable {
            id: PaymentId(payment_hash.0),
            amount_msat: claimable_amount_msat,
            deadline_height: claim_deadline,
        },
        other => return Ok(of_channels(other)),
    }))
}

fn of_channels(event: LdkEvent) -> Option<Event> {
    Some(match event {
        LdkEvent::PaymentForwarded {
            total_fee_earned_msat,
            outbound_amount_forwarded_msat,
            ..
        } => Event::PaymentForwarded {
            amount_msat: outbound_amount_forwarded_msat,
            earned_msat: total_fee_earned_msat.unwrap_or(0),
        },
        LdkEvent::ChannelPending {
            user_channel_id,
            counterparty_node_id,
            funding_txo,
            ..
        } => Event::ChannelPending {
            id: ChannelId(user_channel_id.0),
            node_id: counterparty_node_id,
            funding: funding_txo,
        },
        LdkEvent::ChannelReady {
            user_channel_id,
            counterparty_node_id,
            ..
        } => Event::ChannelReady {
            id: ChannelId(user_channel_id.0),
            node_id: counterparty_node_id,
        },
        LdkEvent::ChannelClosed {
            user_channel_id,
            counterparty_node_id,
            reason,
            ..
        } => Event::ChannelClosed {
            id: ChannelId(user_channel_id.0),
            node_id: counterparty_node_id,
            reason: reason.map_or_else(|| "unknown".into(), |reason| reason.to_string()),
        },
        _ => return None,
    })
}

fn settle(
    store: &Store,
    ldk_id: PaymentId,
    status: PaymentStatus,
) -> Result<PaymentId, LightningError> {
    store.write("outgoing/settle", move |db| {
        outgoing::settle_by_ldk_id(db, ldk_id, &status)
    })
}

fn failure(reason: Option<PaymentFailureReason>) -> &'static str {
    use PaymentFailureReason as Reason;
    match reason {
        Some(Reason::RecipientRejected) => "recipient_rejected",
        Some(Reason::UserAbandoned) => "abandoned",
        Some(Reason::RetriesExhausted) => "retries_exhausted",
        Some(Reason::PaymentExpired) => "payment_expired",
        Some(Reason::RouteNotFound) => "route_not_found",
        Some(Reason::UnknownRequiredFeatures) => "unknown_features",
        Some(Reason::InvoiceRequestExpired) => "invoice_request_expired",
        Some(Reason::InvoiceRequestRejected) => "invoice_request_rejected",
        Some(Reason::BlindedPathCreationFailed) => "blinded_path_failed",
        Some(Reason::UnexpectedError) | None => "unexpected_error",
    }
}
