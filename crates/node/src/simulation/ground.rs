//! What a node stands on: its database, its wallet at the mint, and a computer that may die at every commit.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::pending;
use std::rc::Rc;

use rusqlite::{Connection, Transaction};
use uuid::Uuid;
use wallet::Db;
use wallet::cashier::books;
use wallet::ecash::EcashError;

use super::ecash::EcashWallet;
use super::faults::Death;
use super::rail::{self, Event, Outcome};
use super::world::{Machine, W};
use crate::error::{NodeError, Result};
use crate::locks::KeyedLocks;
use crate::node::now_ms;
use crate::purses::ApprovalView;

pub(crate) struct Ground {
    pub world: W,
    pub machine: Machine,
    /// Its name on the Lightning network, too.
    pub name: String,
    pub db: Db,
    pub ecash: EcashWallet,
    pub locks: KeyedLocks,
    /// The mint owes an answer.
    pub is_unsettled: Cell<bool>,
    /// Nothing is paid from its channels before.
    has_caught_up: Cell<bool>,
}

impl Ground {
    pub fn new(world: &W, name: &str) -> Self {
        let machine = world.add_computer(name);
        let db = Db::in_memory().unwrap();
        db.write_blocking(|tx| crate::node::create_tables(tx))
            .unwrap();
        Self {
            world: Rc::clone(world),
            machine,
            name: name.to_owned(),
            db,
            ecash: EcashWallet::new(world, machine, name),
            locks: KeyedLocks::default(),
            is_unsettled: Cell::new(true),
            has_caught_up: Cell::new(false),
        }
    }

    /// Writes, durably. The computer may die before or after it; then this never returns.
    pub async fn commit<T>(
        &self,
        what: &str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let death = self.world.death(what);
        if death == Some(Death::Before) {
            let undone: Result<T> = self.db.write_blocking(|tx| {
                work(tx)?;
                Err(NodeError::Config("rolled back".into()))
            });
            drop(undone);
            self.world.doom(self.machine, &format!("before {what}"));
            return pending().await;
        }
        let written = self.db.write_blocking(work);
        self.world.touch(self.machine);
        if death == Some(Death::After) {
            self.world.doom(self.machine, &format!("after {what}"));
            return pending().await;
        }
        written
    }

    /// Reads.
    pub fn look<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.db.write_blocking(|tx| work(tx))
    }

    pub fn note(&self, what: &str) {
        self.world.note(self.machine, what);
    }

    pub async fn sleep(&self, ms: i64) {
        self.world.sleep(ms).await;
    }

    pub fn note_ecash(&self, error: &EcashError) {
        if error.is_unknown() {
            self.is_unsettled.set(true);
        }
    }

    /// Takes back what was made and isn't among the recorded operations.
    pub async fn settle_ecash(&self, recorded: fn(&Connection) -> Result<Vec<Uuid>>) -> bool {
        let recorded = async || HashSet::from_iter(self.look(recorded).unwrap());
        self.ecash.recover(recorded).await
    }

    /// What the computer forgets when it dies.
    pub fn begin(&self) {
        self.is_unsettled.set(true);
        self.has_caught_up.set(false);
    }

    /// Writes down what its Lightning node tells it: first of all what a crash left unacknowledged, for told later, the
    /// end of an old attempt would be taken for that of a new one.
    pub async fn keep_booking(&self) {
        self.catch_up().await;
        self.settle_open().await;
        self.has_caught_up.set(true);
        let news = self.world.rail.borrow_mut().news(self.machine);
        while !self.world.is_violated() {
            news.notified().await;
            self.catch_up().await;
        }
    }

    async fn catch_up(&self) {
        loop {
            let event = self.world.rail.borrow().event(self.machine);
            let Some(event) = event else { return };
            if let Err(error) = self.book(&event).await {
                return self.world.violation(format!("{}: {error}", self.name));
            }
            self.world.rail.borrow_mut().acknowledge(self.machine);
        }
    }

    async fn book(&self, event: &Event) -> Result<()> {
        if self.world.fails("event late", 30) {
            self.sleep(self.world.between(1_000, 60_000)).await;
        }
        let written = self.commit("an event is booked", |tx| match event {
            Event::Received {
                payment_hash,
                amount_msat,
            } => Ok(books::received(tx, payment_hash, *amount_msat, now_ms())?),
            Event::Sent {
                payment_hash,
                outcome,
            } => book_sent(tx, payment_hash, outcome),
        });
        written.await
    }

    /// After a crash: what the Lightning node has no trace of, or of an earlier attempt only, was never sent.
    async fn settle_open(&self) {
        let open = self.look(|db| Ok(books::payments(db, true, u32::MAX)?));
        for payment in open.unwrap() {
            let outcome = self.world.rail.borrow().outcome(&self.name, &payment.id);
            let outcome = outcome.unwrap_or(Outcome::Failed);
            let book = |tx: &Transaction<'_>| book_sent(tx, &payment.id, &outcome);
            self.commit("an open payment is settled", book)
                .await
                .unwrap();
        }
    }

    /// Has its channels pay, as the cashier does: once an invoice.
    pub async fn pay(&self, new: &books::NewPayment<'_>) -> Result<books::BookedPayment> {
        while !self.has_caught_up.get() {
            self.sleep(1_000).await;
        }
        let begun = self
            .commit("a Lightning payment begins", |tx| {
                Ok(books::begin(tx, new)?)
            })
            .await?;
        if begun == books::Begun::Now {
            let machine = Some(self.machine);
            let sent = rail::send(
                &self.world,
                &self.name,
                machine,
                new.id,
                new.amount_msat,
                new.fee_max_msat,
            );
            if sent.is_err() {
                let fail = |tx: &Transaction<'_>| book_sent(tx, new.id, &Outcome::Failed);
                self.commit("a Lightning payment is given up", fail).await?;
            }
        }
        let mut booked = None;
        for _ in 0..60 {
            booked = self.look(|db| Ok(books::payment(db, new.id)?))?;
            if booked
                .as_ref()
                .is_none_or(|booked| booked.state != books::PaymentState::Pending)
            {
                break;
            }
            self.sleep(1_000).await;
        }
        booked.ok_or(NodeError::NoLightning)
    }
}

fn book_sent(tx: &Transaction<'_>, payment_hash: &str, outcome: &Outcome) -> Result<()> {
    let booked = match outcome {
        Outcome::Open => Ok(()),
        Outcome::Failed => books::failed(tx, payment_hash, "no_way", now_ms()),
        Outcome::Paid { preimage, fee_msat } => {
            let preimage = hex::encode(preimage);
            books::succeeded(tx, payment_hash, *fee_msat, Some(&preimage), now_ms())
        }
    };
    Ok(booked?)
}

/// What reserving led to; a question to the owner is an error to whoever wanted to pay.
pub(crate) fn or_ask(reserved: wallet::purse::Reserved) -> Result<()> {
    match reserved {
        wallet::purse::Reserved::Now => Ok(()),
        wallet::purse::Reserved::Asked(approval) => {
            let view: ApprovalView = (*approval).into();
            Err(NodeError::ApprovalNeeded(Box::new(view)))
        }
    }
}
