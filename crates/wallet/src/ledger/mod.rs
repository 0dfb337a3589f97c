//! The double-entry, two-phase ledger.
//!
//! A transfer debits one account and credits another by the same amount, so the
//! sum over all accounts is zero whatever happens. A payment whose end isn't known
//! yet is *reserved* first (it counts as spent from then on), and later *posted*
//! with what it really cost, or *voided*.
//!
//! All functions take a [`rusqlite::Connection`] (a `Transaction` derefs to one),
//! so that the caller can book together with records of its own.

mod account;
mod check;
mod transfer;

pub use account::{Account, AccountKind, AccountState, accounts, ensure_account};
pub use check::{Report, check};
pub use transfer::{
    NewTransfer, Transfer, TransferState, get, list, pending, post, reserve, transfer, void,
};

/// The ledger's tables. The constraints repeat the invariants, so that no bug
/// above can write a negative purse or half a transfer.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS accounts (
    name           TEXT PRIMARY KEY,
    kind           TEXT NOT NULL CHECK (kind IN ('asset', 'liability', 'income')),
    balance_msat   INTEGER NOT NULL DEFAULT 0,
    reserved_msat  INTEGER NOT NULL DEFAULT 0 CHECK (reserved_msat >= 0),
    CHECK (kind != 'liability' OR balance_msat - reserved_msat >= 0)
) STRICT;
CREATE TABLE IF NOT EXISTS transfers (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    debit        TEXT NOT NULL REFERENCES accounts (name),
    credit       TEXT NOT NULL REFERENCES accounts (name),
    amount_msat  INTEGER NOT NULL CHECK (amount_msat > 0),
    posted_msat  INTEGER CHECK (posted_msat BETWEEN 0 AND amount_msat),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'posted', 'voided')),
    memo         TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    settled_ms   INTEGER,
    CHECK (debit != credit),
    CHECK ((state = 'posted') = (posted_msat IS NOT NULL)),
    CHECK ((state = 'pending') = (settled_ms IS NULL))
) STRICT;
CREATE INDEX IF NOT EXISTS transfers_debit ON transfers (debit, created_ms);
CREATE INDEX IF NOT EXISTS transfers_pending ON transfers (state) WHERE state = 'pending';
";
