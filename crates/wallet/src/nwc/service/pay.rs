//! What must not happen twice: recorded first, then done, then recorded again, then answered.

use std::sync::Arc;

use nostr_sdk::Event;
use serde_json::json;

use super::intake::ReplyTo;
use super::{Inner, lock};
use crate::nwc::backend::{Payment, PaymentState};
use crate::nwc::connection::Connection;
use crate::nwc::invoice::InvoiceFacts;
use crate::nwc::message::{Call, ErrorCode, Failure, PayInvoice, PayKeysend, Response};
use crate::nwc::method::Method;
use crate::nwc::request_log::{Begun, LoggedRequest};
use crate::nwc::transaction::NotificationKind;

/// A call, checked as far as that goes without the backend.
enum Deed {
    Pay(Payment),
    Keysend(PayKeysend),
    Other(Call),
}

/// How a deed ended.
pub(super) struct Ended {
    pub response: Response,
    pub is_paid: bool,
}

/// A task of this process is at work on a request, as long as this lives.
pub(super) struct InFlight<'a> {
    inner: &'a Inner,
    id: String,
}

impl<'a> InFlight<'a> {
    /// None if another task has it.
    pub fn enter(inner: &'a Inner, id: &str) -> Option<Self> {
        lock(&inner.in_flight).insert(id.to_owned()).then(|| Self {
            inner,
            id: id.to_owned(),
        })
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        lock(&self.inner.in_flight).remove(&self.id);
    }
}

impl Inner {
    /// Does what a request asks for, unless it was done before: then the answer is the same again. A
    /// refusal is recorded too, and stands: a relay may deliver the request once more when the reason is
    /// gone, and the client, told that it failed, may have paid in another way by then.
    pub(super) async fn do_once(
        self: &Arc<Self>,
        event: &Event,
        reply: &ReplyTo,
        method: Method,
        wanted: Result<Call, Failure>,
    ) {
        let id = event.id.to_hex();
        // Whoever has it answers; a repetition gets that answer too, since it is the same event.
        let Some(_in_flight) = InFlight::enter(self, &id) else {
            return;
        };
        let deed = wanted.and_then(|call| self.prepare(&id, call));
        let mut logged = LoggedRequest {
            id,
            client: event.pubkey.to_hex(),
            method,
            encryption: reply.encryption,
            payment_hash: deed.as_ref().ok().and_then(Deed::payment_hash),
            created_s: event.created_at.as_secs(),
        };
        match self.log.begin(logged.clone()).await {
            Ok(Begun::New) => self.act(reply, &logged, deed).await,
            Ok(Begun::BeingPaid) => {
                let message = "this invoice is being paid already, or was";
                let refused = Err(Failure::new(ErrorCode::Other, message));
                logged.payment_hash = None;
                if let Ok(Begun::New) = self.log.begin(logged.clone()).await {
                    self.act(reply, &logged, refused).await;
                }
            }
            Ok(Begun::Done(response) | Begun::PaidAlready(response)) => {
                self.reply(reply, &response).await;
            }
            // The background is asking how it ended, and answers then.
            Ok(Begun::Open | Begun::Forgotten) => {}
            // Nothing was done, but what can't be recorded can't be said for good either.
            Err(error) => {
                tracing::error!(code = error.code(), "a request can't be recorded: {error}");
            }
        }
    }

    fn prepare(&self, id: &str, call: Call) -> Result<Deed, Failure> {
        match call {
            Call::PayInvoice(pay) => self.payment(id, pay).map(Deed::Pay),
            Call::PayKeysend(keysend) => Ok(Deed::Keysend(keysend)),
            other => Ok(Deed::Other(other)),
        }
    }

    fn payment(&self, id: &str, pay: PayInvoice) -> Result<Payment, Failure> {
        let invalid =
            |error: crate::nwc::NwcError| Failure::new(ErrorCode::Other, error.to_string());
        let invoice = pay
            .invoice
            .trim()
            .trim_start_matches("lightning:")
            .to_owned();
        let facts = InvoiceFacts::read(&invoice).map_err(invalid)?;
        let amount_msat = facts.amount_to_pay_msat(pay.amount_msat).map_err(invalid)?;
        if facts.expires_s <= self.now_s() {
            let message = "the invoice has expired";
            return Err(Failure::new(ErrorCode::PaymentFailed, message));
        }
        Ok(Payment {
            key: id.to_owned(),
            invoice,
            payment_hash: facts.payment_hash,
            amount_msat,
            expires_s: facts.expires_s,
        })
    }

    async fn act(
        self: &Arc<Self>,
        reply: &ReplyTo,
        logged: &LoggedRequest,
        deed: Result<Deed, Failure>,
    ) {
        let connection = &reply.connection;
        let ended = match deed {
            Err(failure) => Err(failure),
            Ok(Deed::Pay(payment)) => self
                .backend
                .pay(connection, &payment)
                .await
                .map(ended_payment(logged.method)),
            Ok(Deed::Keysend(keysend)) => {
                let state = self
                    .backend
                    .pay_keysend(connection, &logged.id, &keysend)
                    .await;
                state.map(ended_payment(logged.method))
            }
            Ok(Deed::Other(call)) => self.answer(connection, call).await.map(|result| {
                Some(Ended {
                    response: Response::done(logged.method, result),
                    is_paid: false,
                })
            }),
        };
        let ended = ended.unwrap_or_else(|failure| Some(Ended::refused(logged.method, failure)));
        // None: its end isn't known yet, and the background will ask.
        if let Some(ended) = ended {
            self.conclude(Some(reply.clone()), logged, ended).await;
        }
    }

    /// Records how a request ended, and only then answers it. The answer goes out in the background, so
    /// that a relay that takes its time holds up nobody else.
    pub(super) async fn conclude(
        self: &Arc<Self>,
        reply: Option<ReplyTo>,
        logged: &LoggedRequest,
        ended: Ended,
    ) {
        let is_paid = ended.is_paid;
        let json = ended.response.write();
        match self.log.finish(&logged.id, &json, is_paid).await {
            Ok(true) => {}
            // Another task was faster, and has answered.
            Ok(false) => return,
            Err(error) => {
                // It stays open, and the background tries again.
                tracing::error!(
                    code = error.code(),
                    "the end of a request can't be recorded: {error}"
                );
                return;
            }
        }
        let Some(reply) = reply else { return };
        let paid_hash = logged.payment_hash.clone().filter(|_| is_paid);
        let inner = Arc::clone(self);
        self.spawn(async move {
            inner.reply(&reply, &json).await;
            if let Some(payment_hash) = paid_hash {
                inner.tell_sent(&reply.connection, &payment_hash).await;
            }
        });
    }

    async fn tell_sent(&self, connection: &Connection, payment_hash: &str) {
        if let Ok(Some(transaction)) = self.backend.lookup(connection, payment_hash).await {
            let kind = NotificationKind::PaymentSent;
            self.notify(&connection.wallet, kind, &transaction).await;
        }
    }
}

impl Deed {
    fn payment_hash(&self) -> Option<String> {
        match self {
            Self::Pay(payment) => Some(payment.payment_hash.clone()),
            Self::Keysend(_) | Self::Other(_) => None,
        }
    }
}

impl Ended {
    pub fn refused(method: Method, failure: Failure) -> Self {
        Self {
            response: Response::refused(method.as_str(), failure),
            is_paid: false,
        }
    }
}

/// What a payment's state means for its request; none if that isn't known yet.
pub(super) fn ended_payment(method: Method) -> impl FnOnce(PaymentState) -> Option<Ended> {
    move |state| match state {
        PaymentState::Paid {
            preimage,
            fees_paid_msat,
        } => Some(Ended {
            response: Response::done(
                method,
                json!({ "preimage": preimage, "fees_paid": fees_paid_msat }),
            ),
            is_paid: true,
        }),
        PaymentState::Failed(failure) => Some(Ended::refused(method, failure)),
        PaymentState::NeverBegan => {
            let message = "the wallet was interrupted before it began to pay; nothing was paid";
            let failure = Failure::new(ErrorCode::PaymentFailed, message);
            Some(Ended::refused(method, failure))
        }
        PaymentState::Pending => None,
    }
}
