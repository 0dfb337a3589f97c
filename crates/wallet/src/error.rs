//! The errors of the ledger and of purses.

use crate::display_msat;
use crate::purse::{BudgetError, NameError};

/// What can go wrong in the ledger or with a purse.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The database failed.
    #[error("the ledger's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// An amount of zero, or one that SQLite's integers can't hold.
    #[error("an amount of {0} msat can't be booked")]
    Amount(u64),
    /// The account has less than what was asked for.
    #[error("{account} has {} available, {} are needed", display_msat(available_msat.max(&0).unsigned_abs()), display_msat(*needed_msat))]
    Insufficient {
        /// The account to be debited.
        account: String,
        /// What it has, reservations taken off.
        available_msat: i64,
        /// What was asked for.
        needed_msat: u64,
    },
    /// The same transfer id was used for different details.
    #[error("transfer {0} exists already with other details")]
    IdempotencyConflict(String),
    /// No such transfer, or not in the state that the operation needs.
    #[error("transfer {id} is {state}, so it can't be {wanted}")]
    TransferState {
        /// The transfer.
        id: String,
        /// What it is now (`missing`, `pending`, `posted` or `voided`).
        state: String,
        /// What the caller wanted it to become.
        wanted: &'static str,
    },
    /// No invoice with this payment hash was given out.
    #[error("no invoice has the payment hash {0}")]
    UnknownInvoice(String),
    /// A purse's name isn't acceptable.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No purse has this name.
    #[error("there is no purse named {0}")]
    UnknownPurse(String),
    /// The name is taken.
    #[error("a purse named {0} exists already")]
    PurseExists(String),
    /// The purse was revoked.
    #[error("purse {0} was revoked")]
    Revoked(String),
    /// The budget doesn't allow it.
    #[error("purse {purse}: {reason}")]
    Budget {
        /// The purse.
        purse: String,
        /// Which limit, and by how much.
        reason: BudgetError,
    },
}

impl WalletError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database(_) => "ledger_database",
            Self::Amount(_) => "amount_invalid",
            Self::Insufficient { .. } => "insufficient_funds",
            Self::IdempotencyConflict(_) => "idempotency_conflict",
            Self::TransferState { .. } => "transfer_state",
            Self::UnknownInvoice(_) => "invoice_unknown",
            Self::Name(_) => "purse_name_invalid",
            Self::UnknownPurse(_) => "purse_unknown",
            Self::PurseExists(_) => "purse_exists",
            Self::Revoked(_) => "purse_revoked",
            Self::Budget { reason, .. } => reason.code(),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Database(_) => "check the disk's free space and health; nothing was booked",
            Self::Amount(_) => "use a whole number of satoshi above zero",
            Self::Insufficient { .. } => "fund the purse with `freehold purse fund NAME --sat N`",
            Self::IdempotencyConflict(_) => "use a new id for a new payment",
            Self::TransferState { .. } => "run `freehold ledger check`",
            Self::UnknownInvoice(_) => "`freehold lightning invoices` shows those of this node",
            Self::Name(_) => "use 1 to 32 of a-z, 0-9 and '-', beginning with a letter",
            Self::UnknownPurse(_) => "`freehold purse list` shows the purses",
            Self::PurseExists(_) => "choose another name, or revoke the old purse",
            Self::Revoked(_) => "make a new purse with `freehold purse new NAME`",
            Self::Budget { reason, .. } => reason.hint(),
        }
    }
}
