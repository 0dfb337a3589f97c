//! What holds for every negotiation, and what no replay gets through.
#![allow(clippy::unwrap_used)]

use http402::haggle::{
    Answer, Bid, Bulk, Buyer, Error, Offer, Plan, Policy, Refusal, Seller, Step, Tactic, Terms,
};
use proptest::{collection::vec, option, prelude::*};

const NOW: u64 = 1_800_000_000;
const SECRET: [u8; 32] = [1; 32];
const RESOURCE: &str = "POST /v1/chat/completions";

fn tactic() -> impl Strategy<Value = Tactic> {
    prop_oneof![
        Just(Tactic::Fixed),
        Just(Tactic::Linear),
        (2..=4_u32).prop_map(Tactic::Boulware),
        (2..=4_u32).prop_map(Tactic::Conceder),
    ]
}

fn price_msat() -> impl Strategy<Value = u64> {
    prop_oneof![1..2_000_u64, 1..2_000_000_000_000_u64]
}

prop_compose! {
    fn policy()(
        a in price_msat(), b in price_msat(), tactic in tactic(), rounds_max in 1..=32_u32,
        quantity_max in 1..=1_000_000_u64,
        bulk in vec((1..1_000_000_u64, 0..=1000_u64), 0..3), firm_s in 1..1000_u64,
    ) -> Policy {
        let bulk = bulk.into_iter().map(|(quantity_min, discount_permille)| Bulk {
            quantity_min, discount_permille,
        });
        Policy {
            list_msat: a.max(b), floor_msat: a.min(b), tactic, rounds_max,
            quantity_min: 1, quantity_max, bulk: bulk.collect(), firm_s,
        }
    }
}

prop_compose! {
    fn plan()(
        a in price_msat(), b in price_msat(), tactic in tactic(), rounds_max in 1..=32_u32,
        quantity in 1..=1_000_000_u64,
    ) -> Plan {
        Plan { open_msat: a.min(b), limit_msat: a.max(b), tactic, rounds_max, quantity }
    }
}

struct Outcome {
    deal: Option<Terms>,
    bids_msat: Vec<u64>,
    prices_msat: Vec<u64>,
}

/// Plays to the end, by way of the headers.
fn play(policy: &Policy, plan: Plan) -> Outcome {
    let seller = Seller::new(&SECRET, policy.clone()).unwrap();
    let (mut buyer, mut bid) = Buyer::open([7; 16], plan).unwrap();
    let mut outcome = Outcome {
        deal: None,
        bids_msat: vec![],
        prices_msat: vec![],
    };
    loop {
        bid = Bid::parse(&bid.to_value()).unwrap();
        if let Bid::Open { msat, .. } | Bid::Raise { msat, .. } = bid {
            outcome.bids_msat.push(msat);
        }
        let answer = seller.answer(RESOURCE, &bid, NOW);
        assert_eq!(Answer::parse(&answer.to_value()), Ok(answer));
        if let Answer::Accept(offer) | Answer::Counter { offer, .. } = answer {
            outcome.prices_msat.push(offer.terms.price_msat);
        }
        match buyer.next(&answer, NOW).unwrap() {
            Step::Bid(next) => bid = next,
            Step::Leave => return outcome,
            Step::Take(offer) => {
                outcome.deal = Some(seller.settle(RESOURCE, &offer, NOW).unwrap());
                return outcome;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_deal_is_within_both_limits_and_in_time(policy in policy(), plan in plan()) {
        let outcome = play(&policy, plan);
        let rounds = policy.rounds_max.min(plan.rounds_max) as usize;
        prop_assert!(outcome.bids_msat.len() <= rounds);
        if let Some(terms) = outcome.deal {
            prop_assert!(terms.price_msat >= policy.floor_msat * plan.quantity);
            prop_assert!(terms.price_msat <= policy.list_msat * plan.quantity);
            prop_assert!(terms.price_msat <= plan.limit_msat * plan.quantity);
            prop_assert_eq!(terms.quantity, plan.quantity);
        }
    }

    #[test]
    fn both_sides_only_give_way(policy in policy(), plan in plan()) {
        let outcome = play(&policy, plan);
        prop_assert!(outcome.bids_msat.is_sorted(), "{:?}", outcome.bids_msat);
        prop_assert!(outcome.prices_msat.is_sorted_by(|a, b| a >= b), "{:?}", outcome.prices_msat);
    }

    #[test]
    fn whoever_could_agree_does(policy in policy(), plan in plan(), rounds_max in 2..=32_u32) {
        let flexible = |tactic| if tactic == Tactic::Fixed { Tactic::Linear } else { tactic };
        let policy = Policy { rounds_max, quantity_max: 1_000_000, tactic: flexible(policy.tactic), ..policy };
        let plan = Plan { rounds_max, ..plan };
        let could = policy.floor_msat <= plan.limit_msat;
        prop_assert_eq!(play(&policy, plan).deal.is_some(), could);
    }

    #[test]
    fn an_offer_holds_for_its_own_terms_only(
        policy in policy(), plan in plan(), field in 0..9_usize, by in 1..u64::MAX,
    ) {
        let plan = Plan { quantity: 1, ..plan };
        let seller = Seller::new(&SECRET, policy.clone()).unwrap();
        let (_, bid) = Buyer::open([7; 16], plan).unwrap();
        let (Answer::Accept(offer) | Answer::Counter { offer, .. }) = seller.answer(RESOURCE, &bid, NOW) else {
            panic!("refused");
        };
        prop_assert!(seller.settle(RESOURCE, &offer, offer.terms.expires_unix_s - 1).is_ok());
        let mut other = offer;
        let terms = &mut other.terms;
        let mut resource = RESOURCE.to_owned();
        let mut verifier = seller.clone();
        match field {
            0 => terms.nonce[by as usize % 16] ^= 1,
            1 => terms.round ^= (by as u32).max(1),
            2 => terms.quantity ^= by,
            3 => terms.bid_msat ^= by,
            4 => terms.price_msat ^= by,
            5 => terms.expires_unix_s ^= by,
            6 => other.id.0[by as usize % 32] ^= 1 << (by % 8),
            7 => resource.push('x'),
            _ => verifier = Seller::new(&[2; 32], policy).unwrap(),
        }
        prop_assert_eq!(verifier.settle(&resource, &other, NOW), Err(Error::OfferUnknown));
        let raised = Bid::Raise { offer: other, msat: u64::MAX };
        prop_assert_eq!(verifier.answer(&resource, &raised, NOW), Answer::Refuse(Refusal::OfferUnknown));
        prop_assert_eq!(verifier.answer(&resource, &Bid::Take(other), NOW), Answer::Refuse(Refusal::OfferUnknown));
    }

    #[test]
    fn a_hostile_buyer_gets_nothing_below_the_floor(
        policy in policy(), msats in vec(any::<u64>(), 1..40), quantity: u64, small in option::of(1..100_u64),
    ) {
        let quantity = small.unwrap_or(quantity);
        let seller = Seller::new(&SECRET, policy.clone()).unwrap();
        let mut bid = Bid::Open { nonce: [7; 16], quantity, msat: msats[0] };
        for (n, msat) in msats.iter().enumerate() {
            match seller.answer(RESOURCE, &bid, NOW) {
                Answer::Refuse(_) => return Ok(()),
                Answer::Accept(offer) | Answer::Counter { offer, .. } => {
                    prop_assert!(n < policy.rounds_max as usize);
                    prop_assert!(offer.terms.price_msat >= policy.floor_msat * quantity);
                    bid = Bid::Raise { offer, msat: *msat };
                }
            }
        }
    }

    #[test]
    fn a_hostile_seller_gets_nothing_above_the_limit(
        plan in plan(), prices in vec((any::<u64>(), any::<bool>(), 1..40_u32), 1..40),
    ) {
        let (mut buyer, mut bid) = Buyer::open([7; 16], plan).unwrap();
        for (round, (price_msat, accepts, rounds_max)) in (1..).zip(prices) {
            let (Bid::Open { msat, .. } | Bid::Raise { msat, .. }) = bid else { panic!("{bid:?}") };
            let terms = Terms {
                nonce: [7; 16], round, quantity: plan.quantity, bid_msat: msat, price_msat,
                expires_unix_s: NOW + 1,
            };
            let offer = Offer { terms, id: http402::haggle::OfferId([0; 32]) };
            let answer = if accepts { Answer::Accept(offer) } else { Answer::Counter { offer, rounds_max } };
            match buyer.next(&answer, NOW) {
                Ok(Step::Bid(next)) => {
                    prop_assert!(round < plan.rounds_max);
                    bid = next;
                }
                Ok(Step::Take(taken)) => {
                    prop_assert!(taken.terms.price_msat <= plan.limit_msat * plan.quantity);
                    return Ok(());
                }
                Ok(Step::Leave) | Err(_) => return Ok(()),
            }
        }
    }

    #[test]
    fn any_text_is_read_without_panic(
        text in "((open|bid|take|accept|counter|refuse) )?([a-z-]{1,10}=\"?[0-9a-zA-Z_=]{0,24}\"?, ){0,4}.{0,20}",
    ) {
        if let Ok(bid) = Bid::parse(&text) {
            prop_assert_eq!(Bid::parse(&bid.to_value()), Ok(bid));
        }
        if let Ok(answer) = Answer::parse(&text) {
            prop_assert_eq!(Answer::parse(&answer.to_value()), Ok(answer));
        }
    }
}

fn offered(policy: Policy, bid: &Bid) -> (Seller, Offer) {
    let seller = Seller::new(&SECRET, policy).unwrap();
    match seller.answer(RESOURCE, bid, NOW) {
        Answer::Accept(offer) | Answer::Counter { offer, .. } => (seller, offer),
        Answer::Refuse(refusal) => panic!("{refusal:?}"),
    }
}

const OPEN: Bid = Bid::Open {
    nonce: [7; 16],
    quantity: 1,
    msat: 500,
};

fn usual() -> Policy {
    Policy {
        list_msat: 1000,
        floor_msat: 600,
        ..Policy::default()
    }
}

#[test]
fn an_offer_is_firm_for_its_time_and_no_longer() {
    let (seller, offer) = offered(usual(), &OPEN);
    assert_eq!(offer.terms.expires_unix_s, NOW + 120);
    assert!(seller.settle(RESOURCE, &offer, NOW + 119).is_ok());
    let late = Error::OfferExpired {
        expires_unix_s: NOW + 120,
        now_unix_s: NOW + 120,
    };
    assert_eq!(seller.settle(RESOURCE, &offer, NOW + 120), Err(late));
    let raise = Bid::Raise { offer, msat: 600 };
    assert_eq!(
        seller.answer(RESOURCE, &raise, NOW + 120),
        Answer::Refuse(Refusal::OfferExpired)
    );
}

#[test]
fn rounds_cannot_be_skipped_nor_bids_lowered() {
    let (seller, offer) = offered(usual(), &OPEN);
    let lower = Bid::Raise { offer, msat: 499 };
    assert_eq!(
        seller.answer(RESOURCE, &lower, NOW),
        Answer::Refuse(Refusal::BidLowered)
    );
    let mut skipped = offer;
    skipped.terms.round = 4;
    let raise = Bid::Raise {
        offer: skipped,
        msat: 500,
    };
    assert_eq!(
        seller.answer(RESOURCE, &raise, NOW),
        Answer::Refuse(Refusal::OfferUnknown)
    );
}

#[test]
fn a_policy_that_changed_asks_for_no_more_than_was_offered() {
    let (_, offer) = offered(usual(), &OPEN);
    let answer = |floor_msat| {
        let policy = Policy {
            list_msat: 5000,
            floor_msat,
            ..usual()
        };
        let seller = Seller::new(&SECRET, policy).unwrap();
        seller.answer(RESOURCE, &Bid::Raise { offer, msat: 500 }, NOW)
    };
    let Answer::Counter { offer: same, .. } = answer(1000) else {
        panic!("not countered");
    };
    assert_eq!(same.terms.price_msat, 1000);
    assert_eq!(answer(1001), Answer::Refuse(Refusal::Other));
}

#[test]
fn a_seller_who_breaks_the_rules_is_left() {
    let plan = Plan {
        open_msat: 500,
        limit_msat: 800,
        ..Plan::default()
    };
    let (_, offer) = offered(usual(), &OPEN);
    let answer = |change: fn(&mut Terms), accepts: bool| {
        let mut offer = offer;
        change(&mut offer.terms);
        let (mut buyer, _) = Buyer::open([7; 16], plan).unwrap();
        let answer = if accepts {
            Answer::Accept(offer)
        } else {
            Answer::Counter {
                offer,
                rounds_max: 5,
            }
        };
        buyer.next(&answer, NOW).map_err(|error| error.code())
    };
    assert!(matches!(answer(|_| (), false), Ok(Step::Bid(_))));
    let broken = Err("haggle_answer_inconsistent");
    assert_eq!(answer(|terms| terms.quantity = 2, false), broken);
    assert_eq!(answer(|terms| terms.bid_msat = 800, false), broken);
    assert_eq!(answer(|terms| terms.nonce = [8; 16], false), broken);
    assert_eq!(answer(|terms| terms.round = 2, false), broken);
    assert_eq!(answer(|terms| terms.price_msat = 501, true), broken);
    assert_eq!(
        answer(|terms| terms.expires_unix_s = NOW, false),
        Err("haggle_offer_expired")
    );

    let (mut buyer, _) = Buyer::open([7; 16], plan).unwrap();
    let mut offer = offer;
    let Ok(Step::Bid(Bid::Raise { msat, .. })) = buyer.next(
        &Answer::Counter {
            offer,
            rounds_max: 5,
        },
        NOW,
    ) else {
        panic!("no second bid");
    };
    offer.terms = Terms {
        round: 2,
        bid_msat: msat,
        price_msat: 1001,
        ..offer.terms
    };
    let dearer = buyer.next(
        &Answer::Counter {
            offer,
            rounds_max: 5,
        },
        NOW,
    );
    assert_eq!(dearer.unwrap_err().code(), "haggle_answer_inconsistent");
}

#[test]
fn an_offer_that_can_be_afforded_is_taken_when_no_better_one_follows() {
    let plan = Plan {
        open_msat: 500,
        limit_msat: 1000,
        tactic: Tactic::Boulware(2),
        ..Plan::default()
    };
    let (_, offer) = offered(usual(), &OPEN);
    let (mut buyer, _) = Buyer::open([7; 16], plan).unwrap();
    let counter = Answer::Counter {
        offer,
        rounds_max: 5,
    };
    assert!(matches!(buyer.next(&counter, NOW), Ok(Step::Bid(_))));
    let refused = Answer::Refuse(Refusal::Other);
    assert_eq!(
        buyer.clone().next(&refused, NOW + 119),
        Ok(Step::Take(offer))
    );
    assert_eq!(buyer.next(&refused, NOW + 120), Ok(Step::Leave));
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let policies = [
        Policy::default(),
        Policy {
            floor_msat: 1001,
            ..usual()
        },
        Policy {
            floor_msat: 0,
            ..usual()
        },
        Policy {
            rounds_max: 0,
            ..usual()
        },
        Policy {
            firm_s: 0,
            ..usual()
        },
        Policy {
            rounds_max: 33,
            ..usual()
        },
        Policy {
            quantity_min: 0,
            ..usual()
        },
        Policy {
            quantity_min: 2,
            ..usual()
        },
        Policy {
            quantity_max: 1_000_001,
            ..usual()
        },
        Policy {
            list_msat: u64::MAX,
            ..usual()
        },
        Policy {
            tactic: Tactic::Boulware(1),
            ..usual()
        },
        Policy {
            tactic: Tactic::Conceder(5),
            ..usual()
        },
        Policy {
            bulk: vec![Bulk {
                quantity_min: 1,
                discount_permille: 1001,
            }],
            ..usual()
        },
    ];
    for policy in policies {
        let error = Seller::new(&SECRET, policy.clone()).unwrap_err();
        assert_eq!(error.code(), "haggle_limits_invalid", "{policy:?}");
    }
    let plan = Plan {
        open_msat: 1,
        limit_msat: 2,
        ..Plan::default()
    };
    for plan in [
        Plan::default(),
        Plan {
            open_msat: 3,
            ..plan
        },
        Plan {
            rounds_max: 0,
            ..plan
        },
        Plan {
            quantity: 0,
            ..plan
        },
        Plan {
            limit_msat: u64::MAX,
            ..plan
        },
    ] {
        assert_eq!(
            Buyer::open([0; 16], plan).unwrap_err().code(),
            "haggle_limits_invalid"
        );
    }
}
