//! After a restore: the wallet's ecash is found again by its seed (NUT-13), with the mint's help (NUT-09).
//!
//! `cdk` can do this too, but not twice: after a scan that broke off, it moves its counters on by all that they had
//! counted already, and the gap hides from the next scan what comes after it. It also believes a mint for as long as
//! that claims to have signed more.

use std::collections::{HashMap, HashSet};

use cdk::dhke::construct_proofs;
use cdk::nuts::nut00::ProofsMethods;
use cdk::nuts::{
    BlindSignature, Id, KeySet, PreMintSecrets, Proofs, PublicKey, RestoreRequest, State, Token,
};
use cdk::wallet::ReceiveOptions;
use cdk::wallet::types::{KeysetLoadPolicy, ProofInfo};

use super::recover::{Recovery, storage};
use super::{EcashError, EcashWallet};

use crate::boxed;

/// So many secrets are asked about at once: what the standard recommends.
const BATCH: u32 = 100;
/// After so many questions without an answer nothing more is expected: what the standard recommends.
const EMPTY_BATCHES_MAX: u32 = 3;
/// A mint that claims to have signed more than this for one wallet is lying.
const SECRETS_MAX: u32 = 5_000_000;

/// What a scan has found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rescan {
    /// Keysets that were scanned to their end.
    pub keysets: u32,
    /// Secrets that the mint was asked about.
    pub asked: u64,
    /// What is there to be spent.
    pub unspent_sat: u64,
    /// What the mint is still at work on.
    pub pending_sat: u64,
}

/// What became of a token that others may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaimed {
    /// Nobody had redeemed it: it is ours, and theirs no more.
    Ours {
        /// What arrived, the mint's fee taken off.
        amount_sat: u64,
    },
    /// Somebody has redeemed it.
    Theirs,
}

impl Recovery<'_> {
    /// Asks the mint for all that it ever signed for this seed, and takes in what isn't spent. It may be run again.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint doesn't answer: what was found until then is kept, and found again.
    pub async fn rescan(
        &self,
        seed: &[u8; 64],
        mut tell: impl FnMut(Rescan),
    ) -> Result<Rescan, EcashError> {
        let cdk = &self.wallet.cdk;
        // The proofs' rows refer to the mint's, and the keysets' to both.
        cdk.fetch_mint_info().await?;
        let active = cdk.keysets(KeysetLoadPolicy::Refresh).await?;
        let connector = cdk.mint_connector();
        let known = connector.get_mint_keysets().await?.keysets;
        let mut found = Rescan::default();
        for info in known.into_iter().filter(|info| info.unit == cdk.unit) {
            let loaded = active.iter().find(|keyset| keyset.id == info.id).cloned();
            let keyset = match loaded {
                Some(keyset) => keyset,
                None => connector.get_mint_keyset(info.id).await?,
            };
            // Keys of another keyset would make proofs that the mint refuses.
            keyset
                .verify_id()
                .map_err(|error| EcashError::Invalid(error.to_string()))?;
            self.scan(seed, &keyset, &mut found, &mut tell).await?;
            found.keysets += 1;
            tell(found);
        }
        Ok(found)
    }

    async fn scan(
        &self,
        seed: &[u8; 64],
        keyset: &KeySet,
        found: &mut Rescan,
        tell: &mut impl FnMut(Rescan),
    ) -> Result<(), EcashError> {
        let (mut start, mut empty, mut next) = (0, 0, 0);
        while empty < EMPTY_BATCHES_MAX {
            if start >= SECRETS_MAX {
                return Err(EcashError::Invalid(
                    "the mint claims to have signed more than any wallet asks for".into(),
                ));
            }
            let signed = self.signed(seed, keyset, start).await?;
            match signed.last() {
                Some((index, _)) => (empty, next) = (0, index + 1),
                None => empty += 1,
            }
            self.keep(signed, keyset, found).await?;
            start += BATCH;
            found.asked += u64::from(BATCH);
            tell(*found);
        }
        self.move_counter_to(keyset.id, next).await
    }

    /// The proofs that the mint signed, of those which the seed makes from `start` on, each with its index.
    async fn signed(
        &self,
        seed: &[u8; 64],
        keyset: &KeySet,
        start: u32,
    ) -> Result<Vec<(u32, cdk::nuts::Proof)>, EcashError> {
        let ours = PreMintSecrets::restore_batch(keyset.id, seed, start, start + BATCH)
            .map_err(|error| EcashError::Invalid(error.to_string()))?;
        let outputs = ours.blinded_messages();
        let connector = self.wallet.cdk.mint_connector();
        let answer = connector.post_restore(RestoreRequest { outputs }).await?;
        if answer.outputs.len() != answer.signatures.len() {
            return Err(EcashError::Unknown(
                "the mint's answer is incomplete".into(),
            ));
        }
        let outputs = answer
            .outputs
            .into_iter()
            .map(|output| output.blinded_secret);
        let mut signatures: HashMap<PublicKey, BlindSignature> =
            outputs.zip(answer.signatures).collect();
        let mut signed = Vec::new();
        for (index, secret) in (start..).zip(ours.secrets) {
            let signature = signatures.remove(&secret.blinded_message.blinded_secret);
            let Some(signature) = signature.filter(|found| found.keyset_id == keyset.id) else {
                continue;
            };
            let proofs = construct_proofs(
                vec![signature],
                vec![secret.r],
                vec![secret.secret],
                &keyset.keys,
            );
            let proofs = proofs.map_err(|error| EcashError::Invalid(error.to_string()))?;
            signed.extend(proofs.into_iter().map(|proof| (index, proof)));
        }
        Ok(signed)
    }

    /// Takes in what isn't spent.
    async fn keep(
        &self,
        signed: Vec<(u32, cdk::nuts::Proof)>,
        keyset: &KeySet,
        found: &mut Rescan,
    ) -> Result<(), EcashError> {
        if signed.is_empty() {
            return Ok(());
        }
        let proofs: Proofs = signed.iter().map(|(_, proof)| proof.clone()).collect();
        let states = self.wallet.states_at_mint(&proofs).await?;
        let mut kept = Vec::new();
        for ((index, proof), state) in signed.into_iter().zip(states) {
            let amount_sat = u64::from(proof.amount);
            let (sum_sat, state) = match state {
                State::Spent => continue,
                State::Unspent => (&mut found.unspent_sat, State::Unspent),
                // Recovery asks again what became of what is held so.
                _ => (&mut found.pending_sat, State::PendingSpent),
            };
            *sum_sat = sum_sat.saturating_add(amount_sat);
            let url = self.wallet.cdk.mint_url.clone();
            let info = ProofInfo::new(proof, url, state, keyset.unit.clone())?;
            kept.push(info.with_derivation_index(index));
        }
        let store = &self.wallet.cdk.localstore;
        store.update_proofs(kept, Vec::new()).await.map_err(storage)
    }

    /// No secret is used twice: the counter never goes back, and never further than needed.
    async fn move_counter_to(&self, keyset: Id, next: u32) -> Result<(), EcashError> {
        let store = &self.wallet.cdk.localstore;
        let counter = store.increment_keyset_counter(&keyset, 0).await;
        let missing = next.saturating_sub(counter.map_err(storage)?);
        if missing > 0 {
            let moved = store.increment_keyset_counter(&keyset, missing).await;
            moved.map_err(storage)?;
        }
        Ok(())
    }

    /// Lets go of tokens that were handed to somebody and not redeemed yet. The scan finds them like all that the seed
    /// made, and they are not ours to spend.
    ///
    /// # Errors
    /// [`EcashError::Storage`].
    #[boxed]
    pub async fn let_go(&self, tokens: &[String]) -> Result<u64, EcashError> {
        let theirs: HashSet<String> = tokens
            .iter()
            .filter_map(|token| token.parse::<Token>().ok())
            .flat_map(|token| {
                token
                    .token_secrets()
                    .into_iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            })
            .collect();
        let held = self.wallet.cdk.get_unspent_proofs().await?;
        let held: Proofs = held
            .into_iter()
            .filter(|proof| theirs.contains(&proof.secret.to_string()))
            .collect();
        let amount_sat = held.iter().map(|proof| u64::from(proof.amount)).sum();
        self.forget(&held).await?;
        Ok(amount_sat)
    }

    /// Swaps a token that this seed made, and that somebody may know, for ecash that only we know; unless they were
    /// faster. It may be run again.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint doesn't answer, [`EcashError::Malformed`] if it isn't a token of ours.
    #[boxed]
    pub async fn reclaim_token(&self, token: &str) -> Result<Reclaimed, EcashError> {
        let wallet = self.wallet;
        let (proofs, _) = wallet.proofs_of(&wallet.parse(token)?).await?;
        let states = wallet.states_at_mint(&proofs).await?;
        self.forget(&proofs).await?;
        let pairs = proofs.into_iter().zip(states);
        let unspent: Proofs = pairs
            .filter_map(|(proof, state)| (state == State::Unspent).then_some(proof))
            .collect();
        if unspent.is_empty() {
            return Ok(Reclaimed::Theirs);
        }
        let options = ReceiveOptions::default();
        match wallet
            .cdk
            .receive_proofs(unspent, options, None, None)
            .await
        {
            Ok(amount) => Ok(Reclaimed::Ours {
                amount_sat: amount.into(),
            }),
            Err(cdk::Error::TokenAlreadySpent | cdk::Error::TokenPending) => Err(
                EcashError::Unknown("the token is being redeemed just now".into()),
            ),
            Err(error) => Err(error.into()),
        }
    }

    async fn forget(&self, proofs: &Proofs) -> Result<(), EcashError> {
        let ys = proofs.ys().map_err(cdk::Error::from)?;
        let store = &self.wallet.cdk.localstore;
        store.update_proofs(Vec::new(), ys).await.map_err(storage)
    }
}

impl EcashWallet {
    /// Keeps everything but recovery out, until [`Self::reopen`]: a wallet that hasn't found its ecash yet must not
    /// make new secrets, which may be those that it made before.
    pub fn close(&self) {
        self.is_closed
            .store(true, std::sync::atomic::Ordering::Release);
    }

    /// Lets everything in again.
    pub fn reopen(&self) {
        self.is_closed
            .store(false, std::sync::atomic::Ordering::Release);
    }
}
