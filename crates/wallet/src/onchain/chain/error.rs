//! The errors of chain sources.

use bitcoin::Network;

/// What can go wrong between us and whoever shows us the chain.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The address or the cookie file can't be used.
    #[error("the chain source can't be used: {0}")]
    Setup(String),
    /// It doesn't answer, or not in time.
    #[error("the chain source does not answer: {0}")]
    Unreachable(String),
    /// It answers with something that isn't of its protocol.
    #[error("the chain source's answer can't be read: {0}")]
    Unreadable(String),
    /// It follows another chain.
    #[error("the chain source is not on {expected}")]
    WrongNetwork {
        /// The chain that was expected.
        expected: Network,
    },
    /// It knows less of the chain than it, or another source, showed before.
    #[error("the chain source is at block {source_height}, but block {known_height} was seen")]
    Behind {
        /// Its height.
        source_height: u32,
        /// The height that is known.
        known_height: u32,
    },
    /// Its blocks replace more of ours than any honest reorganisation ever did.
    #[error("the chain source contradicts the last {depth_blocks} blocks")]
    ReorgTooDeep {
        /// How many blocks would go.
        depth_blocks: u32,
    },
    /// It contradicts itself, or shows blocks without work.
    #[error("the chain source does not tell the truth: {0}")]
    Contradiction(String),
    /// A block came or went while it was asked.
    #[error("the chain moved while it was being read")]
    Moved,
    /// It doesn't take the transaction.
    #[error("the transaction was refused: {0}")]
    Refused(String),
}

impl ChainError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Setup(_) => "chain_source_invalid",
            Self::Unreachable(_) => "chain_unreachable",
            Self::Unreadable(_) => "chain_unreadable",
            Self::WrongNetwork { .. } => "chain_wrong_network",
            Self::Behind { .. } => "chain_behind",
            Self::ReorgTooDeep { .. } => "chain_reorg_too_deep",
            Self::Contradiction(_) => "chain_contradiction",
            Self::Moved => "chain_moved",
            Self::Refused(_) => "transaction_refused",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Setup(_) => "check the address of the chain source, and its cookie file",
            Self::Unreachable(_) => {
                "check that the chain source is up; what is recorded is sent when it is back"
            }
            Self::Unreadable(_) => "check that the address is of the kind that its setting says",
            Self::WrongNetwork { .. } => "name a chain source of this network",
            Self::Behind { .. } => "wait until it has caught up, or name another chain source",
            Self::ReorgTooDeep { .. } | Self::Contradiction(_) => {
                "name another chain source; nothing was believed"
            }
            Self::Moved => "try again",
            Self::Refused(_) => "if the fee is too low, take a higher one; nothing was paid",
        }
    }
}

/// An error's words, cut: they may quote what a stranger sent.
pub(super) fn brief(error: impl std::fmt::Display) -> String {
    const CHARS_MAX: usize = 300;
    let text = error.to_string();
    text.chars().take(CHARS_MAX).collect()
}
