//! The errors of the on-chain wallet.

/// What can go wrong on the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnchainError {
    /// The coins don't pay the fee and leave something to go on with.
    #[error("the wallet has {available_sat} sat; the transaction needs {needed_sat}")]
    Insufficient {
        /// What can be spent.
        available_sat: u64,
        /// The fee, and the smallest change that the network relays.
        needed_sat: u64,
    },
    /// The Esplora server can't be reached, or answers nonsense.
    #[error("the chain source failed: {0}")]
    Source(String),
    /// The network doesn't take the transaction.
    #[error("the transaction was refused: {0}")]
    Refused(String),
    /// The key or a transaction can't be handled.
    #[error("the transaction can't be made: {0}")]
    Transaction(String),
}

impl OnchainError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Insufficient { .. } => "onchain_insufficient",
            Self::Source(_) => "chain_source_failed",
            Self::Refused(_) => "transaction_refused",
            Self::Transaction(_) => "transaction_invalid",
        }
    }
}
