//! Making tokens to pay with.

use std::fmt;

use cdk::Amount;
use cdk::nuts::SpendingConditions;
use cdk::wallet::SendOptions;
use cdk::wallet::types::{TransactionId, TransactionStatus};
use tokio::sync::OwnedRwLockReadGuard;
use uuid::Uuid;

use super::reclaim::is_take_back_in_doubt;
use super::{EcashError, EcashWallet};

use crate::boxed;

/// A token that was made and is worth money to whoever reads it.
///
/// As long as this value lives, recovery waits: record `operation` and `token`
/// durably, then drop it. A token that recovery finds unrecorded is taken back.
pub struct Issued {
    /// Names the operation for [`EcashWallet::fate`] and [`EcashWallet::take_back`].
    pub operation: Uuid,
    /// The `cashuB…` text.
    pub token: String,
    /// What it is worth to the recipient.
    pub amount_sat: u64,
    /// The mint's fees on top.
    pub fee_sat: u64,
    _live: OwnedRwLockReadGuard<()>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("operation", &self.operation)
            .field("amount_sat", &self.amount_sat)
            .field("fee_sat", &self.fee_sat)
            .finish_non_exhaustive()
    }
}

/// What became of an issued token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFate {
    /// Nobody has redeemed it yet.
    Outstanding,
    /// The recipient redeemed it.
    Claimed,
    /// It is ours again.
    TakenBack,
}

impl EcashWallet {
    /// Makes a token worth exactly `amount_sat` to its recipient.
    ///
    /// # Errors
    /// [`EcashError::Insufficient`]; or [`EcashError::Unknown`], then nothing was handed
    /// out and recovery returns the proofs.
    #[boxed]
    pub async fn issue(&self, amount_sat: u64) -> Result<Issued, EcashError> {
        self.issue_with(amount_sat, None).await
    }

    pub(super) async fn issue_with(
        &self,
        amount_sat: u64,
        conditions: Option<SpendingConditions>,
    ) -> Result<Issued, EcashError> {
        let live = self.live().await?;
        let _alone = self.deriving.lock().await;
        let options = SendOptions {
            include_fee: true,
            // What is at hand is sent as it is if that makes a short token; otherwise it is
            // swapped for the fewest proofs. Tokens travel in headers, which are short.
            max_proofs: Some(amount_sat.count_ones() as usize + 2),
            conditions,
            ..SendOptions::default()
        };
        let prepared = match self
            .cdk
            .prepare_send(Amount::from(amount_sat), options)
            .await
        {
            Err(cdk::Error::InsufficientFunds) => {
                return Err(EcashError::Insufficient { amount_sat });
            }
            other => other?,
        };
        let operation = prepared.operation_id();
        let fee_sat = prepared.fee().into();
        let token = prepared.confirm(None).await?;
        Ok(Issued {
            operation,
            token: token.to_string(),
            amount_sat,
            fee_sat,
            _live: live,
        })
    }

    /// What became of the token of `operation`. Asks the mint.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint doesn't answer.
    #[boxed]
    pub async fn fate(&self, operation: Uuid) -> Result<TokenFate, EcashError> {
        let _live = self.live().await?;
        self.fate_unguarded(operation).await
    }

    /// Swaps an outstanding token back to us, unless the recipient was faster.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint doesn't answer.
    #[boxed]
    pub async fn take_back(&self, operation: Uuid) -> Result<TokenFate, EcashError> {
        let _live = self.live().await?;
        self.take_back_unguarded(operation).await
    }

    pub(super) async fn fate_unguarded(&self, operation: Uuid) -> Result<TokenFate, EcashError> {
        if self.cdk.get_pending_sends().await?.contains(&operation) {
            if is_take_back_in_doubt(self, operation).await? {
                return Err(EcashError::Unknown(
                    "a swap that takes the token back isn't settled".into(),
                ));
            }
            let claimed = self.cdk.check_send_status(operation).await?;
            return Ok(if claimed {
                TokenFate::Claimed
            } else {
                TokenFate::Outstanding
            });
        }
        let id = TransactionId::from_saga_id(operation);
        match self
            .cdk
            .get_transaction(id)
            .await?
            .map(|transaction| transaction.status)
        {
            Some(TransactionStatus::Completed) => Ok(TokenFate::Claimed),
            Some(TransactionStatus::Pending) => Err(EcashError::Unknown(
                "the token's operation isn't settled".into(),
            )),
            _ => Ok(TokenFate::TakenBack),
        }
    }

    pub(super) async fn take_back_unguarded(
        &self,
        operation: Uuid,
    ) -> Result<TokenFate, EcashError> {
        let fate = self.fate_unguarded(operation).await?;
        if fate != TokenFate::Outstanding {
            return Ok(fate);
        }
        let _alone = self.deriving.lock().await;
        match self.cdk.revoke_send(operation).await {
            Ok(_) => Ok(TokenFate::TakenBack),
            // Somebody redeemed it between the question and the swap, or the mint is
            // away: asking again tells which.
            Err(error) => match self.fate_unguarded(operation).await? {
                TokenFate::Outstanding => Err(EcashError::Unknown(error.to_string())),
                settled => Ok(settled),
            },
        }
    }
}
