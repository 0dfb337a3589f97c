//! What is wrong with a policy, and in which line.

use crate::vault::delay::DelayError;

/// A policy that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", at(*line))]
pub struct PolicyError {
    /// Where in the file, if it is in one place. The first line is 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: PolicyFault,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// Not such a TOML file.
    #[error("{0}")]
    Syntax(String),
    /// The file is longer than any sensible policy.
    #[error("the policy is longer than {0} bytes")]
    TooLong(usize),
    /// A name that isn't acceptable.
    #[error("{0:?} can't be a name: use 1 to 32 of a-z, 0-9 and '-', beginning with a letter")]
    Name(String),
    /// Too few or too many of something.
    #[error("a policy has 1 to {max} {what}, this one has {count}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A key that can't be read.
    #[error("the key of {signer} can't be used: {why}")]
    Key {
        /// Whose.
        signer: String,
        /// Why not.
        why: String,
    },
    /// Two signers have one key.
    #[error("{second} has the same key as {first}: then one person would count as two")]
    KeyTwice {
        /// Who had it first.
        first: String,
        /// Who has it too.
        second: String,
    },
    /// A path names somebody who isn't a signer.
    #[error("{0} isn't among the signers")]
    UnknownSigner(String),
    /// A path names somebody twice.
    #[error("{0} is named twice in one path")]
    SignerTwice(String),
    /// Two paths have one name.
    #[error("two paths are named {0}")]
    PathTwice(String),
    /// `needs` doesn't fit `who`.
    #[error("{needs} of {count} can't sign: `needs` is between 1 and the number of names in `who`")]
    Needs {
        /// How many must sign.
        needs: usize,
        /// Out of how many.
        count: usize,
    },
    /// The delay can't be used.
    #[error(transparent)]
    Delay(#[from] DelayError),
    /// Programs could spend without any person.
    #[error(
        "agents could spend on the path {0} without any human, and the chain can't limit amounts"
    )]
    AgentsAlone(String),
    /// Nobody could spend before a delay is over.
    #[error("every path has a delay: at least one must be open at once")]
    NoOpenPath,
    /// A signer that no path names.
    #[error("{0} is in no path")]
    Idle(String),
    /// The group that cooperates isn't one that may spend anyway.
    #[error(
        "{0} together may not spend at once by any path, so they can't be the ones who cooperate"
    )]
    Together(String),
    /// The allowance can't be used.
    #[error("the allowance can't be used: {0}")]
    Allowance(String),
}

impl PolicyError {
    pub(super) fn new(line: Option<usize>, fault: impl Into<PolicyFault>) -> Self {
        let fault = fault.into();
        Self { line, fault }
    }

    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.fault {
            PolicyFault::Syntax(_) | PolicyFault::TooLong(_) => "policy_syntax",
            PolicyFault::Name(_) => "policy_name",
            PolicyFault::Count { .. } => "policy_size",
            PolicyFault::Key { .. } => "policy_key",
            PolicyFault::KeyTwice { .. } => "policy_key_twice",
            PolicyFault::UnknownSigner(_) => "policy_signer_unknown",
            PolicyFault::SignerTwice(_) => "policy_signer_twice",
            PolicyFault::PathTwice(_) => "policy_path_twice",
            PolicyFault::Needs { .. } => "policy_needs",
            PolicyFault::Delay(_) => "policy_delay",
            PolicyFault::AgentsAlone(_) => "policy_agents_alone",
            PolicyFault::NoOpenPath => "policy_no_open_path",
            PolicyFault::Idle(_) => "policy_signer_idle",
            PolicyFault::Together(_) => "policy_together",
            PolicyFault::Allowance(_) => "policy_allowance",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.fault {
            PolicyFault::Key { .. } => {
                "copy the whole line that `freehold vault key` prints on the signer's machine"
            }
            PolicyFault::KeyTwice { .. } => "every signer needs a key of its own",
            PolicyFault::AgentsAlone(_) => {
                "ask for one more signature than there are agents in `who`, and give the agent an [allowance]"
            }
            PolicyFault::Together(_) => {
                "leave `cooperate` out, set it to false, or name a group that a path without delay allows"
            }
            PolicyFault::Allowance(_) => {
                "name an agent, a human who shares a path without delay with it, and an amount"
            }
            _ => "`docs/vaults.md` has policies to start from",
        }
    }
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}
