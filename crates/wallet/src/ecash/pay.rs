//! Melting: ecash goes back to the mint, which pays a Lightning invoice for it.

use std::collections::HashMap;

use cdk::nuts::nut00::KnownMethod;
use cdk::nuts::{MeltQuoteState, PaymentMethod};
use cdk::wallet::MeltConfirmOptions;
use cdk::wallet::types::{MeltQuote, TransactionDirection, TransactionStatus};

use super::{EcashError, EcashWallet};

use crate::boxed;

/// What the mint asks for paying an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentQuote {
    /// The mint's name of it.
    pub id: String,
    /// What the recipient gets.
    pub amount_sat: u64,
    /// The most that the way there may cost, the mint's fee for taking our ecash included; what isn't needed comes
    /// back.
    pub fee_max_sat: u64,
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Melted {
    /// It arrived.
    Paid {
        /// What it cost beside the amount.
        fee_sat: u64,
        /// The proof, in hex, if the mint handed it on.
        preimage: Option<String>,
    },
    /// It didn't and won't: the ecash is ours again.
    Failed,
    /// It may still go either way.
    Pending,
}

impl EcashWallet {
    /// Asks the mint what paying a BOLT 11 invoice would cost. Nothing is spent by it.
    ///
    /// # Errors
    /// [`EcashError::Invalid`] if the mint refuses the invoice, [`EcashError::Unknown`] if it doesn't answer.
    #[boxed]
    pub async fn quote_payment(&self, invoice: &str) -> Result<PaymentQuote, EcashError> {
        let _live = self.live().await?;
        let method = PaymentMethod::Known(KnownMethod::Bolt11);
        let quote = self.cdk.melt_quote(method, invoice, None, None).await?;
        // Proofs may have to be paid for, once: there is no swap before.
        let input_fee_sat = self.fee_bound_sat().await? / 2;
        Ok(PaymentQuote {
            amount_sat: quote.amount.into(),
            fee_max_sat: u64::from(quote.fee_reserve) + input_fee_sat,
            id: quote.id,
        })
    }

    /// Pays what was quoted. Waits as long as the mint does.
    ///
    /// # Errors
    /// [`EcashError::is_unknown`] tells whether it may still have happened; then [`Self::melted`] tells later.
    #[boxed]
    pub async fn pay(&self, quote_id: &str) -> Result<Melted, EcashError> {
        let _live = self.live().await?;
        let _alone = self.deriving.lock().await;
        let before = self.total_sat().await?;
        let prepared = self.cdk.prepare_melt(quote_id, HashMap::new()).await?;
        // A swap to the exact sum first would be one more thing that a crash can cut in two; the change does as well.
        let options = MeltConfirmOptions::skip_swap();
        let melted = prepared.confirm_with_options(options).await?;
        match melted.state() {
            MeltQuoteState::Paid => {
                let spent_sat = before.saturating_sub(self.total_sat().await?);
                Ok(Melted::Paid {
                    fee_sat: spent_sat.saturating_sub(melted.amount().into()),
                    preimage: melted.payment_proof().map(str::to_owned),
                })
            }
            MeltQuoteState::Unpaid | MeltQuoteState::Failed => Ok(Melted::Failed),
            _ => Ok(Melted::Pending),
        }
    }

    /// What became of a payment, by the mint's word. Ask only when [recovery](Self::recovery) has run, or while no
    /// [`Self::pay`] of this quote is under way.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint doesn't answer.
    #[boxed]
    pub async fn melted(&self, quote_id: &str) -> Result<Melted, EcashError> {
        let _live = self.live().await?;
        let _alone = self.deriving.lock().await;
        let quote = self.cdk.check_melt_quote_status(quote_id).await?;
        match quote.state {
            MeltQuoteState::Paid => Ok(Melted::Paid {
                fee_sat: self.melt_fee_sat(&quote).await?,
                preimage: quote.payment_proof,
            }),
            // As long as an operation holds the quote, its request may be under way.
            MeltQuoteState::Unpaid | MeltQuoteState::Failed
                if quote.used_by_operation.is_none() =>
            {
                Ok(Melted::Failed)
            }
            _ => Ok(Melted::Pending),
        }
    }

    async fn melt_fee_sat(&self, quote: &MeltQuote) -> Result<u64, EcashError> {
        let outgoing = self
            .cdk
            .list_transactions(Some(TransactionDirection::Outgoing))
            .await?;
        let paid = outgoing.into_iter().find(|transaction| {
            transaction.quote_id.as_deref() == Some(&quote.id)
                && transaction.status == TransactionStatus::Completed
        });
        Ok(paid.map_or(quote.fee_reserve.into(), |paid| paid.fee.into()))
    }

    async fn total_sat(&self) -> Result<u64, EcashError> {
        Ok(self.holdings().await?.unspent_sat)
    }
}
