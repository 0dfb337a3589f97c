//! Which money the node deals in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which money the node deals in. Each has a folder of its own, with keys of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// An embedded mint whose sats are play money.
    #[default]
    Play,
    /// Lightning and a chain as they really are, on a regtest chain of this node's own.
    Sandbox,
    /// Test coins on the public network.
    Signet,
    /// Bitcoin.
    Mainnet,
}

impl Network {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Play, Self::Sandbox, Self::Signet, Self::Mainnet];

    /// The name, as flags and folders have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Sandbox => "sandbox",
            Self::Signet => "signet",
            Self::Mainnet => "mainnet",
        }
    }

    /// The chain that on-chain bitcoin, Lightning and vaults of this network are on.
    #[must_use]
    pub const fn chain(self) -> bitcoin::Network {
        match self {
            Self::Play | Self::Sandbox => bitcoin::Network::Regtest,
            Self::Signet => bitcoin::Network::Signet,
            Self::Mainnet => bitcoin::Network::Bitcoin,
        }
    }

    /// Whether the node's ecash is backed by channels of its own.
    #[must_use]
    pub const fn has_lightning(self) -> bool {
        !matches!(self, Self::Play)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|network| network.name() == text);
        known.ok_or_else(|| {
            let names = Self::ALL.map(|network| format!("`{network}`")).join(", ");
            format!("there is no network {text:?}; there are {names}")
        })
    }
}
