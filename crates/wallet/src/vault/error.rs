//! What a vault refuses, and why.

use super::policy::PolicyError;
use crate::onchain::ChainError;

/// What can go wrong with a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The policy can't be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Not a PSBT, or one that we don't read.
    #[error("the proposal can't be read: {0}")]
    Malformed(String),
    /// An input isn't a coin that this vault has on the chain.
    #[error("input {input} isn't a coin of this vault that can be spent")]
    UnknownInput {
        /// Which one.
        input: usize,
    },
    /// The PSBT says something else of a coin than the chain.
    #[error("input {input} is described wrongly: {what}")]
    FalseInput {
        /// Which one.
        input: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// An output pretends to come back to the vault.
    #[error("output {output} pretends to be change, but pays somebody else")]
    FalseChange {
        /// Which one.
        output: usize,
    },
    /// A signature in the PSBT isn't for this transaction.
    #[error("the transaction was changed after {signer} signed it")]
    ChangedAfterSignature {
        /// Who signed something else.
        signer: String,
    },
    /// A signature that signs less than everything.
    #[error("input {input} asks for a signature that doesn't cover all inputs and outputs")]
    Sighash {
        /// Which one.
        input: usize,
    },
    /// The fee is out of proportion.
    #[error("the fee of {fee_sat} sat is too high: at most {fee_max_sat} sat are sensible here")]
    FeeTooHigh {
        /// What it would pay.
        fee_sat: u64,
        /// What is accepted.
        fee_max_sat: u64,
    },
    /// The path's delay isn't over.
    #[error("the path {path} isn't due: {blocks_left} more blocks must pass")]
    NotDue {
        /// The path's name.
        path: String,
        /// How long that is.
        blocks_left: u32,
    },
    /// No path has this name, or the PSBT follows none.
    #[error("there is no path {0:?} in this vault's policy")]
    UnknownPath(String),
    /// The signer has no part in the path.
    #[error("{signer} has no part in the path {path}")]
    NotYourPath {
        /// Who was asked to sign.
        signer: String,
        /// The path's name.
        path: String,
    },
    /// This node's key isn't in the policy.
    #[error("this key isn't one of the vault's signers")]
    NotASigner,
    /// More than the allowance.
    #[error(
        "the allowance is {sat_per_day} sat a day, {spent_sat} are used; this takes {amount_sat} sat"
    )]
    Allowance {
        /// What the policy allows in any 24 hours.
        sat_per_day: u64,
        /// What was signed for in the last 24 hours.
        spent_sat: u64,
        /// What this one takes, the fee included.
        amount_sat: u64,
    },
    /// An agent is asked to sign first what is above its allowance.
    #[error("a human must sign before the agent {agent}: {why}")]
    HumanFirst {
        /// The agent.
        agent: String,
        /// What makes it so.
        why: String,
    },
    /// The secret behind our nonce is gone.
    #[error("the secret of our nonce isn't there any more, so this round of signing is over")]
    NonceLost,
    /// Two PSBTs of one round have different values for the same thing.
    #[error("{signer} gave two different nonces or signatures in one round")]
    Contradiction {
        /// Whose they are.
        signer: String,
    },
    /// Two PSBTs are about different transactions.
    #[error("these are different proposals and can't be combined")]
    Different,
    /// Not everybody who is needed has signed.
    #[error("signatures are missing: {0}")]
    Incomplete(String),
    /// The vault has too little for this.
    #[error("the vault has {available_sat} sat that this path can spend; {needed_sat} are needed")]
    Insufficient {
        /// What the path can spend now.
        available_sat: u64,
        /// The amount and the fee.
        needed_sat: u64,
    },
    /// The payment can't be made.
    #[error("this can't be paid: {0}")]
    Payment(String),
    /// The chain source failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The vault's files or database failed.
    #[error("the vault's storage failed: {0}")]
    Storage(String),
    /// The name, or the vault, is there already.
    #[error("{0}")]
    Taken(String),
    /// No such vault or proposal.
    #[error("there is no {0}")]
    Missing(String),
    /// Too many proposals wait.
    #[error("the vault has {0} open proposals already")]
    TooMany(u64),
    /// A request of another signer's node isn't signed as it must be.
    #[error("the request isn't signed by a signer of this vault: {0}")]
    Unauthorized(&'static str),
    /// The policy says what NUT-11 can't.
    #[error("ecash can't be locked like this: {0}")]
    NotLockable(String),
    /// Something that the libraries refuse, which the checks above leave no room for.
    #[error("the vault's keys or scripts can't be handled: {0}")]
    Crypto(String),
}

impl VaultError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Policy(error) => error.code(),
            Self::Malformed(_) => "vault_proposal_malformed",
            Self::UnknownInput { .. } => "vault_input_unknown",
            Self::FalseInput { .. } => "vault_input_false",
            Self::FalseChange { .. } => "vault_change_false",
            Self::ChangedAfterSignature { .. } => "vault_changed_after_signature",
            Self::Sighash { .. } => "vault_sighash",
            Self::FeeTooHigh { .. } => "vault_fee_too_high",
            Self::NotDue { .. } => "vault_path_not_due",
            Self::UnknownPath(_) => "vault_path_unknown",
            Self::NotYourPath { .. } => "vault_path_not_yours",
            Self::NotASigner => "vault_not_a_signer",
            Self::Allowance { .. } => "vault_allowance_exceeded",
            Self::HumanFirst { .. } => "vault_human_first",
            Self::NonceLost => "vault_nonce_lost",
            Self::Contradiction { .. } => "vault_contradiction",
            Self::Different => "vault_proposals_differ",
            Self::Incomplete(_) => "vault_signatures_missing",
            Self::Insufficient { .. } => "vault_insufficient",
            Self::Payment(_) => "vault_payment_invalid",
            Self::Chain(error) => error.code(),
            Self::Storage(_) => "vault_storage",
            Self::Taken(_) => "vault_exists",
            Self::Missing(_) => "vault_missing",
            Self::TooMany(_) => "vault_too_many_proposals",
            Self::Unauthorized(_) => "vault_request_unsigned",
            Self::NotLockable(_) => "vault_not_lockable",
            Self::Crypto(_) => "vault_crypto",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Policy(error) => error.hint(),
            Self::Malformed(_) => "hand over the whole PSBT, as base64 or as a .psbt file",
            Self::UnknownInput { .. } => {
                "the coin may be spent already, or this node's chain source lags behind"
            }
            Self::FalseInput { .. } | Self::FalseChange { .. } => {
                "don't sign it; ask whoever proposed it, and propose anew"
            }
            Self::ChangedAfterSignature { .. } => {
                "don't sign it: somebody changed what was agreed; propose anew"
            }
            Self::Sighash { .. } => "only SIGHASH_DEFAULT and SIGHASH_ALL are signed",
            Self::FeeTooHigh { .. } => "propose it anew with a lower fee rate",
            Self::NotDue { .. } => {
                "wait, or take another path; `freehold vault show NAME` lists them"
            }
            Self::UnknownPath(_) => "`freehold vault show NAME` lists the paths",
            Self::NotYourPath { .. } => {
                "let those sign who are in the path, or propose another path"
            }
            Self::NotASigner => {
                "put the line of `freehold vault key` into the policy before the vault is made"
            }
            Self::Allowance { .. } => "a human can sign it by hand: `freehold vault sign ID`",
            Self::HumanFirst { .. } => "let a human sign first, then the agent",
            Self::NonceLost => {
                "sign again: that begins a new round, for which everybody is asked again"
            }
            Self::Contradiction { .. } => "sign again: that begins a new round",
            Self::Different => {
                "combine PSBTs of one proposal only; `freehold vault proposals` lists them"
            }
            Self::Incomplete(_) => "send the proposal to those who haven't signed yet",
            Self::Insufficient { .. } => {
                "pay less, or wait until more coins are confirmed and old enough"
            }
            Self::Payment(_) => "check the address, its network and the amount",
            Self::Chain(error) => error.hint(),
            Self::Storage(_) => "check the disk's free space and health",
            Self::Taken(_) => "choose another name in the policy",
            Self::Missing(_) => {
                "`freehold vault list` and `freehold vault proposals` show what there is"
            }
            Self::TooMany(_) => "send or drop some of them first",
            Self::Unauthorized(_) => {
                "the other node must have the vault's key, and a clock that is right"
            }
            Self::NotLockable(_) => "use a policy with one path, and at most one delayed one",
            Self::Crypto(_) => "please report this with the policy (it has no secrets)",
        }
    }
}

impl From<rusqlite::Error> for VaultError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

/// Wraps what a library says.
pub(super) fn crypto(error: impl std::fmt::Display) -> VaultError {
    VaultError::Crypto(error.to_string())
}
