//! Haggling over the price of an offer (`docs/haggle.md`): what the owner allows, and what a bid is answered.
//!
//! Prices are in whole sat here. What an agreement has beyond that, the seller forgoes: the floor is in whole sat too.

use std::sync::Arc;

use http402::haggle::{self, Answer, Bid, OfferId, PAYMENT_OFFER, Policy, Seller, Tactic};
use serde::{Deserialize, Serialize};
use wallet::{MSAT_PER_SAT, sat_to_msat};

use super::{Offer, SellError};
use crate::node::{Node, now_s};

/// How a price may be haggled over. The first price is the offer's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Haggle {
    /// Below this nothing is sold.
    pub floor_sat: u64,
    /// In how many rounds the price falls to the floor, 32 at most.
    #[serde(default = "rounds")]
    pub rounds: u32,
    /// How it falls.
    #[serde(default)]
    pub tactic: Tactic,
}

fn rounds() -> u32 {
    Policy::default().rounds_max
}

impl Haggle {
    /// In as many equal steps as is usual.
    #[must_use]
    pub fn new(floor_sat: u64) -> Self {
        Self {
            floor_sat,
            rounds: rounds(),
            tactic: Tactic::default(),
        }
    }

    pub(super) fn check(&self, price_sat: u64) -> Result<(), SellError> {
        match Seller::new(&[0; 32], self.policy(price_sat)) {
            Ok(_) => Ok(()),
            Err(haggle::Error::LimitsInvalid(why)) => Err(SellError::OfferInvalid(why)),
            Err(_) => Err(SellError::OfferInvalid("it can't be haggled over")),
        }
    }

    fn policy(&self, price_sat: u64) -> Policy {
        Policy {
            list_msat: sat_to_msat(price_sat),
            floor_msat: sat_to_msat(self.floor_sat),
            tactic: self.tactic,
            rounds_max: self.rounds,
            ..Policy::default()
        }
    }
}

/// What became of a request's bid.
pub(super) struct Haggled {
    /// The offer, at the price that was agreed on, or else at the list price.
    pub offer: Arc<Offer>,
    /// What the request takes, which this node has offered for it; perhaps it isn't firm any more.
    pub taken: Option<OfferId>,
    answer: Option<Answer>,
}

impl Haggled {
    /// Whether the buyer is expected to bid again.
    pub fn goes_on(&self) -> bool {
        matches!(self.answer, Some(Answer::Counter { .. }))
    }

    /// What the bid is answered.
    pub fn header(&self) -> Option<(&'static str, String)> {
        let answer = self.answer.as_ref()?;
        Some((PAYMENT_OFFER, answer.to_value()))
    }
}

impl Node {
    /// Answers a request's bid. One that can't be read is none.
    pub(super) fn haggle(&self, offer: Arc<Offer>, bid: Option<&str>) -> Haggled {
        let bid = bid.and_then(|bid| Bid::parse(bid).ok());
        let secret = &self.inner.selling.haggle_secret;
        let haggle = bid.and(offer.haggle.as_ref());
        let seller =
            haggle.and_then(|haggle| Seller::new(secret, haggle.policy(offer.price_sat)).ok());
        match bid.zip(seller) {
            Some((bid, seller)) => answered(&seller, offer, &bid, now_s()),
            None => Haggled {
                offer,
                taken: None,
                answer: None,
            },
        }
    }
}

fn answered(seller: &Seller, offer: Arc<Offer>, bid: &Bid, now_s: u64) -> Haggled {
    let resource = offer.resource();
    let answer = seller.answer(&resource, bid, now_s);
    let taken = match bid {
        Bid::Take(deal) => match seller.settle(&resource, deal, now_s) {
            // What was paid while it was firm is good, as the challenge's own end says.
            Ok(_) | Err(haggle::Error::OfferExpired { .. }) => Some(deal.id),
            Err(_) => None,
        },
        _ => None,
    };
    let offer = match &answer {
        Answer::Accept(deal) => Arc::new(offer.agreed_on(deal)),
        _ => offer,
    };
    Haggled {
        offer,
        taken,
        answer: Some(answer),
    }
}

impl Offer {
    /// What is bought, and all that the price is for. All below an offer's path costs the same.
    fn resource(&self) -> String {
        format!("{} {} {}", self.id, self.calls, self.unit.as_str())
    }

    /// The same at a price that was agreed on. Sessions are at the list price.
    fn agreed_on(&self, deal: &haggle::Offer) -> Self {
        Self {
            price_sat: deal.terms.price_msat / MSAT_PER_SAT,
            deposit_sat: 0,
            agreed: Some(deal.id),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sell::NewOffer;

    const NOW_S: u64 = 1_800_000_000;

    fn offer(calls: u32) -> Arc<Offer> {
        let json = serde_json::json!({
            "upstream": "http://127.0.0.1:3000", "path": "/api", "price_sat": 5, "calls": calls,
            "haggle": { "floor_sat": 3, "rounds": 3 },
        });
        let new: NewOffer = serde_json::from_value(json).unwrap();
        Arc::new(Offer::new(new, 0).unwrap())
    }

    fn seller(offer: &Offer) -> Seller {
        let haggle = offer.haggle.as_ref().unwrap();
        Seller::new(&[1; 32], haggle.policy(offer.price_sat)).unwrap()
    }

    fn open(msat: u64) -> Bid {
        Bid::Open {
            nonce: [2; 16],
            quantity: 1,
            msat,
        }
    }

    fn raise(offer: haggle::Offer, msat: u64) -> Bid {
        Bid::Raise { offer, msat }
    }

    #[test]
    fn an_agreed_price_is_whole_and_never_below_the_floor() {
        let offer = offer(1);
        let seller = seller(&offer);
        for (bid_msat, price_sat) in [(5_000, Some(5)), (9_999, Some(5)), (4_999, None)] {
            let haggled = answered(&seller, Arc::clone(&offer), &open(bid_msat), NOW_S);
            assert_eq!(haggled.offer.agreed.is_some(), price_sat.is_some());
            assert_eq!(haggled.offer.price_sat, price_sat.unwrap_or(5));
            assert_eq!(haggled.goes_on(), price_sat.is_none());
        }
        let (mut bid, mut offered) = (open(1), Vec::new());
        for asked_sat in [5, 4, 3] {
            let haggled = answered(&seller, Arc::clone(&offer), &bid, NOW_S);
            let Some(Answer::Counter { offer: deal, .. }) = haggled.answer else {
                panic!("{:?}", haggled.answer);
            };
            assert_eq!(deal.terms.price_msat, asked_sat * 1_000);
            let taken = answered(&seller, Arc::clone(&offer), &Bid::Take(deal), NOW_S);
            assert_eq!(
                (taken.offer.price_sat, taken.taken),
                (asked_sat, Some(deal.id))
            );
            assert_eq!(taken.offer.deposit_sat, 0, "no session at this price");
            bid = raise(deal, 2_999);
            offered.push(deal);
        }
        let enough = answered(
            &seller,
            Arc::clone(&offer),
            &raise(offered[1], 3_999),
            NOW_S,
        );
        assert!(
            matches!(enough.answer, Some(Answer::Accept(deal)) if deal.terms.price_msat == 3_999)
        );
        assert_eq!(enough.offer.price_sat, 3);
        let over = answered(&seller, Arc::clone(&offer), &bid, NOW_S);
        assert!(matches!(over.answer, Some(Answer::Refuse(_))));
        assert_eq!((over.offer.price_sat, over.taken), (5, None));
    }

    #[test]
    fn what_was_agreed_holds_for_one_thing_and_one_time() {
        let (one, ten) = (offer(1), offer(10));
        let seller = seller(&one);
        let haggled = answered(&seller, Arc::clone(&one), &open(5_000), NOW_S);
        let Some(Answer::Accept(deal)) = haggled.answer else {
            panic!("{:?}", haggled.answer);
        };
        let take = Bid::Take(deal);
        let elsewhere = answered(&seller, ten, &take, NOW_S);
        assert_eq!((elsewhere.taken, elsewhere.offer.agreed), (None, None));
        // Paid in time is paid, and nothing new is offered at that price.
        let late = answered(&seller, one, &take, deal.terms.expires_unix_s);
        assert_eq!((late.taken, late.offer.agreed), (Some(deal.id), None));
    }
}
