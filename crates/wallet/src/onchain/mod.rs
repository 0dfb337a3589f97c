//! On-chain bitcoin: a wallet with one address, enough to write 32 bytes into the chain.
//!
//! [`KeyRing`] has the key, [`DataTx`] is decided and signed without any I/O, and [`Onchain`]
//! asks an Esplora server. The wallet keeps no files: what it owns is what the chain says of its
//! address, so it can be rebuilt from the seed alone and costs one question, however old it is.

mod data_tx;
mod error;
mod esplora;
mod key;

pub use data_tx::{Coin, DataTx, FEE_STEP_SAT_PER_VB};
pub use error::OnchainError;
pub use esplora::{Balance, Onchain, TxState};
pub use key::KeyRing;

pub use bitcoin::{Address, Network, Txid};
