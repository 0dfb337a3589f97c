//! Ecash rails (Cashu, on `cdk`).
//!
//! - [`PlayMint`]: an embedded mint whose sats are play money.
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
mod reclaim;
mod recover;
mod redeem;
mod wallet;

pub use error::EcashError;
pub use issue::{Issued, TokenFate};
pub use locked::enforces_locks;
pub use mint::PlayMint;
pub use recover::Recovery;
pub use redeem::Redemption;
pub use wallet::{EcashWallet, Holdings, MintAccess};
