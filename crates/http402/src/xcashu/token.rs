//! What a seller must know of a token before it touches a mint (NUT-00).

use std::{collections::BTreeSet, fmt};

use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::encoding::is_unit;
use super::limits::{
    AMOUNT_MAX, KEYSET_ID_BYTES_MAX, PROOFS_MAX, SECRET_BYTES_MAX, TEXT_BYTES_MAX, TOKEN_BYTES_MAX,
};
use super::mint_url::normalize_mint_url;
use super::token_format::{Contents, Proof};
use crate::Error;
use crate::base64::in_url_alphabet;

/// A token, and what it claims to be. `Debug` hides the token: it is money.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenOutline {
    /// The same for the same proofs, however they are ordered or encoded.
    pub id: TokenId,
    /// The mint, normalised as by [`normalize_mint_url`].
    pub mint: String,
    /// The unit, as written.
    pub unit: String,
    /// The sum of the proofs, in `unit`. At least 1.
    pub amount: u64,
    /// How many proofs there are; the mint's input fee depends on it.
    pub proof_count: usize,
    /// The keysets of the proofs, each once, sorted, in hexadecimal. Whether
    /// they belong to `unit` only the mint knows.
    pub keyset_ids: Vec<String>,
    /// Whether any proof is locked (NUT-10), so that not everybody can redeem it.
    pub locked: bool,
    /// The sender's note, if any.
    pub memo: Option<String>,
    token: String,
}

impl TokenOutline {
    /// Reads a `cashuB…` (V4) or `cashuA…` (V3) token, bounded as in
    /// [`super::limits`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        check("bytes", text.len(), TOKEN_BYTES_MAX)?;
        let text = text.trim();
        let text = text.strip_prefix("cashu:").unwrap_or(text);
        let contents = Contents::read(text)?;
        check("proofs", contents.proofs.len(), PROOFS_MAX)?;
        check_texts(&contents)?;
        Ok(Self {
            id: TokenId::of(&contents.proofs)?,
            mint: only_mint(&contents.mints)?,
            amount: sum(&contents.proofs)?,
            proof_count: contents.proofs.len(),
            keyset_ids: keyset_ids(&contents.proofs),
            locked: contents.proofs.iter().any(|proof| is_locked(&proof.secret)),
            unit: contents.unit,
            memo: contents.memo,
            token: in_url_alphabet(text).into_owned(),
        })
    }

    /// The token itself, to hand to a wallet: without URI prefix, in the
    /// base64url alphabet. Never log it: who reads it can spend it.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for TokenOutline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenOutline")
            .field("id", &self.id)
            .field("mint", &self.mint)
            .field("unit", &self.unit)
            .field("amount", &self.amount)
            .field("proof_count", &self.proof_count)
            .field("keyset_ids", &self.keyset_ids)
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}

/// A token's fingerprint: SHA-256 over its sorted secrets, each preceded by its
/// length as 64-bit big-endian, so that no two lists of secrets run together.
///
/// It reveals nothing that could be spent, and may be stored and logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 32]);

impl TokenId {
    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(proofs: &[Proof]) -> Result<Self, Error> {
        let mut secrets: Vec<&str> = proofs.iter().map(|proof| proof.secret.as_str()).collect();
        secrets.sort_unstable();
        if secrets.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::PaymentDuplicateProof);
        }
        let mut hasher = Sha256::new();
        for secret in secrets {
            hasher.update((secret.len() as u64).to_be_bytes());
            hasher.update(secret);
        }
        Ok(Self(hasher.finalize().into()))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

fn only_mint(mints: &[String]) -> Result<String, Error> {
    let mut distinct = BTreeSet::new();
    for mint in mints {
        let mint = normalize_mint_url(mint)
            .ok_or(Error::PaymentMalformed("its mint is not an HTTP address"))?;
        distinct.insert(mint);
    }
    if distinct.len() > 1 {
        return Err(Error::PaymentSeveralMints);
    }
    distinct
        .pop_first()
        .ok_or(Error::PaymentMalformed("it names no mint"))
}

fn sum(proofs: &[Proof]) -> Result<u64, Error> {
    let mut total: u64 = 0;
    for proof in proofs {
        let amount = u64::try_from(proof.amount).map_err(|_| Error::PaymentAmountInvalid)?;
        if amount == 0 {
            return Err(Error::PaymentAmountInvalid);
        }
        total = total
            .checked_add(amount)
            .ok_or(Error::PaymentAmountInvalid)?;
    }
    // A token without proofs has the sum 0, and ends here too.
    if (1..=AMOUNT_MAX).contains(&total) {
        Ok(total)
    } else {
        Err(Error::PaymentAmountInvalid)
    }
}

fn keyset_ids(proofs: &[Proof]) -> Vec<String> {
    let distinct: BTreeSet<&str> = proofs
        .iter()
        .map(|proof| proof.keyset_id.as_str())
        .collect();
    distinct.into_iter().map(str::to_owned).collect()
}

/// A locked secret is the JSON `[kind, {…}]` (NUT-10); any other is random text.
fn is_locked(secret: &str) -> bool {
    secret.trim_start().starts_with('[')
        && serde_json::from_str::<(String, IgnoredAny)>(secret).is_ok()
}

fn check_texts(contents: &Contents) -> Result<(), Error> {
    if !is_unit(&contents.unit) {
        return Err(Error::PaymentMalformed(
            "its unit is not a short printable word",
        ));
    }
    let memo_bytes = contents.memo.as_ref().map_or(0, String::len);
    check("characters in its memo", memo_bytes, TEXT_BYTES_MAX)?;
    for proof in &contents.proofs {
        check(
            "characters in a secret",
            proof.secret.len(),
            SECRET_BYTES_MAX,
        )?;
        check(
            "characters in a keyset id",
            proof.keyset_id.len(),
            KEYSET_ID_BYTES_MAX,
        )?;
    }
    Ok(())
}

fn check(what: &'static str, len: usize, max: usize) -> Result<(), Error> {
    if len > max {
        return Err(Error::PaymentTooLarge { what, max });
    }
    Ok(())
}
