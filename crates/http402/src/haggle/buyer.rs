//! The buyer's side: from an answer to the next bid, or to a deal.

use super::{Answer, Bid, Error, Offer, PRICE_MSAT_MAX, QUANTITY_MAX, ROUNDS_MAX, Tactic, Terms};

/// What a buyer goes by. Prices are for one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What is bid first.
    pub open_msat: u64,
    /// What is paid at most.
    pub limit_msat: u64,
    /// How it goes from the one to the other.
    pub tactic: Tactic,
    /// In how many rounds, if the seller haggles for as long.
    pub rounds_max: u32,
    /// How many units are wanted.
    pub quantity: u64,
}

/// One unit, in five equal steps. The prices must be set.
impl Default for Plan {
    fn default() -> Self {
        Self {
            open_msat: 0,
            limit_msat: 0,
            tactic: Tactic::Linear,
            rounds_max: 5,
            quantity: 1,
        }
    }
}

/// What a buyer does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask again with this bid.
    Bid(Bid),
    /// Pay this offer: ask with [`Bid::Take`], and look for the offer's id in the
    /// challenge before paying.
    Take(Offer),
    /// There is no deal to be made. The list price may still be worth paying.
    Leave,
}

/// A buyer in the middle of a negotiation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    plan: Plan,
    nonce: [u8; 16],
    round: u32,
    bid_msat: u64,
    /// The last offer, which stays firm if no better one follows.
    last_offer: Option<Offer>,
}

impl Buyer {
    /// A buyer, and its first bid. The nonce must be random: it is what makes an
    /// offer this buyer's.
    pub fn open(nonce: [u8; 16], plan: Plan) -> Result<(Self, Bid), Error> {
        plan.check()?;
        let buyer = Self {
            bid_msat: plan.bid_msat(1),
            plan,
            nonce,
            round: 1,
            last_offer: None,
        };
        let open = Bid::Open {
            nonce,
            quantity: plan.quantity,
            msat: buyer.bid_msat,
        };
        Ok((buyer, open))
    }

    /// Decides on the seller's answer to the last bid. An error means that the
    /// seller doesn't keep to the rules, and that its offer shouldn't be paid.
    pub fn next(&mut self, answer: &Answer, now_unix_s: u64) -> Result<Step, Error> {
        let (offer, rounds_max) = match *answer {
            Answer::Refuse(_) => return Ok(self.take_last(now_unix_s)),
            Answer::Accept(offer) => {
                self.check(&offer.terms, now_unix_s)?;
                if offer.terms.price_msat > self.bid_msat {
                    return Err(Error::AnswerInconsistent("it accepts, and asks for more"));
                }
                return Ok(Step::Take(offer));
            }
            Answer::Counter { offer, rounds_max } => (offer, rounds_max),
        };
        self.check(&offer.terms, now_unix_s)?;
        let price_msat = offer.terms.price_msat;
        self.last_offer = Some(offer);
        if self.round >= rounds_max.min(self.plan.rounds_max) {
            return Ok(self.take_last(now_unix_s));
        }
        // No use in bidding what is more than what is asked.
        let next_msat = self.plan.bid_msat(self.round + 1);
        if price_msat <= next_msat {
            return Ok(Step::Take(offer));
        }
        self.round += 1;
        self.bid_msat = next_msat;
        Ok(Step::Bid(Bid::Raise {
            offer,
            msat: next_msat,
        }))
    }

    /// The seller's last offer, as long as it is firm. A buyer that would pay the list price rather than leave takes this
    /// instead: it asks no more.
    pub fn last_offer(&self, now_unix_s: u64) -> Option<Offer> {
        self.last_offer
            .filter(|offer| now_unix_s < offer.terms.expires_unix_s)
    }

    /// The last offer, if it is worth its price and still firm.
    fn take_last(&self, now_unix_s: u64) -> Step {
        let limit_msat = self.plan.limit_total_msat();
        self.last_offer(now_unix_s)
            .filter(|offer| offer.terms.price_msat <= limit_msat)
            .map_or(Step::Leave, Step::Take)
    }

    fn check(&self, terms: &Terms, now_unix_s: u64) -> Result<(), Error> {
        let asked = (terms.nonce, terms.round, terms.quantity, terms.bid_msat);
        if asked != (self.nonce, self.round, self.plan.quantity, self.bid_msat) {
            return Err(Error::AnswerInconsistent("it answers another bid"));
        }
        let last = self.last_offer.map(|offer| offer.terms.price_msat);
        if last.is_some_and(|last| terms.price_msat > last) {
            return Err(Error::AnswerInconsistent("it asks for more than before"));
        }
        let expires_unix_s = terms.expires_unix_s;
        if now_unix_s >= expires_unix_s {
            return Err(Error::OfferExpired {
                expires_unix_s,
                now_unix_s,
            });
        }
        Ok(())
    }
}

impl Plan {
    fn check(&self) -> Result<(), Error> {
        let invalid = |what| Err(Error::LimitsInvalid(what));
        self.tactic.check()?;
        if !(1..=self.limit_msat).contains(&self.open_msat) {
            return invalid("the first bid is not between 1 and the limit");
        }
        if !(1..=ROUNDS_MAX).contains(&self.rounds_max) {
            return invalid("there are no rounds, or too many");
        }
        if !(1..=QUANTITY_MAX).contains(&self.quantity) {
            return invalid("the quantity is out of range");
        }
        let most = u128::from(self.limit_msat) * u128::from(self.quantity);
        if most > u128::from(PRICE_MSAT_MAX) {
            return invalid("the limit is more than there is");
        }
        Ok(())
    }

    fn limit_total_msat(&self) -> u64 {
        self.limit_msat * self.quantity
    }

    fn bid_msat(&self, round: u32) -> u64 {
        let first = self.open_msat * self.quantity;
        let last = self.limit_total_msat();
        self.tactic.price(first, last, round, self.rounds_max)
    }
}
