//! The buyer's choice: of all the ways in which a 402 can be paid, which ones are possible, and which is cheapest.

use crate::mpp::{self, DepositTerms, InvoiceHead, Quote};
use crate::{haggle, l402, xcashu};

/// A protocol, and how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An L402 invoice.
    L402,
    /// One `Payment`, over Lightning.
    Charge,
    /// A prepaid session, over Lightning or with ecash.
    Session,
    /// A token in `X-Cashu`.
    XCashu,
}

/// What a buyer can do and wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Buyer {
    /// What can be sent over Lightning; `None` without Lightning.
    pub lightning: Option<Lightning>,
    /// The mints at which there is ecash.
    pub mints: Vec<Mint>,
    /// What one request may cost, fees included.
    pub request_max_sat: u64,
    /// What may be deposited for a session; 0 for no sessions.
    pub deposit_max_sat: u64,
    /// How many such requests are expected, this one included. Counts as 1 if it is 0.
    pub requests: u64,
    /// How many units one request is expected to take from a session. Counts as 1 if it is 0.
    pub units: u64,
    /// What the buyer would rather pay than use a kind.
    pub dislikes_sat: Vec<(Kind, u64)>,
    /// The seller's offer that was taken, if the price was haggled over: only challenges that are bound to it, and ask
    /// no more, are open. There are none for sessions.
    pub agreed: Option<haggle::Offer>,
}

/// A Lightning wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lightning {
    /// What it can send.
    pub balance_sat: u64,
    /// What a payment costs at least, in the buyer's experience.
    pub fee_sat: u64,
    /// And how much more, in millionths of the amount.
    pub fee_ppm: u64,
    /// The network, as invoices name it: `bc`, `tbs`, `bcrt`…
    pub network: &'static str,
}

/// Ecash of one mint, in sat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mint {
    /// The mint's address.
    pub url: String,
    /// How much there is.
    pub balance_sat: u64,
    /// What a payment costs in input fees.
    pub fee_sat: u64,
}

/// A way to pay that is open to the buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What has to be done.
    pub way: Way,
    /// What leaves the wallet now at most, fees included.
    pub now_sat: u64,
    /// What all the expected requests cost in this way, fees included.
    pub total_sat: u64,
}

/// A challenge, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Pay this invoice.
    L402(l402::Offer),
    /// Pay the invoice of this charge, or the deposit of this session over Lightning.
    Payment(Quote),
    /// Open this session with a token of this mint.
    EcashSession {
        /// The session.
        quote: Quote,
        /// The mint, amount and unit.
        purchase: xcashu::Purchase,
    },
    /// Send a token of this mint.
    XCashu(xcashu::Purchase),
}

impl Way {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::L402(_) => Kind::L402,
            Self::Payment(Quote::Charge { .. }) => Kind::Charge,
            Self::Payment(Quote::Session { .. }) | Self::EcashSession { .. } => Kind::Session,
            Self::XCashu(_) => Kind::XCashu,
        }
    }
}

/// Why a way is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An L402 challenge that can't be used.
    #[error(transparent)]
    L402(#[from] l402::Error),
    /// A `Payment` challenge that can't be used.
    #[error(transparent)]
    Payment(#[from] mpp::Error),
    /// An X-Cashu challenge that can't be used.
    #[error(transparent)]
    XCashu(#[from] crate::Error),
    /// The invoice names no amount in whole sat, or is of another network.
    #[error("the invoice cannot be paid: {0}")]
    Invoice(&'static str),
    /// It isn't what was agreed on.
    #[error(transparent)]
    Agreed(#[from] haggle::Error),
    /// It costs more than it may.
    #[error("{cost_sat} sat are asked, the limit is {max_sat} sat")]
    AboveLimit {
        /// What it costs.
        cost_sat: u64,
        /// What it may cost.
        max_sat: u64,
    },
    /// The buyer hasn't got that much, or not on this rail.
    #[error("{needed_sat} sat are needed, more than there is to pay with")]
    NotEnough {
        /// What it takes.
        needed_sat: u64,
    },
}

impl Error {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::L402(error) => error.code(),
            Self::Payment(error) => error.code(),
            Self::XCashu(error) => error.code(),
            Self::Invoice(_) => "invoice_unusable",
            Self::Agreed(error) => error.code(),
            Self::AboveLimit { .. } => "price_above_limit",
            Self::NotEnough { .. } => "not_enough",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::L402(error) => error.hint(),
            Self::Payment(error) => error.hint(),
            Self::XCashu(error) => error.hint(),
            Self::Agreed(error) => error.hint(),
            Self::Invoice(_) => "report it to the seller, and pay in another way",
            Self::AboveLimit { .. } => "raise the limit if the price is worth it",
            Self::NotEnough { .. } => "fund this wallet, or pay in another way",
        }
    }
}

/// The ways to pay that a 402 leaves open, best first, and why the others are closed, in the order of the headers.
///
/// The best costs least over all expected requests, the buyer's dislikes counted in; among equals the seller's
/// order decides. An amount is believed only if the invoice says the same.
pub fn choose(
    headers: &[(&str, &str)],
    buyer: &Buyer,
    now_s: u64,
) -> (Vec<Choice>, Vec<(Kind, Error)>) {
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    let mut add = |kind, choice: Result<Choice, Error>| match choice {
        Ok(choice) => open.push(choice),
        Err(error) => closed.push((kind, error)),
    };
    let headers = headers.iter().copied();
    match l402::next_step(402, headers.clone()) {
        Ok(l402::ClientStep::Pay(offer)) => add(Kind::L402, buyer.l402(offer)),
        Ok(l402::ClientStep::Done) | Err(l402::Error::ChallengeMissing) => {}
        Err(error) => add(Kind::L402, Err(error.into())),
    }
    for challenge in mpp::challenges(headers.clone()) {
        let kind = if challenge.intent == mpp::SESSION {
            Kind::Session
        } else {
            Kind::Charge
        };
        add(
            kind,
            mpp::quote(challenge, now_s)
                .map_err(Error::from)
                .and_then(|quote| buyer.payment(quote)),
        );
    }
    match xcashu::next_step(402, headers) {
        Ok(xcashu::ClientStep::Pay(request)) => add(Kind::XCashu, buyer.x_cashu(&request)),
        Ok(xcashu::ClientStep::Done) | Err(crate::Error::ChallengeMissing) => {}
        Err(error) => add(Kind::XCashu, Err(error.into())),
    }
    open.sort_by_key(|choice| {
        choice
            .total_sat
            .saturating_add(buyer.dislike_sat(choice.way.kind()))
    });
    (open, closed)
}

impl Buyer {
    fn dislike_sat(&self, kind: Kind) -> u64 {
        self.dislikes_sat
            .iter()
            .find(|(disliked, _)| *disliked == kind)
            .map_or(0, |(_, sat)| *sat)
    }

    fn l402(&self, offer: l402::Offer) -> Result<Choice, Error> {
        self.must_be_bound(|agreed| {
            let identifier = offer.identifier();
            identifier.is_some_and(|identifier| identifier.token_id == agreed.0)
        })?;
        let amount_sat = self.payable(offer.invoice())?;
        self.each(Way::L402(offer), self.over_lightning(amount_sat)?)
    }

    fn payment(&self, quote: Quote) -> Result<Choice, Error> {
        let request = match &quote {
            Quote::Charge { challenge, request } => {
                self.must_be_bound(|agreed| {
                    challenge.opaque.as_deref() == Some(agreed.to_mpp_opaque().as_str())
                })?;
                let amount_sat = self.payable(&request.method_details.invoice)?;
                let cost_sat = self.over_lightning(amount_sat)?;
                return self.each(Way::Payment(quote), cost_sat);
            }
            Quote::Session { request, .. } => {
                self.must_be_bound(|_| false)?;
                request
            }
        };
        let (unit_price_sat, deposit) = (request.unit_price_sat, request.deposit()?);
        let (now_sat, fee_sat, purchase) = match deposit {
            DepositTerms::Lightning { invoice, .. } => {
                let amount_sat = self.payable(invoice)?;
                let cost_sat = self.over_lightning(amount_sat)?;
                (cost_sat, cost_sat - amount_sat, None)
            }
            DepositTerms::Ecash {
                payment_request, ..
            } => {
                let request = xcashu::PaymentRequest::decode(payment_request)?;
                let (purchase, fee_sat) = self.purchase(&request, self.deposit_max_sat)?;
                (
                    purchase.amount_sat.saturating_add(fee_sat),
                    fee_sat,
                    Some(purchase),
                )
            }
        };
        let request_sat = unit_price_sat.saturating_mul(self.units.max(1));
        at_most(request_sat, self.request_max_sat)?;
        at_most(now_sat, self.deposit_max_sat)?;
        let total_sat = request_sat
            .saturating_mul(self.requests.max(1))
            .saturating_add(fee_sat);
        let way = match purchase {
            None => Way::Payment(quote),
            Some(purchase) => Way::EcashSession { quote, purchase },
        };
        Ok(Choice {
            way,
            now_sat,
            total_sat,
        })
    }

    fn x_cashu(&self, request: &xcashu::PaymentRequest) -> Result<Choice, Error> {
        self.must_be_bound(|agreed| request.id.as_deref() == Some(agreed.to_string().as_str()))?;
        self.must_be_as_agreed(request.amount.unwrap_or_default().saturating_mul(1000))?;
        let (purchase, fee_sat) = self.purchase(request, self.request_max_sat)?;
        let cost_sat = purchase.amount_sat.saturating_add(fee_sat);
        self.each(Way::XCashu(purchase), cost_sat)
    }

    /// A way in which every request is paid by itself.
    fn each(&self, way: Way, now_sat: u64) -> Result<Choice, Error> {
        at_most(now_sat, self.request_max_sat)?;
        Ok(Choice {
            way,
            now_sat,
            total_sat: now_sat.saturating_mul(self.requests.max(1)),
        })
    }

    /// The amount of an invoice that this wallet's network knows.
    fn payable(&self, invoice: &str) -> Result<u64, Error> {
        let head = InvoiceHead::parse(invoice).ok_or(Error::Invoice("it cannot be read"))?;
        if self
            .lightning
            .is_some_and(|lightning| lightning.network != head.network)
        {
            return Err(Error::Invoice("it is of another network"));
        }
        // A fraction of a sat is rounded up: that is what leaves the wallet.
        let msat = head
            .amount_msat
            .ok_or(Error::Invoice("it names no amount"))?;
        self.must_be_as_agreed(msat)?;
        Ok(msat.div_ceil(1000))
    }

    /// That a challenge names the offer that was taken, if one was.
    fn must_be_bound(&self, names: impl Fn(&haggle::OfferId) -> bool) -> Result<(), Error> {
        match &self.agreed {
            Some(agreed) if !names(&agreed.id) => {
                let why = "a challenge isn't bound to the offer that was taken";
                Err(haggle::Error::AnswerInconsistent(why).into())
            }
            _ => Ok(()),
        }
    }

    /// That it asks no more than that offer.
    fn must_be_as_agreed(&self, amount_msat: u64) -> Result<(), Error> {
        match &self.agreed {
            Some(agreed) if amount_msat > agreed.terms.price_msat => {
                let why = "a challenge asks for more than the offer that was taken";
                Err(haggle::Error::AnswerInconsistent(why).into())
            }
            _ => Ok(()),
        }
    }

    /// What an amount costs, expected fee included.
    fn over_lightning(&self, amount_sat: u64) -> Result<u64, Error> {
        let lightning = self.lightning.ok_or(Error::NotEnough {
            needed_sat: amount_sat,
        })?;
        let share_sat = u128::from(amount_sat) * u128::from(lightning.fee_ppm) / 1_000_000;
        let share_sat = u64::try_from(share_sat).unwrap_or(u64::MAX);
        let needed_sat = amount_sat
            .saturating_add(lightning.fee_sat)
            .saturating_add(share_sat);
        if needed_sat > lightning.balance_sat {
            return Err(Error::NotEnough { needed_sat });
        }
        Ok(needed_sat)
    }

    /// The cheapest mint that the request accepts and that has enough.
    fn purchase(
        &self,
        request: &xcashu::PaymentRequest,
        max_sat: u64,
    ) -> Result<(xcashu::Purchase, u64), Error> {
        let needed_sat = request.amount.unwrap_or_default();
        let mut mints: Vec<&Mint> = self.mints.iter().collect();
        mints.sort_by_key(|mint| mint.fee_sat);
        // Without regard to balances first: what stands against paying at all is said first.
        let urls: Vec<&str> = mints.iter().map(|mint| mint.url.as_str()).collect();
        xcashu::choose(request, &urls, mpp::SAT, max_sat)?;
        mints.retain(|mint| mint.balance_sat >= needed_sat.saturating_add(mint.fee_sat));
        let urls: Vec<&str> = mints.iter().map(|mint| mint.url.as_str()).collect();
        let purchase = xcashu::choose(request, &urls, mpp::SAT, max_sat)
            .map_err(|_| Error::NotEnough { needed_sat })?;
        let fee_sat = mints
            .iter()
            .find(|mint| mint.url == purchase.mint)
            .map_or(0, |mint| mint.fee_sat);
        Ok((purchase, fee_sat))
    }
}

fn at_most(cost_sat: u64, max_sat: u64) -> Result<(), Error> {
    if cost_sat > max_sat {
        Err(Error::AboveLimit { cost_sat, max_sat })
    } else {
        Ok(())
    }
}
