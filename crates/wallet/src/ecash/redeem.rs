//! Taking tokens in: swapped at the mint before they count as ours.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use cdk::dhke::hash_to_curve;
use cdk::nuts::nut00::ProofsMethods;
use cdk::nuts::{CheckStateRequest, Proofs, PublicKey, State, Token};
use cdk::wallet::types::{Transaction, TransactionDirection, TransactionStatus};
use tokio::sync::oneshot::error::TryRecvError;

use super::together::{Members, Waiting, id_of};
use super::{EcashError, EcashWallet};

use crate::boxed;

/// What became of a token's redemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// It never began, or failed: the token is as it was before.
    None,
    /// It isn't known: the mint must be asked again ([`EcashWallet::recovery`]).
    Unknown,
    /// The sats are ours.
    Done {
        /// What arrived, the mint's fee taken off.
        amount_sat: u64,
    },
    /// Somebody else had spent the token first.
    Lost,
}

/// Metadata key that recovery sets when the token turns out to be spent by somebody else.
pub(super) const LOST: &str = "freehold_lost";

impl EcashWallet {
    /// Swaps `token` for fresh ecash of ours, and returns what arrived. Tokens that wait for one another are swapped
    /// together.
    ///
    /// # Errors
    /// [`EcashError::is_unknown`] tells whether the swap may still have happened; then
    /// [`Self::redemption`] tells later what became of it.
    #[boxed]
    pub async fn redeem(&self, token: &str) -> Result<u64, EcashError> {
        let _live = self.live().await?;
        let token = self.parse(token)?;
        let (proofs, is_free) = self.proofs_of(&token).await?;
        let (waiting, mut told) = Waiting::new(proofs, is_free)?;
        self.wait(waiting);
        let _alone = tokio::select! {
            biased;
            told = &mut told => return told.unwrap_or_else(|_| Err(broken_off())),
            alone = self.deriving.lock() => alone,
        };
        loop {
            match told.try_recv() {
                Ok(result) => return result,
                Err(TryRecvError::Empty) => self.redeem_some().await,
                Err(TryRecvError::Closed) => return Err(broken_off()),
            }
        }
    }

    /// What became of the redemption of just these proofs. It is told by the proofs and not
    /// by a name of the caller's: `cdk` records them from its very first write on.
    ///
    /// The same token redeemed for two purposes can't be told apart: the caller uses a
    /// token once. Reads all incoming transactions, so it is for recovery.
    ///
    /// # Errors
    /// [`EcashError::Malformed`] if it isn't a token, or [`EcashError::Storage`].
    #[boxed]
    pub async fn redemption(&self, token: &str) -> Result<Redemption, EcashError> {
        let ys = ys_of(&self.parse(token)?)?;
        let id = id_of(&ys);
        let incoming = self
            .cdk
            .list_transactions(Some(TransactionDirection::Incoming))
            .await?;
        let outcome = incoming
            .iter()
            .filter_map(|transaction| match Members::of_transaction(transaction) {
                Some(members) => {
                    let amount_sat = members.sat_of(&id)?;
                    Some(outcome_of(transaction, amount_sat))
                }
                None => {
                    let is_it = transaction.ys.iter().copied().collect::<HashSet<_>>() == ys;
                    is_it.then(|| outcome_of(transaction, transaction.amount.into()))
                }
            })
            .max_by_key(|outcome| match outcome {
                Redemption::Done { .. } => 3,
                Redemption::Unknown => 2,
                Redemption::Lost => 1,
                Redemption::None => 0,
            });
        Ok(outcome.unwrap_or(Redemption::None))
    }

    /// What the mint says of these proofs (NUT-07). `cdk`'s own question also deletes the
    /// spent ones from the wallet, and with them what recovery goes by.
    pub(super) async fn states_at_mint(&self, proofs: &Proofs) -> Result<Vec<State>, EcashError> {
        self.states_of(proofs.ys().map_err(cdk::Error::from)?).await
    }

    /// The same of proofs by their identities, in their order, whatever the order of the answer.
    pub(super) async fn states_of(&self, ys: Vec<PublicKey>) -> Result<Vec<State>, EcashError> {
        let connector = self.cdk.mint_connector();
        let request = CheckStateRequest { ys: ys.clone() };
        let answer = connector.post_check_state(request).await?.states;
        let told = answer.into_iter().map(|proof| (proof.y, proof.state));
        let told: HashMap<PublicKey, State> = told.collect();
        let states = ys.iter().map(|y| told.get(y).copied());
        let states: Option<Vec<State>> = states.collect();
        states.ok_or_else(|| EcashError::Unknown("the mint's answer is incomplete".into()))
    }

    /// Reads a token of our mint and unit.
    pub(super) fn parse(&self, token: &str) -> Result<Token, EcashError> {
        let malformed = |error: &dyn std::fmt::Display| EcashError::Malformed(error.to_string());
        let token = Token::from_str(token).map_err(|error| malformed(&error))?;
        if token.mint_url().map_err(|error| malformed(&error))? != self.cdk.mint_url {
            return Err(EcashError::Malformed("the token is of another mint".into()));
        }
        if token.unit().unwrap_or_default() != self.cdk.unit {
            return Err(EcashError::Malformed("the token is of another unit".into()));
        }
        Ok(token)
    }

    /// The proofs in a token, and whether the mint takes them without a fee.
    pub(super) async fn proofs_of(&self, token: &Token) -> Result<(Proofs, bool), EcashError> {
        let known = self.cdk.mint_connector().get_mint_keysets().await?.keysets;
        let proofs = token
            .proofs(&known)
            .map_err(|error| EcashError::Invalid(error.to_string()))?;
        let is_free = |id| {
            let keyset = known.iter().find(|keyset| keyset.id == id);
            keyset.is_some_and(|keyset| keyset.input_fee_ppk == 0)
        };
        let is_free = proofs.iter().all(|proof| is_free(proof.keyset_id));
        Ok((proofs, is_free))
    }
}

/// Whoever redeemed it together with others went away in the middle.
fn broken_off() -> EcashError {
    EcashError::Unknown("the redemption was broken off".into())
}

/// The proofs' identities at the mint (NUT-00: `Y = hash_to_curve(secret)`).
fn ys_of(token: &Token) -> Result<HashSet<PublicKey>, EcashError> {
    let secrets = token.token_secrets();
    let ys = secrets
        .into_iter()
        .map(|secret| hash_to_curve(secret.as_bytes()));
    ys.collect::<Result<_, _>>()
        .map_err(|error| EcashError::Malformed(error.to_string()))
}

/// What a transaction came to, for a token that brought so much.
fn outcome_of(transaction: &Transaction, amount_sat: u64) -> Redemption {
    if transaction.metadata.contains_key(LOST) {
        return Redemption::Lost;
    }
    match transaction.status {
        TransactionStatus::Completed => Redemption::Done { amount_sat },
        TransactionStatus::Pending => Redemption::Unknown,
        _ => Redemption::None,
    }
}
