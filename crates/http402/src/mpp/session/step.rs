//! How a session changes.

use std::collections::VecDeque;

use super::reply::receipt;
use super::{
    Action, ActionKind, CloseReply, Closing, Credit, Deposit, DepositId, Effect, Pending,
    RefundStatus, Reply, Session, SessionState, Step,
};
use crate::mpp::limits::{
    AMOUNT_SAT_MAX, CALLS_REMEMBERED, IDEMPOTENCY_KEY_BYTES_MAX, TOP_UPS_MAX,
};
use crate::mpp::{Error, Receipt};

impl Session {
    /// Makes a session of an `open`, when there is none of its id.
    pub fn open(action: &Action, now_s: u64) -> Result<(Self, Step), Error> {
        let ActionKind::Open {
            deposit,
            refund_to,
            unit_price_sat,
            idle_timeout_s,
        } = &action.kind
        else {
            return Err(Error::SessionNotFound);
        };
        not_expired(action, now_s)?;
        let mut session = Self {
            id: action.session,
            method: action.method.clone(),
            state: SessionState::Opening,
            unit_price_sat: *unit_price_sat,
            idle_timeout_s: *idle_timeout_s,
            refund_to: refund_to.clone(),
            last_active_s: now_s,
            deposits_sat: 0,
            spent_sat: 0,
            credits: Vec::new(),
            pending: Vec::new(),
            calls: VecDeque::new(),
            closing: None,
        };
        let step = session.take_in(deposit, action, now_s)?;
        Ok((session, step))
    }

    /// Carries out an action on its session. An error leaves the session as it was.
    ///
    /// `idempotency_key` is the request's `Idempotency-Key`, and is looked at for `bearer` only: the other actions
    /// are known by their deposit, and a session has one end.
    pub fn apply(
        &mut self,
        action: &Action,
        idempotency_key: Option<&str>,
        now_s: u64,
    ) -> Result<Step, Error> {
        match &action.kind {
            ActionKind::Open { deposit, .. } => self.repeat_open(&deposit.id()),
            ActionKind::Bearer => self.bearer(idempotency_key, now_s),
            ActionKind::TopUp { deposit } => self.top_up(deposit, action, now_s),
            ActionKind::Close => Ok(self.close(&action.challenge_id, now_s)),
        }
    }

    /// Takes `units` at the session's own price. Store the session before the units are delivered.
    pub fn debit(&mut self, units: u64, now_s: u64) -> Result<(), Error> {
        self.debit_sat(units.saturating_mul(self.unit_price_sat), now_s)
    }

    /// Takes an amount, where units of different price are sold. Store the session before they are delivered.
    ///
    /// If it fails nothing was taken: tell a stream's buyer with [`super::SessionEvent::NeedTopUp`].
    pub fn debit_sat(&mut self, amount_sat: u64, now_s: u64) -> Result<(), Error> {
        self.must_be_open()?;
        self.must_have(amount_sat)?;
        // Not above the deposits, and so far below what a u64 holds.
        self.spent_sat += amount_sat;
        self.touch(now_s);
        Ok(())
    }

    /// A token was redeemed: credits what it was really worth. Again changes nothing.
    pub fn settled(
        &mut self,
        deposit: &DepositId,
        amount_sat: u64,
        now_s: u64,
    ) -> Result<Step, Error> {
        let Some(at) = self
            .pending
            .iter()
            .position(|pending| pending.deposit == *deposit)
        else {
            return self.repeat_credit(deposit).ok_or(Error::DepositUnknown);
        };
        let Pending {
            deposit,
            challenge_id,
            ..
        } = self.pending.remove(at);
        self.credit(deposit, challenge_id, amount_sat, now_s);
        let reply = self.credited_reply(self.credits.len() - 1);
        Ok(Step {
            effects: vec![Effect::Persist],
            reply,
        })
    }

    /// A token turned out to be worth nothing, for good: spent, or not of its mint. Again changes nothing. A mint
    /// that can't be reached is no reason to call this: the deposit stays under way.
    pub fn failed(&mut self, deposit: &DepositId, now_s: u64) -> Result<Step, Error> {
        let Some(at) = self
            .pending
            .iter()
            .position(|pending| pending.deposit == *deposit)
        else {
            return Err(Error::DepositUnknown);
        };
        self.pending.remove(at);
        if self.state == SessionState::Opening {
            self.end(SessionState::Closed, None, now_s);
        }
        Ok(Step {
            effects: vec![Effect::Persist],
            reply: Reply::DepositFailed,
        })
    }

    /// The rest went back, or could not. Only the first outcome counts.
    pub fn refunded(&mut self, status: RefundStatus, token: Option<String>) -> Result<Step, Error> {
        let closing = self.closing.as_mut().ok_or(Error::SessionNotFound)?;
        let is_first = closing.status.is_none();
        if is_first {
            closing.status = Some(status);
            closing.token = token;
        }
        let effects = if is_first {
            vec![Effect::Persist]
        } else {
            Vec::new()
        };
        Ok(Step {
            effects,
            reply: self.close_reply(),
        })
    }

    /// Closes the session if it has been silent for too long. `None` if there is nothing to do; a session whose
    /// deposit is being redeemed is not silent.
    pub fn tick(&mut self, now_s: u64) -> Option<Step> {
        let is_over = self.times_out_at_s().is_some_and(|at_s| now_s >= at_s);
        (is_over && self.pending.is_empty())
            .then(|| self.end(SessionState::IdleTimedOut, None, now_s))
    }

    fn bearer(&mut self, key: Option<&str>, now_s: u64) -> Result<Step, Error> {
        if self.state == SessionState::Opening {
            return Ok(Step {
                effects: Vec::new(),
                reply: Reply::Wait,
            });
        }
        if let Some(key) = key {
            if key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
                let max = IDEMPOTENCY_KEY_BYTES_MAX;
                return Err(Error::CredentialTooLarge {
                    what: "characters in its idempotency key",
                    max,
                });
            }
            if self.calls.iter().any(|call| call == key) {
                return Ok(Step {
                    effects: Vec::new(),
                    reply: Reply::Repeat,
                });
            }
        }
        self.must_be_open()?;
        self.must_have(self.unit_price_sat)?;
        self.touch(now_s);
        let mut effects = Vec::new();
        if let Some(key) = key {
            if self.calls.len() == CALLS_REMEMBERED {
                self.calls.pop_front();
            }
            self.calls.push_back(key.to_owned());
            effects.push(Effect::Persist);
        }
        Ok(Step {
            effects,
            reply: Reply::Serve,
        })
    }

    fn top_up(&mut self, deposit: &Deposit, action: &Action, now_s: u64) -> Result<Step, Error> {
        let id = deposit.id();
        if let Some(step) = self.repeat_credit(&id) {
            return Ok(step);
        }
        if self.state == SessionState::Opening
            || self.pending.iter().any(|pending| pending.deposit == id)
        {
            return Ok(Step {
                effects: Vec::new(),
                reply: Reply::Wait,
            });
        }
        self.must_be_open()?;
        not_expired(action, now_s)?;
        if self.credits.len() + self.pending.len() > TOP_UPS_MAX {
            return Err(Error::TooManyTopUps { max: TOP_UPS_MAX });
        }
        self.take_in(deposit, action, now_s)
    }

    /// A deposit that was not seen before.
    fn take_in(&mut self, deposit: &Deposit, action: &Action, now_s: u64) -> Result<Step, Error> {
        let id = deposit.id();
        let mut effects = vec![Effect::Consume(id.clone()), Effect::Persist];
        let challenge_id = action.challenge_id.clone();
        let reply = match deposit {
            Deposit::Lightning { amount_sat, .. } => {
                self.credit(id, challenge_id, *amount_sat, now_s);
                self.credited_reply(self.credits.len() - 1)
            }
            Deposit::Ecash(ecash) => {
                let pending = Pending {
                    deposit: id,
                    challenge_id,
                    token: ecash.token.clone(),
                };
                effects.push(pending.redeem());
                self.pending.push(pending);
                self.touch(now_s);
                Reply::Wait
            }
        };
        Ok(Step { effects, reply })
    }

    fn credit(&mut self, deposit: DepositId, challenge_id: String, amount_sat: u64, now_s: u64) {
        // All bitcoin a thousand times over still fits; no mint has more to give.
        let amount_sat = amount_sat.min(AMOUNT_SAT_MAX);
        self.deposits_sat += amount_sat;
        self.credits.push(Credit {
            deposit,
            challenge_id,
            amount_sat,
            at_s: now_s,
        });
        self.touch(now_s);
        if self.state == SessionState::Opening {
            self.state = SessionState::Open;
        }
    }

    fn repeat_open(&self, deposit: &DepositId) -> Result<Step, Error> {
        let reply = if self
            .pending
            .first()
            .is_some_and(|pending| pending.deposit == *deposit)
        {
            Reply::Wait
        } else if self
            .credits
            .first()
            .is_some_and(|credit| credit.deposit == *deposit)
        {
            self.credited_reply(0)
        } else if self.credits.is_empty() {
            Reply::DepositFailed
        } else {
            return Err(Error::SessionExists);
        };
        Ok(Step {
            effects: Vec::new(),
            reply,
        })
    }

    fn repeat_credit(&self, deposit: &DepositId) -> Option<Step> {
        let at = self
            .credits
            .iter()
            .position(|credit| credit.deposit == *deposit)?;
        Some(Step {
            effects: Vec::new(),
            reply: self.credited_reply(at),
        })
    }

    /// The reply to a deposit: the first opened the session, the others topped it up.
    fn credited_reply(&self, at: usize) -> Reply {
        let Some(credit) = self.credits.get(at) else {
            return Reply::DepositFailed;
        };
        let receipt = self.receipt(Some(&credit.challenge_id), credit.at_s);
        if at == 0 {
            Reply::Opened(receipt)
        } else {
            Reply::ToppedUp(receipt)
        }
    }

    fn close(&mut self, challenge_id: &str, now_s: u64) -> Step {
        if self.closing.is_some() {
            return Step {
                effects: Vec::new(),
                reply: self.close_reply(),
            };
        }
        // What is being redeemed belongs to the rest: it must be known first.
        if !self.pending.is_empty() {
            return Step {
                effects: Vec::new(),
                reply: Reply::Wait,
            };
        }
        self.end(SessionState::Closed, Some(challenge_id.to_owned()), now_s)
    }

    fn end(&mut self, state: SessionState, challenge_id: Option<String>, now_s: u64) -> Step {
        let refund_sat = self.rest_sat();
        let status = (refund_sat == 0).then_some(RefundStatus::Skipped);
        self.state = state;
        self.closing = Some(Closing {
            challenge_id,
            at_s: now_s,
            refund_sat,
            status,
            token: None,
        });
        let effects = std::iter::once(Effect::Persist)
            .chain(self.refund_due())
            .collect();
        Step {
            effects,
            reply: self.close_reply(),
        }
    }

    fn close_reply(&self) -> Reply {
        let Some((closing, status)) = self.closing.as_ref().and_then(|c| Some((c, c.status?)))
        else {
            return Reply::Wait;
        };
        let mut receipt = self.receipt(closing.challenge_id.as_deref(), closing.at_s);
        receipt.refund_sats = Some(closing.refund_sat).filter(|sat| *sat > 0);
        receipt.refund_status = Some(status);
        Reply::Closed(CloseReply {
            receipt,
            refund_sat: closing.refund_sat,
            status,
            token: closing.token.clone(),
        })
    }

    fn must_be_open(&self) -> Result<(), Error> {
        (self.state == SessionState::Open)
            .then_some(())
            .ok_or(Error::SessionClosed)
    }

    fn must_have(&self, required_sat: u64) -> Result<(), Error> {
        let rest_sat = self.rest_sat();
        (rest_sat >= required_sat)
            .then_some(())
            .ok_or(Error::InsufficientBalance {
                rest_sat,
                required_sat,
            })
    }

    /// A clock that was set back doesn't shorten a session's life.
    fn touch(&mut self, now_s: u64) {
        self.last_active_s = self.last_active_s.max(now_s);
    }

    /// The receipt for an action that this session has paid for, such as a `bearer`. The replies that have one of their
    /// own repeat that one.
    pub fn receipt_for(&self, action: &Action, now_s: u64) -> Receipt {
        self.receipt(Some(&action.challenge_id), now_s)
    }

    fn receipt(&self, challenge_id: Option<&str>, at_s: u64) -> Receipt {
        receipt(&self.method, self.id, challenge_id, at_s)
    }
}

fn not_expired(action: &Action, now_s: u64) -> Result<(), Error> {
    let is_over = action
        .expires_at_s
        .is_some_and(|expires_at_s| now_s > expires_at_s);
    if is_over {
        Err(Error::ChallengeExpired)
    } else {
        Ok(())
    }
}
