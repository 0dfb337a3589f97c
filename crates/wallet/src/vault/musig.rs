//! MuSig2: everybody who cooperates, and one signature. Two rounds, whose values travel in the PSBT
//! (BIP-327, BIP-373).
//!
//! First everybody gives a nonce, then everybody signs. A secret nonce that signs twice gives the
//! key away. So its seed is a value that can't be copied and that signing consumes, and whoever
//! keeps it between the rounds must forget it durably before the signature leaves.

mod fields;

use std::collections::BTreeMap;

use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::PublicKey;
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{secp256k1, taproot};
use musig2::secp::{Point, Scalar};
use musig2::{
    AggNonce, KeyAggContext, LiftedSignature, PartialSignature, PubNonce, SecNonce,
    aggregate_partial_signatures, sign_partial, verify_partial,
};
use zeroize::Zeroizing;

use super::aggregate::{Group, point, public_key};
use super::definition::SpendPath;
use super::error::{VaultError, crypto};
use super::review::Reviewed;
use super::signer::SignerKey;

pub(super) use fields::{merge, name_participants, restart, round};

/// What the secret nonces of one round of one proposal come from. There is no way to copy it.
pub struct NonceSeed(Zeroizing<[u8; 32]>);

impl NonceSeed {
    /// From 32 fresh random bytes, or from what was kept between the rounds.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for NonceSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceSeed(…)")
    }
}

/// What one who cooperates does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TogetherStep {
    /// Give a nonce.
    GiveNonce,
    /// Wait for the nonces of these signers.
    AwaitNonces(Vec<usize>),
    /// Sign: all nonces are there.
    Sign,
    /// Nothing: signed already.
    Done,
}

/// One input of a round.
struct Session {
    context: KeyAggContext,
    message: [u8; 32],
    /// The key of the output: the one that nonces and signatures are filed under.
    output_key: PublicKey,
    nonces: BTreeMap<usize, PubNonce>,
    partials: BTreeMap<usize, PartialSignature>,
}

impl Session {
    fn aggregate_nonce(&self) -> AggNonce {
        AggNonce::sum(self.nonces.values())
    }

    /// The nonce of a signer. The same seed gives another nonce for another transaction.
    fn secret_nonce(&self, seed: &NonceSeed, secret: Scalar, round: u32) -> SecNonce {
        let aggregate: Point = self.context.aggregated_pubkey();
        let round = round.to_le_bytes();
        SecNonce::build_with_seckey(*seed.0, secret)
            .with_message(&self.message)
            .with_aggregated_pubkey(aggregate)
            .with_extra_input(&round)
            .build()
    }
}

impl Reviewed<'_> {
    /// What this signer does next on the way of all who cooperate.
    ///
    /// # Errors
    /// `NotYourPath` if it isn't one of them.
    pub fn together_step(&self, signer: usize) -> Result<TogetherStep, VaultError> {
        let group = self.group_with(signer)?;
        if self.signed().contains(&signer) {
            return Ok(TogetherStep::Done);
        }
        let sessions = sessions(self)?;
        let has_nonce = |one: usize| {
            let mut each = sessions.iter();
            each.all(|session| session.nonces.contains_key(&one))
        };
        if !has_nonce(signer) {
            return Ok(TogetherStep::GiveNonce);
        }
        let missing = group.signers.iter().copied();
        let missing: Vec<usize> = missing.filter(|&one| !has_nonce(one)).collect();
        Ok(match missing.as_slice() {
            [] => TogetherStep::Sign,
            _ => TogetherStep::AwaitNonces(missing),
        })
    }

    /// The number of the round. A nonce that is lost begins the next.
    #[must_use]
    pub fn round(&self) -> u32 {
        round(&self.psbt)
    }

    /// Forgets all nonces and partial signatures, and begins the next round.
    ///
    /// # Errors
    /// After more rounds than anybody has patience for.
    pub fn restart(&mut self) -> Result<(), VaultError> {
        self.forget_signed();
        restart(&mut self.psbt)
    }

    /// First round: gives this key's nonces. Keep the seed for the second round.
    ///
    /// # Errors
    /// `NotASigner` or `NotYourPath`.
    pub fn give_nonces(&mut self, key: &SignerKey, seed: &NonceSeed) -> Result<(), VaultError> {
        let signer = key.place_in(self.vault.policy())?;
        self.group_with(signer)?;
        let secret = secret_scalar(key)?;
        let sessions = sessions(self)?;
        let public = key.account_pair().public_key();
        let round = self.round();
        for (input, session) in self.psbt.inputs.iter_mut().zip(&sessions) {
            let nonce = session.secret_nonce(seed, secret, round).public_nonce();
            fields::put_nonce(input, &public, &session.output_key, &nonce);
        }
        Ok(())
    }

    /// Second round: signs, and uses the seed up. The caller must have forgotten it durably: it
    /// must never come here again.
    ///
    /// # Errors
    /// `Incomplete` while nonces are missing; `NonceLost` if the nonces in the PSBT aren't those of
    /// this seed.
    pub fn sign_together(&mut self, key: &SignerKey, seed: NonceSeed) -> Result<(), VaultError> {
        let signer = key.place_in(self.vault.policy())?;
        match self.together_step(signer)? {
            TogetherStep::Sign => {}
            TogetherStep::Done => return Ok(()),
            TogetherStep::GiveNonce => return Err(VaultError::NonceLost),
            TogetherStep::AwaitNonces(missing) => {
                let names = self.vault.policy().names(&missing);
                return Err(VaultError::Incomplete(format!("the nonces of {names}")));
            }
        }
        let secret = secret_scalar(key)?;
        let round = self.round();
        let sessions = sessions(self)?;
        let mut partials = Vec::with_capacity(sessions.len());
        for session in &sessions {
            let nonce = session.secret_nonce(&seed, secret, round);
            if session.nonces.get(&signer) != Some(&nonce.public_nonce()) {
                return Err(VaultError::NonceLost);
            }
            let all = session.aggregate_nonce();
            let partial: PartialSignature =
                sign_partial(&session.context, secret, nonce, &all, session.message)
                    .map_err(crypto)?;
            partials.push(partial);
        }
        drop(seed);
        let public = key.account_pair().public_key();
        let inputs = self.psbt.inputs.iter_mut().zip(&sessions);
        for ((input, session), partial) in inputs.zip(&partials) {
            fields::put_partial(input, &public, &session.output_key, partial);
        }
        self.note_signed(signer);
        Ok(())
    }

    /// Adds up the partial signatures of all inputs.
    pub(super) fn together_signatures(&self) -> Result<Vec<taproot::Signature>, VaultError> {
        let mut signatures = Vec::with_capacity(self.coins.len());
        for session in sessions(self)? {
            let all = session.aggregate_nonce();
            let partials = session.partials.values().copied();
            let whole: LiftedSignature =
                aggregate_partial_signatures(&session.context, &all, partials, session.message)
                    .map_err(crypto)?;
            let bytes = whole.compact().serialize();
            signatures.push(taproot::Signature {
                signature: secp256k1::schnorr::Signature::from_slice(&bytes).map_err(crypto)?,
                sighash_type: TapSighashType::Default,
            });
        }
        Ok(signatures)
    }

    fn group_with(&self, signer: usize) -> Result<&Group, VaultError> {
        let is_together = self.path() == SpendPath::Together;
        let group = self.vault.group().filter(|_| is_together);
        let group = group.filter(|group| group.signers.contains(&signer));
        group.ok_or_else(|| VaultError::NotYourPath {
            signer: self.vault.policy().name_of(signer).to_owned(),
            path: self.vault.path_name(self.path()).to_owned(),
        })
    }
}

/// Checks the partial signatures, and says who has signed all inputs.
pub(super) fn check(reviewed: &Reviewed<'_>) -> Result<Vec<usize>, VaultError> {
    let Some(group) = reviewed.vault.group() else {
        return Ok(Vec::new());
    };
    let sessions = sessions(reviewed)?;
    for (index, input) in reviewed.psbt.inputs.iter().enumerate() {
        if input.tap_key_sig.is_some() || !input.tap_script_sigs.is_empty() {
            let what = "it has a signature that doesn't belong to its path";
            return Err(VaultError::FalseInput { input: index, what });
        }
    }
    for session in &sessions {
        let all = session.aggregate_nonce();
        for (signer, partial) in &session.partials {
            let name = || reviewed.vault.policy().name_of(*signer).to_owned();
            let place = group.signers.iter().position(|one| one == signer);
            let key = place.and_then(|place| group.keys.get(place));
            let (Some(key), Some(nonce)) = (key, session.nonces.get(signer)) else {
                return Err(VaultError::Contradiction { signer: name() });
            };
            let is_whole = session.nonces.len() == group.signers.len();
            let valid = is_whole && {
                let key = point(key)?;
                let context = &session.context;
                verify_partial(context, *partial, &all, key, nonce, session.message).is_ok()
            };
            if !valid {
                return Err(VaultError::ChangedAfterSignature { signer: name() });
            }
        }
    }
    let signers = group.signers.iter().copied();
    let signed = signers.filter(|signer| {
        let mut each = sessions.iter();
        each.all(|session| session.partials.contains_key(signer))
    });
    Ok(signed.collect())
}

fn sessions(reviewed: &Reviewed<'_>) -> Result<Vec<Session>, VaultError> {
    let Some(group) = reviewed.vault.group() else {
        return Err(VaultError::UnknownPath(super::TOGETHER.into()));
    };
    let prevouts = reviewed.prevouts();
    let prevouts = Prevouts::All(&prevouts);
    let mut cache = SighashCache::new(&reviewed.psbt.unsigned_tx);
    let mut sessions = Vec::with_capacity(reviewed.coins.len());
    for (index, (coin, input)) in reviewed.coins.iter().zip(&reviewed.psbt.inputs).enumerate() {
        let root = reviewed.vault.merkle_root(coin.place)?;
        let root = root.map(|root| root.to_byte_array());
        let path = [coin.place.keychain.number(), coin.place.index];
        let context = group.context(path, root.as_ref())?;
        let output_key = public_key(&context.aggregated_pubkey::<Point>())?;
        let message = cache
            .taproot_key_spend_signature_hash(index, &prevouts, TapSighashType::Default)
            .map_err(crypto)?;
        let given = fields::read(input, group, &output_key)?;
        sessions.push(Session {
            context,
            message: message.to_byte_array(),
            output_key,
            nonces: given.nonces,
            partials: given.partials,
        });
    }
    Ok(sessions)
}

fn secret_scalar(key: &SignerKey) -> Result<Scalar, VaultError> {
    let bytes = Zeroizing::new(key.account_pair().secret_bytes());
    Scalar::from_slice(&*bytes).map_err(crypto)
}
