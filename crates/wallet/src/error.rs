//! The errors of the ledger and of purses.

use crate::display_msat;
use crate::purse::{ApprovalState, NameError, PolicyError, WAITING_MAX};

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
    /// The purse's policy doesn't allow it.
    #[error("purse {purse}: {reason}")]
    Policy {
        /// The purse.
        purse: String,
        /// Which rule, and by how much.
        reason: PolicyError,
    },
    /// The token was narrowed, and doesn't allow it.
    #[error("the token was narrowed: {0}")]
    Narrowed(PolicyError),
    /// A policy that makes no sense.
    #[error("this can't be a purse's policy: {0}")]
    PolicyInvalid(String),
    /// The policy isn't the one any more that was to be changed.
    #[error("the policy of purse {0} has changed meanwhile")]
    PolicyChanged(String),
    /// No approval has this number.
    #[error("there is no approval {0}")]
    UnknownApproval(i64),
    /// The approval is past what was to be done with it.
    #[error("approval {id} is {} already", state.as_str())]
    ApprovalState {
        /// Its number.
        id: i64,
        /// What it is.
        state: ApprovalState,
    },
    /// The owner said no.
    #[error("the owner denied approval {0}")]
    ApprovalDenied(i64),
    /// Too much waits for a human already.
    #[error("{WAITING_MAX} payments of purse {0} wait for approval already")]
    ApprovalsFull(String),
    /// What was disputed isn't a purse's payment.
    #[error("no purse has made a payment {0}")]
    NotAPayment(String),
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
            Self::Policy { reason, .. } | Self::Narrowed(reason) => reason.code(),
            Self::PolicyInvalid(_) => "policy_invalid",
            Self::PolicyChanged(_) => "policy_changed",
            Self::UnknownApproval(_) => "approval_unknown",
            Self::ApprovalState { .. } => "approval_state",
            Self::ApprovalDenied(_) => "approval_denied",
            Self::ApprovalsFull(_) => "approvals_full",
            Self::NotAPayment(_) => "payment_unknown",
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
            Self::Policy { reason, .. } => reason.hint(),
            Self::Narrowed(_) => "ask whoever gave you the token for one that allows more",
            Self::PolicyInvalid(_) => "`freehold purse policy --help` shows what there is",
            Self::PolicyChanged(_) => "look at it again, then repeat the change",
            Self::UnknownApproval(_) => "`freehold approvals list --all` shows them",
            Self::ApprovalState { .. } => "`freehold approvals list --all` shows it",
            Self::ApprovalDenied(_) => "don't ask for the same again before its deadline",
            Self::ApprovalsFull(_) => "wait until the owner has decided: `freehold approvals list`",
            Self::NotAPayment(_) => "`freehold ledger list --purse NAME` shows a purse's payments",
        }
    }
}
