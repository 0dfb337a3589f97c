//! Taking tokens in: swapped at the mint before they count as ours.

use std::collections::HashSet;
use std::str::FromStr;

use cdk::dhke::hash_to_curve;
use cdk::nuts::nut00::ProofsMethods;
use cdk::nuts::{CheckStateRequest, Proofs, PublicKey, State, Token};
use cdk::wallet::ReceiveOptions;
use cdk::wallet::types::{Transaction, TransactionDirection, TransactionStatus};

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
    /// Swaps `token` for fresh ecash of ours, and returns what arrived.
    ///
    /// # Errors
    /// [`EcashError::is_unknown`] tells whether the swap may still have happened; then
    /// [`Self::redemption`] tells later what became of it.
    #[boxed]
    pub async fn redeem(&self, token: &str) -> Result<u64, EcashError> {
        let _live = self.live().await?;
        let proofs = self.proofs_of(&self.parse(token)?).await?;
        let _alone = self.deriving.lock().await;
        self.refuse_unsettled(&proofs).await?;
        // A spent token is refused before a saga begins: cdk rightly calls that
        // answer of a swap ambiguous, and would leave the saga to recovery.
        let states = self.states_at_mint(&proofs).await?;
        if states.iter().any(|state| *state != State::Unspent) {
            return Err(EcashError::Spent);
        }
        let received = self
            .cdk
            .receive_proofs(proofs, ReceiveOptions::default(), None, None);
        match received.await {
            Ok(amount) => Ok(amount.into()),
            // Raced by somebody else's swap: recovery tells who won.
            Err(cdk::Error::TokenAlreadySpent | cdk::Error::TokenPending) => Err(
                EcashError::Unknown("the token is being spent elsewhere".into()),
            ),
            Err(error) => Err(error.into()),
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
        let incoming = self
            .cdk
            .list_transactions(Some(TransactionDirection::Incoming))
            .await?;
        let outcome = incoming
            .iter()
            .filter(|transaction| transaction.ys.iter().copied().collect::<HashSet<_>>() == ys)
            .map(outcome_of)
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
        let ys = proofs.ys().map_err(cdk::Error::from)?;
        let asked = ys.len();
        let connector = self.cdk.mint_connector();
        let answer = connector.post_check_state(CheckStateRequest { ys }).await?;
        if answer.states.len() != asked {
            return Err(EcashError::Unknown(
                "the mint's answer is incomplete".into(),
            ));
        }
        Ok(answer.states.into_iter().map(|proof| proof.state).collect())
    }

    /// A proof that an unsettled redemption brought in already must wait for recovery:
    /// redeeming it again would take the first one's record from under it.
    async fn refuse_unsettled(&self, proofs: &Proofs) -> Result<(), EcashError> {
        let unsettled = self.cdk.get_pending_proofs().await?;
        if unsettled
            .iter()
            .any(|old| proofs.iter().any(|new| new.secret == old.secret))
        {
            return Err(EcashError::Unknown(
                "an earlier redemption isn't settled".into(),
            ));
        }
        Ok(())
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

    pub(super) async fn proofs_of(&self, token: &Token) -> Result<Proofs, EcashError> {
        let known = self.cdk.mint_connector().get_mint_keysets().await?;
        token
            .proofs(&known.keysets)
            .map_err(|error| EcashError::Invalid(error.to_string()))
    }
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

fn outcome_of(transaction: &Transaction) -> Redemption {
    if transaction.metadata.contains_key(LOST) {
        return Redemption::Lost;
    }
    match transaction.status {
        TransactionStatus::Completed => Redemption::Done {
            amount_sat: transaction.amount.into(),
        },
        TransactionStatus::Pending => Redemption::Unknown,
        _ => Redemption::None,
    }
}
