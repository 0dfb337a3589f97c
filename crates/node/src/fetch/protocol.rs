//! The ways in which a request can be paid for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A protocol, and with it the rail that the money takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Ecash in the header `X-Cashu` (Cashu NUT-24). The change comes back, and what the seller doesn't take can be
    /// taken back.
    XCashu,
    /// A macaroon, valid once its Lightning invoice is paid (L402).
    L402,
    /// One Lightning payment for one answer (the HTTP scheme `Payment`, intent `charge`).
    MppCharge,
}

impl Protocol {
    /// All of them; at the same price, the first is taken.
    pub const ALL: [Self; 3] = [Self::XCashu, Self::MppCharge, Self::L402];

    /// Its name, as it is said to programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XCashu => "x-cashu",
            Self::L402 => "l402",
            Self::MppCharge => "mpp-charge",
        }
    }

    /// Whether an invoice is paid. Such a payment can't be taken back.
    pub(super) const fn is_lightning(self) -> bool {
        !matches!(self, Self::XCashu)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| "it is x-cashu, l402 or mpp-charge".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for one in Protocol::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
            assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
        }
        assert!("L402".parse::<Protocol>().is_err());
    }
}
