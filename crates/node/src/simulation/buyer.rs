//! A buyer: the node's side of `fetch`, step by step as its own files have it, over the very same rows, reservations,
//! choices and rules. What a step decides is the node's own code; what it waits for is the world's.

mod buyer_ecash;
mod buyer_invoice;

use std::cell::RefCell;
use std::rc::Rc;

use bitcoin::Network;
use reqwest::Url;
use tokio::sync::{Notify, oneshot};
use wallet::MSAT_PER_SAT;
use wallet::ledger;
use wallet::purse;

use super::carrier::Carrier;
use super::credentials::{self, Bought, Scope};
use super::http::HttpAnswer;
use super::invoice::MINT_FEE_MIN_SAT;
use super::ways::{self, Means};
use super::{
    CALL_TIME_MAX, FetchRequest, Fetched, Patience, Payment, PaymentState, Protocol, Spender,
    lock_key, payment_operations,
};
use crate::error::{NodeError, Result};
use crate::lightning::simulated as purse_wallet;
use crate::node::{now_ms, now_s};
use crate::sealing::SealingKey;
use crate::simulation::budgets::Budgets;
use crate::simulation::ground::Ground;
use crate::simulation::mint::{FEE_MAX_SAT, MINT};
use crate::simulation::network::{self, Call};
use crate::simulation::world::{DAY_MS, MINUTE_MS, Program, SECOND_MS};

/// Between two rounds in the background, at first.
const ROUND_MS: i64 = 10 * SECOND_MS;

pub(crate) struct Buyer {
    pub ground: Ground,
    key: SealingKey,
    /// Rings when a payment begins.
    begun: Notify,
    pub budgets: RefCell<Budgets>,
    patience: Patience,
}

impl Buyer {
    pub fn new(ground: Ground) -> Rc<Self> {
        Rc::new(Self {
            ground,
            key: SealingKey::new(&[7; 32]),
            begun: Notify::new(),
            budgets: RefCell::default(),
            patience: Patience::default(),
        })
    }

    /// What whoever asks for this gets; none if the node is down, or dies meanwhile.
    pub async fn call(
        self: &Rc<Self>,
        spender: Spender,
        request: FetchRequest,
    ) -> Option<Result<Fetched>> {
        let (world, machine) = (&self.ground.world, self.ground.machine);
        if !world.is_up(machine) {
            return None;
        }
        let (tell, told) = oneshot::channel();
        let (buyer, id) = (Rc::clone(self), request.id.clone().unwrap_or_default());
        world.spawn(machine, async move {
            let _ = tell.send(buyer.fetch_once(id, spender, request).await);
        });
        let most_ms = CALL_TIME_MAX.as_millis() as i64;
        match world.timeout(most_ms, told).await {
            Some(told) => told.ok(),
            None => None,
        }
    }

    async fn fetch_once(
        self: &Rc<Self>,
        id: String,
        spender: Spender,
        request: FetchRequest,
    ) -> Result<Fetched> {
        let _guard = self.ground.locks.lock(&lock_key(&id)).await;
        if let Some(payment) = self.find(&id)? {
            payment.must_match(&spender, &request)?;
            return self.drive_again(payment, spender).await;
        }
        let first = match self.with_cached(&spender, &request).await? {
            Some(answer) => answer,
            None => self.send(&request, &[]).await?,
        };
        if first.status != 402 {
            return Ok(first.into_fetched());
        }
        let means = self.means(&spender)?;
        let way = ways::choose(&first.headers, &means, &request.rails, request.max_sat)?;
        let payment = Payment::new(id, spender, request, way, now_ms());
        let payment = match payment.protocol.is_lightning() {
            true => self.note_invoice(payment, &first.headers).await?,
            false => self.reserve_ecash(payment).await?,
        };
        self.begun.notify_one();
        self.drive(payment).await
    }

    fn find(&self, id: &str) -> Result<Option<Payment>> {
        self.ground.look(|db| Payment::find(db, id))
    }

    fn means(&self, spender: &Spender) -> Result<Means> {
        let has_channels = *spender == Spender::Owner;
        let ecash_msat = self.ground.look(|db| {
            if let Spender::Purse(agent) = spender {
                purse::find(db, &agent.purse)?;
            }
            Ok(ledger::ensure_account(db, &spender.account())?.available_msat())
        })?;
        Ok(Means {
            account: spender.account().to_string(),
            mint_url: MINT.to_owned(),
            ecash_fee_sat: FEE_MAX_SAT,
            ecash_sat: ecash_msat.max(0).unsigned_abs() / MSAT_PER_SAT,
            has_channels,
            fee_min_sat: if has_channels { 0 } else { MINT_FEE_MIN_SAT },
            own_node: None,
            lightning: Some(Network::Regtest),
            is_authorized: false,
            agreed: None,
            body: Vec::new(),
            now_s: now_s(),
        })
    }

    /// Sends what a payment was made for, with what proves it.
    async fn send_paid(&self, payment: &Payment, name: &str, value: &str) -> Result<HttpAnswer> {
        let paid = [(name, value), ("Idempotency-Key", &payment.id)];
        self.send(&payment.request, &paid).await
    }

    /// Sends the request, with headers that pay if it is to.
    async fn send(&self, request: &FetchRequest, paid: &[(&str, &str)]) -> Result<HttpAnswer> {
        let url = Url::parse(&request.url).map_err(|e| NodeError::BadFetch(e.to_string()))?;
        let mut call = Call::get(url.host_str().unwrap_or_default(), url.path(), Vec::new());
        call.method.clone_from(&request.method);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        call.headers.extend(paid.iter().map(owned));
        let timeout_ms = request.timeout_s.unwrap_or(600) as i64 * SECOND_MS;
        let answer = network::send(&self.ground.world, call, timeout_ms).await;
        let answer = answer.map_err(|reason| NodeError::Upstream {
            url: request.url.clone(),
            reason,
        })?;
        Ok(HttpAnswer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            carrier: Carrier::Headers,
        })
    }

    /// Makes the request with a credential from before, if there is one.
    async fn with_cached(
        &self,
        spender: &Spender,
        request: &FetchRequest,
    ) -> Result<Option<HttpAnswer>> {
        let is_wanted = request.rails.is_empty() || request.rails.contains(&Protocol::L402);
        let Some(scope) = Scope::of(spender, request).filter(|_| is_wanted) else {
            return Ok(None);
        };
        let Some((payment_id, sealed)) = self.ground.look(|db| scope.find(db, now_s()))? else {
            return Ok(None);
        };
        let opened = self.key.open(&credentials::place(&payment_id), &sealed);
        let text = opened
            .as_deref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let credential = text.map(|text| ("Authorization", text));
        let answer = self.send(request, credential.as_slice()).await?;
        if !matches!(answer.status, 401 | 402) {
            self.ground
                .world
                .count("answered by a macaroon from before");
            return Ok(Some(answer));
        }
        let forget = self.ground.commit("a credential is forgotten", |tx| {
            credentials::forget(tx, &payment_id)
        });
        forget.await?;
        Ok((answer.status == 402).then_some(answer))
    }

    async fn remember_credential(&self, payment: &Payment) -> Result<()> {
        let scope = Scope::of(&payment.spender, &payment.request);
        let bought = Bought::by(payment, &self.key)?;
        let (Some(scope), Some(bought)) = (scope, bought) else {
            return Ok(());
        };
        let keep = self.ground.commit("a credential is kept", |tx| {
            scope.keep(tx, &payment.id, &bought)
        });
        keep.await
    }

    /// A round has brought no answer from a seller that was paid. Whether that was the last.
    fn waits_no_longer(&self, payment: &Payment) -> bool {
        let age_ms = now_ms() - payment.created_ms;
        let uptime = self.ground.world.uptime();
        self.patience.is_over(&payment.id, age_ms, uptime)
    }

    async fn save(&self, what: &str, payment: &Payment) -> Result<()> {
        let save = self.ground.commit(what, |tx| payment.update(tx, now_ms()));
        save.await
    }

    // In the background.

    async fn keep_recovering(self: Rc<Self>) {
        let world = Rc::clone(&self.ground.world);
        let mut pause_ms = ROUND_MS;
        loop {
            if self.ground.is_unsettled.replace(false) {
                let is_settled = self.ground.settle_ecash(payment_operations).await;
                self.ground.is_unsettled.set(!is_settled);
            }
            let resumed = self.resume_payments().unwrap();
            purse_wallet::resume(&self.ground).await.unwrap();
            let is_quiet = resumed == 0 && !self.ground.is_unsettled.get();
            if is_quiet {
                self.forget().await;
            }
            let wait_ms = if is_quiet { DAY_MS } else { pause_ms };
            // What takes hours is asked for less often than the node does, so that years pass quickly.
            pause_ms = match world.timeout(wait_ms, self.begun.notified()).await {
                Some(()) => ROUND_MS,
                None => (pause_ms * 3 / 2).min(10 * MINUTE_MS),
            };
        }
    }

    /// Drives every payment that isn't over a step further, if nobody else is at it; how many aren't.
    fn resume_payments(self: &Rc<Self>) -> Result<usize> {
        let ids = self.ground.look(Payment::open_ids)?;
        self.patience.keep_only(&ids);
        for id in &ids {
            if !self.patience.is_due(id, self.ground.world.uptime()) {
                continue;
            }
            let Some(guard) = self.ground.locks.try_lock(&lock_key(id)) else {
                continue;
            };
            let Some(payment) = self.find(id)? else {
                continue;
            };
            let buyer = Rc::clone(self);
            self.ground.world.spawn(self.ground.machine, async move {
                let _ = buyer.drive(payment).await;
                drop(guard);
            });
        }
        Ok(ids.len())
    }

    async fn forget(&self) {
        let before_ms = now_ms() - purse::DAY_MS;
        let forget = |tx: &rusqlite::Transaction<'_>| Payment::forget(tx, before_ms);
        self.ground
            .commit("old answers are forgotten", forget)
            .await
            .unwrap();
    }

    /// How each payment ended: for those who check it from outside.
    pub fn ends(&self) -> Vec<End> {
        let sql = "SELECT id FROM payments ORDER BY id";
        let all = self.ground.look(|db| {
            let mut statement = db.prepare(sql)?;
            let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
            let ids: Vec<String> = ids.collect::<std::result::Result<_, _>>()?;
            let found = ids
                .iter()
                .filter_map(|id| Payment::find(db, id).transpose());
            found.collect::<Result<Vec<_>>>()
        });
        all.unwrap()
            .iter()
            .map(|payment| self.end(payment))
            .collect()
    }

    fn end(&self, payment: &Payment) -> End {
        let token = payment
            .operation
            .and_then(|operation| self.ground.ecash.token_id(operation));
        let hash = payment.bill.as_ref().map(|bill| bill.payment_hash.clone());
        let url = Url::parse(&payment.request.url).unwrap();
        End {
            id: payment.id.clone(),
            protocol: payment.protocol.as_str(),
            host: url.host_str().unwrap_or_default().to_owned(),
            is_over: payment.is_over(),
            is_voided: payment.state == PaymentState::Voided,
            status: payment.answer.as_ref().map(|answer| answer.status),
            spent_sat: payment.spent_sat.unwrap_or_default(),
            amount_sat: payment.amount_sat,
            payment: token.or(hash),
            why: payment.error.clone().unwrap_or_default(),
        }
    }
}

/// How a payment ended.
#[derive(Debug)]
pub(crate) struct End {
    pub id: String,
    pub protocol: &'static str,
    pub host: String,
    pub is_over: bool,
    pub is_voided: bool,
    pub status: Option<u16>,
    pub spent_sat: u64,
    pub amount_sat: u64,
    /// The token's id, or the payment hash.
    pub payment: Option<String>,
    pub why: String,
}

impl Program for Buyer {
    fn start(self: Rc<Self>) {
        let world = Rc::clone(&self.ground.world);
        self.ground.begin();
        self.patience.keep_only(&[]);
        let machine = self.ground.machine;
        let booking = Rc::clone(&self);
        world.spawn(machine, async move { booking.ground.keep_booking().await });
        world.spawn(machine, self.keep_recovering());
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.ground
            .check_books(&wallet::Account::PurseEcash, payment_operations)?;
        let mut budgets = self.budgets.borrow_mut();
        self.ground.look(|db| Ok(budgets.check(db))).unwrap()
    }

    fn check_at_rest(&self) -> std::result::Result<(), String> {
        self.ground
            .check_books_at_rest(&wallet::Account::PurseEcash, payment_operations)
    }
}
