//! Vaults: coins that people and agents share, by one policy.
//!
//! A [`Policy`] is a file that a person can read: who may spend, together with whom, and when. It is
//! compiled by miniscript to a Taproot descriptor ([`Vault`]) and told in plain words before anything
//! is paid into it ([`Vault::describe`]). A proposal is a PSBT ([`propose`]); each signer's own
//! machine checks it against its own view of the chain ([`Vault::review`]), and only what passed can
//! be signed ([`Reviewed`]). When all who cooperate agree, one MuSig2 signature spends, which costs the
//! least and looks like any payment.
//!
//! Reading order: `policy.rs`, `compile.rs`, `definition.rs`, `describe.rs`, `propose.rs`, `review.rs`,
//! `permit.rs`, `signatures.rs`, `musig.rs`, `finish.rs`. All of these are pure. `watch.rs`
//! sees the chain, `store.rs` keeps vaults and proposals, `ecash_lock.rs` does the same
//! policy for ecash.

mod aggregate;
mod bbqr;
mod compile;
mod definition;
mod delay;
mod describe;
mod ecash_lock;
mod error;
mod finish;
mod musig;
mod permit;
mod policy;
mod propose;
mod request;
mod review;
mod signatures;
mod signer;
pub mod store;
mod view;
mod watch;

pub use aggregate::Group;
pub use bbqr::{join as join_qr, split as split_qr};
pub use definition::{Keychain, Leaf, LeafKey, Place, SpendPath, TOGETHER, Vault};
pub use delay::{Delay, DelayError};
pub use describe::{Description, PathWords, SignerWords};
pub use ecash_lock::{EcashLock, LOCK_NUMBERS, LockStanding};
pub use error::VaultError;
pub use finish::{PSBT_BYTES_MAX, combine, proposal_id, read_psbt};
pub use musig::{NonceSeed, TogetherStep};
pub use permit::{Mode, Permit};
pub use policy::{
    AccountKey, Allowance, PathRule, Policy, PolicyError, PolicyFault, Signer, SignerKind,
};
pub use propose::{Payment, propose};
pub use request::Request;
pub use review::{Paid, Reviewed};
pub use signer::SignerKey;
pub use store::{Proposal, ProposalState, VaultRecord};
pub use view::{ChainView, Coin};
pub use watch::Watch;
