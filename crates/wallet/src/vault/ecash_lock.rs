//! The same policy for ecash: tokens locked to n of m keys (NUT-11), at mints that say they enforce it.
//!
//! What NUT-11 can say is less than a policy: one n-of-m at once, and another after a time. What it
//! can't say is refused, not left out. A lock counts by the clock, a path by blocks: a block is taken
//! as ten minutes.

use std::str::FromStr as _;

use cdk::Amount;
use cdk::nuts::nut00::ProofV4;
use cdk::nuts::nut18::Nut10SecretRequest;
use cdk::nuts::{
    Conditions, CurrencyUnit, Nut10Secret, P2PKWitness, PaymentRequest, PublicKey, SecretKey,
    SigFlag, SpendingConditions, Token, TokenV4, Witness,
};
use serde::{Deserialize, Serialize};

use super::error::{VaultError, crypto};
use super::policy::{PathRule, Policy, Signer};
use super::signer::{ECASH_STEP, SignerKey, public_at};

/// How long a block is taken to be.
const BLOCK_S: u64 = 600;
/// Locks of one vault differ by a number below this, by which their keys are derived.
pub const LOCK_NUMBERS: u32 = 256;
/// A token has at most this many bytes.
const TOKEN_BYTES_MAX: usize = 256 * 1024;

/// A lock: the policy's keys for it, and when its second path opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcashLock {
    number: u32,
    conditions: SpendingConditions,
    opens_unix_s: Option<u64>,
}

/// How far a locked token is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockStanding {
    /// What it is worth.
    pub amount_sat: u64,
    /// Who has signed all of it, by name.
    pub signed: Vec<String>,
    /// Whether that suffices now.
    pub is_open: bool,
    /// When the second path opens, Unix seconds.
    pub opens_unix_s: Option<u64>,
}

impl EcashLock {
    /// The policy as a lock that is made now. Each `number` has keys of its own, so that a mint
    /// doesn't see that two locks are of the same people.
    ///
    /// # Errors
    /// `NotLockable` if NUT-11 can't say what the policy says.
    pub fn new(policy: &Policy, number: u32, now_unix_s: u64) -> Result<Self, VaultError> {
        let (open, late) = rules(policy)?;
        let delay = late.and_then(|rule| rule.after);
        let opens_unix_s = delay.map(|delay| {
            let wait_s = u64::from(delay.blocks()) * BLOCK_S;
            now_unix_s.saturating_add(wait_s)
        });
        let mut keys = rule_keys(policy, open, number)?.into_iter();
        let first = keys.next().ok_or_else(|| crypto("a path of nobody"))?;
        let others: Vec<PublicKey> = keys.collect();
        let refund_keys = late
            .map(|rule| rule_keys(policy, rule, number))
            .transpose()?;
        let conditions = Conditions {
            locktime: opens_unix_s,
            pubkeys: Some(others).filter(|others| !others.is_empty()),
            refund_keys,
            num_sigs: Some(open.needs as u64),
            sig_flag: SigFlag::SigInputs,
            num_sigs_refund: late.map(|rule| rule.needs as u64),
        };
        Ok(Self {
            number,
            conditions: SpendingConditions::new_p2pk(first, Some(conditions)),
            opens_unix_s,
        })
    }

    /// The conditions, for whoever makes the token.
    #[must_use]
    pub fn conditions(&self) -> &SpendingConditions {
        &self.conditions
    }

    /// When the second path opens.
    #[must_use]
    pub fn opens_unix_s(&self) -> Option<u64> {
        self.opens_unix_s
    }

    /// A request that any wallet can pay with a token that is locked like this (NUT-18).
    ///
    /// # Errors
    /// `Malformed` if the mint's address is none.
    pub fn request(&self, mint_url: &str, amount_sat: u64) -> Result<String, VaultError> {
        let lock = Nut10SecretRequest::try_from(self.conditions.clone()).map_err(crypto)?;
        let request = PaymentRequest::builder()
            .amount(Amount::from(amount_sat))
            .unit(CurrencyUnit::Sat)
            .add_mint(mint_url.parse().map_err(|error| malformed(&error))?)
            .nut10(lock);
        Ok(request.build().to_string())
    }

    /// Reads the lock of a token, which must be all of one lock, and that of this policy.
    ///
    /// # Errors
    /// `NotLockable` or `Malformed`.
    pub fn of_token(policy: &Policy, token: &str) -> Result<Self, VaultError> {
        let token = read(token)?;
        let first = proofs(&token)
            .next()
            .ok_or_else(|| malformed(&"it is empty"))?;
        let found = conditions_of(first)?;
        let (open, late) = rules(policy)?;
        let signer = open
            .who
            .first()
            .and_then(|&place| policy.signers.get(place));
        let signer = signer.ok_or_else(|| crypto("a path of nobody"))?;
        let keys = found.pubkeys().unwrap_or_default();
        let mut number = None;
        for candidate in 0..LOCK_NUMBERS {
            if keys.first() == Some(&ecash_key(signer, candidate)?) {
                number = Some(candidate);
                break;
            }
        }
        let number = number.ok_or_else(other_lock)?;
        let delay = late.and_then(|rule| rule.after);
        let wait_s = delay.map_or(0, |delay| u64::from(delay.blocks()) * BLOCK_S);
        let made_unix_s = found.locktime().unwrap_or(wait_s).saturating_sub(wait_s);
        let lock = Self::new(policy, number, made_unix_s)?;
        lock.check(&token)?;
        Ok(lock)
    }

    fn check(&self, token: &TokenV4) -> Result<(), VaultError> {
        for proof in proofs(token) {
            if conditions_of(proof)? != self.conditions {
                return Err(other_lock());
            }
        }
        Ok(())
    }

    /// Adds a signer's signatures to a locked token.
    ///
    /// # Errors
    /// `NotASigner`, `NotYourPath` if the signer isn't in the lock, `HumanFirst` if an agent would be
    /// the first, or `NotDue` before its path opens.
    pub fn sign(
        &self,
        policy: &Policy,
        token: &str,
        key: &SignerKey,
        now_unix_s: u64,
    ) -> Result<String, VaultError> {
        let mut parsed = read(token)?;
        self.check(&parsed)?;
        let signer = key.place_in(policy)?;
        self.check_due(policy, signer, now_unix_s)?;
        let signed = self.signed(policy, &parsed)?;
        let name = policy.name_of(signer);
        if policy.is_agent(signer) && !signed.iter().any(|&one| !policy.is_agent(one)) {
            return Err(VaultError::HumanFirst {
                agent: name.to_owned(),
                why: "a signature for ecash can't be limited to an amount or a receiver".into(),
            });
        }
        if signed.contains(&signer) {
            return Ok(token.trim().to_owned());
        }
        let pair = key.pair([ECASH_STEP, self.number])?;
        let secret = SecretKey::from_slice(&pair.secret_bytes()).map_err(crypto)?;
        for proof in parsed.token.iter_mut().flat_map(|part| &mut part.proofs) {
            let signature = secret.sign(proof.secret.as_bytes()).map_err(crypto)?;
            let empty = || Witness::P2PKWitness(P2PKWitness::default());
            let witness = proof.witness.get_or_insert_with(empty);
            witness.add_signatures(vec![signature.to_string()]);
        }
        Ok(Token::TokenV4(parsed).to_string())
    }

    fn check_due(&self, policy: &Policy, signer: usize, now_unix_s: u64) -> Result<(), VaultError> {
        let (open, late) = rules(policy)?;
        if open.who.contains(&signer) {
            return Ok(());
        }
        let late = late.filter(|rule| rule.who.contains(&signer));
        let Some(late) = late else {
            return Err(VaultError::NotYourPath {
                signer: policy.name_of(signer).to_owned(),
                path: open.name.clone(),
            });
        };
        let left_s = self.opens_unix_s.unwrap_or(0).saturating_sub(now_unix_s);
        if left_s > 0 {
            return Err(VaultError::NotDue {
                path: late.name.clone(),
                blocks_left: u32::try_from(left_s.div_ceil(BLOCK_S)).unwrap_or(u32::MAX),
            });
        }
        Ok(())
    }

    /// How far a token is signed.
    ///
    /// # Errors
    /// `NotLockable` or `Malformed`.
    pub fn standing(
        &self,
        policy: &Policy,
        token: &str,
        now_unix_s: u64,
    ) -> Result<LockStanding, VaultError> {
        let token = read(token)?;
        self.check(&token)?;
        let signed = self.signed(policy, &token)?;
        let (open, late) = rules(policy)?;
        let suffices = |rule: &PathRule| {
            let signed = signed.iter().filter(|one| rule.who.contains(one));
            signed.count() >= rule.needs
        };
        let is_late = self.opens_unix_s.is_some_and(|opens| now_unix_s >= opens);
        let amount = token.value().map_err(|error| malformed(&error))?;
        Ok(LockStanding {
            amount_sat: amount.into(),
            is_open: suffices(open) || (is_late && late.is_some_and(suffices)),
            opens_unix_s: self.opens_unix_s,
            signed: signed
                .iter()
                .map(|&one| policy.name_of(one).to_owned())
                .collect(),
        })
    }

    /// Whose valid signatures all proofs have.
    fn signed(&self, policy: &Policy, token: &TokenV4) -> Result<Vec<usize>, VaultError> {
        let mut signed = Vec::new();
        for (place, signer) in policy.signers.iter().enumerate() {
            let key = ecash_key(signer, self.number)?;
            if proofs(token).all(|proof| has_signed(proof, &key)) {
                signed.push(place);
            }
        }
        Ok(signed)
    }
}

fn has_signed(proof: &ProofV4, key: &PublicKey) -> bool {
    let signatures = proof.witness.as_ref().and_then(Witness::signatures);
    signatures.unwrap_or_default().iter().any(|signature| {
        bitcoin::secp256k1::schnorr::Signature::from_str(signature)
            .is_ok_and(|signature| key.verify(proof.secret.as_bytes(), &signature).is_ok())
    })
}

/// The one path at once and the one after a delay that NUT-11 has room for.
fn rules(policy: &Policy) -> Result<(&PathRule, Option<&PathRule>), VaultError> {
    let not = |why: &str| Err(VaultError::NotLockable(why.to_owned()));
    let mut open = policy.paths.iter().filter(|rule| rule.after.is_none());
    let (Some(first), None) = (open.next(), open.next()) else {
        return not("a lock has exactly one path without delay, this policy has more");
    };
    let mut late = policy.paths.iter().filter(|rule| rule.after.is_some());
    match (late.next(), late.next()) {
        (late, None) => Ok((first, late)),
        _ => not("a lock has one time at which a second path opens, this policy has several"),
    }
}

fn rule_keys(policy: &Policy, rule: &PathRule, number: u32) -> Result<Vec<PublicKey>, VaultError> {
    let signers = rule
        .who
        .iter()
        .filter_map(|&place| policy.signers.get(place));
    signers.map(|signer| ecash_key(signer, number)).collect()
}

fn ecash_key(signer: &Signer, number: u32) -> Result<PublicKey, VaultError> {
    let key = public_at(&signer.key, [ECASH_STEP, number])?;
    PublicKey::from_slice(&key.serialize()).map_err(crypto)
}

fn conditions_of(proof: &ProofV4) -> Result<SpendingConditions, VaultError> {
    let not_locked = |_| VaultError::NotLockable("the token isn't locked".into());
    let secret = Nut10Secret::try_from(proof.secret.clone()).map_err(not_locked)?;
    SpendingConditions::try_from(secret).map_err(|error| malformed(&error))
}

fn other_lock() -> VaultError {
    VaultError::NotLockable("the token isn't locked as this policy wants it".into())
}

fn read(token: &str) -> Result<TokenV4, VaultError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(malformed(&"it is too long"));
    }
    match Token::from_str(token.trim()).map_err(|error| malformed(&error))? {
        Token::TokenV4(token) => Ok(token),
        Token::TokenV3(_) => Err(malformed(&"only tokens of the form cashuB… are read")),
    }
}

fn proofs(token: &TokenV4) -> impl Iterator<Item = &ProofV4> {
    token.token.iter().flat_map(|part| &part.proofs)
}

fn malformed(error: &dyn std::fmt::Display) -> VaultError {
    let text: String = error.to_string().chars().take(200).collect();
    VaultError::Malformed(format!("the token: {text}"))
}
