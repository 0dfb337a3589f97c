//! Being paid: invoices, hold invoices, just-in-time channels and offers.

use std::fmt;

use bitcoin::hashes::Hash as _;
use ldk_node::lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescription, Description};
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use sha2::{Digest as _, Sha256};

use super::{Lightning, LightningError, PaymentId, Preimage};

use crate::boxed;

/// What an invoice shall say.
#[derive(Debug, Clone)]
pub struct InvoiceRequest {
    /// How much; up to the payer if missing.
    pub amount_msat: Option<u64>,
    /// What for: at most 639 bytes.
    pub description: String,
    /// For how long it can be paid.
    pub expiry_s: u32,
}

/// An invoice of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The invoice for the payer.
    pub text: String,
    /// The payment's id.
    pub payment_hash: PaymentId,
    /// How much; up to the payer if missing.
    pub amount_msat: Option<u64>,
    /// Until when it can be paid, in Unix seconds.
    pub expires_at_s: u64,
}

impl fmt::Debug for Invoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invoice({})", self.payment_hash)
    }
}

impl From<Bolt11Invoice> for Invoice {
    fn from(invoice: Bolt11Invoice) -> Self {
        let expires = invoice.expires_at();
        Self {
            text: invoice.to_string(),
            payment_hash: PaymentId(invoice.payment_hash().to_byte_array()),
            amount_msat: invoice.amount_milli_satoshis(),
            expires_at_s: expires.map_or(u64::MAX, |expires| expires.as_secs()),
        }
    }
}

impl InvoiceRequest {
    fn description(&self) -> Result<Bolt11InvoiceDescription, LightningError> {
        let description = Description::new(self.description.clone());
        let description = description.map_err(|_| LightningError::Invalid("description"))?;
        Ok(Bolt11InvoiceDescription::Direct(description))
    }
}

impl Lightning {
    /// An invoice. Its payment is taken when it comes.
    ///
    /// # Errors
    /// `Invalid` for a description that is too long, `NotRunning` or `Storage`.
    #[boxed]
    pub async fn invoice(&self, request: InvoiceRequest) -> Result<Invoice, LightningError> {
        let description = request.description()?;
        self.call(move |node| {
            let (bolt11, expiry_s) = (node.bolt11_payment(), request.expiry_s);
            let invoice = match request.amount_msat {
                Some(amount_msat) => bolt11.receive(amount_msat, &description, expiry_s),
                None => bolt11.receive_variable_amount(&description, expiry_s),
            };
            Ok(invoice?.into())
        })
        .await
    }

    /// An invoice whose payment waits, when it comes, to be claimed or failed by us.
    ///
    /// # Errors
    /// As of [`Self::invoice`].
    #[boxed]
    pub async fn hold_invoice(
        &self,
        payment_hash: PaymentId,
        request: InvoiceRequest,
    ) -> Result<Invoice, LightningError> {
        let description = request.description()?;
        let hash = PaymentHash(payment_hash.0);
        self.call(move |node| {
            let (bolt11, expiry_s) = (node.bolt11_payment(), request.expiry_s);
            let invoice = match request.amount_msat {
                Some(amount_msat) => {
                    bolt11.receive_for_hash(amount_msat, &description, expiry_s, hash)
                }
                None => bolt11.receive_variable_amount_for_hash(&description, expiry_s, hash),
            };
            Ok(invoice?.into())
        })
        .await
    }

    /// Claims a payment that waits. The amount is what the event told.
    ///
    /// # Errors
    /// `PreimageWrong`, `PaymentUnknown`, or `AmountInvalid` if less came than was asked for.
    #[boxed]
    pub async fn claim_hold(
        &self,
        preimage: Preimage,
        amount_msat: u64,
    ) -> Result<PaymentId, LightningError> {
        let hash: [u8; 32] = Sha256::digest(preimage.0).into();
        self.call(move |node| {
            let (bolt11, preimage) = (node.bolt11_payment(), PaymentPreimage(preimage.0));
            let claimed = bolt11.claim_for_hash(PaymentHash(hash), amount_msat, preimage);
            claimed.map_err(|error| match error {
                ldk_node::NodeError::InvalidAmount => LightningError::AmountInvalid {
                    given_msat: amount_msat,
                    wanted_msat: None,
                },
                other => other.into(),
            })?;
            Ok(PaymentId(hash))
        })
        .await
    }

    /// Gives a payment that waits back to its payer.
    ///
    /// # Errors
    /// `PaymentUnknown`.
    #[boxed]
    pub async fn fail_hold(&self, payment_hash: PaymentId) -> Result<(), LightningError> {
        let hash = PaymentHash(payment_hash.0);
        self.call(move |node| Ok(node.bolt11_payment().fail_for_hash(hash)?))
            .await
    }

    /// An invoice whose payment opens a channel to us, bought from the configured provider, whose
    /// fee is taken from the payment. With an amount, the fee is at most `fee_max_msat`; without
    /// one, `fee_max_msat` is in millionths of what comes.
    ///
    /// # Errors
    /// `Liquidity` if there is no provider, it doesn't answer or wants more.
    #[boxed]
    pub async fn invoice_jit(
        &self,
        request: InvoiceRequest,
        fee_max_msat: u64,
    ) -> Result<Invoice, LightningError> {
        let description = request.description()?;
        let limit = Some(fee_max_msat);
        self.call(move |node| {
            let (bolt11, expiry_s) = (node.bolt11_payment(), request.expiry_s);
            let invoice = match request.amount_msat {
                Some(amount_msat) => {
                    bolt11.receive_via_jit_channel(amount_msat, &description, expiry_s, limit)
                }
                None => {
                    bolt11.receive_variable_amount_via_jit_channel(&description, expiry_s, limit)
                }
            };
            Ok(invoice?.into())
        })
        .await
    }

    /// An offer: it can be paid as often as anybody likes, for ever if it has no expiry. An offer of
    /// a node that isn't in the public graph names one of its channels, and is dead when that is
    /// closed.
    ///
    /// # Errors
    /// `Config` if no way to us can be named in it.
    #[boxed]
    pub async fn offer(
        &self,
        amount_msat: Option<u64>,
        description: String,
        expiry_s: Option<u32>,
    ) -> Result<String, LightningError> {
        if description.len() > super::PAYABLE_BYTES_MAX / 8 {
            return Err(LightningError::Invalid("description"));
        }
        self.call(move |node| {
            let bolt12 = node.bolt12_payment();
            let offer = match amount_msat {
                Some(amount_msat) => bolt12.receive(amount_msat, &description, expiry_s, None),
                None => bolt12.receive_variable_amount(&description, expiry_s),
            };
            Ok(offer?.to_string())
        })
        .await
    }
}
