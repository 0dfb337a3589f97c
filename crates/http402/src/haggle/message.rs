//! The two headers, read and written.
//!
//! They borrow the syntax of challenges (RFC 9110): a verb, and parameters.

use super::{
    Error, Offer, OfferId, PAYMENT_OFFER, PRICE_MSAT_MAX, QUANTITY_MAX, ROUNDS_MAX, Terms,
    VALUE_BYTES_MAX,
};
use crate::base64::{from_base64, to_base64url};
use crate::www_authenticate::{self, Challenge};

/// What a buyer says in `Payment-Bid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bid {
    /// The first bid.
    Open {
        /// Random, the same in all rounds.
        nonce: [u8; 16],
        /// How many units.
        quantity: u64,
        /// What all of them are worth to the buyer, or so it says.
        msat: u64,
    },
    /// A higher bid, in answer to an offer.
    Raise {
        /// The offer that isn't taken, as it came.
        offer: Offer,
        /// What is bid instead.
        msat: u64,
    },
    /// The offer is taken: this request is to be served on its terms.
    Take(Offer),
}

/// What a seller says in `Payment-Offer`. Either offer is firm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The bid is good: the offer asks no more.
    Accept(Offer),
    /// The seller asks more.
    Counter {
        /// What it asks.
        offer: Offer,
        /// How many rounds it haggles for.
        rounds_max: u32,
    },
    /// No offer is made. The list price stands.
    Refuse(Refusal),
}

/// Why no offer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// That was the last round.
    RoundsOver,
    /// The seller does not sell so many, or so few, at once.
    Quantity,
    /// A bid was lower than the one before it.
    BidLowered,
    /// The offer that was returned is none of this seller's, or not for this.
    OfferUnknown,
    /// The offer that was returned is no longer firm.
    OfferExpired,
    /// A reason that this program doesn't know.
    Other,
}

const REASONS: [(Refusal, &str); 6] = [
    (Refusal::RoundsOver, "rounds-over"),
    (Refusal::Quantity, "quantity"),
    (Refusal::BidLowered, "bid-lowered"),
    (Refusal::OfferUnknown, "offer-unknown"),
    (Refusal::OfferExpired, "offer-expired"),
    (Refusal::Other, "other"),
];

impl Bid {
    /// Reads a `Payment-Bid` value. Parameters that aren't known are ignored.
    pub fn parse(value: &str) -> Result<Self, Error> {
        let message = Message::parse(value)?;
        match message.0.scheme.to_ascii_lowercase().as_str() {
            "open" => Ok(Self::Open {
                nonce: message.bytes("nonce")?,
                quantity: message.number("quantity", QUANTITY_MAX)?,
                msat: message.number("msat", PRICE_MSAT_MAX)?,
            }),
            "bid" => Ok(Self::Raise {
                offer: message.offer()?,
                msat: message.number("msat", PRICE_MSAT_MAX)?,
            }),
            "take" => message.offer().map(Self::Take),
            _ => Err(Error::Malformed("it begins with no known word")),
        }
    }

    /// The `Payment-Bid` value.
    pub fn to_value(&self) -> String {
        match self {
            Self::Open {
                nonce,
                quantity,
                msat,
            } => {
                let nonce = to_base64url(nonce);
                format!("open nonce=\"{nonce}\", quantity=\"{quantity}\", msat=\"{msat}\"")
            }
            Self::Raise { offer, msat } => format!("bid {}, msat=\"{msat}\"", write(offer)),
            Self::Take(offer) => format!("take {}", write(offer)),
        }
    }
}

impl Answer {
    /// Reads a `Payment-Offer` value. Parameters that aren't known are ignored.
    pub fn parse(value: &str) -> Result<Self, Error> {
        let message = Message::parse(value)?;
        match message.0.scheme.to_ascii_lowercase().as_str() {
            "accept" => message.offer().map(Self::Accept),
            "counter" => Ok(Self::Counter {
                offer: message.offer()?,
                rounds_max: message.round("rounds-max")?,
            }),
            "refuse" => {
                let given = message.0.param("reason");
                let known = REASONS.iter().find(|(_, name)| given == Some(*name));
                Ok(Self::Refuse(
                    known.map_or(Refusal::Other, |(reason, _)| *reason),
                ))
            }
            _ => Err(Error::Malformed("it begins with no known word")),
        }
    }

    /// The one answer among the headers of a response. None, several and what can't be read are no answer.
    pub fn find<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let named = headers
            .into_iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(PAYMENT_OFFER));
        let mut values = named.map(|(_, value)| value);
        let value = values.next().filter(|_| values.next().is_none())?;
        Self::parse(value).ok()
    }

    /// The `Payment-Offer` value.
    pub fn to_value(&self) -> String {
        match self {
            Self::Accept(offer) => format!("accept {}", write(offer)),
            Self::Counter { offer, rounds_max } => {
                format!("counter {}, rounds-max=\"{rounds_max}\"", write(offer))
            }
            Self::Refuse(refusal) => format!("refuse reason=\"{}\"", refusal.name()),
        }
    }
}

impl Refusal {
    /// The reason's name in the header.
    pub fn name(self) -> &'static str {
        let found = REASONS.iter().find(|(reason, _)| *reason == self);
        found.map_or("other", |(_, name)| name)
    }
}

/// An offer's parameters. Nothing in them needs escaping.
fn write(offer: &Offer) -> String {
    let Terms {
        nonce,
        round,
        quantity,
        bid_msat,
        price_msat,
        expires_unix_s,
    } = &offer.terms;
    format!(
        "id=\"{}\", nonce=\"{}\", round=\"{round}\", quantity=\"{quantity}\", \
         bid-msat=\"{bid_msat}\", price-msat=\"{price_msat}\", expires=\"{expires_unix_s}\"",
        offer.id,
        to_base64url(nonce)
    )
}

/// A verb and its parameters.
struct Message(Challenge);

impl Message {
    fn parse(value: &str) -> Result<Self, Error> {
        if value.len() > VALUE_BYTES_MAX {
            let max = VALUE_BYTES_MAX;
            return Err(Error::TooLarge { max });
        }
        let list = www_authenticate::parse(value).unwrap_or_default();
        let [message] = <[Challenge; 1]>::try_from(list)
            .map_err(|_| Error::Malformed("it is not one word with parameters"))?;
        if message.repeated().is_some() {
            return Err(Error::Malformed("it has a parameter twice"));
        }
        Ok(Self(message))
    }

    fn text(&self, name: &str) -> Result<&str, Error> {
        let missing = Error::Malformed("a parameter is missing");
        self.0.param(name).ok_or(missing)
    }

    /// A number from 1 to `max`, in digits without a leading zero.
    fn number(&self, name: &str, max: u64) -> Result<u64, Error> {
        let text = self.text(name)?;
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let number = text.parse().ok().filter(|number| plain && *number <= max);
        number.ok_or(Error::Malformed("a number is out of range"))
    }

    fn round(&self, name: &str) -> Result<u32, Error> {
        let round = self.number(name, ROUNDS_MAX.into())?;
        u32::try_from(round).map_err(|_| Error::Malformed("a number is out of range"))
    }

    fn bytes<const N: usize>(&self, name: &str) -> Result<[u8; N], Error> {
        let bytes = from_base64(self.text(name)?).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or(Error::Malformed("bytes are not base64 of their length"))
    }

    fn offer(&self) -> Result<Offer, Error> {
        Ok(Offer {
            id: OfferId(self.bytes("id")?),
            terms: Terms {
                nonce: self.bytes("nonce")?,
                round: self.round("round")?,
                quantity: self.number("quantity", QUANTITY_MAX)?,
                bid_msat: self.number("bid-msat", PRICE_MSAT_MAX)?,
                price_msat: self.number("price-msat", PRICE_MSAT_MAX)?,
                expires_unix_s: self.number("expires", u64::MAX)?,
            },
        })
    }
}
