//! Agents' purses: a name, a bearer token, a budget.

mod budget;
mod name;
mod store;
mod token;

pub use budget::{Budget, BudgetError, DAY_MS, Spent};
pub use name::{NameError, PurseName};
pub use store::{Purse, by_token, create, find, list, reserve, revoke};
pub use token::PurseToken;

/// The purses' table. Only a token's SHA-256 is kept: a stolen database spends nothing.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS purses (
    name              TEXT PRIMARY KEY,
    token_sha256      BLOB NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    per_payment_msat  INTEGER NOT NULL CHECK (per_payment_msat > 0),
    per_day_msat      INTEGER NOT NULL CHECK (per_day_msat > 0),
    total_msat        INTEGER NOT NULL CHECK (total_msat > 0),
    created_ms        INTEGER NOT NULL,
    revoked_ms        INTEGER
) STRICT;
";
