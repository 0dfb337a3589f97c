//! Being paid over Lightning.

use serde::{Deserialize, Serialize};
use wallet::cashier::books::{BookedInvoice, Holder};
use wallet::lightning::{Invoice, InvoiceRequest, LightningError, PaymentId, Preimage};

use super::view::InvoiceView;
use crate::boxed;
use crate::error::Result;
use crate::node::Node;

/// How long an invoice can be paid, unless it is said.
const EXPIRY_S: u32 = 3_600;

/// An invoice to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InvoiceInput {
    /// How much; up to the payer if missing.
    pub amount_msat: Option<u64>,
    /// What for.
    pub description: String,
    /// For how long it can be paid.
    pub expiry_s: Option<u32>,
    /// Buy a channel for it, from the provider that is configured, for at most this much.
    pub jit_fee_max_msat: Option<u64>,
    /// Hold the payment until it is claimed or failed: the payment hash, in hex.
    pub hold_payment_hash: Option<String>,
}

impl Node {
    /// Makes a BOLT 11 invoice for the owner.
    ///
    /// # Errors
    /// `no_lightning`, or a description that is too long.
    #[boxed]
    pub async fn lightning_invoice(&self, input: InvoiceInput) -> Result<InvoiceView> {
        let cashier = self.cashier()?;
        let request = InvoiceRequest {
            amount_msat: input.amount_msat,
            description: input.description.clone(),
            expiry_s: input.expiry_s.unwrap_or(EXPIRY_S),
        };
        let invoice = match (&input.hold_payment_hash, input.jit_fee_max_msat) {
            (Some(hash), _) => {
                let hash = payment_id(hash)?;
                cashier.lightning().hold_invoice(hash, request).await?
            }
            (None, Some(fee_max_msat)) => {
                cashier
                    .lightning()
                    .invoice_jit(request, fee_max_msat)
                    .await?
            }
            (None, None) => cashier.lightning().invoice(request).await?,
        };
        cashier
            .note_invoice(Holder::Owner, &invoice, &input.description)
            .await?;
        Ok(invoice.into())
    }

    /// Makes a BOLT 12 offer for the owner, which can be paid as often as one likes.
    ///
    /// # Errors
    /// `no_lightning`, or a description that is too long.
    #[boxed]
    pub async fn lightning_offer(&self, input: InvoiceInput) -> Result<InvoiceView> {
        let lightning = self.cashier()?.lightning();
        let request = lightning
            .offer(input.amount_msat, input.description, input.expiry_s)
            .await?;
        Ok(InvoiceView {
            request,
            payment_hash: None,
            amount_msat: input.amount_msat,
            expires_at_s: None,
        })
    }

    /// Claims the payment of a hold invoice.
    ///
    /// # Errors
    /// If none waits for this preimage and amount.
    #[boxed]
    pub async fn lightning_claim(&self, preimage: &str, amount_msat: u64) -> Result<()> {
        let preimage = Preimage(payment_id(preimage)?.0);
        self.cashier()?
            .lightning()
            .claim_hold(preimage, amount_msat)
            .await?;
        Ok(())
    }

    /// Sends the payment of a hold invoice back.
    ///
    /// # Errors
    /// If none waits.
    #[boxed]
    pub async fn lightning_fail(&self, payment_hash: &str) -> Result<()> {
        let hash = payment_id(payment_hash)?;
        Ok(self.cashier()?.lightning().fail_hold(hash).await?)
    }

    /// The newest invoices, oldest first.
    ///
    /// # Errors
    /// `no_lightning`, or a database error.
    #[boxed]
    pub async fn lightning_invoices(&self, limit: u32) -> Result<Vec<BookedInvoice>> {
        Ok(self.cashier()?.invoices(limit).await?)
    }
}

/// 32 bytes in hex.
pub(super) fn payment_id(text: &str) -> Result<PaymentId> {
    let id = text.parse();
    Ok(id.map_err(|_| LightningError::Invalid("hash or preimage: 64 hex digits"))?)
}

impl From<Invoice> for InvoiceView {
    fn from(invoice: Invoice) -> Self {
        Self {
            request: invoice.text,
            payment_hash: Some(invoice.payment_hash.to_string()),
            amount_msat: invoice.amount_msat,
            expires_at_s: Some(invoice.expires_at_s),
        }
    }
}
