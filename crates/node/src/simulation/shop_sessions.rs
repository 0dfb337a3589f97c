//! A seller's sessions: as in `sell/sessions/`, over the very same state, rows and bookings.

mod shop_money;
mod shop_rounds;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use http402::mpp::session::{
    Action, ActionKind, Deposit, Effect, RefundTo, Reply, Session, SessionOffer, Step,
};
use http402::mpp::{ChallengeKeys, Credential, PaymentHash};
use rusqlite::Transaction;
use tokio::sync::Notify;
use wallet::cashier::books::{self, Holder};
use wallet::sat_to_msat;

use super::act::{Acted, acted, add_deposit, consume, end, paid_in, return_hash};
use super::{Live, Sessions, store};
use crate::error::{NodeError, Result};
use crate::node::{now_ms, now_s};
use crate::sell::SellError;
use crate::sell::door::is_booked;
use crate::simulation::faults::Mutation;
use crate::simulation::ground::Ground;
use crate::simulation::mint::MINT;
use crate::simulation::world::SECOND_MS;

const REGTEST: bitcoin::Network = bitcoin::Network::Regtest;

pub(crate) struct Shop {
    pub ground: Ground,
    pub keys: ChallengeKeys,
    pub realm: String,
    sessions: RefCell<Rc<Sessions>>,
    /// Rings when a session has spent something, or begins.
    spent: Notify,
    begun: Notify,
}

impl Shop {
    pub fn new(ground: Ground) -> Self {
        let realm = ground.name.clone();
        Self {
            keys: ChallengeKeys::new(&[9; 32]).unwrap(),
            ground,
            realm,
            sessions: RefCell::default(),
            spent: Notify::new(),
            begun: Notify::new(),
        }
    }

    /// Reads the sessions that aren't over, as at a start.
    pub fn load(&self) {
        let rows = self.ground.look(store::unfinished).unwrap();
        let live: HashMap<_, _> = rows
            .into_iter()
            .map(|live| (live.id, Arc::new(live)))
            .collect();
        *self.sessions.borrow_mut() = Rc::new(Sessions {
            live: Mutex::new(live),
            ..Sessions::default()
        });
        self.begun.notify_one();
    }

    fn sessions(&self) -> Rc<Sessions> {
        Rc::clone(&self.sessions.borrow())
    }

    /// In an order that doesn't follow from addresses.
    fn all(&self) -> Vec<Arc<Live>> {
        let mut all = self.sessions().all();
        all.sort_by_key(|live| live.id.to_string());
        all
    }

    fn session(&self, id: PaymentHash) -> Result<Option<Arc<Live>>> {
        if let Some(live) = self.sessions().get(id) {
            return Ok(Some(live));
        }
        let found = self.ground.look(|db| store::find(db, id))?.map(Arc::new);
        if let Some(live) = found.as_ref().filter(|live| !live.is_over()) {
            self.sessions().insert(live);
        }
        Ok(found)
    }

    fn reader(&self, offer: &str) -> SessionOffer {
        SessionOffer {
            id: offer.to_owned(),
            realm: self.realm.clone(),
            unit_price_sat: 1,
            unit_type: Some("call".to_owned()),
            description: None,
            deposit_sat: 1,
            idle_timeout_s: 600,
            mints: vec![MINT.to_owned()],
        }
    }

    /// Does what a credential asks of a session of this offer.
    pub(in crate::sell) async fn act(&self, offer: &str, credential: &Credential) -> Result<Acted> {
        let mut action = self
            .reader(offer)
            .read(&self.keys, credential)
            .map_err(SellError::from)?;
        if let (ActionKind::Bearer, Some(live)) =
            (&action.kind, self.sessions().get(action.session))
        {
            live.must_be_of(offer)?;
            return Ok(live.bear(&action).map(Acted::Call)?);
        }
        if let Some((hash, amount_msat)) = paid_in(&action.kind)
            && self.is_paid(hash, Holder::Sessions, amount_msat)?
        {
            action = action.paid_in_time();
        }
        let sessions = self.sessions();
        let _alone = sessions.alone.lock(&action.session.to_string()).await;
        let found = self.session(action.session)?;
        if let Some(live) = &found {
            live.must_be_of(offer)?;
        }
        self.act_alone(offer, &action, found).await
    }

    async fn act_alone(
        &self,
        offer: &str,
        action: &Action,
        found: Option<Arc<Live>>,
    ) -> Result<Acted> {
        let missing = || SellError::from(http402::mpp::Error::SessionNotFound);
        match (&action.kind, found) {
            (ActionKind::Bearer, live) => Ok(Acted::Call(live.ok_or_else(missing)?.bear(action)?)),
            (
                ActionKind::Open {
                    deposit, refund_to, ..
                },
                None,
            ) => {
                let (live, step) = self.open(offer, action, deposit, refund_to).await?;
                self.finish(&live, step).await
            }
            (ActionKind::Open { .. }, Some(live)) => {
                let applied = live.lock().session.apply(action, None, now_s());
                self.finish(&live, applied.map_err(SellError::from)?).await
            }
            (ActionKind::TopUp { deposit }, live) => {
                let live = live.ok_or_else(missing)?;
                let step = self.top_up(&live, action, deposit).await?;
                self.finish(&live, step).await
            }
            (ActionKind::Close, live) => {
                let live = live.ok_or_else(missing)?;
                self.let_calls_end(&live).await?;
                self.settle_deposits(&live).await?;
                let step = self.end(&live, Some(action)).await?;
                self.finish(&live, step.ok_or_else(missing)?).await
            }
        }
    }

    async fn open(
        &self,
        offer: &str,
        action: &Action,
        deposit: &Deposit,
        refund_to: &RefundTo,
    ) -> Result<(Arc<Live>, Step)> {
        let return_hash = match refund_to {
            RefundTo::Invoice(invoice) => Some(return_hash(invoice, REGTEST)?),
            RefundTo::Token => None,
        };
        self.check_deposit(deposit).await?;
        let (session, step) = Session::open(action, now_s()).map_err(SellError::from)?;
        let live = Arc::new(Live::new(offer, session.clone(), 0));
        let forgets = self.ground.world.is_mutated(Mutation::ForgetsUses);
        let write = self.ground.commit("a session is opened", |tx| {
            if !forgets {
                consume(tx, &deposit.id(), &session)?;
            }
            store::insert(tx, offer, &session, return_hash.as_deref(), now_ms())
        });
        write.await?;
        self.sessions().insert(&live);
        self.begun.notify_one();
        Ok((live, step))
    }

    async fn top_up(&self, live: &Arc<Live>, action: &Action, deposit: &Deposit) -> Result<Step> {
        let mut copy = live.lock().session.clone();
        let step = copy.apply(action, None, now_s()).map_err(SellError::from)?;
        if step.effects.is_empty() {
            return Ok(step);
        }
        self.check_deposit(deposit).await?;
        let add = |session: &mut Session, _: u64, tx: &Transaction<'_>| {
            add_deposit(tx, session, action, &deposit.id())
        };
        self.change(live, "a session is topped up", add).await
    }

    async fn end(&self, live: &Arc<Live>, action: Option<&Action>) -> Result<Option<Step>> {
        let end = |session: &mut Session, held_sat: u64, _: &Transaction<'_>| {
            end(session, held_sat, action).map_err(NodeError::from)
        };
        self.change(live, "a session is closed", end).await
    }

    async fn change<T>(
        &self,
        live: &Arc<Live>,
        what: &str,
        change: impl FnOnce(&mut Session, u64, &Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let written = self.ground.commit(what, |tx| live.change(tx, change)).await;
        let is_lost = matches!(&written, Err(NodeError::Wallet(_)));
        if live.is_over() || is_lost {
            self.sessions().forget(live.id);
        }
        written
    }

    async fn let_calls_end(&self, live: &Live) -> Result<()> {
        for _ in 0..40 {
            if live.lock().held_sat == 0 {
                return Ok(());
            }
            self.ground.sleep(SECOND_MS / 4).await;
        }
        Err(SellError::SessionBusy.into())
    }

    async fn settle_deposits(&self, live: &Arc<Live>) -> Result<()> {
        let unfinished = live.lock().session.unfinished();
        for effect in unfinished {
            if let Effect::Redeem { deposit, token } = effect {
                self.redeem_deposit(live, &deposit, &token, true).await?;
            }
        }
        Ok(())
    }

    async fn finish(&self, live: &Arc<Live>, step: Step) -> Result<Acted> {
        let mut reply = step.reply;
        let is_again = step.effects.is_empty();
        let unfinished = match reply {
            Reply::Wait => live.lock().session.unfinished(),
            _ => step.effects,
        };
        for effect in unfinished {
            reply = match effect {
                Effect::Redeem { deposit, token } => {
                    self.redeem_deposit(live, &deposit, &token, is_again)
                        .await?
                }
                Effect::Refund { amount_sat, to } => self.refund(live, amount_sat, &to).await?,
                Effect::Consume(_) | Effect::Persist => reply,
            };
        }
        Ok(acted(live, reply)?)
    }

    async fn check_deposit(&self, deposit: &Deposit) -> Result<()> {
        match deposit {
            Deposit::Lightning {
                payment_hash,
                amount_sat,
            } => {
                self.wait_until_booked(*payment_hash, Holder::Sessions, sat_to_msat(*amount_sat))
                    .await
            }
            Deposit::Ecash(_) => Ok(()),
        }
    }

    /// Whether so much was paid to an invoice, by the books.
    pub fn is_paid(&self, hash: PaymentHash, holder: Holder, amount_msat: u64) -> Result<bool> {
        let invoice = self
            .ground
            .look(|db| Ok(books::invoice(db, &hash.to_string())?))?;
        Ok(is_booked(invoice.as_ref(), holder, amount_msat))
    }

    /// Waits until a payment that was proven is in the books.
    pub async fn wait_until_booked(
        &self,
        hash: PaymentHash,
        holder: Holder,
        amount_msat: u64,
    ) -> Result<()> {
        for _ in 0..20 {
            if self.is_paid(hash, holder, amount_msat)? {
                return Ok(());
            }
            self.ground.sleep(SECOND_MS / 4).await;
        }
        Err(SellError::PaymentNotBooked.into())
    }
}
