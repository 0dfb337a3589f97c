//! The buyer's side: from an answer to an invoice, and from its preimage to a
//! credential.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{AUTHORIZATION_BYTES_MAX, Error, INVOICE_BYTES_MAX, Identifier, L402, LSAT};
use crate::macaroon::Macaroon;
use crate::www_authenticate::{self, Challenge};

/// What the buyer does after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientStep {
    /// No payment is asked for: the answer is for the caller.
    Done,
    /// The server wants an invoice to be paid.
    Pay(Offer),
}

/// An invoice, and what paying it makes valid. `Debug` hides the macaroon.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    scheme: &'static str,
    token: String,
    invoice: String,
    identifier: Option<Identifier>,
}

/// Decides what an answer asks of the buyer.
///
/// Servers ask with 402, and with 401 after a credential that isn't valid any
/// more. Of several challenges the first that can be read counts, L402 before
/// LSAT. Header names are compared without regard to case.
pub fn next_step<'a, H>(status: u16, headers: H) -> Result<ClientStep, Error>
where
    H: IntoIterator<Item = (&'a str, &'a str)>,
{
    if status != 402 && status != 401 {
        return Ok(ClientStep::Done);
    }
    let challenges: Vec<Challenge> = headers
        .into_iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
        // One header that cannot be read must not hide the others.
        .flat_map(|(_, value)| www_authenticate::parse(value).unwrap_or_default())
        .take(www_authenticate::CHALLENGES_MAX)
        .collect();
    let mut first_error = None;
    for scheme in [L402, LSAT] {
        for challenge in challenges.iter().filter(|c| c.is(scheme)) {
            match Offer::read(scheme, challenge) {
                Ok(offer) => return Ok(ClientStep::Pay(offer)),
                Err(error) => _ = first_error.get_or_insert(error),
            }
        }
    }
    match (status, first_error) {
        (_, Some(error)) => Err(error),
        (402, None) => Err(Error::ChallengeMissing),
        // 401 has other meanings, which are the caller's business.
        _ => Ok(ClientStep::Done),
    }
}

impl Offer {
    fn read(scheme: &'static str, challenge: &Challenge) -> Result<Self, Error> {
        let malformed = Error::ChallengeMalformed;
        if challenge.repeated().is_some() {
            return Err(malformed("it has a parameter twice"));
        }
        if challenge
            .param("version")
            .is_some_and(|version| version != "0")
        {
            return Err(malformed("it is of another version than 0"));
        }
        let names = [challenge.param("macaroon"), challenge.param("token")];
        let token = match names {
            [Some(macaroon), Some(token)] if macaroon != token => {
                return Err(malformed("its macaroon and its token differ"));
            }
            [Some(token), _] | [None, Some(token)] => token,
            [None, None] => return Err(malformed("it has no macaroon")),
        };
        // Not every server has macaroons, so not base64 alone. But no colon: it ends a token.
        let is_token68 = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        // What fits in a credential with its scheme and preimage.
        let fits = (1..AUTHORIZATION_BYTES_MAX - 80).contains(&token.len());
        if !fits || !token.bytes().all(is_token68) {
            return Err(malformed(
                "its macaroon has other characters, or no usable length",
            ));
        }
        let macaroon = Macaroon::from_base64(token).ok();
        Ok(Self {
            scheme,
            token: token.to_owned(),
            invoice: invoice(challenge.param("invoice"))?.to_owned(),
            identifier: macaroon.and_then(|m| Identifier::parse(m.identifier()).ok()),
        })
    }

    /// The invoice to pay (BOLT 11), of which nothing was checked but its
    /// characters. Check its amount, and [`Offer::check_invoice`].
    pub fn invoice(&self) -> &str {
        &self.invoice
    }

    /// The payment hash and the token's id, if the macaroon is one of L402
    /// version 0. Some servers have macaroons of other forms.
    pub fn identifier(&self) -> Option<Identifier> {
        self.identifier
    }

    /// Whether the invoice, whose payment hash the caller has decoded, makes the
    /// macaroon valid. To be asked before paying.
    pub fn check_invoice(&self, payment_hash: &[u8; 32]) -> Result<(), Error> {
        match self.identifier {
            Some(identifier) if identifier.payment_hash != *payment_hash => {
                Err(Error::InvoiceMismatch)
            }
            _ => Ok(()),
        }
    }

    /// The `Authorization` value that proves the payment.
    pub fn authorization(&self, preimage: &[u8; 32]) -> Result<String, Error> {
        if let Some(identifier) = self.identifier
            && identifier.payment_hash[..] != Sha256::digest(preimage)[..]
        {
            return Err(Error::PreimageWrong);
        }
        Ok(format!(
            "{} {}:{}",
            self.scheme,
            self.token,
            hex::encode(preimage)
        ))
    }
}

/// Bech32 is one word of letters and digits; some servers put a URI's scheme
/// before it.
fn invoice(param: Option<&str>) -> Result<&str, Error> {
    let text = param
        .ok_or(Error::ChallengeMalformed("it has no invoice"))?
        .trim();
    let scheme = text
        .get(..10)
        .filter(|s| s.eq_ignore_ascii_case("lightning:"));
    let text = scheme.map_or(text, |scheme| &text[scheme.len()..]);
    let begins = text
        .get(..2)
        .is_some_and(|ln| ln.eq_ignore_ascii_case("ln"));
    let is_word = text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !begins || !is_word || text.len() > INVOICE_BYTES_MAX {
        return Err(Error::ChallengeMalformed("its invoice is none"));
    }
    Ok(text)
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme, invoice, ..
        } = self;
        write!(f, "Offer({scheme}, {invoice})")
    }
}
