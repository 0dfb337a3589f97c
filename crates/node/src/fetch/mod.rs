//! The paying side: a request that meets a 402 is paid for from a purse, once.

mod answer;
mod carrier;
mod credentials;
mod drive;
mod haggle;
mod http;
mod invoice;
mod patience;
mod payment;
mod present;
mod protocol;
mod reserve;
mod restored;
mod rows;
#[cfg(test)]
#[path = "../simulation/buyer.rs"]
pub(crate) mod simulated;
#[cfg(test)]
mod simulator;
mod standing;
#[cfg(test)]
mod tests;
mod ways;

use std::time::Duration;

use http402::haggle::{Bid, Offer};
use serde::Serialize;
use uuid::Uuid;
use wallet::MSAT_PER_SAT;
use wallet::ledger::{self, Account};
use wallet::purse::{self, Agent};

use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms, now_s};

use carrier::{Carrier, send};
use credentials::Cached;
pub use haggle::Bidding;
pub(crate) use http::client as http_client;
use http::{Credential, HttpAnswer};
use invoice::Wallet;
pub(crate) use patience::Patience;
pub use payment::PaymentView;
use payment::{Payment, PaymentState};
pub use protocol::Protocol;
pub(crate) use reserve::ledger_id;
pub(crate) use restored::close_reserved;
pub(crate) use rows::{create_tables, payment_operations};
use ways::Means;

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
    /// Pay at most this much, fees included.
    pub max_sat: Option<u64>,
    /// Pay by one of these only; of equally cheap ones by the first. All will do if none is named.
    pub rails: Vec<Protocol>,
    /// How long to wait for one answer, ten minutes at most and by default.
    pub timeout_s: Option<u64>,
    /// How to bid for a lower price; not at all if nothing is said.
    pub bidding: Option<Bidding>,
}

impl FetchRequest {
    /// Whether it has a header of this name.
    fn has_header(&self, wanted: &str) -> bool {
        let names = self.headers.iter().map(|(name, _)| name);
        names
            .into_iter()
            .any(|name| name.eq_ignore_ascii_case(wanted))
    }
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

/// No caller is kept waiting for longer, whoever hangs.
const CALL_TIME_MAX: Duration = Duration::from_secs(660);
/// The longest idempotency key.
const ID_BYTES_MAX: usize = 128;

/// Held while a payment is driven. Ids are chosen by callers, and other locks have names of their own.
fn lock_key(id: &str) -> String {
    format!("fetch:{id}")
}

impl Node {
    /// Makes the request; if the answer is a 402 that we can and may pay, pays and makes
    /// it again. The intent is durable before any money moves, and a payment whose end
    /// isn't known is brought to its end in the background and after a crash: to one
    /// payment and one answer, or to the money back.
    ///
    /// # Errors
    /// `fetch_invalid`, `upstream_failed`: nothing was paid. A refusal by policy, limit or
    /// balance. `approval_needed`: ask again once the owner has approved it. `payment_pending`: it
    /// goes on in the background; ask again with the same id.
    #[boxed]
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
        let id = request
            .id
            .clone()
            .unwrap_or_else(|| Uuid::now_v7().to_string());
        let (node, name) = (self.clone(), id.clone());
        let fetched =
            self.uninterrupted(async move { node.fetch_once(name, spender, request).await });
        match tokio::time::timeout(CALL_TIME_MAX, fetched).await {
            Ok(fetched) => fetched,
            // A mint that hangs, say. It goes on without the caller.
            Err(_) => Err(NodeError::PaymentPending {
                id,
                reason: "it takes longer than a caller is kept waiting".into(),
            }),
        }
    }

    async fn fetch_once(
        &self,
        id: String,
        spender: Spender,
        request: FetchRequest,
    ) -> Result<Fetched> {
        let _guard = self.inner.payments.lock(&lock_key(&id)).await;
        if let Some(payment) = self.find_payment(&id).await? {
            payment.must_match(&spender, &request)?;
            return self.drive_again(payment, spender).await;
        }
        let (first, agreed) = match self.with_cached(&spender, &request).await? {
            Cached::Answered(answer) => return Ok(answer.into_fetched()),
            Cached::Refused(refusal) if refusal.status == 402 && request.bidding.is_none() => {
                (refusal, None)
            }
            Cached::Refused(_) | Cached::None => self.ask(&request).await?,
        };
        if first.status != 402 {
            return Ok(first.into_fetched());
        }
        let mut means = self.means(&spender, &request, agreed).await?;
        // In a call's `_meta` a credential takes the place of nothing.
        means.is_authorized &= first.carrier == Carrier::Headers;
        let rails = self.rails(&request);
        let way = ways::choose(&first.headers, &means, rails, request.max_sat)?;
        let mut payment = Payment::new(id, spender, request, way, now_ms());
        payment.carrier = first.carrier;
        let taken = agreed.map(|offer| haggle::header(&Bid::Take(offer)));
        payment.request.headers.extend(taken);
        let payment = match payment.protocol.is_lightning() {
            true => self.note_invoice(payment, &first.headers).await?,
            false => self.reserve_ecash(payment).await?,
        };
        self.drive(payment).await
    }

    /// What may be paid by: the request's wish, or the configuration's.
    fn rails<'a>(&'a self, request: &'a FetchRequest) -> &'a [Protocol] {
        match request.rails.is_empty() {
            true => &self.inner.config.fetch.rails,
            false => &request.rails,
        }
    }

    /// What can be paid with, as things stand.
    async fn means(
        &self,
        spender: &Spender,
        request: &FetchRequest,
        agreed: Option<Offer>,
    ) -> Result<Means> {
        let wallet = self.invoice_wallet(spender).await?;
        let pays_itself = match wallet {
            Some(Wallet::Channels) => true,
            Some(Wallet::Mint) => self.inner.mint.is_some(),
            Some(Wallet::Elsewhere(_)) | None => false,
        };
        let own_node = self.cashier().ok().filter(|_| pays_itself);
        let payer = spender.clone();
        let available = move |tx: &rusqlite::Transaction<'_>| -> Result<i64> {
            if let Spender::Purse(agent) = &payer {
                purse::find(tx, &agent.purse)?;
            }
            Ok(ledger::ensure_account(tx, &payer.account())?.available_msat())
        };
        let ecash_msat = self.inner.db.write(available).await?;
        Ok(Means {
            account: spender.account().to_string(),
            mint_url: self.inner.purses.mint_url(),
            ecash_fee_sat: self.inner.purses.fee_bound_sat().await?,
            ecash_sat: ecash_msat.max(0).unsigned_abs() / MSAT_PER_SAT,
            has_channels: matches!(wallet, Some(Wallet::Channels | Wallet::Elsewhere(_))),
            fee_min_sat: wallet.as_ref().map_or(0, Wallet::fee_min_sat),
            own_node: own_node.map(|own| own.lightning().node_id().to_string()),
            lightning: wallet.map(|_| self.inner.config.network.chain()),
            is_authorized: request.has_header("authorization"),
            body: request.body.clone().unwrap_or_default(),
            agreed,
            now_s: now_s(),
        })
    }

    /// The newest payments, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
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

    /// Drives every payment that isn't over a step further, if nobody else is at it; each in a task of its own, since
    /// a seller may take minutes to answer.
    pub(crate) async fn resume_payments(&self) -> Result<()> {
        let open = self.inner.db.write(|tx| Payment::open_ids(tx)).await?;
        self.inner.patience.keep_only(&open);
        for id in open {
            if !self
                .inner
                .patience
                .is_due(&id, self.inner.started.elapsed())
            {
                continue;
            }
            let Some(guard) = self.inner.payments.try_lock(&lock_key(&id)) else {
                continue;
            };
            let Some(payment) = self.find_payment(&id).await? else {
                continue;
            };
            let node = self.clone();
            self.inner.tasks.spawn(async move {
                if let Err(error) = node.drive(payment).await {
                    tracing::info!(code = error.code(), %id, "a payment isn't over: {error}");
                }
                drop(guard);
            });
        }
        let before_ms = now_ms() - purse::DAY_MS;
        self.inner
            .db
            .write(move |tx| Payment::forget(tx, before_ms))
            .await?;
        self.forget_credentials().await
    }
}
