//! What a 402 offers, how much of it can be believed, and which of it is taken. Pure.

use std::time::Duration;

use bitcoin::Network;
use http402::mpp::{self, Preimage, Quote};
use http402::xcashu::{self, ClientStep};
use http402::{Error, l402};
use wallet::lightning::Payable;
use wallet::{MSAT_PER_SAT, sat_to_msat};

use super::Protocol;
use crate::error::{NodeError, Result};

/// The share of an amount that a Lightning payment is expected to need for its way, as a divisor.
const FEE_SHARE: u64 = 100;

/// Headers as they came.
pub(super) type Headers = [(String, String)];

/// What this wallet can do, and when it is.
pub(super) struct Means {
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
    /// Now, Unix seconds.
    pub now_s: u64,
}

impl Means {
    /// Whether there is money for it, as far as that can be told before trying.
    fn is_enough_for(&self, way: &Way) -> bool {
        let is_other_money = way.protocol.is_lightning() && self.has_channels;
        is_other_money || way.cost_sat() <= self.ecash_sat
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
    /// What it is expected to cost beside that.
    pub fee_sat: u64,
    /// What is to be paid over Lightning.
    pub bill: Option<Bill>,
}

impl Way {
    fn cost_sat(&self) -> u64 {
        self.amount_sat.saturating_add(self.fee_sat)
    }
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
    let order = if wanted.is_empty() {
        &Protocol::ALL[..]
    } else {
        wanted
    };
    let max_sat = max_sat.unwrap_or(u64::MAX);
    let (ways, mut problems): (Vec<_>, Vec<_>) =
        read(headers, means).into_iter().partition(Result::is_ok);
    let ways: Vec<Way> = ways.into_iter().flatten().collect();
    let rank = |way: &Way| order.iter().position(|one| *one == way.protocol);
    let (usable, unwanted): (Vec<Way>, Vec<Way>) =
        ways.into_iter().partition(|way| rank(way).is_some());
    let cheapest = usable
        .into_iter()
        .min_by_key(|way| (!means.is_enough_for(way), way.cost_sat(), rank(way)));
    match cheapest {
        Some(way) if way.cost_sat() <= max_sat => Ok(way),
        Some(way) => Err(Error::PriceAboveLimit {
            amount_sat: way.cost_sat(),
            max_sat,
        }
        .into()),
        None if !unwanted.is_empty() => Err(NodeError::RailUnwanted {
            offered: list(unwanted.iter().map(|way| way.protocol)),
        }),
        None if problems.is_empty() => Err(Error::ChallengeMissing.into()),
        // What came first is what the seller would rather have.
        None => problems.swap_remove(0).map_err(|error| *error),
    }
}

fn list(protocols: impl Iterator<Item = Protocol>) -> String {
    let names: Vec<_> = protocols.map(Protocol::as_str).collect();
    names.join(", ")
}

/// All ways that an answer offers, and what is wrong with the others.
fn read(headers: &Headers, means: &Means) -> Vec<Result<Way, Box<NodeError>>> {
    let mut found: Vec<Result<Way>> = Vec::new();
    found.extend(ecash(headers, means));
    for demand in demands(headers, means.now_s) {
        found.push(demand.and_then(|demand| demand.way(means)));
    }
    found.into_iter().map(|way| way.map_err(Box::new)).collect()
}

fn pairs(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

fn ecash(headers: &Headers, means: &Means) -> Option<Result<Way>> {
    let wanted = match xcashu::next_step(402, pairs(headers)) {
        Ok(ClientStep::Pay(wanted)) => wanted,
        Ok(ClientStep::Done) | Err(Error::ChallengeMissing) => return None,
        Err(error) => return Some(Err(error.into())),
    };
    let purchase = xcashu::choose(&wanted, &[&means.mint_url], "sat", u64::MAX);
    Some(purchase.map_err(NodeError::from).map(|purchase| Way {
        protocol: Protocol::XCashu,
        amount_sat: purchase.amount_sat,
        fee_sat: means.ecash_fee_sat,
        bill: None,
    }))
}

/// A challenge that wants an invoice to be paid.
enum Demand {
    L402(l402::Offer),
    Charge(Box<mpp::Challenge>, mpp::ChargeRequest),
}

fn demands(headers: &Headers, now_s: u64) -> Vec<Result<Demand>> {
    let mut found = Vec::new();
    match l402::next_step(402, pairs(headers)) {
        Ok(l402::ClientStep::Pay(offer)) => found.push(Ok(Demand::L402(offer))),
        Ok(l402::ClientStep::Done) | Err(l402::Error::ChallengeMissing) => {}
        Err(error) => found.push(Err(error.into())),
    }
    for challenge in mpp::challenges(pairs(headers)) {
        match mpp::quote(challenge, now_s) {
            Ok(Quote::Charge { challenge, request }) => {
                found.push(Ok(Demand::Charge(Box::new(challenge), request)));
            }
            // Sessions are for those who ask for one; other kinds are for other wallets.
            Ok(Quote::Session { .. }) | Err(mpp::Error::ChallengeMissing) => {}
            Err(error) => found.push(Err(error.into())),
        }
    }
    found
}

impl Demand {
    const fn protocol(&self) -> Protocol {
        match self {
            Self::L402(_) => Protocol::L402,
            Self::Charge(..) => Protocol::MppCharge,
        }
    }

    fn invoice(&self) -> &str {
        match self {
            Self::L402(offer) => offer.invoice(),
            Self::Charge(_, request) => &request.method_details.invoice,
        }
    }

    /// The way to pay, if the invoice is what the challenge says, and can be paid here and now.
    fn way(&self, means: &Means) -> Result<Way> {
        let network = means.lightning.ok_or(NodeError::NoLightning)?;
        if means.is_authorized {
            return Err(NodeError::AuthorizationTaken);
        }
        let payable = Payable::parse(self.invoice())?;
        let Payable::Bolt11(bolt11) = &payable else {
            return Err(NodeError::InvoiceContradicts("kind"));
        };
        if means.own_node == Some(bolt11.get_payee_pub_key().to_string()) {
            return Err(NodeError::OwnInvoice);
        }
        let amount_msat = payable.check(network, None, Duration::from_secs(means.now_s))?;
        let hash = payable.payment_id();
        let hash = hash.ok_or(NodeError::InvoiceContradicts("payment hash"))?;
        match self {
            Self::L402(offer) => offer.check_invoice(&hash.0)?,
            Self::Charge(challenge, request) => {
                let digest = challenge.digest.as_ref();
                if digest.is_some_and(|digest| *digest != mpp::content_digest(&means.body)) {
                    return Err(mpp::Error::DigestMismatch.into());
                }
                if request.method_details.payment_hash != mpp::PaymentHash::from(hash.0) {
                    return Err(NodeError::InvoiceContradicts("payment hash"));
                }
                if sat_to_msat(request.amount_sat) != amount_msat {
                    return Err(NodeError::InvoiceContradicts("amount"));
                }
            }
        }
        let amount_sat = amount_msat.div_ceil(MSAT_PER_SAT);
        let expires = bolt11.expires_at().unwrap_or(Duration::MAX);
        Ok(Way {
            protocol: self.protocol(),
            amount_sat,
            fee_sat: (amount_sat / FEE_SHARE).max(means.fee_min_sat),
            bill: Some(Bill {
                invoice: self.invoice().to_owned(),
                payment_hash: hash.to_string(),
                expires_s: expires.as_secs(),
            }),
        })
    }

    fn authorization(&self, preimage: [u8; 32]) -> Result<String> {
        Ok(match self {
            Self::L402(offer) => offer.authorization(&preimage)?,
            Self::Charge(challenge, _) => {
                mpp::charge_credential(challenge, &Preimage::from(preimage)).to_header()
            }
        })
    }
}

/// The headers of an answer that a credential is made of later.
pub(super) fn challenge_headers(headers: &Headers) -> Vec<(String, String)> {
    let is_challenge = |name: &str| name.eq_ignore_ascii_case("www-authenticate");
    let found = headers.iter().filter(|(name, _)| is_challenge(name));
    found.cloned().collect()
}

/// The `Authorization` that proves the payment of this invoice, from the challenge's headers. That the challenge has
/// expired meanwhile is for the seller to say: it was paid in time.
///
/// # Errors
/// If the preimage isn't the invoice's, or the headers hold no such challenge.
pub(super) fn authorization(
    headers: &Headers,
    protocol: Protocol,
    invoice: &str,
    preimage: [u8; 32],
) -> Result<String> {
    let found = demands(headers, 0)
        .into_iter()
        .flatten()
        .find(|demand| demand.protocol() == protocol && demand.invoice() == invoice);
    found
        .ok_or(NodeError::InvoiceContradicts("challenge"))?
        .authorization(preimage)
}
