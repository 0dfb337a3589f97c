//! Bidding for a price below the list price (`docs/haggle.md`), before anything is paid.
//!
//! What is agreed on is one more header of the request that is paid for. A seller that knows nothing of it asks its usual
//! price, and no agreement leaves that too: what may be paid at all is for the request's limit to say.

use http402::haggle::{Answer, Bid, Buyer, Offer, PAYMENT_BID, Plan, Step, Tactic};
use serde::{Deserialize, Serialize};
use wallet::sat_to_msat;

use super::{FetchRequest, HttpAnswer, send, ways};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_s};

/// How to bid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bidding {
    /// The first bid.
    pub first_sat: u64,
    /// The last one; the same as the first if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sat: Option<u64>,
    /// How the bids rise.
    #[serde(default)]
    pub tactic: Tactic,
    /// How many bids there are at most, 32 at most.
    #[serde(default = "rounds")]
    pub rounds: u32,
}

fn rounds() -> u32 {
    Plan::default().rounds_max
}

impl Bidding {
    fn plan(&self) -> Plan {
        Plan {
            open_msat: sat_to_msat(self.first_sat),
            limit_msat: sat_to_msat(self.last_sat.unwrap_or(self.first_sat)),
            tactic: self.tactic,
            rounds_max: self.rounds,
            ..Plan::default()
        }
    }
}

impl Node {
    /// What the seller answers to the request before it is paid, and its offer that was taken, if there was haggling to
    /// an end.
    pub(super) async fn ask(&self, request: &FetchRequest) -> Result<(HttpAnswer, Option<Offer>)> {
        let Some(bidding) = &request.bidding else {
            return self.ask_list_price(request).await;
        };
        if request.has_header(PAYMENT_BID) {
            let why = format!("header {PAYMENT_BID}, beside another bid");
            return Err(NodeError::BadFetch(why));
        }
        let (mut buyer, mut bid) = Buyer::open(rand::random(), bidding.plan())?;
        loop {
            let answer = self.say(request, &bid).await?;
            let Some(said) = answer.offer() else {
                return Ok((answer, None));
            };
            match buyer.next(&said, now_s())? {
                Step::Bid(next) => bid = next,
                Step::Take(offer) if ways::is_bound(&answer.headers, offer) => {
                    return Ok((answer, Some(offer)));
                }
                Step::Take(offer) => return self.take(request, offer).await,
                // Where the list price would be paid, what was asked last is no worse.
                Step::Leave => {
                    return match buyer.last_offer(now_s()) {
                        Some(offer) if request.affords(&offer) => self.take(request, offer).await,
                        _ => self.ask_list_price(request).await,
                    };
                }
            }
        }
    }

    async fn ask_list_price(&self, request: &FetchRequest) -> Result<(HttpAnswer, Option<Offer>)> {
        Ok((send(&self.inner.http, request, None).await?, None))
    }

    async fn take(
        &self,
        request: &FetchRequest,
        offer: Offer,
    ) -> Result<(HttpAnswer, Option<Offer>)> {
        let answer = self.say(request, &Bid::Take(offer)).await?;
        Ok((answer, Some(offer)))
    }

    async fn say(&self, request: &FetchRequest, bid: &Bid) -> Result<HttpAnswer> {
        let mut request = request.clone();
        request.headers.push(header(bid));
        send(&self.inner.http, &request, None).await
    }
}

/// What a request has beside its own headers once the offer is taken.
pub(super) fn header(bid: &Bid) -> (String, String) {
    (PAYMENT_BID.to_owned(), bid.to_value())
}

impl HttpAnswer {
    /// What the seller says of a bid; nothing if it asks for no payment.
    fn offer(&self) -> Option<Answer> {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        Answer::find(headers).filter(|_| self.status == 402)
    }
}

impl FetchRequest {
    fn affords(&self, offer: &Offer) -> bool {
        self.max_sat
            .is_none_or(|max_sat| offer.terms.price_msat <= sat_to_msat(max_sat))
    }
}
