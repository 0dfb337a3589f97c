//! The vectors that belong to `docs/haggle.md`.
#![allow(clippy::unwrap_used)]

use http402::haggle::{
    Answer, Bid, Bulk, Buyer, Error, Offer, OfferId, Plan, Policy, Seller, Step, Tactic, Terms,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/haggle.json")).unwrap()
}

fn cases(of: &Value) -> &[Value] {
    let cases = of.as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

fn bytes<const N: usize>(hex_text: &Value) -> [u8; N] {
    hex::decode(hex_text.as_str().unwrap())
        .unwrap()
        .try_into()
        .unwrap()
}

/// A number, which is written as a string where JSON would lose digits.
fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn small(value: &Value) -> u32 {
    number(value).try_into().unwrap()
}

fn tactic(of: &Value) -> Tactic {
    let exponent = small(&of["exponent"]);
    match of["tactic"].as_str().unwrap() {
        "fixed" => Tactic::Fixed,
        "linear" => Tactic::Linear,
        "boulware" => Tactic::Boulware(exponent),
        "conceder" => Tactic::Conceder(exponent),
        other => panic!("{other}"),
    }
}

#[test]
fn ids_are_the_signatures_of_their_terms() {
    let all = vectors();
    for case in cases(&all["ids"]) {
        let terms = Terms {
            nonce: bytes(&case["nonce"]),
            round: small(&case["round"]),
            quantity: number(&case["quantity"]),
            bid_msat: number(&case["bidMsat"]),
            price_msat: number(&case["priceMsat"]),
            expires_unix_s: number(&case["expiresUnixS"]),
        };
        let value = format!(
            "take id={}, nonce=\"{}\", round={}, quantity={}, bid-msat={}, price-msat={}, expires={}",
            case["id"],
            base64_url(&terms.nonce),
            terms.round,
            terms.quantity,
            terms.bid_msat,
            terms.price_msat,
            terms.expires_unix_s,
        );
        let Bid::Take(offer) = Bid::parse(&value).unwrap() else {
            panic!("{value}")
        };
        assert_eq!(offer.terms, terms);
        assert_eq!(offer.id.to_string(), case["id"].as_str().unwrap());
        assert_eq!(
            offer.id.to_mpp_opaque(),
            case["mppOpaque"].as_str().unwrap()
        );
        let policy = Policy {
            list_msat: 1,
            floor_msat: 1,
            ..Policy::default()
        };
        let seller = Seller::new(&bytes(&case["secret"]), policy).unwrap();
        let resource = case["resource"].as_str().unwrap();
        assert_eq!(seller.settle(resource, &offer, 0), Ok(terms));
    }
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A seller's prices, each round as if it were the first answer to the round before.
#[test]
fn prices_concede_as_the_tactics_say() {
    let all = vectors();
    for case in cases(&all["prices"]) {
        let (first, last) = (number(&case["firstMsat"]), number(&case["lastMsat"]));
        let rounds_max = small(&case["rounds"]);
        let prices: Vec<u64> = cases(&case["pricesMsat"]).iter().map(number).collect();
        let played = if last <= first {
            asked(Policy {
                list_msat: first,
                floor_msat: last,
                tactic: tactic(case),
                rounds_max,
                ..Policy::default()
            })
        } else {
            bids(Plan {
                open_msat: first,
                limit_msat: last,
                tactic: tactic(case),
                rounds_max,
                ..Plan::default()
            })
        };
        // Whoever meets the other's price stops.
        assert!(
            !played.is_empty() && prices.starts_with(&played),
            "{case}\n{played:?}"
        );
        assert!(played.len() + 1 >= prices.len(), "{case}\n{played:?}");
    }
}

/// What a seller asks of a buyer who never gives way.
fn asked(policy: Policy) -> Vec<u64> {
    let rounds = policy.rounds_max;
    let seller = Seller::new(&[1; 32], policy).unwrap();
    let mut bid = Bid::Open {
        nonce: [2; 16],
        quantity: 1,
        msat: 1,
    };
    let mut prices = Vec::new();
    for _ in 0..rounds {
        let (Answer::Counter { offer, .. } | Answer::Accept(offer)) = seller.answer("x", &bid, 0)
        else {
            panic!("refused in {bid:?}");
        };
        prices.push(offer.terms.price_msat);
        bid = Bid::Raise { offer, msat: 1 };
    }
    prices
}

/// What a buyer bids to a seller who never gives way.
fn bids(plan: Plan) -> Vec<u64> {
    let policy = Policy {
        list_msat: 2_100_000_000_000_000_000,
        floor_msat: 2_100_000_000_000_000_000,
        rounds_max: 32,
        ..Policy::default()
    };
    let seller = Seller::new(&[1; 32], policy).unwrap();
    let (mut buyer, mut bid) = Buyer::open([2; 16], plan).unwrap();
    let mut bids = Vec::new();
    loop {
        let (Bid::Open { msat, .. } | Bid::Raise { msat, .. }) = bid else {
            panic!("{bid:?}")
        };
        bids.push(msat);
        let Step::Bid(next) = buyer.next(&seller.answer("x", &bid, 0), 0).unwrap() else {
            return bids;
        };
        bid = next;
    }
}

fn policy(of: &Value) -> Policy {
    let bulk = of["bulk"].as_array().unwrap().iter().map(|bulk| Bulk {
        quantity_min: number(&bulk["quantityMin"]),
        discount_permille: number(&bulk["discountPermille"]),
    });
    Policy {
        list_msat: number(&of["listMsat"]),
        floor_msat: number(&of["floorMsat"]),
        tactic: tactic(of),
        rounds_max: small(&of["roundsMax"]),
        quantity_min: number(&of["quantityMin"]),
        quantity_max: number(&of["quantityMax"]),
        bulk: bulk.collect(),
        firm_s: number(&of["firmS"]),
    }
}

fn plan(of: &Value) -> Plan {
    Plan {
        open_msat: number(&of["openMsat"]),
        limit_msat: number(&of["limitMsat"]),
        tactic: tactic(of),
        rounds_max: small(&of["roundsMax"]),
        quantity: number(&of["quantity"]),
    }
}

#[test]
fn negotiations_go_header_by_header() {
    let all = &vectors()["negotiations"];
    let resource = all["resource"].as_str().unwrap();
    let now = number(&all["nowUnixS"]);
    for case in cases(&all["cases"]) {
        let seller = Seller::new(&bytes(&all["secret"]), policy(&case["policy"])).unwrap();
        let (mut buyer, bid) = Buyer::open(bytes(&all["nonce"]), plan(&case["plan"])).unwrap();
        let mut headers = vec![bid.to_value()];
        let mut deal = None;
        loop {
            let bid = Bid::parse(headers.last().unwrap()).unwrap();
            headers.push(seller.answer(resource, &bid, now).to_value());
            let answer = Answer::parse(headers.last().unwrap()).unwrap();
            match buyer.next(&answer, now).unwrap() {
                Step::Bid(next) => headers.push(next.to_value()),
                Step::Leave => break,
                Step::Take(offer) => {
                    headers.push(Bid::Take(offer).to_value());
                    deal = Some(seller.settle(resource, &offer, now).unwrap().price_msat);
                    break;
                }
            }
        }
        let expected: Vec<&str> = cases(&case["headers"])
            .iter()
            .map(|h| h.as_str().unwrap())
            .collect();
        assert_eq!(headers, expected, "{}", case["name"]);
        assert_eq!(deal, case["dealMsat"].as_u64(), "{}", case["name"]);
    }
}

#[test]
fn headers_are_read_leniently_and_written_one_way() {
    let all = vectors();
    for case in cases(&all["bids"]) {
        let read = Bid::parse(case["value"].as_str().unwrap()).unwrap();
        assert_eq!(read.to_value(), case["canonical"].as_str().unwrap());
    }
    for case in cases(&all["answers"]) {
        let read = Answer::parse(case["value"].as_str().unwrap()).unwrap();
        assert_eq!(read.to_value(), case["canonical"].as_str().unwrap());
    }
}

#[test]
fn malformed_headers_are_refused() {
    let all = vectors();
    let text = |case: &Value| case.as_str().unwrap().to_owned();
    for value in cases(&all["malformedBids"]).iter().map(text) {
        assert!(
            matches!(Bid::parse(&value), Err(Error::Malformed(_))),
            "{value}"
        );
    }
    for value in cases(&all["malformedAnswers"]).iter().map(text) {
        assert!(
            matches!(Answer::parse(&value), Err(Error::Malformed(_))),
            "{value}"
        );
    }
    let long = format!("refuse reason=\"{}\"", "x".repeat(1024));
    assert_eq!(Answer::parse(&long).unwrap_err().code(), "haggle_too_large");
}

/// An offer id as text and as bytes is the same.
#[test]
fn an_id_is_32_bytes() {
    let id = OfferId([0xff; 32]);
    assert_eq!(id.to_string(), "_".repeat(42) + "8");
    let terms = Terms {
        nonce: [0; 16],
        round: 1,
        quantity: 1,
        bid_msat: 1,
        price_msat: 1,
        expires_unix_s: 1,
    };
    let take = Bid::Take(Offer { terms, id });
    assert_eq!(Bid::parse(&take.to_value()), Ok(take));
}
