//! Purses' tokens: macaroons, which whoever holds one can narrow without asking anybody.
//!
//! A token is `fhp1_` and a macaroon in base64 for URLs. Its root key follows from the node's seed and from the
//! identifier in it; the database has the identifier's digest only, so it mints nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http402::macaroon::{Macaroon, MacaroonError, RootKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wallet::purse::{Delegation, HostRule, Narrowing, plain_token_sha256};
use wallet::sat_to_msat;
use zeroize::Zeroizing;

use crate::error::{NodeError, Result};
use crate::keys::Seed;

const PREFIX: &str = "fhp1_";
/// Identifiers are random, and this long.
const IDENTIFIER_BYTES: usize = 16;

/// What mints and checks the tokens of all purses.
pub(crate) struct TokenKeys(Zeroizing<[u8; 32]>);

/// A token that was just made.
pub(crate) struct MintedToken {
    /// For the agent.
    pub text: String,
    /// For the database.
    pub sha256: [u8; 32],
}

/// A token that is genuine, as far as can be told without the database.
pub(crate) struct PresentedToken {
    /// Finds the purse.
    pub sha256: [u8; 32],
    /// How it was narrowed.
    pub delegation: Delegation,
}

impl TokenKeys {
    pub fn of(seed: &Seed) -> Self {
        Self(seed.derive_32("purse-tokens"))
    }

    pub fn mint(&self, identifier: [u8; IDENTIFIER_BYTES]) -> Result<MintedToken> {
        let minted = Macaroon::mint(&self.root(&identifier), "", &identifier);
        Ok(MintedToken {
            text: text_of(&minted.map_err(unusable)?),
            sha256: Sha256::digest(identifier).into(),
        })
    }

    /// Reads and checks a token; none if it isn't one of ours.
    pub fn read(&self, text: &str) -> Option<PresentedToken> {
        if let Some(sha256) = plain_token_sha256(text) {
            return Some(PresentedToken {
                sha256,
                delegation: Delegation::default(),
            });
        }
        let macaroon = macaroon_of(text).ok()?;
        let identifier = macaroon.identifier();
        if identifier.len() != IDENTIFIER_BYTES {
            return None;
        }
        macaroon.verify(&self.root(identifier)).ok()?;
        Some(PresentedToken {
            sha256: Sha256::digest(identifier).into(),
            delegation: delegation_of(&macaroon).ok()?,
        })
    }

    fn root(&self, identifier: &[u8]) -> RootKey {
        let mut secret = Zeroizing::new(self.0.to_vec());
        secret.extend_from_slice(identifier);
        RootKey::derive(&secret)
    }
}

/// What to take away from a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// At most this much in one payment.
    pub per_payment_sat: Option<u64>,
    /// At most this much ever, with the new token and all that are made from it.
    pub total_sat: Option<u64>,
    /// Only these hosts; empty for no change.
    pub hosts: Vec<HostRule>,
    /// Only these methods; empty for no change.
    pub methods: Vec<String>,
    /// Only until then, Unix milliseconds.
    pub expires_ms: Option<i64>,
}

/// Makes a token that may do less, for a sub-agent. Takes no node and no network.
///
/// # Errors
/// `token_plain` if the token can't be narrowed; `token_narrowing` if it isn't one, or nothing is taken away.
pub fn narrow_token(token: &str, narrowed: &Narrowed) -> Result<String> {
    narrow(token, narrowed, rand::random())
}

/// `nonce` is random, so that tokens that are narrowed alike have totals of their own.
fn narrow(token: &str, narrowed: &Narrowed, nonce: [u8; 8]) -> Result<String> {
    if plain_token_sha256(token).is_some() {
        return Err(NodeError::TokenPlain);
    }
    let narrowing = Narrowing {
        per_payment_msat: narrowed.per_payment_sat.map(sat_to_msat),
        total_msat: narrowed.total_sat.map(sat_to_msat),
        hosts: listed(&narrowed.hosts),
        methods: listed(&narrowed.methods),
        expires_ms: narrowed.expires_ms,
    };
    if narrowing == Narrowing::default() {
        let reason = "say what the new token may do less".to_owned();
        return Err(NodeError::TokenNarrowing(reason));
    }
    let mut macaroon = macaroon_of(token).map_err(unusable)?;
    let nonce = format!("nonce={}", hex::encode(nonce));
    for caveat in std::iter::once(nonce).chain(narrowing.caveats()) {
        macaroon = macaroon.with_caveat(&caveat).map_err(unusable)?;
    }
    // A token that its node wouldn't understand is of no use to anybody.
    delegation_of(&macaroon)?;
    Ok(text_of(&macaroon))
}

/// A list that is empty takes nothing away.
fn listed<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    match list {
        [] => Vec::new(),
        list => vec![list.to_vec()],
    }
}

fn text_of(macaroon: &Macaroon) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(macaroon.as_bytes()))
}

fn macaroon_of(text: &str) -> std::result::Result<Macaroon, MacaroonError> {
    let encoded = text
        .strip_prefix(PREFIX)
        .ok_or(MacaroonError::Malformed("it doesn't begin with fhp1_"))?;
    Macaroon::from_base64(encoded)
}

fn delegation_of(macaroon: &Macaroon) -> Result<Delegation> {
    let caveats = macaroon.caveats().map(std::str::from_utf8);
    let caveats: Vec<&str> = caveats
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| NodeError::TokenNarrowing("a caveat isn't text".into()))?;
    Delegation::new(macaroon.identifier(), &caveats)
        .map_err(|error| NodeError::TokenNarrowing(error.to_string()))
}

fn unusable(error: MacaroonError) -> NodeError {
    NodeError::TokenNarrowing(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seed: &str) -> TokenKeys {
        TokenKeys::of(&Seed::from_hex(&seed.repeat(32)).unwrap())
    }

    #[test]
    fn a_token_is_read_by_the_node_that_minted_it_and_by_no_other() {
        let minted = keys("01").mint([7; 16]).unwrap();
        assert!(minted.text.starts_with("fhp1_"));
        let read = keys("01").read(&minted.text).unwrap();
        assert_eq!(read.sha256, minted.sha256);
        assert_eq!(read.delegation, Delegation::default());
        assert!(keys("02").read(&minted.text).is_none());
        for wrong in [
            "",
            "fhp1_",
            "fhp1_!",
            "fhp_12",
            &minted.text[5..],
            &minted.text[..60],
        ] {
            assert!(keys("01").read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn whoever_has_a_token_narrows_it_and_nobody_widens_it() {
        let minted = keys("01").mint([7; 16]).unwrap();
        let total = |sat| Narrowed {
            total_sat: Some(sat),
            hosts: vec!["*.example.com".parse().unwrap()],
            ..Narrowed::default()
        };
        let child = narrow(&minted.text, &total(50), [1; 8]).unwrap();
        let grandchild = narrow(&child, &total(900), [2; 8]).unwrap();
        let read = keys("01").read(&grandchild).unwrap();
        assert_eq!(read.sha256, minted.sha256, "the same purse");
        let narrowing = read.delegation.narrowing();
        assert_eq!(narrowing.total_msat, Some(50_000));
        assert_eq!(narrowing.hosts.len(), 2);
        // A caveat that is changed or left out breaks the chain.
        let mut bytes = URL_SAFE_NO_PAD.decode(&child[5..]).unwrap();
        let at = bytes.windows(5).position(|part| part == b"50000").unwrap();
        bytes[at] = b'9';
        let forged = format!("fhp1_{}", URL_SAFE_NO_PAD.encode(bytes));
        assert!(keys("01").read(&forged).is_none());
    }

    #[test]
    fn what_cannot_be_narrowed_says_so() {
        let minted = keys("01").mint([7; 16]).unwrap();
        let code = |token: &str, narrowed: &Narrowed| {
            let error = narrow(token, narrowed, [0; 8]).unwrap_err();
            error.code().to_owned()
        };
        let some = Narrowed {
            total_sat: Some(1),
            ..Narrowed::default()
        };
        assert_eq!(code(&minted.text, &Narrowed::default()), "token_narrowing");
        assert_eq!(code("fhp1_AAAA", &some), "token_narrowing");
        assert_eq!(
            code(&format!("fhp_{}", "0".repeat(64)), &some),
            "token_plain"
        );
        let wrong = Narrowed {
            methods: vec!["get it".into()],
            ..some.clone()
        };
        assert_eq!(code(&minted.text, &wrong), "token_narrowing");
    }

    /// A caveat that this version doesn't know might forbid everything.
    #[test]
    fn a_caveat_that_is_not_understood_shuts_the_door() {
        let minted = keys("01").mint([7; 16]).unwrap();
        let macaroon = macaroon_of(&minted.text).unwrap();
        let strange = macaroon.with_caveat("only_on=sundays").unwrap();
        assert!(keys("01").read(&text_of(&strange)).is_none());
    }
}
