//! What calls cost, written behind them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http402::mpp::PaymentHash;
use http402::mpp::session::Session;
use rusqlite::Transaction;
use wallet::ledger::{self, Account, NewTransfer};
use wallet::sat_to_msat;

use super::live::State;
use super::{Live, SessionView, store};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// How often what was spent is written: a crash forgives no more.
const PAUSE: Duration = Duration::from_millis(100);
/// After so many writings, what was spent is booked as earned too. More often would fill the ledger.
const BOOK_EVERY: u32 = 600;

impl Node {
    /// Writes in the background what sessions spent.
    pub(crate) async fn keep_metering(&self) {
        for round in 1_u32.. {
            tokio::time::sleep(PAUSE).await;
            if let Err(error) = self.write_dirty(round.is_multiple_of(BOOK_EVERY)).await {
                tracing::error!(code = error.code(), "sessions: {error}");
            }
        }
    }

    /// Writes everything that sessions spent, before the node stops.
    pub(crate) async fn write_meters(&self) {
        if let Err(error) = self.write_dirty(true).await {
            tracing::error!(code = error.code(), "sessions: {error}");
        }
    }

    async fn write_dirty(&self, and_book: bool) -> Result<()> {
        let all = self.inner.selling.sessions.all();
        let dirty: Vec<_> = all
            .into_iter()
            .filter(|live| live.is_unwritten(and_book))
            .collect();
        if dirty.is_empty() {
            return Ok(());
        }
        let again = dirty.clone();
        let write = move |tx: &Transaction<'_>| -> Result<()> {
            dirty.iter().try_for_each(|live| live.write(tx, and_book))
        };
        let written = self.inner.db.write(write).await;
        if written.is_err() {
            // What was rolled back is read again from the disk, so that it isn't taken for booked.
            for live in again {
                self.inner.selling.sessions.forget(live.id);
                self.session(live.id).await?;
            }
        }
        written
    }

    /// A session, from memory if it isn't over.
    pub(super) async fn session(&self, id: PaymentHash) -> Result<Option<Arc<Live>>> {
        let sessions = &self.inner.selling.sessions;
        if let Some(live) = sessions.get(id) {
            return Ok(Some(live));
        }
        let found = self.inner.db.write(move |tx| store::find(tx, id)).await?;
        let live = found.map(Arc::new);
        if let Some(live) = live.as_ref().filter(|live| !live.is_over()) {
            // Two that look at once must find the same one.
            let keep =
                |map: &mut HashMap<_, _>| Arc::clone(map.entry(id).or_insert(Arc::clone(live)));
            return Ok(Some(sessions.map(keep)));
        }
        Ok(live)
    }

    /// Changes a session, together with what `change` writes: all of it, or nothing.
    pub(super) async fn change_session<T: Send + 'static>(
        &self,
        live: &Arc<Live>,
        change: impl FnOnce(&mut Session, u64, &Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let changed = Arc::clone(live);
        let write = move |tx: &Transaction<'_>| changed.change(tx, change);
        let written = self.inner.db.write(write).await;
        let is_over = live.is_over();
        if is_over
            || written
                .as_ref()
                .is_err_and(|error| matches!(error, NodeError::Wallet(_)))
        {
            // If the commit failed, memory would know more than the disk.
            self.inner.selling.sessions.forget(live.id);
        }
        written
    }

    /// The newest sessions, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn sessions(&self, limit: u32) -> Result<Vec<SessionView>> {
        self.write_dirty(false).await?;
        self.inner.db.write(move |tx| store::list(tx, limit)).await
    }
}

impl Live {
    /// Changes the session, together with what `change` writes.
    pub(super) fn change<T>(
        &self,
        tx: &Transaction<'_>,
        change: impl FnOnce(&mut Session, u64, &Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.lock();
        let mut session = state.session.clone();
        let held_sat = state.held_sat;
        let value = change(&mut session, held_sat, tx)?;
        let mut after = State {
            session,
            held_sat,
            booked_sat: state.booked_sat,
            is_dirty: false,
        };
        if after.session.times_out_at_s().is_none() {
            // It is over: what was earned is booked before the rest goes back.
            book_earned(tx, &self.offer, &mut after)?;
        }
        store::update(tx, &after.session, after.booked_sat)?;
        *state = after;
        Ok(value)
    }

    /// Whether the disk, or the ledger, doesn't know all that was spent.
    pub(super) fn is_unwritten(&self, and_booked: bool) -> bool {
        let state = self.lock();
        state.is_dirty || (and_booked && state.session.spent_sat() > state.booked_sat)
    }

    /// Writes what was spent.
    pub(super) fn write(&self, tx: &Transaction<'_>, and_book: bool) -> Result<()> {
        let mut state = self.lock();
        if and_book {
            book_earned(tx, &self.offer, &mut state)?;
        }
        store::update(tx, &state.session, state.booked_sat)?;
        state.is_dirty = false;
        Ok(())
    }

    /// True if nothing is left to do: what it answers, it answers from the disk.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.session.times_out_at_s().is_none() && state.session.unfinished().is_empty()
    }
}

/// Whether deposits and rest are ecash.
pub(super) fn is_ecash(session: &Session) -> bool {
    session.method() == http402::mpp::CASHU
}

/// Moves to its seller what a session spent and the ledger doesn't know yet.
fn book_earned(tx: &Transaction<'_>, offer: &str, state: &mut State) -> Result<()> {
    let spent_sat = state.session.spent_sat();
    let due_sat = spent_sat.saturating_sub(state.booked_sat);
    if due_sat == 0 {
        return Ok(());
    }
    let id = state.session.id();
    let transfer = NewTransfer {
        // What was earned up to here: it can't be booked twice, whatever was rolled back.
        id: &format!("session:{id}:earned:{spent_sat}"),
        debit: &Account::Sessions,
        credit: &income(&state.session),
        amount_msat: sat_to_msat(due_sat),
        memo: &format!("earned by selling {offer}"),
        now_ms: now_ms(),
    };
    ledger::transfer(tx, &transfer)?;
    state.booked_sat = spent_sat;
    Ok(())
}

/// Where what a session earns belongs: what is in channels is the owner's at once.
pub(super) fn income(session: &Session) -> Account {
    match is_ecash(session) {
        true => Account::ServiceIncome,
        false => Account::OwnerLightning,
    }
}
