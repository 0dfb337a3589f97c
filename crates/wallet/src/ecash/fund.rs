//! Minting: money comes in through the mint's own rail (on `play`: out of thin air).

use std::time::Duration;

use cdk::Amount;
use cdk::amount::SplitTarget;
use cdk::nuts::nut00::KnownMethod;
use cdk::nuts::{MintQuoteState, PaymentMethod};
use cdk::wallet::types::{TransactionDirection, TransactionStatus};

use super::{EcashError, EcashWallet};

use crate::boxed;

/// How long a mint quote may take to be paid before the funding is given up.
const PAID_WITHIN: Duration = Duration::from_secs(20);

/// What a mint wants to be paid before it issues ecash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingQuote {
    /// The mint's name of it.
    pub id: String,
    /// The invoice to be paid.
    pub request: String,
}

impl EcashWallet {
    /// Asks the mint for a quote on `amount_sat`; returns the quote's id, and the invoice to be paid.
    ///
    /// # Errors
    /// [`EcashError::Invalid`] if the mint refuses the amount, [`EcashError::Unknown`]
    /// if it doesn't answer.
    #[boxed]
    pub async fn quote_funding(&self, amount_sat: u64) -> Result<FundingQuote, EcashError> {
        let _live = self.live().await?;
        let method = PaymentMethod::Known(KnownMethod::Bolt11);
        let quote = self
            .cdk
            .mint_quote(method, Some(Amount::from(amount_sat)), None, None)
            .await?;
        Ok(FundingQuote {
            id: quote.id,
            request: quote.request,
        })
    }

    /// Waits until the quote is paid and mints it; returns what arrived.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if it wasn't paid in time, or the mint doesn't answer:
    /// ask [`Self::funded`] later.
    #[boxed]
    pub async fn fund(&self, quote_id: &str) -> Result<u64, EcashError> {
        let _live = self.live().await?;
        let paid = async {
            loop {
                let quote = self.cdk.check_mint_quote_status(quote_id).await?;
                if quote.state != MintQuoteState::Unpaid {
                    return Ok::<_, EcashError>(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PAID_WITHIN, paid)
            .await
            .map_err(|_| EcashError::Unknown("the mint's quote wasn't paid in time".into()))??;
        let _alone = self.deriving.lock().await;
        let proofs = self
            .cdk
            .mint(quote_id, SplitTarget::default(), None)
            .await?;
        Ok(proofs.iter().map(|proof| u64::from(proof.amount)).sum())
    }

    /// Mints what was quoted if it is paid for, and says what it brought in, now or before.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint doesn't answer: ask again.
    #[boxed]
    pub async fn fund_if_paid(&self, quote_id: &str) -> Result<Option<u64>, EcashError> {
        if let Some(arrived_sat) = self.funded(quote_id).await? {
            return Ok(Some(arrived_sat));
        }
        let state = {
            let _live = self.live().await?;
            self.cdk.check_mint_quote_status(quote_id).await?.state
        };
        match state {
            MintQuoteState::Unpaid => Ok(None),
            _ => self.fund(quote_id).await.map(Some),
        }
    }

    /// What the quote brought in, if it did. For recovery.
    ///
    /// # Errors
    /// [`EcashError::Storage`].
    #[boxed]
    pub async fn funded(&self, quote_id: &str) -> Result<Option<u64>, EcashError> {
        let incoming = self
            .cdk
            .list_transactions(Some(TransactionDirection::Incoming))
            .await?;
        Ok(incoming
            .into_iter()
            .find(|transaction| {
                transaction.quote_id.as_deref() == Some(quote_id)
                    && transaction.status == TransactionStatus::Completed
            })
            .map(|transaction| transaction.amount.into()))
    }
}
