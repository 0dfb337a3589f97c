//! What a 402 offers, how much of it can be believed, and which of it is taken. Pure.

use std::time::Duration;

use bitcoin::Network;
use http402::Error;
use http402::choose::{self, Buyer, Choice, Kind, Lightning, Mint, Way as Offered};
use http402::haggle::Offer;
use http402::mpp::{self, InvoiceHead, Preimage, Quote};
use sha2::{Digest as _, Sha256};
use wallet::lightning::{LightningError, Payable};
use wallet::{MSAT_PER_SAT, WalletError, sat_to_msat};

use super::Protocol;
use crate::error::{NodeError, Result};

/// What a Lightning payment is expected to need for its way, beside the least, in millionths of the amount.
const FEE_PPM: u64 = 10_000;

/// Headers as they came.
pub(super) type Headers = [(String, String)];

/// What this wallet can do, and when it is.
pub(super) struct Means {
    /// Whose money it is, for messages.
    pub account: String,
    /// The mint whose ecash there is.
    pub mint_url: String,
    /// What paying with it costs at most.
    pub ecash_fee_sat: u64,
    /// How much of it there is.
    pub ecash_sat: u64,
    /// Whether invoices are paid with other money than this ecash.
    pub has_channels: bool,
    /// What an invoice's payment is expected to cost at least.
    pub fee_min_sat: u64,
    /// This node's own Lightning node, if what pays is its own wallet or mint: it learns no proof from itself.
    pub own_node: Option<String>,
    /// The network on which invoices can be paid, if any can.
    pub lightning: Option<Network>,
    /// Whether the request has an `Authorization` of its own, which a credential would displace.
    pub is_authorized: bool,
    /// The request's body, which a challenge may be for.
    pub body: Vec<u8>,
    /// The seller's offer that was taken, if the price was haggled over.
    pub agreed: Option<Offer>,
    /// Now, Unix seconds.
    pub now_s: u64,
}

impl Means {
    /// The same in the words of the one who chooses.
    fn buyer(&self, max_sat: u64) -> Buyer {
        let lightning = self.lightning.map(|network| Lightning {
            balance_sat: match self.has_channels {
                true => u64::MAX,
                false => self.ecash_sat,
            },
            fee_sat: self.fee_min_sat,
            fee_ppm: FEE_PPM,
            network: prefix(network),
        });
        let mint = Mint {
            url: self.mint_url.clone(),
            balance_sat: self.ecash_sat,
            fee_sat: self.ecash_fee_sat,
        };
        Buyer {
            lightning,
            mints: vec![mint],
            request_max_sat: max_sat,
            agreed: self.agreed,
            ..Buyer::default()
        }
    }

    /// Why a way is closed, in the words of the rest of the node.
    fn reason(&self, kind: Kind, error: choose::Error) -> NodeError {
        match error {
            choose::Error::L402(error) => error.into(),
            choose::Error::Payment(error) => error.into(),
            choose::Error::XCashu(error) => error.into(),
            choose::Error::Agreed(error) => error.into(),
            choose::Error::Invoice(why) => LightningError::InvoiceInvalid(why.into()).into(),
            choose::Error::AboveLimit { cost_sat, max_sat } => Error::PriceAboveLimit {
                amount_sat: cost_sat,
                max_sat,
            }
            .into(),
            choose::Error::NotEnough { .. } if kind != Kind::XCashu && self.lightning.is_none() => {
                NodeError::NoLightning
            }
            choose::Error::NotEnough { needed_sat } => WalletError::Insufficient {
                account: self.account.clone(),
                needed_msat: sat_to_msat(needed_sat),
                available_msat: i64::try_from(sat_to_msat(self.ecash_sat)).unwrap_or(i64::MAX),
            }
            .into(),
            other => LightningError::InvoiceInvalid(other.to_string()).into(),
        }
    }
}

/// How a network's invoices begin, after `ln`.
const fn prefix(network: Network) -> &'static str {
    match network {
        Network::Bitcoin => "bc",
        Network::Signet => "tbs",
        Network::Regtest => "bcrt",
        _ => "tb",
    }
}

/// An invoice that buys what its challenge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bill {
    pub invoice: String,
    pub payment_hash: String,
    /// From when on it is worthless, Unix seconds.
    pub expires_s: u64,
}

/// One way to pay, checked as far as it can be without paying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub protocol: Protocol,
    /// What the seller gets.
    pub amount_sat: u64,
    /// What is to be paid over Lightning.
    pub bill: Option<Bill>,
}

/// Picks the cheapest way for which there is money, fees included; of equally cheap ones the first in `wanted`. Without
/// any wish all will do.
///
/// # Errors
/// Why none of them can be taken: the price is above the limit, or the first thing that is wrong.
pub(super) fn choose(
    headers: &Headers,
    means: &Means,
    wanted: &[Protocol],
    max_sat: Option<u64>,
) -> Result<Way> {
    let order = match wanted.is_empty() {
        true => &Protocol::ALL[..],
        false => wanted,
    };
    let rank = |kind: Kind| order.iter().position(|one| Some(*one) == protocol(kind));
    let buyer = means.buyer(max_sat.unwrap_or(u64::MAX));
    let (mut open, mut closed) = choose::choose(&pairs(headers), &buyer, means.now_s);
    open.sort_by_key(|choice| (choice.total_sat, rank(choice.way.kind())));
    // Of prices above the limit the lowest is told, and before anything else that is wrong.
    closed.sort_by_key(|(_, error)| match error {
        choose::Error::AboveLimit { cost_sat, .. } => *cost_sat,
        _ => u64::MAX,
    });
    let (mut unwanted, mut problem) = (Vec::new(), None);
    for choice in open {
        let kind = choice.way.kind();
        match protocol(kind) {
            Some(protocol) if rank(kind).is_some() => match Way::checked(protocol, choice, means) {
                Ok(way) => return Ok(way),
                Err(error) => _ = problem.get_or_insert(error),
            },
            Some(protocol) => unwanted.push(protocol.as_str()),
            None => {}
        }
    }
    let mut closed = closed.into_iter().filter(|(kind, _)| rank(*kind).is_some());
    problem = problem.or_else(|| closed.next().map(|(kind, error)| means.reason(kind, error)));
    Err(match problem {
        Some(problem) => problem,
        None if unwanted.is_empty() => Error::ChallengeMissing.into(),
        None => NodeError::RailUnwanted {
            offered: unwanted.join(", "),
        },
    })
}

/// What we call a kind of challenge; sessions have no name here yet.
const fn protocol(kind: Kind) -> Option<Protocol> {
    match kind {
        Kind::XCashu => Some(Protocol::XCashu),
        Kind::L402 => Some(Protocol::L402),
        Kind::Charge => Some(Protocol::MppCharge),
        Kind::Session => None,
    }
}

fn pairs(headers: &Headers) -> Vec<(&str, &str)> {
    let pairs = headers.iter().map(|(name, value)| (&**name, &**value));
    pairs.collect()
}

impl Way {
    /// The way, if its invoice is what the challenge says, and can be paid here and now.
    fn checked(protocol: Protocol, choice: Choice, means: &Means) -> Result<Self> {
        let (amount_sat, bill) = match &choice.way {
            Offered::XCashu(purchase) => (purchase.amount_sat, None),
            other => {
                let (amount_sat, bill) = bill(other, means)?;
                (amount_sat, Some(bill))
            }
        };
        Ok(Self {
            protocol,
            amount_sat,
            bill,
        })
    }
}

/// The invoice that a way wants to be paid.
fn invoice(way: &Offered) -> Option<&str> {
    match way {
        Offered::L402(offer) => Some(offer.invoice()),
        Offered::Payment(Quote::Charge { request, .. }) => Some(&request.method_details.invoice),
        _ => None,
    }
}

/// That a challenge is for the invoice with this payment hash, and for this body.
fn agrees(way: &Offered, payment_hash: [u8; 32], body: &[u8]) -> Result<()> {
    match way {
        Offered::L402(offer) => Ok(offer.check_invoice(&payment_hash)?),
        Offered::Payment(Quote::Charge { challenge, request }) => {
            let digest = challenge.digest.as_ref();
            if digest.is_some_and(|digest| *digest != mpp::content_digest(body)) {
                return Err(mpp::Error::DigestMismatch.into());
            }
            // It may be left out: the invoice says it too.
            let stated = request.method_details.payment_hash;
            if stated.is_some_and(|stated| stated != mpp::PaymentHash::from(payment_hash)) {
                return Err(NodeError::InvoiceContradicts("payment hash"));
            }
            Ok(())
        }
        _ => Err(NodeError::InvoiceContradicts("challenge")),
    }
}

/// What is to be paid for a way, and how much that is.
fn bill(way: &Offered, means: &Means) -> Result<(u64, Bill)> {
    let network = means.lightning.ok_or(NodeError::NoLightning)?;
    let text = invoice(way).ok_or(NodeError::InvoiceContradicts("challenge"))?;
    if means.is_authorized {
        return Err(NodeError::AuthorizationTaken);
    }
    let payable = Payable::parse(text)?;
    let Payable::Bolt11(bolt11) = &payable else {
        return Err(NodeError::InvoiceContradicts("kind"));
    };
    if means.own_node == Some(bolt11.get_payee_pub_key().to_string()) {
        return Err(NodeError::OwnInvoice);
    }
    let amount_msat = payable.check(network, None, Duration::from_secs(means.now_s))?;
    let hash = payable.payment_id();
    let hash = hash.ok_or(NodeError::InvoiceContradicts("payment hash"))?;
    agrees(way, hash.0, &means.body)?;
    let stated_sat = match way {
        Offered::Payment(Quote::Charge { request, .. }) => Some(request.amount_sat),
        _ => None,
    };
    if stated_sat.is_some_and(|sat| sat_to_msat(sat) != amount_msat) {
        return Err(NodeError::InvoiceContradicts("amount"));
    }
    let expires = bolt11.expires_at().unwrap_or(Duration::MAX);
    let bill = Bill {
        invoice: text.to_owned(),
        payment_hash: hash.to_string(),
        expires_s: expires.as_secs(),
    };
    Ok((amount_msat.div_ceil(MSAT_PER_SAT), bill))
}

/// Whether any challenge is bound to an offer.
pub(super) fn is_bound(headers: &Headers, offer: Offer) -> bool {
    let buyer = Buyer {
        agreed: Some(offer),
        request_max_sat: u64::MAX,
        ..Buyer::default()
    };
    let (open, closed) = choose::choose(&pairs(headers), &buyer, 0);
    // What else stands against it is for the choice among them to say.
    let is_other = |(_, error): &(Kind, choose::Error)| !matches!(error, choose::Error::Agreed(_));
    !open.is_empty() || closed.iter().any(is_other)
}

/// The headers of an answer that a credential is made of later.
pub(super) fn challenge_headers(headers: &Headers) -> Vec<(String, String)> {
    let is_challenge = |name: &str| name.eq_ignore_ascii_case("www-authenticate");
    let found = headers.iter().filter(|(name, _)| is_challenge(name));
    found.cloned().collect()
}

/// The `Authorization` that proves the payment of this invoice, from the challenge's headers: of several challenges with
/// the same invoice, for the one that agrees with it. That it has expired meanwhile is for the seller to say: it was paid
/// in time.
///
/// # Errors
/// If the preimage isn't the invoice's, or the headers hold no such challenge.
pub(super) fn authorization(
    headers: &Headers,
    protocol: Protocol,
    paid: &str,
    body: &[u8],
    preimage: [u8; 32],
) -> Result<String> {
    let payment_hash: [u8; 32] = Sha256::digest(preimage).into();
    let network = InvoiceHead::parse(paid).map(|head| head.network);
    let anything = Buyer {
        lightning: network.map(|network| Lightning {
            balance_sat: u64::MAX,
            fee_sat: 0,
            fee_ppm: 0,
            network,
        }),
        request_max_sat: u64::MAX,
        ..Buyer::default()
    };
    let (open, _) = choose::choose(&pairs(headers), &anything, 0);
    let is_paid = |way: &Offered| {
        self::protocol(way.kind()) == Some(protocol)
            && invoice(way) == Some(paid)
            && agrees(way, payment_hash, body).is_ok()
    };
    let found = open.into_iter().map(|choice| choice.way).find(is_paid);
    Ok(match found {
        Some(Offered::L402(offer)) => offer.authorization(&preimage)?,
        Some(Offered::Payment(Quote::Charge { challenge, .. })) => {
            mpp::charge_credential(&challenge, &Preimage::from(preimage)).to_header()
        }
        _ => return Err(NodeError::InvoiceContradicts("challenge")),
    })
}
