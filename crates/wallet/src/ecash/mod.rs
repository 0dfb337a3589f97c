//! Ecash rails (Cashu, on `cdk`).
//!
//! - [`EmbeddedMint`]: an embedded mint, of play money or backed by this node's channels.
//! - [`EcashWallet`]: a wallet at one mint. `cdk` keeps a saga of each operation;
//!   what this module adds is *attribution*: after a crash, the caller can ask what
//!   became of a redemption, an issued token or a funding, and gets the truth of the
//!   mint.

mod direct;
mod error;
mod fund;
mod issue;
mod locked;
mod mint;
mod pay;
mod reclaim;
mod recover;
mod redeem;
mod rescan;
mod together;
mod wallet;

pub use error::EcashError;
pub use fund::FundingQuote;
pub use issue::{Issued, TokenFate};
pub use locked::enforces_locks;
pub use mint::EmbeddedMint;
pub use pay::{Melted, PaymentQuote};
pub use recover::Recovery;
pub use redeem::Redemption;
pub use rescan::{Reclaimed, Rescan};
pub use wallet::{EcashWallet, Holdings, MintAccess};
