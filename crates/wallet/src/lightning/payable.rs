//! What can be paid: invoices and offers, as text from outside.

use std::fmt;
use std::time::Duration;

use bitcoin::Network;
use bitcoin::constants::ChainHash;
use bitcoin::hashes::Hash as _;
use ldk_node::lightning::offers::offer::{Amount, Offer};
use ldk_node::lightning_invoice::Bolt11Invoice;
use sha2::{Digest as _, Sha256};

use super::{LightningError, PaymentId};

/// Longer texts aren't read. An invoice that a QR code can hold has 4,296 characters at most, an
/// offer with many blinded paths some more.
pub const PAYABLE_BYTES_MAX: usize = 8_192;
/// All bitcoin there will ever be.
const AMOUNT_MSAT_MAX: u64 = 21_000_000 * 100_000_000 * 1_000;

/// An invoice or an offer.
#[derive(Clone, PartialEq, Eq)]
pub enum Payable {
    /// A BOLT 11 invoice: paid once.
    Bolt11(Box<Bolt11Invoice>),
    /// A BOLT 12 offer: paid as often as one likes.
    Bolt12(Box<Offer>),
}

impl fmt::Debug for Payable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An invoice holds a secret that entitles to pay it, so it doesn't belong into logs.
        match self {
            Self::Bolt11(invoice) => write!(f, "Bolt11({})", invoice.payment_hash()),
            Self::Bolt12(offer) => write!(f, "Bolt12({:?})", offer.id()),
        }
    }
}

impl Payable {
    /// Reads an invoice or an offer, with `lightning:` before it or without.
    ///
    /// # Errors
    /// `InvoiceInvalid`.
    pub fn parse(text: &str) -> Result<Self, LightningError> {
        let invalid = |why: &str| LightningError::InvoiceInvalid(why.to_owned());
        if text.len() > PAYABLE_BYTES_MAX {
            return Err(invalid("it is too long"));
        }
        let text = text.trim();
        let text = match text.get(..10) {
            Some(scheme) if scheme.eq_ignore_ascii_case("lightning:") => &text[10..],
            _ => text,
        };
        let begins = |with: &str| {
            let start = text.get(..with.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(with))
        };
        if begins("lno") {
            let offer = text.parse().map_err(|error| {
                LightningError::InvoiceInvalid(format!("{error:?}").chars().take(120).collect())
            });
            return offer.map(|offer| Self::Bolt12(Box::new(offer)));
        }
        if !begins("ln") {
            return Err(invalid("it begins with neither lnbc nor lno"));
        }
        let invoice = text.parse::<Bolt11Invoice>();
        let invoice = invoice.map_err(|error| invalid(&error.to_string()))?;
        Ok(Self::Bolt11(Box::new(invoice)))
    }

    /// What it asks for; nothing if that is up to the payer.
    ///
    /// # Errors
    /// `InvoiceInvalid` for an offer in another currency.
    pub fn amount_msat(&self) -> Result<Option<u64>, LightningError> {
        match self {
            Self::Bolt11(invoice) => Ok(invoice.amount_milli_satoshis()),
            Self::Bolt12(offer) => match offer.amount() {
                None => Ok(None),
                Some(Amount::Bitcoin { amount_msats }) => Ok(Some(amount_msats)),
                Some(Amount::Currency { .. }) => Err(LightningError::InvoiceInvalid(
                    "it is in another currency".into(),
                )),
            },
        }
    }

    /// The key of the node that an invoice pays; an offer doesn't tell.
    #[must_use]
    pub fn payee(&self) -> Option<String> {
        match self {
            Self::Bolt11(invoice) => Some(invoice.get_payee_pub_key().to_string()),
            Self::Bolt12(_) => None,
        }
    }

    /// The payment's id, if it is given by what is paid: an invoice's payment hash.
    #[must_use]
    pub fn payment_id(&self) -> Option<PaymentId> {
        match self {
            Self::Bolt11(invoice) => Some(PaymentId(invoice.payment_hash().to_byte_array())),
            Self::Bolt12(_) => None,
        }
    }

    /// Checks what can be checked before paying, and tells the amount.
    ///
    /// # Errors
    /// `InvoiceNetwork`, `InvoiceExpired`, `InvoiceInvalid`, `AmountMissing` or `AmountInvalid`.
    pub fn check(
        &self,
        network: Network,
        amount_msat: Option<u64>,
        now: Duration,
    ) -> Result<u64, LightningError> {
        let (is_ours, is_expired) = match self {
            Self::Bolt11(invoice) => (invoice.network() == network, invoice.would_expire(now)),
            Self::Bolt12(offer) => (
                offer.supports_chain(ChainHash::using_genesis_block(network)),
                offer.absolute_expiry().is_some_and(|expiry| expiry < now),
            ),
        };
        if !is_ours {
            return Err(LightningError::InvoiceNetwork);
        }
        if is_expired {
            return Err(LightningError::InvoiceExpired);
        }
        let wanted_msat = self.amount_msat()?;
        let given_msat = amount_msat
            .or(wanted_msat)
            .ok_or(LightningError::AmountMissing)?;
        let is_wanted = wanted_msat.is_none_or(|wanted| wanted == given_msat);
        if !is_wanted || given_msat == 0 || given_msat > AMOUNT_MSAT_MAX {
            return Err(LightningError::AmountInvalid {
                given_msat,
                wanted_msat,
            });
        }
        Ok(given_msat)
    }

    /// The digest of what is paid.
    pub(super) fn digest(&self) -> [u8; 32] {
        let text = match self {
            Self::Bolt11(invoice) => invoice.to_string(),
            Self::Bolt12(offer) => offer.to_string(),
        };
        Sha256::digest(text.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// BOLT 11's own example: 2,500 µBTC for a cup of coffee, within a minute of 2017.
    const COFFEE: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";
    /// BOLT 12's smallest example: an offer without an amount.
    const OFFER: &str = "lno1zcss9mk8y3wkklfvevcrszlmu23kfrxh49px20665dqwmn4p72pksese";

    #[test]
    fn an_invoice_and_an_offer_are_read() {
        let coffee = Payable::parse(&format!(" LIGHTNING:{COFFEE}\n")).unwrap();
        assert_eq!(coffee.amount_msat().unwrap(), Some(250_000_000));
        let hash = "0001020304050607080900010203040506070809000102030405060708090102";
        assert_eq!(coffee.payment_id().unwrap().to_string(), hash);
        assert!(format!("{coffee:?}").contains(hash));
        let offer = Payable::parse(&OFFER.to_uppercase()).unwrap();
        assert_eq!(offer.amount_msat().unwrap(), None);
        assert_eq!(offer.payment_id(), None);
        assert_ne!(coffee.digest(), offer.digest());
    }

    #[test]
    fn what_cannot_be_paid_is_refused_before_paying() {
        let coffee = Payable::parse(COFFEE).unwrap();
        let offer = Payable::parse(OFFER).unwrap();
        let then = Duration::from_secs(1_496_314_660);
        let check = |what: &Payable, network, amount_msat, now| {
            let checked = what.check(network, amount_msat, now);
            checked.map_err(|error| error.code())
        };
        let main = Network::Bitcoin;
        assert_eq!(check(&coffee, main, None, then), Ok(250_000_000));
        assert_eq!(
            check(&coffee, Network::Regtest, None, then),
            Err("invoice_network")
        );
        let late = then + Duration::from_secs(61);
        assert_eq!(check(&coffee, main, None, late), Err("invoice_expired"));
        assert_eq!(check(&coffee, main, Some(1), then), Err("amount_invalid"));
        assert_eq!(check(&offer, main, None, then), Err("amount_missing"));
        assert_eq!(check(&offer, main, Some(0), then), Err("amount_invalid"));
        let all = AMOUNT_MSAT_MAX + 1;
        assert_eq!(check(&offer, main, Some(all), then), Err("amount_invalid"));
        assert_eq!(check(&offer, main, Some(7), then), Ok(7));
    }

    #[test]
    fn long_and_foreign_texts_are_refused() {
        for text in [
            "",
            "ln",
            "lnurl1dp68gurn8ghj7",
            "bc1qxyz",
            "lightning:",
            "ö",
            "lno1",
        ] {
            let error = Payable::parse(text).unwrap_err();
            assert_eq!(error.code(), "invoice_invalid", "{text}");
        }
        assert!(Payable::parse(&"l".repeat(PAYABLE_BYTES_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(lightning:)?(lnbc|lno1|LNBCRT)?.{0,200}") {
            let _ = Payable::parse(&text);
        }

        #[test]
        fn no_damage_panics(at in 0..COFFEE.len(), to in "[a-z0-9]") {
            let mut text = COFFEE.to_owned();
            text.replace_range(at..=at, &to);
            if let Ok(Payable::Bolt11(invoice)) = Payable::parse(&text) {
                prop_assert_eq!(invoice.to_string(), text);
            }
        }
    }
}
