//! The seller's side: from a bid to an offer, without memory.

use std::fmt;

use super::{
    Answer, Bid, Error, Offer, PRICE_MSAT_MAX, QUANTITY_MAX, RESOURCE_BYTES_MAX, ROUNDS_MAX,
    Refusal, Tactic, Terms,
};
use crate::hmac::Key;

/// What a seller goes by. Prices are for one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What is asked first, and of everybody who doesn't haggle.
    pub list_msat: u64,
    /// Below this nothing is sold, whatever the discount.
    pub floor_msat: u64,
    /// How it goes from the one to the other.
    pub tactic: Tactic,
    /// In how many rounds.
    pub rounds_max: u32,
    /// The least that is sold at once.
    pub quantity_min: u64,
    /// The most that is sold at once.
    pub quantity_max: u64,
    /// Discounts on the list price. The best that applies counts.
    pub bulk: Vec<Bulk>,
    /// How long an offer is firm.
    pub firm_s: u64,
}

/// A discount for many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk {
    /// From how many on.
    pub quantity_min: u64,
    /// How much less of the list price, in thousandths.
    pub discount_permille: u64,
}

/// One unit at a time, in five equal steps, offers firm for two minutes. The
/// prices must be set.
impl Default for Policy {
    fn default() -> Self {
        Self {
            list_msat: 0,
            floor_msat: 0,
            tactic: Tactic::Linear,
            rounds_max: 5,
            quantity_min: 1,
            quantity_max: 1,
            bulk: Vec::new(),
            firm_s: 120,
        }
    }
}

impl Policy {
    fn check(&self) -> Result<(), Error> {
        let invalid = |what| Err(Error::LimitsInvalid(what));
        self.tactic.check()?;
        if !(1..=self.list_msat).contains(&self.floor_msat) {
            return invalid("the floor is not between 1 and the list price");
        }
        if !(1..=ROUNDS_MAX).contains(&self.rounds_max) {
            return invalid("there are no rounds, or too many");
        }
        let quantities = self.quantity_min..=self.quantity_max;
        if quantities.is_empty() || self.quantity_min == 0 || self.quantity_max > QUANTITY_MAX {
            return invalid("the quantities are out of range");
        }
        let most = u128::from(self.list_msat) * u128::from(self.quantity_max);
        if most > u128::from(PRICE_MSAT_MAX) {
            return invalid("the most that can be bought costs more than there is");
        }
        if self.firm_s == 0 {
            return invalid("an offer would not be firm for a second");
        }
        if self.bulk.iter().any(|bulk| bulk.discount_permille > 1000) {
            return invalid("a discount is more than everything");
        }
        Ok(())
    }

    /// First and last price of a quantity within the bounds.
    fn range_msat(&self, quantity: u64) -> (u64, u64) {
        let applies = |bulk: &&Bulk| bulk.quantity_min <= quantity;
        let discounts = self.bulk.iter().filter(applies);
        let permille = discounts.map(|bulk| bulk.discount_permille).max();
        let kept = u128::from(1000 - permille.unwrap_or(0));
        let floor = self.floor_msat * quantity;
        let list = u128::from(self.list_msat) * u128::from(quantity) * kept / 1000;
        // No more than the undiscounted price, which was checked to be in range.
        (floor.max(list as u64), floor)
    }
}

/// Who answers bids. Its offers are its own only: another secret knows none.
#[derive(Clone)]
pub struct Seller {
    key: Key,
    policy: Policy,
}

impl Seller {
    /// A seller with a secret that it uses for nothing else.
    pub fn new(secret: &[u8; 32], policy: Policy) -> Result<Self, Error> {
        policy.check()?;
        let key = Key::new(secret);
        Ok(Self { key, policy })
    }

    /// Answers a bid for `resource`, the seller's own name for exactly what this
    /// request buys: method, path, and whatever else the price depends on.
    ///
    /// A taken offer that holds is accepted again. Pass it to
    /// [`Seller::settle`] to serve it.
    pub fn answer(&self, resource: &str, bid: &Bid, now_unix_s: u64) -> Answer {
        let offered = match *bid {
            Bid::Open {
                nonce,
                quantity,
                msat,
            } => self.offer(resource, (nonce, quantity), None, msat, now_unix_s),
            Bid::Raise { offer, msat } => self.raise(resource, &offer, msat, now_unix_s),
            Bid::Take(offer) => match self.settle(resource, &offer, now_unix_s) {
                Ok(_) => Ok(Answer::Accept(offer)),
                Err(error) => Err(refusal(&error)),
            },
        };
        offered.unwrap_or_else(Answer::Refuse)
    }

    /// The terms on which a request with this offer is served. That it is paid,
    /// in a payment that the offer's id binds, is for the caller to see to.
    pub fn settle(&self, resource: &str, offer: &Offer, now_unix_s: u64) -> Result<Terms, Error> {
        if resource.len() > RESOURCE_BYTES_MAX {
            return Err(Error::OfferUnknown);
        }
        offer.check(&self.key, resource, now_unix_s)?;
        Ok(offer.terms)
    }

    fn raise(
        &self,
        resource: &str,
        last: &Offer,
        msat: u64,
        now_unix_s: u64,
    ) -> Result<Answer, Refusal> {
        let terms = self
            .settle(resource, last, now_unix_s)
            .map_err(|error| refusal(&error))?;
        if msat < terms.bid_msat {
            return Err(Refusal::BidLowered);
        }
        let what = (terms.nonce, terms.quantity);
        self.offer(resource, what, Some(&terms), msat, now_unix_s)
    }

    /// The offer that answers a bid; `last` is the one before, which is verified.
    fn offer(
        &self,
        resource: &str,
        (nonce, quantity): ([u8; 16], u64),
        last: Option<&Terms>,
        bid_msat: u64,
        now_unix_s: u64,
    ) -> Result<Answer, Refusal> {
        let round = last.map_or(1, |last| last.round.saturating_add(1));
        let (asked, most) = self.asked_msat(round, quantity, last)?;
        if resource.len() > RESOURCE_BYTES_MAX {
            return Err(Refusal::Other);
        }
        let is_enough = bid_msat >= asked;
        let terms = Terms {
            nonce,
            round,
            quantity,
            bid_msat,
            price_msat: if is_enough { bid_msat.min(most) } else { asked },
            expires_unix_s: now_unix_s.saturating_add(self.policy.firm_s),
        };
        let offer = terms.sign(&self.key, resource);
        let rounds_max = self.policy.rounds_max;
        Ok(if is_enough {
            Answer::Accept(offer)
        } else {
            Answer::Counter { offer, rounds_max }
        })
    }

    /// What is asked in a round, and the most that may be: the price before.
    fn asked_msat(
        &self,
        round: u32,
        quantity: u64,
        last: Option<&Terms>,
    ) -> Result<(u64, u64), Refusal> {
        let policy = &self.policy;
        if round > policy.rounds_max {
            return Err(Refusal::RoundsOver);
        }
        if !(policy.quantity_min..=policy.quantity_max).contains(&quantity) {
            return Err(Refusal::Quantity);
        }
        let (list, floor) = policy.range_msat(quantity);
        let most = last.map_or(list, |last| last.price_msat.min(list));
        if most < floor {
            // The policy has changed since. The offer before is still firm.
            return Err(Refusal::Other);
        }
        let asked = policy.tactic.price(list, floor, round, policy.rounds_max);
        Ok((asked.min(most), most))
    }
}

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::OfferExpired { .. } => Refusal::OfferExpired,
        _ => Refusal::OfferUnknown,
    }
}

impl fmt::Debug for Seller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seller({:?})", self.policy)
    }
}
