//! What a challenge asks for: the JSON in its `request` parameter.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits::{AMOUNT_SAT_MAX, INVOICE_BYTES_MAX, PARAMETER_BYTES_MAX};
use super::{Error, InvoiceHead, PaymentHash, SAT, canonical_json, from_base64url, to_base64url};

/// One payment for one request, over Lightning (draft-lightning-charge-00).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeRequest {
    /// The price, in sat. A decimal string in JSON.
    #[serde(rename = "amount", with = "decimal")]
    pub amount_sat: u64,
    /// Always `sat`.
    pub currency: String,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How to pay.
    pub method_details: MethodDetails,
}

/// The invoice of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodDetails {
    /// The invoice to be paid (BOLT 11).
    pub invoice: String,
    /// Its payment hash. Not every seller writes it; here it always is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_hash: Option<PaymentHash>,
    /// `mainnet`, `signet`, `regtest`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A session's terms (draft-lightning-session-00, and the extension in [`super`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRequest {
    /// The price of a unit, in sat. A decimal string in JSON.
    #[serde(rename = "amount", with = "decimal")]
    pub unit_price_sat: u64,
    /// Always `sat`.
    pub currency: String,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What a unit is, for people: `token`, `request`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_type: Option<String>,
    /// Lightning: the invoice to be paid. Absent where nothing is to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposit_invoice: Option<String>,
    /// Lightning: its payment hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_hash: Option<PaymentHash>,
    /// Ecash: a NUT-18 payment request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_request: Option<String>,
    /// The deposit, in sat: exactly that much over Lightning, at least that much in ecash.
    #[serde(
        rename = "depositAmount",
        default,
        skip_serializing_if = "Option::is_none",
        with = "decimal::option"
    )]
    pub deposit_sat: Option<u64>,
    /// After how many seconds of silence the seller closes the session.
    #[serde(
        rename = "idleTimeout",
        default,
        skip_serializing_if = "Option::is_none",
        with = "decimal::option"
    )]
    pub idle_timeout_s: Option<u64>,
}

/// What has to be handed over to open or top up a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepositTerms<'a> {
    /// Pay this invoice, of this payment hash.
    Lightning {
        /// The invoice (BOLT 11).
        invoice: &'a str,
        /// Its payment hash.
        payment_hash: PaymentHash,
        /// What it asks for.
        amount_sat: u64,
    },
    /// Send a token for this payment request.
    Ecash {
        /// The request (NUT-18).
        payment_request: &'a str,
        /// What it must be worth at least.
        amount_sat: u64,
    },
}

impl ChargeRequest {
    /// Reads a `request` parameter and checks that amount, currency and invoice agree.
    pub fn decode(parameter: &str) -> Result<Self, Error> {
        let request: Self = decode(parameter)?;
        check_terms(request.amount_sat, &request.currency)?;
        check_invoice(&request.method_details.invoice, request.amount_sat)?;
        Ok(request)
    }

    /// Writes a `request` parameter.
    pub fn encode(&self) -> Result<String, Error> {
        encode(self)
    }
}

impl SessionRequest {
    /// Reads a `request` parameter and checks its price and currency.
    pub fn decode(parameter: &str) -> Result<Self, Error> {
        let request: Self = decode(parameter)?;
        check_terms(request.unit_price_sat, &request.currency)?;
        Ok(request)
    }

    /// Writes a `request` parameter.
    pub fn encode(&self) -> Result<String, Error> {
        encode(self)
    }

    /// What the deposit consists of; an error if the terms name none, or contradict themselves.
    pub fn deposit(&self) -> Result<DepositTerms<'_>, Error> {
        match (
            &self.deposit_invoice,
            self.payment_hash,
            &self.payment_request,
        ) {
            (Some(invoice), Some(payment_hash), None) => {
                let head = InvoiceHead::parse(invoice);
                let amount_sat =
                    head.and_then(|head| head.amount_sat())
                        .ok_or(Error::ChallengeMalformed(
                            "its deposit invoice names no amount in whole sat",
                        ))?;
                if self.deposit_sat.is_some_and(|stated| stated != amount_sat) {
                    return Err(Error::ChallengeMalformed(
                        "its deposit is not what the invoice asks for",
                    ));
                }
                self.check_deposit(amount_sat)?;
                Ok(DepositTerms::Lightning {
                    invoice,
                    payment_hash,
                    amount_sat,
                })
            }
            (None, None, Some(payment_request)) => {
                let amount_sat = self.deposit_sat.unwrap_or(self.unit_price_sat);
                self.check_deposit(amount_sat)?;
                Ok(DepositTerms::Ecash {
                    payment_request,
                    amount_sat,
                })
            }
            _ => Err(Error::ChallengeMalformed("it names no deposit, or several")),
        }
    }

    /// The network of the deposit's invoice; empty if there is none.
    pub(super) fn deposit_network(&self) -> &'static str {
        let invoice = self.deposit_invoice.as_deref().unwrap_or_default();
        InvoiceHead::parse(invoice).map_or("", |head| head.network)
    }

    fn check_deposit(&self, amount_sat: u64) -> Result<(), Error> {
        if (self.unit_price_sat..=AMOUNT_SAT_MAX).contains(&amount_sat) {
            Ok(())
        } else {
            Err(Error::ChallengeMalformed(
                "its deposit doesn't buy one unit",
            ))
        }
    }
}

fn check_terms(amount_sat: u64, currency: &str) -> Result<(), Error> {
    if currency != SAT {
        return Err(Error::ChallengeMalformed("its currency is not sat"));
    }
    if amount_sat == 0 {
        return Err(Error::ChallengeMalformed("its amount is nothing"));
    }
    Ok(())
}

/// A buyer pays the invoice, so the invoice's amount is what counts (core draft, "Amount Verification").
fn check_invoice(invoice: &str, amount_sat: u64) -> Result<(), Error> {
    let head = InvoiceHead::parse(invoice)
        .ok_or(Error::ChallengeMalformed("its invoice cannot be read"))?;
    if head.amount_sat() != Some(amount_sat) {
        return Err(Error::ChallengeMalformed(
            "its amount is not what the invoice asks for",
        ));
    }
    Ok(())
}

fn decode<T: de::DeserializeOwned>(parameter: &str) -> Result<T, Error> {
    if parameter.len() > PARAMETER_BYTES_MAX {
        return Err(Error::ChallengeMalformed("its request is too long"));
    }
    let json = from_base64url(parameter)
        .ok_or(Error::ChallengeMalformed("its request is not base64url"))?;
    serde_json::from_slice(&json)
        .map_err(|_| Error::ChallengeMalformed("its request lacks something, or isn't JSON"))
}

fn encode(request: &impl Serialize) -> Result<String, Error> {
    let json = canonical_json(request)
        .ok_or(Error::OfferInvalid("its request cannot be written as JSON"))?;
    let parameter = to_base64url(json);
    if parameter.len() > PARAMETER_BYTES_MAX {
        return Err(Error::OfferInvalid("its request is too long for a header"));
    }
    Ok(parameter)
}

/// Whether a text could be an invoice, before a wallet looks at it.
pub(super) fn is_return_invoice(invoice: &str, network: &str) -> Result<(), Error> {
    let refused = Error::ReturnInvoiceInvalid;
    if invoice.len() > INVOICE_BYTES_MAX {
        return Err(refused("it is too long"));
    }
    let head = InvoiceHead::parse(invoice).ok_or(refused("it cannot be read"))?;
    if head.amount_msat.is_some() {
        return Err(refused("it names an amount"));
    }
    if head.network != network {
        return Err(refused("it is of another network than the deposit"));
    }
    Ok(())
}

/// Amounts as JSON strings of decimal digits, without leading zeros.
mod decimal {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_str(DecimalVisitor)
    }

    struct DecimalVisitor;

    impl de::Visitor<'_> for DecimalVisitor {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string of decimal digits")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            let plain =
                text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            let value = text
                .parse()
                .ok()
                .filter(|value| plain && *value <= AMOUNT_SAT_MAX);
            value.ok_or_else(|| E::custom("not an amount in decimal digits"))
        }
    }

    pub(super) mod option {
        use super::*;

        pub(in super::super) fn serialize<S: Serializer>(
            value: &Option<u64>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => super::serialize(value, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<u64>, D::Error> {
            #[derive(Deserialize)]
            struct Wrapped(#[serde(with = "super")] u64);
            Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
        }
    }
}
