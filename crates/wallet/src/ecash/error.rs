//! Errors of the ecash rail, sorted by what they mean for the money.

use cdk::Error as CdkError;

/// What went wrong with ecash.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EcashError {
    /// Not a token, or one that we don't read.
    #[error("the ecash token can't be read: {0}")]
    Malformed(String),
    /// The mint refused the token's signatures or its keyset: nothing was redeemed.
    #[error("the mint doesn't accept this token: {0}")]
    Invalid(String),
    /// The token was spent before: nothing was redeemed.
    #[error("the token was already spent")]
    Spent,
    /// The wallet has too little ecash.
    #[error("the ecash wallet holds too little for {amount_sat} sat and the mint's fee")]
    Insufficient {
        /// What was to be paid.
        amount_sat: u64,
    },
    /// The mint doesn't say that it enforces locks.
    #[error("the mint doesn't declare that it enforces locks (NUT-10 and NUT-11)")]
    NoLocks,
    /// The mint didn't answer, or not clearly: what became of the operation isn't
    /// known yet, and recovery will find out.
    #[error("the mint's answer is missing, so the outcome isn't known yet: {0}")]
    Unknown(String),
    /// The wallet was restored, and hasn't looked for its ecash yet.
    #[error("the wallet was restored, and its ecash isn't back yet")]
    Restoring,
    /// The wallet's or the mint's database failed.
    #[error("ecash storage failed: {0}")]
    Storage(String),
}

impl EcashError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "ecash_malformed",
            Self::Invalid(_) => "ecash_invalid",
            Self::Spent => "ecash_spent",
            Self::Insufficient { .. } => "ecash_insufficient",
            Self::NoLocks => "mint_lacks_locks",
            Self::Unknown(_) => "mint_unreachable",
            Self::Restoring => "ecash_restoring",
            Self::Storage(_) => "ecash_storage",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "send a cashuB token of the mint that the payment request names",
            Self::Invalid(_) => "the token is forged, damaged or of an unknown keyset; use another",
            Self::Spent => {
                "use a fresh token; if you paid for this very request, repeat it unchanged"
            }
            Self::Insufficient { .. } => "fund the purse with `freehold purse fund NAME --sat N`",
            Self::NoLocks => "use another mint: at this one anybody could spend a locked token",
            Self::Unknown(_) => {
                "repeat the same request with the same token: it is never taken twice"
            }
            Self::Restoring => "`freehold restore status` shows how far it is; then ask again",
            Self::Storage(_) => "check the disk's free space and health",
        }
    }

    /// True if the operation may still have happened.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Restoring | Self::Storage(_))
    }
}

impl From<CdkError> for EcashError {
    fn from(error: CdkError) -> Self {
        let text = error.to_string();
        match error {
            CdkError::TokenAlreadySpent => Self::Spent,
            CdkError::InsufficientFunds => Self::Insufficient { amount_sat: 0 },
            CdkError::Database(_) => Self::Storage(text),
            definitive if definitive.is_definitive_failure() => Self::Invalid(text),
            _ => Self::Unknown(text),
        }
    }
}
