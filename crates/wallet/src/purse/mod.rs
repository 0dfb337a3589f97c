//! Agents' purses: a name, a token, and a policy that holds.
//!
//! - What may be spent: [`Policy`] decides purely, on an [`Intent`] and what was [`Spent`]; [`Narrowing`] is what a
//!   token may do less than its purse.
//! - What is spent: [`reserve()`] is the one door. Token, policy, approval and balance are looked at in the transaction
//!   that reserves.
//! - What a human says: [`approve`] and [`deny`] what waits, [`dispute`] what was paid.

mod approvals;
mod audit;
mod clock;
mod delegation;
mod earned;
mod history;
mod host;
mod intent;
mod mode;
mod name;
mod narrowing;
mod policy;
mod rate;
mod refusal;
mod reserve;
mod schema;
mod store;
mod token;

pub use approvals::{
    APPROVAL_MS, Approval, ApprovalState, WAITING_MAX, approvals, approve, deny, pass_time,
};
pub(crate) use audit::audit;
pub use delegation::{Agent, Delegation};
pub use earned::{Disputant, dispute, settled_payments};
pub use history::{PolicyVersion, history, set_policy};
pub use host::{Host, HostError, HostRule};
pub use intent::Intent;
pub use mode::{Mode, ModeError, Promotion};
pub use name::{NameError, PurseName};
pub use narrowing::{CAVEATS_MAX, Narrowing, NarrowingError};
pub use policy::{Cause, DAY_MS, HOUR_MS, LIST_MAX, MINUTE_MS, Policy, Spent, Verdict};
pub use rate::{Per, Rate, RateError};
pub use refusal::PolicyError;
pub use reserve::{Reserved, Spend, reserve};
pub(crate) use schema::prepare;
pub use store::{Purse, by_token, create, find, list, revoke};
pub use token::plain_token_sha256;
