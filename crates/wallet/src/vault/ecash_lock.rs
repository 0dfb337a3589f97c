//! The same policy for ecash: tokens locked to n of m keys (NUT-11), at mints that say they enforce it.
//!
//! What NUT-11 can say is less than a policy: one n-of-m at once, and another after a time. What it
//! can't say is refused, not left out. A lock counts by the clock, a path by blocks: a block is taken
//! as ten minutes.

use std::str::FromStr as _;

use cdk::nuts::{
    Conditions, KeySetInfo, Nut10Secret, Proofs, PublicKey, SecretKey, SigFlag, SpendingConditions,
    Token,
};
use serde::Serialize;

use super::error::{VaultError, crypto};
use super::policy::{PathRule, Policy};
use super::signer::{ECASH_STEP, SignerKey, public_at};

/// How long a block is taken to be.
const BLOCK_S: u64 = 600;

/// A lock: the policy's keys for it, and when its second path opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcashLock {
    number: u32,
    conditions: SpendingConditions,
    opens_unix_s: Option<u64>,
}

/// How far a locked token is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockStanding {
    /// What it is worth.
    pub amount_sat: u64,
    /// Who has signed all of it, by name.
    pub signed: Vec<String>,
    /// Whether that suffices now.
    pub is_open: bool,
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

    /// Reads the lock of a token, which must be all of one lock, and that of this policy.
    ///
    /// # Errors
    /// `NotLockable` or `Malformed`.
    pub fn of_token(
        policy: &Policy,
        number: u32,
        token: &str,
        keysets: &[KeySetInfo],
    ) -> Result<Self, VaultError> {
        let proofs = proofs_of(token, keysets)?.1;
        let first = proofs.first().ok_or_else(|| malformed(&"it is empty"))?;
        let found = conditions_of(&first.secret)?;
        let delay = rules(policy)?.1.and_then(|rule| rule.after);
        let wait_s = delay.map_or(0, |delay| u64::from(delay.blocks()) * BLOCK_S);
        let made_unix_s = found.locktime().unwrap_or(wait_s).saturating_sub(wait_s);
        let lock = Self::new(policy, number, made_unix_s)?;
        lock.check(&proofs)?;
        Ok(lock)
    }

    fn check(&self, proofs: &Proofs) -> Result<(), VaultError> {
        for proof in proofs {
            if conditions_of(&proof.secret)? != self.conditions {
                let why = "the token isn't locked as this policy wants it";
                return Err(VaultError::NotLockable(why.into()));
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
        keysets: &[KeySetInfo],
        key: &SignerKey,
        now_unix_s: u64,
    ) -> Result<String, VaultError> {
        let (parsed, mut proofs) = proofs_of(token, keysets)?;
        self.check(&proofs)?;
        let signer = key.place_in(policy)?;
        self.check_due(policy, signer, now_unix_s)?;
        let signed = self.signed(policy, &proofs)?;
        let name = policy.name_of(signer);
        if policy.is_agent(signer) && !signed.iter().any(|&one| !policy.is_agent(one)) {
            return Err(VaultError::HumanFirst {
                agent: name.to_owned(),
                why: "a signature for ecash can't be limited to an amount or a receiver".into(),
            });
        }
        if signed.contains(&signer) {
            return Ok(token.to_owned());
        }
        let pair = key.pair([ECASH_STEP, self.number])?;
        let secret = SecretKey::from_slice(&pair.secret_bytes()).map_err(crypto)?;
        for proof in &mut proofs {
            proof.sign_p2pk(secret.clone()).map_err(crypto)?;
        }
        let mint = parsed.mint_url().map_err(|error| malformed(&error))?;
        let unit = parsed.unit().unwrap_or_default();
        Ok(Token::new(mint, proofs, parsed.memo().clone(), unit).to_string())
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
        keysets: &[KeySetInfo],
        now_unix_s: u64,
    ) -> Result<LockStanding, VaultError> {
        let (parsed, proofs) = proofs_of(token, keysets)?;
        self.check(&proofs)?;
        let signed = self.signed(policy, &proofs)?;
        let (open, late) = rules(policy)?;
        let suffices = |rule: &PathRule| {
            let signed = signed.iter().filter(|one| rule.who.contains(one));
            signed.count() >= rule.needs
        };
        let is_late = self.opens_unix_s.is_some_and(|opens| now_unix_s >= opens);
        let amount = parsed.value().map_err(|error| malformed(&error))?;
        Ok(LockStanding {
            amount_sat: amount.into(),
            is_open: suffices(open) || (is_late && late.is_some_and(suffices)),
            signed: signed
                .iter()
                .map(|&one| policy.name_of(one).to_owned())
                .collect(),
        })
    }

    /// Whose valid signatures all proofs have.
    fn signed(&self, policy: &Policy, proofs: &Proofs) -> Result<Vec<usize>, VaultError> {
        let mut signed = Vec::new();
        for (place, signer) in policy.signers.iter().enumerate() {
            let key = ecash_key(signer, self.number)?;
            let has_signed = |proof: &cdk::nuts::Proof| {
                let signatures = proof
                    .witness
                    .as_ref()
                    .and_then(cdk::nuts::Witness::signatures);
                signatures.unwrap_or_default().iter().any(|signature| {
                    bitcoin::secp256k1::schnorr::Signature::from_str(signature).is_ok_and(
                        |signature| key.verify(proof.secret.as_bytes(), &signature).is_ok(),
                    )
                })
            };
            if proofs.iter().all(has_signed) {
                signed.push(place);
            }
        }
        Ok(signed)
    }
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

fn ecash_key(signer: &super::policy::Signer, number: u32) -> Result<PublicKey, VaultError> {
    let key = public_at(&signer.key, [ECASH_STEP, number])?;
    PublicKey::from_slice(&key.serialize()).map_err(crypto)
}

fn conditions_of(secret: &cdk::secret::Secret) -> Result<SpendingConditions, VaultError> {
    let not_locked = |_| VaultError::NotLockable("the token isn't locked".into());
    let secret = Nut10Secret::try_from(secret.clone()).map_err(not_locked)?;
    SpendingConditions::try_from(secret).map_err(|error| malformed(&error))
}

fn proofs_of(token: &str, keysets: &[KeySetInfo]) -> Result<(Token, Proofs), VaultError> {
    let token = Token::from_str(token.trim()).map_err(|error| malformed(&error))?;
    let proofs = token.proofs(keysets).map_err(|error| malformed(&error))?;
    Ok((token, proofs))
}

fn malformed(error: &dyn std::fmt::Display) -> VaultError {
    let text: String = error.to_string().chars().take(200).collect();
    VaultError::Malformed(format!("the token: {text}"))
}
