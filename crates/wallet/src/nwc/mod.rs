//! Nostr Wallet Connect (NIP-47), both ways.
//!
//! - [`Service`]: other programs use a wallet of ours. It listens at relays for the requests of its
//!   [`Connection`]s, and asks a [`WalletBackend`] to do what they say. A request that moves money is
//!   in the [`RequestLog`] before anything else happens, so that it pays at most once, however often
//!   relays deliver it and whatever crashes in between.
//! - [`NwcWallet`]: we use somebody else's wallet, by its [`ConnectionUri`]. Whether a payment arrived
//!   is one of paid, failed and *unknown*, and an unknown one is looked up, never sent again.
//!
//! What comes from a relay is hostile: size, age and count are bounded, and signatures checked, before
//! anything is decrypted. The types of `nostr`'s own `nip47` are not used: they refuse answers that
//! name a method they don't know, know no `get_budget`, and speak NIP-04 only.

mod admission;
mod backend;
mod client;
mod connection;
mod encryption;
mod error;
mod invoice;
mod limits;
mod message;
mod method;
mod rate;
mod relays;
mod request_log;
mod service;
mod transaction;
mod uri;

pub use backend::{BudgetState, NewInvoice, Payment, PaymentState, WalletBackend, WalletInfo};
pub use client::{LookedUp, NwcWallet, PayOutcome};
pub use connection::{ClientSecret, Connection, WalletKey};
pub use encryption::Encryption;
pub use error::NwcError;
pub use invoice::InvoiceFacts;
pub use limits::{CONNECTIONS_MAX, RELAYS_MAX, REQUEST_AGE_MAX_S};
pub use message::{
    Call, ErrorCode, Failure, MakeInvoice, PayInvoice, PayKeysend, Request, Response, TlvRecord,
};
pub use method::Method;
pub use request_log::{Begun, LoggedRequest, RequestLog, SqliteRequestLog};
pub use service::{Clock, Service};
pub use transaction::{
    ListTransactions, Lookup, NotificationKind, Transaction, TransactionState, TransactionType,
};
pub use uri::{ConnectionUri, parse_relay};

pub use nostr_sdk::{PublicKey, RelayUrl};
