//! What an invoice says, as far as a payment needs it.

use ldk_node::lightning_invoice::Bolt11Invoice;
use sha2::{Digest, Sha256};

use super::error::NwcError;
use super::limits::INVOICE_BYTES_MAX;

/// A BOLT 11 invoice, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceFacts {
    /// Its payment hash, as hex.
    pub payment_hash: String,
    /// How much it asks for; none if the payer says.
    pub amount_msat: Option<u64>,
    /// Made at, Unix seconds.
    pub created_s: u64,
    /// Worthless from, Unix seconds.
    pub expires_s: u64,
}

impl InvoiceFacts {
    /// Reads an invoice, and checks its signature.
    ///
    /// # Errors
    /// [`NwcError::Invoice`].
    pub fn read(invoice: &str) -> Result<Self, NwcError> {
        if invoice.len() > INVOICE_BYTES_MAX {
            return Err(NwcError::Invoice("it is too long"));
        }
        let invoice: Bolt11Invoice = invoice
            .parse()
            .map_err(|_| NwcError::Invoice("it isn't a BOLT 11 invoice"))?;
        let created_s = invoice.duration_since_epoch().as_secs();
        Ok(Self {
            payment_hash: invoice.payment_hash().to_string(),
            amount_msat: invoice.amount_milli_satoshis(),
            created_s,
            expires_s: created_s.saturating_add(invoice.expiry_time().as_secs()),
        })
    }

    /// What is to be paid: the invoice's amount, or the payer's for an invoice without one.
    ///
    /// # Errors
    /// [`NwcError::Invoice`] if neither says, or they contradict each other.
    pub fn amount_to_pay_msat(&self, wanted_msat: Option<u64>) -> Result<u64, NwcError> {
        match (self.amount_msat, wanted_msat) {
            (Some(asked), Some(wanted)) if asked != wanted => {
                Err(NwcError::Invoice("it asks for another amount"))
            }
            (Some(asked), _) => Ok(asked),
            (None, Some(wanted)) if wanted > 0 => Ok(wanted),
            (None, _) => Err(NwcError::Invoice("it names no amount, and none was given")),
        }
    }

    /// True if this is the proof of its payment.
    #[must_use]
    pub fn is_proved_by(&self, preimage: &str) -> bool {
        proves(preimage, &self.payment_hash)
    }
}

/// True if `preimage` is what `payment_hash` is the hash of; both are hex.
pub(super) fn proves(preimage: &str, payment_hash: &str) -> bool {
    let Ok(preimage) = hex::decode(preimage) else {
        return false;
    };
    preimage.len() == 32
        && hex::encode(Sha256::digest(preimage)) == payment_hash.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_is_the_invoices_or_the_payers() {
        let facts = |amount_msat| InvoiceFacts {
            payment_hash: String::new(),
            amount_msat,
            created_s: 0,
            expires_s: 0,
        };
        assert_eq!(facts(Some(5)).amount_to_pay_msat(None).unwrap(), 5);
        assert_eq!(facts(Some(5)).amount_to_pay_msat(Some(5)).unwrap(), 5);
        assert_eq!(facts(None).amount_to_pay_msat(Some(7)).unwrap(), 7);
        for (asked, wanted) in [(Some(5), Some(6)), (None, None), (None, Some(0))] {
            assert!(facts(asked).amount_to_pay_msat(wanted).is_err());
        }
    }

    #[test]
    fn a_preimage_proves_its_own_hash_only() {
        let preimage = [7; 32];
        let hash = hex::encode(Sha256::digest(preimage));
        assert!(proves(&hex::encode(preimage), &hash));
        assert!(!proves(&hex::encode([8; 32]), &hash));
        assert!(!proves("07", &hash));
        assert!(!proves("", &hash));
    }
}
