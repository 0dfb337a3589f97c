//! Taking tokens in: swapped at the mint before they count as ours.

use std::collections::HashMap;
use std::str::FromStr;

use cdk::nuts::{Proofs, State, Token};
use cdk::wallet::ReceiveOptions;
use cdk::wallet::types::{Transaction, TransactionDirection, TransactionStatus};

use super::{EcashError, EcashWallet};

/// What became of a redemption.
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

/// Metadata key under which a redemption carries the caller's key.
const KEY: &str = "freehold_key";
/// Metadata key that recovery sets when the token turns out to be spent by somebody else.
pub(super) const LOST: &str = "freehold_lost";

impl EcashWallet {
    /// Swaps `token` for fresh ecash of ours, and returns what arrived. `key` names the
    /// redemption for [`Self::redemption`]; use it once.
    ///
    /// # Errors
    /// [`EcashError::is_unknown`] tells whether the swap may still have happened.
    pub async fn redeem(&self, key: &str, token: &str) -> Result<u64, EcashError> {
        let _live = self.gate.read().await;
        let proofs = self.proofs_of(token).await?;
        let _alone = self.deriving.lock().await;
        self.refuse_unsettled(&proofs).await?;
        // A spent token is refused before a saga begins: cdk rightly calls that
        // answer of a swap ambiguous, and would leave the saga to recovery.
        let states = self.cdk.check_proofs_spent(proofs.clone()).await?;
        if states.iter().any(|proof| proof.state != State::Unspent) {
            return Err(EcashError::Spent);
        }
        let options = ReceiveOptions {
            metadata: HashMap::from([(KEY.to_owned(), key.to_owned())]),
            ..ReceiveOptions::default()
        };
        match self.cdk.receive_proofs(proofs, options, None, None).await {
            Ok(amount) => Ok(amount.into()),
            // Raced by somebody else's swap: recovery tells who won.
            Err(cdk::Error::TokenAlreadySpent | cdk::Error::TokenPending) => Err(
                EcashError::Unknown("the token is being spent elsewhere".into()),
            ),
            Err(error) => Err(error.into()),
        }
    }

    /// What became of the redemption called `key`. Reads all incoming transactions, so
    /// it is for recovery, not for every request.
    ///
    /// # Errors
    /// [`EcashError::Storage`].
    pub async fn redemption(&self, key: &str) -> Result<Redemption, EcashError> {
        let incoming = self
            .cdk
            .list_transactions(Some(TransactionDirection::Incoming))
            .await?;
        let outcome = incoming
            .iter()
            .filter(|transaction| transaction.metadata.get(KEY).is_some_and(|k| k == key))
            .map(outcome_of)
            .max_by_key(|outcome| match outcome {
                Redemption::Done { .. } => 3,
                Redemption::Unknown => 2,
                Redemption::Lost => 1,
                Redemption::None => 0,
            });
        Ok(outcome.unwrap_or(Redemption::None))
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

    async fn proofs_of(&self, token: &str) -> Result<Proofs, EcashError> {
        let malformed = |error: &dyn std::fmt::Display| EcashError::Malformed(error.to_string());
        let token = Token::from_str(token).map_err(|error| malformed(&error))?;
        if token.mint_url().map_err(|error| malformed(&error))? != self.cdk.mint_url {
            return Err(EcashError::Malformed("the token is of another mint".into()));
        }
        if token.unit().unwrap_or_default() != self.cdk.unit {
            return Err(EcashError::Malformed("the token is of another unit".into()));
        }
        let known = self.cdk.mint_connector().get_mint_keysets().await?;
        token
            .proofs(&known.keysets)
            .map_err(|error| EcashError::Invalid(error.to_string()))
    }
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
