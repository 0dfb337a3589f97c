//! The errors of Nostr Wallet Connect.

use super::message::{ErrorCode, Failure};

/// What can go wrong at either end of a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NwcError {
    /// The connection URI can't be read. It holds a secret, so no part of it is repeated.
    #[error("the connection URI can't be used: {0}")]
    Uri(&'static str),
    /// A relay's address can't be read.
    #[error("{0:?} can't be a relay's address")]
    Relay(String),
    /// More connections than one service serves.
    #[error("a service serves at most {max} connections")]
    TooManyConnections {
        /// The most.
        max: usize,
    },
    /// A key can't be used.
    #[error("the key can't be used")]
    Key,
    /// Relays can't be used at all.
    #[error("the relays can't be used: {0}")]
    Relays(String),
    /// No relay answers; nothing was sent.
    #[error("none of the connection's relays can be reached")]
    NotConnected,
    /// The wallet has published nothing about itself.
    #[error("the wallet has said at none of its relays what it can do")]
    NoInfo,
    /// No encryption that both sides know.
    #[error("the wallet knows no encryption that is known here")]
    NoEncryption,
    /// No answer in time.
    #[error("the wallet hasn't answered in time")]
    Silent,
    /// The wallet refused.
    #[error("the wallet refused: {0}")]
    Refused(Failure),
    /// The answer makes no sense.
    #[error("the wallet's answer can't be used: {0}")]
    Answer(&'static str),
    /// The invoice can't be read.
    #[error("the invoice can't be read: {0}")]
    Invoice(&'static str),
    /// A message can't be encrypted or decrypted.
    #[error("the message can't be {0}")]
    Cipher(&'static str),
    /// An event can't be signed.
    #[error("the event can't be signed")]
    Signature,
    /// The database failed.
    #[error("the log of requests failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The log of requests holds what can't be in it.
    #[error("the log of requests is damaged: {0}")]
    Damaged(&'static str),
}

impl NwcError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Uri(_) => "nwc_uri_invalid",
            Self::Relay(_) => "nwc_relay_invalid",
            Self::TooManyConnections { .. } => "nwc_too_many_connections",
            Self::Key => "nwc_key_invalid",
            Self::Relays(_) => "nwc_relays_failed",
            Self::NotConnected => "nwc_not_connected",
            Self::NoInfo => "nwc_no_info",
            Self::NoEncryption => "nwc_no_encryption",
            Self::Silent => "nwc_silent",
            Self::Refused(_) => "nwc_refused",
            Self::Answer(_) => "nwc_answer_invalid",
            Self::Invoice(_) => "invoice_invalid",
            Self::Cipher(_) => "nwc_cipher",
            Self::Signature => "nwc_signature",
            Self::Database(_) | Self::Damaged(_) => "nwc_log",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Uri(_) => "copy the whole `nostr+walletconnect://` URI from the other wallet",
            Self::Relay(_) => "a relay's address begins with wss:// (or ws:// on your own network)",
            Self::TooManyConnections { .. } => "revoke connections that nobody uses",
            Self::Key | Self::Signature => "report this: it should not happen",
            Self::Relays(_) | Self::NotConnected => {
                "check the network, and that the relay is up; nothing was sent"
            }
            Self::NoInfo => {
                "check that the other wallet is running, and that the URI wasn't revoked"
            }
            Self::NoEncryption => {
                "the other wallet is too new or too old: nip44_v2 and nip04 are known here"
            }
            Self::Silent => "check that the other wallet is running, then look the payment up",
            Self::Refused(failure) => failure.hint(),
            Self::Answer(_) => "report it to the makers of the other wallet",
            Self::Invoice(_) => "copy the whole invoice",
            Self::Cipher(_) => "check that the URI is the one that the other wallet made",
            Self::Database(_) | Self::Damaged(_) => {
                "check the disk's free space and health; nothing was paid"
            }
        }
    }

    /// The other wallet's own code, if it refused.
    #[must_use]
    pub fn refusal(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(failure) => Some(failure.code),
            _ => None,
        }
    }
}
