//! The policy: who may spend, together with whom, and when. A TOML file that a person can read.

mod error;
mod file;
mod key;

pub use error::{PolicyError, PolicyFault};
pub use key::AccountKey;

use bitcoin::Network;
use serde::Serialize;

use super::delay::Delay;

/// More signers than this aren't handled.
pub const SIGNERS_MAX: usize = 20;
/// More paths than this aren't handled.
pub const PATHS_MAX: usize = 16;
/// A policy file has at most this many bytes.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// Who holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignerKind {
    /// A person, who looks before signing.
    Human,
    /// A program, which never decides alone.
    Agent,
}

/// One of a vault's signers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// What the policy calls it.
    pub name: String,
    /// A person or a program.
    pub kind: SignerKind,
    /// Its account key.
    pub key: AccountKey,
    /// Whether it can take part in MuSig2. Most hardware wallets can't.
    pub does_musig2: bool,
}

/// A way to spend: `needs` of `who`, once a coin is `after` old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// What the policy calls it.
    pub name: String,
    /// Places in [`Policy::signers`], in the order of the file.
    pub who: Vec<usize>,
    /// How many of them must sign.
    pub needs: usize,
    /// How old a coin must be. `None`: open at once.
    pub after: Option<Delay>,
}

/// What a human's node signs by itself for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The agent: a place in [`Policy::signers`].
    pub agent: usize,
    /// The human whose node signs along.
    pub with: usize,
    /// How much in any 24 hours, fees included.
    pub sat_per_day: u64,
}

/// A vault's policy, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The vault's name.
    pub name: String,
    /// Whose coins.
    pub network: Network,
    /// Who can sign.
    pub signers: Vec<Signer>,
    /// The ways to spend, the likeliest first: it costs the least.
    pub paths: Vec<PathRule>,
    /// Who, when all of them agree, spend with one MuSig2 signature. Places in `signers`; empty
    /// if there is no such way.
    pub together: Vec<usize>,
    /// What is signed without asking.
    pub allowance: Option<Allowance>,
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// With the line, and what to do.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        file::read(text)
    }

    /// The signer of this name.
    #[must_use]
    pub fn signer(&self, name: &str) -> Option<usize> {
        self.signers.iter().position(|signer| signer.name == name)
    }

    /// What a signer is called.
    #[must_use]
    pub fn name_of(&self, signer: usize) -> &str {
        self.signers
            .get(signer)
            .map_or("unknown", |signer| signer.name.as_str())
    }

    /// Whether a signer is a program.
    #[must_use]
    pub fn is_agent(&self, signer: usize) -> bool {
        self.signers
            .get(signer)
            .is_some_and(|signer| signer.kind == SignerKind::Agent)
    }

    /// The names of signers, for people: `alice, bob and scout`.
    #[must_use]
    pub fn names(&self, signers: &[usize]) -> String {
        let names: Vec<&str> = signers.iter().map(|&place| self.name_of(place)).collect();
        match names.split_last() {
            None => "nobody".into(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }
}
