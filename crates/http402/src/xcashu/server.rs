//! The seller's side: from an offer and a request's header to a decision (NUT-24).

use super::encoding::is_unit;
use super::mint_url::normalize_mint_url;
use super::{PaymentRequest, TokenOutline, X_CASHU};
use crate::{Error, Problem};

/// What a seller asks for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    price_sat: u64,
    unit: String,
    mints: Vec<String>,
    /// Encoded once: an offer that exists can always be put into a header.
    challenge: String,
}

/// The header that asks for the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Always [`X_CASHU`].
    pub name: &'static str,
    /// The payment request, `creqA…`.
    pub value: String,
}

/// What the seller does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No payment came with it: answer 402 with this header.
    Challenge(Challenge),
    /// The payment fits: redeem it at its mint, *then* do the work.
    Redeem(TokenOutline),
    /// The payment does not fit, and nothing was taken: answer with the error's
    /// status (400) and a fresh challenge beside it.
    Refuse {
        /// What does not fit.
        error: Error,
        /// The header for the next try.
        challenge: Challenge,
    },
}

impl Offer {
    /// An offer of at most `price_sat`, counted in `unit` (`sat`, wherever real
    /// money is meant), payable with ecash of any of `mints`.
    pub fn new<M: AsRef<str>>(price_sat: u64, unit: &str, mints: &[M]) -> Result<Self, Error> {
        if price_sat == 0 {
            return Err(Error::OfferInvalid("what is free needs no payment"));
        }
        if !is_unit(unit) {
            return Err(Error::OfferInvalid(
                "the unit is not a short printable word",
            ));
        }
        if mints.is_empty() {
            return Err(Error::OfferInvalid("it names no mint"));
        }
        let mints = mints
            .iter()
            .map(|mint| normalize_mint_url(mint.as_ref()))
            .collect::<Option<Vec<_>>>()
            .ok_or(Error::OfferInvalid("a mint is not an HTTP address"))?;
        let offer = Self {
            price_sat,
            unit: unit.to_owned(),
            mints,
            challenge: String::new(),
        };
        offer.encoded(None)
    }

    /// The same under an id (NUT-18 `i`), such as that of an offer that was agreed on.
    pub fn with_id(self, id: &str) -> Result<Self, Error> {
        self.encoded(Some(id.to_owned()))
    }

    fn encoded(self, id: Option<String>) -> Result<Self, Error> {
        let request = PaymentRequest {
            amount: Some(self.price_sat),
            id,
            unit: Some(self.unit.clone()),
            mints: self.mints.clone(),
            ..PaymentRequest::default()
        };
        let challenge = request
            .encode()
            .map_err(|_| Error::OfferInvalid("it names too many mints for a header"))?;
        Ok(Self { challenge, ..self })
    }

    /// What the request costs at most.
    pub fn price_sat(&self) -> u64 {
        self.price_sat
    }

    /// The unit of the price.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The accepted mints, normalised.
    pub fn mints(&self) -> &[String] {
        &self.mints
    }

    /// The header that asks for this offer's price.
    pub fn challenge(&self) -> Challenge {
        Challenge {
            name: X_CASHU,
            value: self.challenge.clone(),
        }
    }

    /// The body beside the challenge: of a 402, or of a refusal for `error`.
    pub fn problem(&self, error: Option<&Error>) -> Problem {
        match error {
            None => Problem::payment_required(self.price_sat, &self.unit),
            Some(error) => Problem::refused(error, self.price_sat, &self.unit),
        }
    }

    /// Decides on a request by its `X-Cashu` header.
    ///
    /// Several tokens in one header are refused rather than one of them taken:
    /// the buyer would not learn which.
    pub fn decide(&self, x_cashu: Option<&str>) -> Decision {
        let Some(credential) = x_cashu.map(str::trim).filter(|value| !value.is_empty()) else {
            return Decision::Challenge(self.challenge());
        };
        match TokenOutline::parse(credential).and_then(|token| self.check(token)) {
            Ok(token) => Decision::Redeem(token),
            Err(error) => Decision::Refuse {
                error,
                challenge: self.challenge(),
            },
        }
    }

    fn check(&self, token: TokenOutline) -> Result<TokenOutline, Error> {
        if !self.mints.contains(&token.mint) {
            return Err(Error::PaymentWrongMint { given: token.mint });
        }
        if !token.unit.eq_ignore_ascii_case(&self.unit) {
            let wanted = self.unit.clone();
            return Err(Error::PaymentWrongUnit {
                given: token.unit,
                wanted,
            });
        }
        if token.locked {
            return Err(Error::PaymentLocked);
        }
        if token.amount < self.price_sat {
            let (given_sat, price_sat) = (token.amount, self.price_sat);
            return Err(Error::PaymentTooLittle {
                given_sat,
                price_sat,
            });
        }
        Ok(token)
    }
}
