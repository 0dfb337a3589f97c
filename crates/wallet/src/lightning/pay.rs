//! Paying, once.
//!
//! The order is: our record (durable), then the library. The library first changes its channels and
//! then writes its own record of the payment; a crash between the two would leave a payment that
//! its list of payments doesn't show. Ours shows it: it is pending until an event settles it, and
//! when the node is opened again, [`super::node`] looks for it in what the channels wrote. If they
//! know nothing of it, it was never sent.

use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::channelmanager::PaymentId as LdkPaymentId;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::lightning_types::payment::PaymentPreimage;
use ldk_node::payment::{
    PaymentDetails, PaymentDirection, PaymentKind as LdkKind, PaymentStatus as LdkStatus,
};
use ldk_node::{Node, NodeError};
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::events::Event;
use super::node::Inner;
use super::outgoing::{self, Begun, Intent, Outgoing};
use super::preimage_of;
use super::{Lightning, LightningError, Payable, PaymentId, PaymentKind, PaymentStatus, Preimage};

use crate::boxed;

/// What is to be paid.
#[derive(Debug, Clone)]
pub struct PayRequest {
    /// The invoice or offer.
    pub what: Payable,
    /// For an offer: the name of this payment, which the caller chooses (32 random bytes, or a hash
    /// of its own id) and has recorded. The same name is paid once. An invoice's name is its hash.
    pub offer_payment_id: Option<PaymentId>,
    /// How much, where that is up to the payer.
    pub amount_msat: Option<u64>,
    /// What the way may cost at most.
    pub fee_max_msat: u64,
}

/// Whose money it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// We received it.
    Incoming,
    /// We paid it.
    Outgoing,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its name.
    pub id: PaymentId,
    /// How it travels.
    pub kind: PaymentKind,
    /// Whose money it was.
    pub direction: Direction,
    /// What became of it.
    pub status: PaymentStatus,
    /// How much; not known for an invoice without an amount that isn't paid yet.
    pub amount_msat: Option<u64>,
    /// What the way may cost at most, if we pay it.
    pub fee_max_msat: u64,
}

enum What {
    Payable(Payable),
    Keysend(PublicKey, Preimage),
}

impl Lightning {
    /// Pays an invoice or an offer. Returns when it is on its way; what becomes of it is told by
    /// [`Self::payment`], [`Self::wait_payment`] and the events.
    ///
    /// Idempotent: what is pending or succeeded isn't paid again, also after a crash. What failed,
    /// or was never sent, is tried anew.
    ///
    /// # Errors
    /// Nothing was paid, unless [`LightningError::is_unknown`].
    #[boxed]
    pub async fn pay(&self, request: PayRequest) -> Result<PaymentId, LightningError> {
        let network = self.inner.config.network;
        let given_msat = request.amount_msat;
        let amount_msat = request.what.check(network, given_msat, now())?;
        let (id, kind) = match (request.what.payment_id(), request.offer_payment_id) {
            (Some(hash), None) => (hash, PaymentKind::Bolt11),
            (None, Some(chosen)) => (chosen, PaymentKind::Bolt12),
            (Some(_), Some(_)) => return Err(LightningError::Invalid("request: it has two ids")),
            (None, None) => return Err(LightningError::Invalid("request: it has no id")),
        };
        let intent = Intent {
            id,
            kind,
            digest: request.what.digest(),
            amount_msat,
            fee_max_msat: request.fee_max_msat,
        };
        let what = What::Payable(request.what);
        self.call_inner(move |inner| send(inner, intent, &what))
            .await
    }

    /// Pays to a node that didn't ask. The preimage is chosen by the caller, at random, and recorded:
    /// the same one is paid once.
    ///
    /// # Errors
    /// Nothing was paid, unless [`LightningError::is_unknown`].
    #[boxed]
    pub async fn keysend(
        &self,
        node_id: PublicKey,
        amount_msat: u64,
        fee_max_msat: u64,
        preimage: Preimage,
    ) -> Result<PaymentId, LightningError> {
        if amount_msat == 0 {
            return Err(LightningError::AmountMissing);
        }
        let intent = Intent {
            id: PaymentId(Sha256::digest(preimage.0).into()),
            kind: PaymentKind::Keysend,
            digest: Sha256::digest(node_id.serialize()).into(),
            amount_msat,
            fee_max_msat,
        };
        let what = What::Keysend(node_id, preimage);
        self.call_inner(move |inner| send(inner, intent, &what))
            .await
    }

    /// A payment, ours or to us, by its id.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, LightningError> {
        self.call_inner(move |inner| {
            let ours = inner.store.read(move |db| outgoing::get(db, id))?;
            if let Some(ours) = ours {
                return Ok(Some(ours.into()));
            }
            let theirs = inner.node.payment(&LdkPaymentId(id.0));
            Ok(theirs.and_then(incoming))
        })
        .await
    }

    /// The newest outgoing payments up to a number, and as many incoming ones.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn payments(&self, count_max: u32) -> Result<Vec<Payment>, LightningError> {
        self.call_inner(move |inner| {
            let ours = inner
                .store
                .read(move |db| outgoing::newest(db, count_max))?;
            let mut theirs = inner.node.list_payments_with_filter(|details| {
                details.direction == PaymentDirection::Inbound
            });
            theirs.sort_by_key(|details| std::cmp::Reverse(details.latest_update_timestamp));
            let theirs = theirs.into_iter().filter_map(incoming);
            let theirs = theirs.take(count_max as usize);
            Ok(ours.into_iter().map(Payment::from).chain(theirs).collect())
        })
        .await
    }

    /// Waits until a payment is settled, or until the time is over: then it is still pending.
    ///
    /// # Errors
    /// `PaymentUnknown`, `NotRunning` or `Storage`.
    #[boxed]
    pub async fn wait_payment(
        &self,
        id: PaymentId,
        timeout: Duration,
    ) -> Result<Payment, LightningError> {
        let mut events = self.events();
        let deadline = Instant::now() + timeout;
        loop {
            let payment = self.payment(id).await?;
            let payment = payment.ok_or(LightningError::PaymentUnknown)?;
            if payment.status.is_final() {
                return Ok(payment);
            }
            loop {
                match timeout_at(deadline, events.recv()).await {
                    Err(_) => return Ok(payment),
                    Ok(Err(RecvError::Closed)) => return Err(LightningError::NotRunning),
                    Ok(Err(RecvError::Lagged(_))) => break,
                    Ok(Ok(event)) if is_about(&event, id) => break,
                    Ok(Ok(_)) => {}
                }
            }
        }
    }
}

fn is_about(event: &Event, wanted: PaymentId) -> bool {
    match event {
        Event::PaymentSucceeded { id, .. }
        | Event::PaymentFailed { id, .. }
        | Event::PaymentReceived { id, .. } => *id == wanted,
        _ => false,
    }
}

/// Records a payment and hands it to the library. Blocks.
fn send(inner: &Inner, intent: Intent, what: &What) -> Result<PaymentId, LightningError> {
    let (id, amount_msat) = (intent.id, intent.amount_msat);
    let begun = {
        let intent = intent.clone();
        let work = move |db: &rusqlite::Connection| outgoing::begin(db, &intent);
        inner.store.write("outgoing/begin", work)?
    };
    match begun {
        Begun::New => {}
        Begun::Known => return Ok(id),
        Begun::Conflict => return Err(LightningError::IdempotencyConflict(id.to_string())),
    }
    match hand_over(inner, &intent, what) {
        Ok(_) => Ok(id),
        // It is durable in the channels, or not: only the library's own list wasn't written.
        Err(NodeError::PersistenceFailed) => Err(LightningError::Unknown(
            "the library couldn't write its own record".into(),
        )),
        Err(NodeError::DuplicatePayment) => known_to_library(inner, id),
        Err(error) => {
            // All other errors come before anything leaves the node.
            let error = refused(&inner.node, amount_msat, error);
            let status = PaymentStatus::Failed {
                reason: error.code().into(),
            };
            let work = move |db: &rusqlite::Connection| outgoing::settle(db, id, &status);
            inner.store.write("outgoing/refused", work)?;
            Err(error)
        }
    }
}

fn hand_over(inner: &Inner, intent: &Intent, what: &What) -> Result<LdkPaymentId, NodeError> {
    let limits = Some(RouteParametersConfig {
        max_total_routing_fee_msat: Some(intent.fee_max_msat),
        ..RouteParametersConfig::default()
    });
    let (node, amount_msat) = (&inner.node, intent.amount_msat);
    match what {
        What::Payable(Payable::Bolt11(invoice)) => {
            let bolt11 = node.bolt11_payment();
            match invoice.amount_milli_satoshis() {
                Some(_) => bolt11.send(invoice, limits),
                None => bolt11.send_using_amount(invoice, amount_msat, limits),
            }
        }
        What::Payable(Payable::Bolt12(offer)) => {
            let _one_at_a_time = inner.offers.lock().unwrap_or_else(PoisonError::into_inner);
            inner.kv.hand_over(intent.id, || {
                let bolt12 = node.bolt12_payment();
                match offer.amount() {
                    Some(_) => bolt12.send(offer, None, None, limits),
                    None => bolt12.send_using_amount(offer, amount_msat, None, None, limits),
                }
            })
        }
        What::Keysend(node_id, preimage) => node.spontaneous_payment().send_with_preimage(
            amount_msat,
            *node_id,
            PaymentPreimage(preimage.0),
            limits,
        ),
    }
}

/// The library has it although we thought otherwise: believe the library.
fn known_to_library(inner: &Inner, id: PaymentId) -> Result<PaymentId, LightningError> {
    let details = inner.node.payment(&LdkPaymentId(id.0));
    let status = details.map(|details| status_of(&details));
    if let Some(status @ PaymentStatus::Succeeded { .. }) = status {
        let work = move |db: &rusqlite::Connection| outgoing::settle(db, id, &status);
        inner.store.write("outgoing/known", work)?;
    }
    Ok(id)
}

fn refused(node: &Node, amount_msat: u64, error: NodeError) -> LightningError {
    let error = LightningError::from(error);
    if !matches!(error, LightningError::NoRoute) {
        return error;
    }
    let channels = node.list_channels();
    let usable = channels.iter().filter(|channel| channel.is_usable);
    let available_msat: u64 = usable.map(|channel| channel.outbound_capacity_msat).sum();
    if available_msat >= amount_msat {
        return LightningError::NoRoute;
    }
    LightningError::Insufficient {
        needed_sat: crate::msat_to_sat_ceil(amount_msat),
        available_sat: available_msat / 1_000,
    }
}

impl From<Outgoing> for Payment {
    fn from(record: Outgoing) -> Self {
        Self {
            id: record.id,
            kind: record.kind,
            direction: Direction::Outgoing,
            status: record.status,
            amount_msat: Some(record.amount_msat),
            fee_max_msat: record.fee_max_msat,
        }
    }
}

fn incoming(details: PaymentDetails) -> Option<Payment> {
    let kind = match &details.kind {
        LdkKind::Onchain { .. } => return None,
        LdkKind::Bolt11 { .. } | LdkKind::Bolt11Jit { .. } => PaymentKind::Bolt11,
        LdkKind::Bolt12Offer { .. } | LdkKind::Bolt12Refund { .. } => PaymentKind::Bolt12,
        LdkKind::Spontaneous { .. } => PaymentKind::Keysend,
    };
    let direction = match details.direction {
        PaymentDirection::Inbound => Direction::Incoming,
        PaymentDirection::Outbound => Direction::Outgoing,
    };
    Some(Payment {
        id: PaymentId(details.id.0),
        kind,
        direction,
        status: status_of(&details),
        amount_msat: details.amount_msat,
        fee_max_msat: 0,
    })
}

fn status_of(details: &PaymentDetails) -> PaymentStatus {
    match details.status {
        LdkStatus::Pending => PaymentStatus::Pending,
        LdkStatus::Failed => PaymentStatus::Failed {
            reason: "failed".into(),
        },
        LdkStatus::Succeeded => {
            let preimage = match &details.kind {
                LdkKind::Onchain { .. } => None,
                LdkKind::Bolt11 { preimage, .. }
                | LdkKind::Bolt11Jit { preimage, .. }
                | LdkKind::Bolt12Offer { preimage, .. }
                | LdkKind::Bolt12Refund { preimage, .. }
                | LdkKind::Spontaneous { preimage, .. } => *preimage,
            };
            PaymentStatus::Succeeded {
                preimage: preimage.map(preimage_of),
                fee_msat: details.fee_paid_msat.unwrap_or(0),
            }
        }
    }
}

/// Invoices expire by the wall clock.
pub(super) fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}
