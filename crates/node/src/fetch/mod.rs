//! The paying side: a request that meets a 402 is paid for from a purse, once.

mod answer;
mod drive;
mod http;
mod payment;
mod reserve;
mod restored;

use http402::xcashu::{self, ClientStep, Purchase};
use serde::Serialize;
use uuid::Uuid;
use wallet::ledger::Account;
use wallet::purse::{self, Agent};
use wallet::sat_to_msat;

use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

pub(crate) use http::client as http_client;
use http::{HttpAnswer, send};
pub use payment::PaymentView;
use payment::{Payment, PaymentState};
pub(crate) use payment::{SCHEMA, payment_operations};
pub(crate) use restored::close_reserved;

/// Who pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spender {
    /// The owner, from what is in no purse.
    Owner,
    /// An agent, within its purse's policy and as far as its token allows.
    Purse(Agent),
}

impl Spender {
    fn account(&self) -> Account {
        match self {
            Self::Owner => Account::Owner,
            Self::Purse(agent) => Account::Purse(agent.purse.clone()),
        }
    }
}

/// A request to be made, and paid for if need be.
#[derive(Clone, Debug, Default)]
pub struct FetchRequest {
    /// Idempotency key: the same id pays once, and gives the same answer for a day.
    pub id: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// An `http` or `https` URL.
    pub url: String,
    /// Headers to send.
    pub headers: Vec<(String, String)>,
    /// The body to send.
    pub body: Option<Vec<u8>>,
    /// Pay at most this much, the mint's fees included.
    pub max_sat: Option<u64>,
}

/// What came back.
#[derive(Clone, Debug, Serialize)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: Vec<(String, String)>,
    /// The answer's body.
    pub body: Vec<u8>,
    /// What was paid; none if nothing had to be.
    pub payment: Option<PaymentView>,
}

/// The longest idempotency key.
const ID_BYTES_MAX: usize = 128;

impl Node {
    /// Makes the request; if the answer is a 402 that we can and may pay, pays and makes
    /// it again. The intent is durable before any money moves, and a payment whose end
    /// isn't known is brought to its end in the background and after a crash: to one
    /// payment and one answer, or to the money back.
    ///
    /// # Errors
    /// `fetch_invalid`, `upstream_failed`: nothing was paid. A refusal by policy, limit or
    /// balance. `approval_needed`: ask again once the owner has approved it. `payment_pending`: it goes on in the background; ask again with the same id.
    pub async fn fetch(&self, spender: Spender, request: FetchRequest) -> Result<Fetched> {
        if request
            .id
            .as_ref()
            .is_some_and(|id| id.is_empty() || id.len() > ID_BYTES_MAX)
        {
            return Err(NodeError::BadFetch(format!(
                "an id has 1 to {ID_BYTES_MAX} bytes"
            )));
        }
        let node = self.clone();
        self.uninterrupted(async move { node.fetch_once(spender, request).await })
            .await
    }

    async fn fetch_once(&self, spender: Spender, request: FetchRequest) -> Result<Fetched> {
        let id = request
            .id
            .clone()
            .unwrap_or_else(|| Uuid::now_v7().to_string());
        let _guard = self.inner.payments.lock(&id).await;
        if let Some(payment) = self.find_payment(&id).await? {
            payment.must_match(&spender, &request)?;
            return self.drive(payment).await;
        }
        let first = send(&self.inner.http, &request, None).await?;
        let headers = || {
            first
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
        };
        let ClientStep::Pay(wanted) = xcashu::next_step(first.status, headers())? else {
            return Ok(first.into_fetched());
        };
        let max_sat = request.max_sat.unwrap_or(u64::MAX);
        let mint_url = self.inner.purses.mint_url();
        let purchase = xcashu::choose(&wanted, &[mint_url], "sat", max_sat)?;
        let payment = self
            .reserve_payment(id, spender, request, &purchase)
            .await?;
        self.drive(payment).await
    }

    /// Decides by policy, and reserves: from here on the payment exists, and counts.
    async fn reserve_payment(
        &self,
        id: String,
        spender: Spender,
        request: FetchRequest,
        purchase: &Purchase,
    ) -> Result<Payment> {
        let fee_sat = self.inner.purses.fee_bound_sat().await?;
        let reserved_sat = purchase.amount_sat.saturating_add(fee_sat);
        if let Some(max_sat) = request.max_sat.filter(|max_sat| reserved_sat > *max_sat) {
            let amount_sat = reserved_sat;
            return Err(http402::Error::PriceAboveLimit {
                amount_sat,
                max_sat,
            }
            .into());
        }
        let payment = Payment::new(id, spender, request, purchase.amount_sat, now_ms());
        let row = payment.clone();
        let intent = payment.intent(sat_to_msat(reserved_sat), &purchase.mint)?;
        self.reserve_or_ask(move |tx| row.reserve(tx, &intent))
            .await?;
        Ok(payment)
    }

    /// The newest payments, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn payments(&self, limit: u32) -> Result<Vec<PaymentView>> {
        self.inner
            .db
            .write(move |tx| Payment::list(tx, limit))
            .await
    }

    async fn find_payment(&self, id: &str) -> Result<Option<Payment>> {
        let id = id.to_owned();
        self.inner.db.write(move |tx| Payment::find(tx, &id)).await
    }

    /// Drives every payment that isn't over a step further, if nobody else is at it.
    pub(crate) async fn resume_payments(&self) -> Result<()> {
        for id in self.inner.db.write(|tx| Payment::open_ids(tx)).await? {
            let Some(_guard) = self.inner.payments.try_lock(&id) else {
                continue;
            };
            let Some(payment) = self.find_payment(&id).await? else {
                continue;
            };
            if let Err(error) = self.drive(payment).await {
                tracing::info!(code = error.code(), %id, "a payment isn't over: {error}");
            }
        }
        let before_ms = now_ms() - purse::DAY_MS;
        self.inner
            .db
            .write(move |tx| Payment::forget(tx, before_ms))
            .await
    }
}
