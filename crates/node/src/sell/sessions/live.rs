//! One session in memory: what is taken from it, call by call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http402::mpp::session::{Action, Reply, Session, SessionState};
use http402::mpp::{PaymentHash, Receipt};

use crate::node::now_s;
use crate::sell::SellError;

/// A session that isn't over.
pub(in crate::sell) struct Live {
    pub id: PaymentHash,
    /// What it was opened for.
    pub offer: String,
    state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    pub session: Session,
    /// Set aside for calls that aren't answered yet.
    pub held_sat: u64,
    /// What the ledger has as earned.
    pub booked_sat: u64,
    /// True if the disk doesn't know all.
    pub is_dirty: bool,
}

impl Live {
    pub fn new(offer: &str, session: Session, booked_sat: u64) -> Self {
        let state = State {
            session,
            held_sat: 0,
            booked_sat,
            is_dirty: false,
        };
        Self {
            id: state.session.id(),
            offer: offer.to_owned(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session pays for what it was opened for, and for nothing dearer.
    pub fn must_be_of(&self, offer: &str) -> Result<(), SellError> {
        match self.offer == offer {
            true => Ok(()),
            false => Err(http402::mpp::Error::ChallengeElsewhere.into()),
        }
    }

    /// Sets a unit aside for a call of its bearer.
    pub fn bear(self: &Arc<Self>, action: &Action) -> Result<Hold, SellError> {
        let mut state = self.lock();
        match state.session.apply(action, None, now_s())?.reply {
            Reply::Serve => {
                let receipt = state.session.receipt_for(action, now_s());
                self.hold(&mut state, receipt)
            }
            _ => Err(SellError::DepositPending),
        }
    }

    /// Sets a unit aside for the call that opened it.
    pub fn first_call(self: &Arc<Self>, receipt: Receipt) -> Result<Hold, SellError> {
        self.hold(&mut self.lock(), receipt)
    }

    fn hold(self: &Arc<Self>, state: &mut State, receipt: Receipt) -> Result<Hold, SellError> {
        if state.session.state() != SessionState::Open {
            return Err(http402::mpp::Error::SessionClosed.into());
        }
        let (unit_sat, rest_sat) = (state.session.unit_price_sat(), state.session.rest_sat());
        let required_sat = unit_sat.saturating_add(state.held_sat);
        if rest_sat < required_sat {
            return Err(http402::mpp::Error::InsufficientBalance {
                rest_sat,
                required_sat,
            }
            .into());
        }
        state.held_sat += unit_sat;
        Ok(Hold {
            live: Arc::clone(self),
            held_sat: AtomicU64::new(unit_sat),
            receipt,
        })
    }
}

/// Money of a session that is set aside for a call. It goes back to the session when this is dropped.
pub(crate) struct Hold {
    live: Arc<Live>,
    held_sat: AtomicU64,
    /// What the answer has in `Payment-Receipt`.
    pub receipt: Receipt,
}

impl Hold {
    /// Sets so much aside instead of a unit, for what is priced by itself.
    pub fn reserve(&self, amount_sat: u64) -> Result<(), SellError> {
        let mut state = self.live.lock();
        let own_sat = self.held_sat.load(Ordering::Relaxed);
        let others_sat = state.held_sat.saturating_sub(own_sat);
        let rest_sat = state.session.rest_sat().saturating_sub(others_sat);
        if rest_sat < amount_sat {
            let required_sat = amount_sat;
            return Err(http402::mpp::Error::InsufficientBalance {
                rest_sat,
                required_sat,
            }
            .into());
        }
        state.held_sat = others_sat.saturating_add(amount_sat);
        self.held_sat.store(amount_sat, Ordering::Relaxed);
        Ok(())
    }

    /// Takes what was set aside.
    pub fn take(&self) -> Result<(), SellError> {
        self.take_sat(self.held_sat.load(Ordering::Relaxed))
    }

    /// Takes a part of what was set aside; the rest is free again.
    pub fn take_sat(&self, amount_sat: u64) -> Result<(), SellError> {
        let mut state = self.live.lock();
        let held_sat = self.held_sat.swap(0, Ordering::Relaxed);
        state.held_sat = state.held_sat.saturating_sub(held_sat);
        state.session.debit_sat(amount_sat.min(held_sat), now_s())?;
        state.is_dirty = true;
        Ok(())
    }

    /// Takes one more unit; false if the session has no more.
    pub fn take_unit(&self) -> bool {
        let mut state = self.live.lock();
        let free_sat = state.session.rest_sat().saturating_sub(state.held_sat);
        let is_taken =
            free_sat >= state.session.unit_price_sat() && state.session.debit(1, now_s()).is_ok();
        state.is_dirty |= is_taken;
        is_taken
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let held_sat = self.held_sat.swap(0, Ordering::Relaxed);
        let mut state = self.live.lock();
        state.held_sat = state.held_sat.saturating_sub(held_sat);
    }
}
