//! Sessions: a deposit, units taken from it, and the rest back.
//!
//! The seller keeps one [`Session`] a session, under its id, and asks it what to do. It is a value: it does
//! nothing by itself, and each call that changes it returns [`Effect`]s in the order in which the caller must
//! carry them out *before* it answers:
//!
//! ```text
//! credential ─ SessionOffer::read ─▶ Action ─┬─ no such session ─ Session::open ─┐
//!                                            └─ Session::apply ──────────────────┤
//!                                                                                ▼
//!            answer ◀── Reply ◀── Step { effects: [Consume, Persist, Redeem | Refund], reply }
//! ```
//!
//! ```text
//! open with ecash ─▶ Opening ─ settled ─▶ Open ─ close ─▶ Closed
//!                       └─ failed ─▶ Closed │
//! open over Lightning ─────────────────▲    └─ silence ─▶ IdleTimedOut
//! ```
//!
//! What always holds:
//!
//! - `spent + rest = deposits`, and neither is ever negative.
//! - A deposit is credited once, to one session: [`Effect::Consume`] is a row that must not exist yet, written
//!   in the same transaction as the session.
//! - The rest goes back once. It is fixed when the session closes, before anything is paid.
//! - The same action again changes nothing and gets the same reply, also when time has passed and the session
//!   has closed. That goes further than the draft where it says to reject any action on a closed session: a
//!   buyer that lost the answer to its `close` learns from the second what became of its money.
//!
//! A crash between [`Effect::Persist`] and what follows it is mended by [`Session::unfinished`].
//!
//! Serialise the calls for one session (draft-lightning-session-00, "Session State").

mod events;
mod reply;
mod step;
mod terms;

use std::{collections::VecDeque, fmt};

use serde::{Deserialize, Serialize};

use super::{PaymentHash, RefundStatus};

pub use events::{Balance, SessionEvent, StreamReceipt};
pub use reply::{CloseReply, Reply};
pub use terms::{Action, ActionKind, Deposit, EcashDeposit, SessionOffer};

/// Names a deposit for ever: a payment hash, or a token's fingerprint. It may be logged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DepositId(String);

impl DepositId {
    /// `lightning:` and the payment hash. A charge of that payment hash uses the same name.
    pub fn lightning(payment_hash: PaymentHash) -> Self {
        Self(format!("lightning:{payment_hash}"))
    }

    /// `cashu:` and the token's fingerprint.
    pub fn ecash(token: crate::xcashu::TokenId) -> Self {
        Self(format!("cashu:{token}"))
    }

    /// As text, for a database's key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The deposit is being redeemed.
    Opening,
    /// Units can be taken.
    Open,
    /// The seller closed it after a silence.
    IdleTimedOut,
    /// The buyer closed it, or its deposit failed.
    Closed,
}

/// How the rest goes back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundTo {
    /// By paying this invoice, which names no amount.
    Invoice(String),
    /// As a token in the closing answer.
    Token,
}

/// What is left to do, in this order, before the caller answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Effect {
    /// In the transaction of the [`Effect::Persist`] that follows: record that this deposit is used. If it was
    /// before, by whatever, drop the step and refuse with [`super::Error::PaymentUsed`].
    Consume(DepositId),
    /// Store the session.
    Persist,
    /// Redeem this token, then call [`Session::settled`] or [`Session::failed`].
    Redeem {
        /// Names the deposit; the redemption must not happen twice.
        deposit: DepositId,
        /// The token. Never log it.
        token: String,
    },
    /// Give the rest back, then call [`Session::refunded`]. The session's id is the idempotence key: after a
    /// crash it is asked for again, and must not be paid again.
    Refund {
        /// How much.
        amount_sat: u64,
        /// Where to.
        to: RefundTo,
    },
}

/// What a call did to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is to be done, in this order.
    pub effects: Vec<Effect>,
    /// What is to be answered after that.
    pub reply: Reply,
}

/// One session, as the seller stores it. It holds tokens that are being redeemed: `Debug` hides them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    id: PaymentHash,
    method: String,
    state: SessionState,
    unit_price_sat: u64,
    idle_timeout_s: u64,
    refund_to: RefundTo,
    last_active_s: u64,
    deposits_sat: u64,
    spent_sat: u64,
    credits: Vec<Credit>,
    pending: Vec<Pending>,
    calls: VecDeque<String>,
    closing: Option<Closing>,
}

/// A deposit that counts; kept so that its answer can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Credit {
    deposit: DepositId,
    challenge_id: String,
    amount_sat: u64,
    at_s: u64,
}

/// A deposit that is being redeemed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    deposit: DepositId,
    challenge_id: String,
    token: String,
}

/// How a session ended.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Closing {
    /// The buyer's, unless the seller closed it.
    challenge_id: Option<String>,
    at_s: u64,
    refund_sat: u64,
    /// `None` while it is under way.
    status: Option<RefundStatus>,
    /// The rest as a token: money until the buyer has it.
    token: Option<String>,
}

impl Session {
    /// Its id: the hash of its secret.
    pub fn id(&self) -> PaymentHash {
        self.id
    }

    /// How it is paid: `lightning` or `cashu`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Where it is in its life.
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// What a unit costs, as agreed when it was opened.
    pub fn unit_price_sat(&self) -> u64 {
        self.unit_price_sat
    }

    /// All deposits that count.
    pub fn deposits_sat(&self) -> u64 {
        self.deposits_sat
    }

    /// What was taken from them.
    pub fn spent_sat(&self) -> u64 {
        self.spent_sat
    }

    /// What was not: to be spent while the session is open, to be given back when it closes.
    pub fn rest_sat(&self) -> u64 {
        // `debit` keeps spent at or below deposits.
        self.deposits_sat.saturating_sub(self.spent_sat)
    }

    /// When it times out if nothing happens (Unix seconds); `None` if it is not open.
    pub fn times_out_at_s(&self) -> Option<u64> {
        (self.state == SessionState::Open)
            .then(|| self.last_active_s.saturating_add(self.idle_timeout_s))
    }

    /// What was begun and not finished, after a crash: the same effects as before it.
    pub fn unfinished(&self) -> Vec<Effect> {
        let redemptions = self.pending.iter().map(Pending::redeem);
        redemptions.chain(self.refund_due()).collect()
    }

    /// How it stands, for an event.
    pub fn balance(&self, required_sat: u64) -> Balance {
        Balance {
            session_id: self.id,
            balance_spent: self.spent_sat,
            balance_required: required_sat,
        }
    }

    fn refund_due(&self) -> Option<Effect> {
        let closing = self
            .closing
            .as_ref()
            .filter(|closing| closing.status.is_none())?;
        Some(Effect::Refund {
            amount_sat: closing.refund_sat,
            to: self.refund_to.clone(),
        })
    }
}

impl Pending {
    fn redeem(&self) -> Effect {
        Effect::Redeem {
            deposit: self.deposit.clone(),
            token: self.token.clone(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("deposits_sat", &self.deposits_sat)
            .field("spent_sat", &self.spent_sat)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RefundTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invoice(_) => "Invoice(…)",
            Self::Token => "Token",
        })
    }
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consume(deposit) => write!(f, "Consume({})", deposit.as_str()),
            Self::Persist => f.write_str("Persist"),
            Self::Redeem { deposit, .. } => write!(f, "Redeem({})", deposit.as_str()),
            Self::Refund { amount_sat, to } => write!(f, "Refund({amount_sat} sat, {to:?})"),
        }
    }
}
