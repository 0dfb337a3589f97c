//! The seller's side: mint, challenge, verify.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::caveats::Limits;
use super::{Credential, Error, Identifier, L402, Terms};
use crate::hmac::Key;
use crate::macaroon::{Macaroon, RootKey};
use crate::www_authenticate::Challenge;

/// Who mints macaroons and knows them again, without a database.
#[derive(Clone)]
pub struct Issuer {
    secret: Key,
    location: String,
}

/// What a request is for, as its seller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request<'a> {
    /// The service that serves it.
    pub service: &'a str,
    /// The capability that it needs, if the service has such.
    pub capability: Option<&'a str>,
    /// Its `Host`.
    pub host: &'a str,
    /// Its path, as it came: still encoded, perhaps with a query.
    pub path: &'a str,
    /// Its method.
    pub method: &'a str,
}

/// What a valid credential gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The service's tier.
    pub tier: u8,
    /// The payment it was bought with.
    pub payment_hash: [u8; 32],
    /// The macaroon's own id.
    pub token_id: [u8; 32],
    /// The first second in which it isn't valid any more.
    pub valid_until_unix_s: Option<u64>,
    /// What of the service may be used, if not all.
    pub capabilities: Option<Vec<String>>,
}

impl Issuer {
    /// An issuer with a secret that it shares with nobody, and uses for nothing
    /// else. `location` stands in its macaroons as a hint for their holders.
    pub fn new(secret: &[u8; 32], location: &str) -> Self {
        Self {
            secret: Key::new(secret),
            location: location.to_owned(),
        }
    }

    /// `HMAC-SHA256(secret, token id)`: a key for each macaroon, and none to keep.
    fn root_key(&self, token_id: &[u8; 32]) -> RootKey {
        RootKey::derive(&self.secret.sign(token_id))
    }

    /// Mints a macaroon for an invoice with this payment hash. The `token_id`
    /// must be random, or the id of an offer that binds the terms.
    pub fn mint(
        &self,
        payment_hash: [u8; 32],
        token_id: [u8; 32],
        terms: &Terms,
    ) -> Result<Macaroon, Error> {
        let identifier = Identifier {
            payment_hash,
            token_id,
        };
        let key = self.root_key(&token_id);
        let mut macaroon = Macaroon::mint(&key, &self.location, &identifier.to_bytes())?;
        for caveat in terms.caveats()? {
            macaroon = macaroon.with_caveat(caveat)?;
        }
        Ok(macaroon)
    }

    /// The `WWW-Authenticate` value that asks for the invoice to be paid. The
    /// macaroon stands in it twice: clients look for it under either name.
    pub fn challenge(&self, macaroon: &Macaroon, invoice: &str) -> Result<String, Error> {
        let text = macaroon.to_base64();
        Challenge::new(L402)
            .with("macaroon", &text)
            .with("invoice", invoice)
            .with("version", "0")
            .with("token", &text)
            .to_value()
            .map_err(|_| Error::TermsInvalid("the invoice cannot stand in a header"))
    }

    /// What a credential gives for a request at a time. Whether its payment was
    /// made is what the preimage proves.
    pub fn verify(
        &self,
        credential: &Credential,
        request: &Request<'_>,
        now_unix_s: u64,
    ) -> Result<Grant, Error> {
        let Credential { macaroon, preimage } = credential;
        let identifier = Identifier::parse(macaroon.identifier())?;
        macaroon.verify(&self.root_key(&identifier.token_id))?;
        let paid_hash: [u8; 32] = Sha256::digest(preimage).into();
        if !bool::from(paid_hash.ct_eq(&identifier.payment_hash)) {
            return Err(Error::PreimageWrong);
        }
        let limits = Limits::read(request.service, macaroon.caveats())?;
        let tier = limits.allow(request, now_unix_s)?;
        let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
        Ok(Grant {
            tier,
            payment_hash: identifier.payment_hash,
            token_id: identifier.token_id,
            valid_until_unix_s: limits.valid_until_unix_s,
            capabilities: limits.capabilities.map(owned),
        })
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({:?})", self.location)
    }
}
