//! All protocols at one door, and the buyer's choice among them.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/mpp.rs"]
mod mpp;

use common::{MINT, proof, v4};
use http402::choose::{Buyer, Choice, Kind, Lightning, Mint, choose};
use http402::door::{Challenges, Error, Presented};
use http402::haggle::{self, OfferId};
use http402::l402::{Issuer, Terms};
use http402::mpp::ChargeOffer;
use http402::xcashu::Offer;
use mpp::{DEPOSIT_SAT, NOW_S, bolt11, charge_offer, invoice, keys, preimage, session_offer};
use proptest::prelude::*;

const PRICE_SAT: u64 = 10;

/// A 402 of an offer that can be paid in every way: 10 sat a request, or 3 sat a unit from a deposit of 60.
fn headers(accept_payment: Option<&str>) -> Vec<(&'static str, String)> {
    bound_headers(accept_payment, None)
}

/// The same, bound to what was agreed on, except for sessions.
fn bound_headers(
    accept_payment: Option<&str>,
    agreed: Option<OfferId>,
) -> Vec<(&'static str, String)> {
    let issuer = Issuer::new(&[1; 32], "api.example.com");
    let macaroon = issuer
        .mint(
            *preimage(1).hash().as_bytes(),
            agreed.map_or([2; 32], |agreed| agreed.0),
            &Terms::new("inference"),
        )
        .unwrap();
    let l402 = issuer
        .challenge(&macaroon, &bolt11(Some(PRICE_SAT)))
        .unwrap();
    let offer = ChargeOffer {
        price_sat: PRICE_SAT,
        agreed,
        ..charge_offer()
    };
    let charge = offer
        .challenge(&keys(), &invoice(PRICE_SAT, preimage(2).hash()), None)
        .unwrap();
    let session = session_offer()
        .challenge(&keys(), &invoice(DEPOSIT_SAT, preimage(3).hash()))
        .unwrap();
    let ecash_session = session_offer()
        .ecash_challenge(&keys(), NOW_S + 300)
        .unwrap();
    let mut x_cashu = Offer::new(PRICE_SAT, "sat", &[MINT]).unwrap();
    if let Some(agreed) = agreed {
        x_cashu = x_cashu.with_id(&agreed.to_string()).unwrap();
    }
    let x_cashu = x_cashu.challenge();
    let challenges = Challenges {
        l402: Some(&l402),
        payments: &[charge, session, ecash_session],
        x_cashu: Some(&x_cashu),
    };
    challenges.headers(accept_payment).unwrap()
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// What each header is about, in its order.
fn order(headers: &[(&'static str, String)]) -> Vec<&'static str> {
    let about = |value: &str| {
        let known = ["no-store", "L402", "creqA"]
            .into_iter()
            .find(|known| value.starts_with(known));
        known.unwrap_or(match value {
            value if value.contains("\"charge\"") => "charge",
            value if value.contains("\"lightning\"") => "session",
            _ => "ecash session",
        })
    };
    headers.iter().map(|(_, value)| about(value)).collect()
}

#[test]
fn challenges_come_in_the_order_that_works() {
    assert_eq!(
        order(&headers(None)),
        [
            "no-store",
            "L402",
            "session",
            "ecash session",
            "charge",
            "creqA"
        ]
    );
    let prefers = "lightning/charge, lightning/session;q=0.5";
    assert_eq!(
        order(&headers(Some(prefers))),
        ["no-store", "L402", "charge", "session", "creqA"]
    );
    assert_eq!(headers(Some("tempo/charge")).len(), 6);
}

#[test]
fn a_proxy_that_joins_headers_hides_nothing() {
    let headers = headers(None);
    let challenges: Vec<&str> = headers
        .iter()
        .filter(|(name, _)| *name == "WWW-Authenticate")
        .map(|(_, value)| value.as_str())
        .collect();
    let joined = [
        ("www-authenticate", challenges.join(", ")),
        ("x-cashu", headers[5].1.clone()),
    ];
    let one_by_one = choose(&borrowed(&headers), &rich(), NOW_S);
    assert_eq!(choose(&borrowed(&joined), &rich(), NOW_S), one_by_one);
    assert_eq!(one_by_one.0.len(), 5);
}

fn rich() -> Buyer {
    Buyer {
        lightning: Some(Lightning {
            balance_sat: 1000,
            fee_sat: 1,
            fee_ppm: 1000,
            network: "bc",
        }),
        mints: vec![Mint {
            url: MINT.to_owned(),
            balance_sat: 1000,
            fee_sat: 2,
        }],
        request_max_sat: 20,
        deposit_max_sat: 100,
        requests: 1,
        units: 1,
        dislikes_sat: Vec::new(),
        agreed: None,
    }
}

fn chosen(buyer: &Buyer) -> Vec<(Kind, u64, u64)> {
    let (open, _) = choose(&borrowed(&headers(None)), buyer, NOW_S);
    open.iter()
        .map(
            |Choice {
                 way,
                 now_sat,
                 total_sat,
             }| (way.kind(), *now_sat, *total_sat),
        )
        .collect()
}

#[test]
fn the_cheapest_way_over_all_requests_comes_first() {
    use Kind::{Charge, L402, Session, XCashu};
    let one = chosen(&rich());
    assert_eq!(
        one,
        [
            (Session, 61, 4),
            (Session, 62, 5),
            (L402, 11, 11),
            (Charge, 11, 11),
            (XCashu, 12, 12)
        ]
    );
    // Of five units, a session costs more than one payment.
    let units = chosen(&Buyer { units: 5, ..rich() });
    assert_eq!(units[0], (L402, 11, 11));
    assert_eq!(units[3..], [(Session, 61, 16), (Session, 62, 17)]);
    // A hundred requests of three units: 900 and one fee against 1100.
    let many = chosen(&Buyer {
        requests: 100,
        units: 3,
        ..rich()
    });
    assert_eq!(many[0], (Session, 61, 901));
    // Whoever dislikes something pays to avoid it.
    let picky = Buyer {
        dislikes_sat: vec![(Session, 100), (L402, 1)],
        ..rich()
    };
    assert_eq!(chosen(&picky)[0], (Charge, 11, 11));
}

#[test]
fn only_what_was_agreed_on_is_paid() {
    use Kind::{Charge, L402, XCashu};
    let offer = |id: u8, price_msat| haggle::Offer {
        id: OfferId([id; 32]),
        terms: haggle::Terms {
            nonce: [0; 16],
            round: 1,
            quantity: 1,
            bid_msat: price_msat,
            price_msat,
            expires_unix_s: NOW_S + 60,
        },
    };
    let ways = |headers: &[(&'static str, String)], agreed| {
        let agreed = Some(agreed);
        let (open, closed) = choose(&borrowed(headers), &Buyer { agreed, ..rich() }, NOW_S);
        let codes = closed.iter().map(|(_, error)| error.code());
        assert!(
            codes
                .into_iter()
                .all(|code| code == "haggle_answer_inconsistent")
        );
        let kinds = open.iter().map(|choice| choice.way.kind());
        kinds.collect::<Vec<_>>()
    };
    let headers = bound_headers(None, Some(OfferId([7; 32])));
    // Ten sat are ten thousand msat.
    assert_eq!(ways(&headers, offer(7, 10_000)), [L402, Charge, XCashu]);
    assert_eq!(ways(&headers, offer(7, 9_999)), []);
    assert_eq!(ways(&headers, offer(8, 10_000)), []);
    assert_eq!(ways(&self::headers(None), offer(7, 10_000)), []);
}

fn closed(buyer: &Buyer) -> Vec<(Kind, &'static str)> {
    let (_, closed) = choose(&borrowed(&headers(None)), buyer, NOW_S);
    closed
        .iter()
        .map(|(kind, error)| (*kind, error.code()))
        .collect()
}

#[test]
fn a_closed_way_says_why() {
    use Kind::{Charge, L402, Session, XCashu};
    assert_eq!(closed(&rich()), []);
    let no_lightning = [
        (L402, "not_enough"),
        (Session, "not_enough"),
        (Charge, "not_enough"),
    ];
    assert_eq!(
        closed(&Buyer {
            lightning: None,
            ..rich()
        }),
        no_lightning
    );
    let no_ecash = [(Session, "mint_unavailable"), (XCashu, "mint_unavailable")];
    assert_eq!(
        closed(&Buyer {
            mints: Vec::new(),
            ..rich()
        }),
        no_ecash
    );
    let poor = vec![Mint {
        url: MINT.to_owned(),
        balance_sat: 11,
        fee_sat: 2,
    }];
    assert_eq!(
        closed(&Buyer {
            mints: poor,
            ..rich()
        }),
        [(Session, "not_enough"), (XCashu, "not_enough")]
    );
    let no_deposits = [
        (Session, "price_above_limit"),
        (Session, "price_above_limit"),
    ];
    assert_eq!(
        closed(&Buyer {
            deposit_max_sat: 0,
            ..rich()
        }),
        no_deposits
    );
    let lightning = Lightning {
        network: "tbs",
        ..rich().lightning.unwrap()
    };
    assert_eq!(
        closed(&Buyer {
            lightning: Some(lightning),
            ..rich()
        })[0],
        (L402, "invoice_unusable")
    );
    // Fees count against the limit.
    assert!(
        closed(&Buyer {
            request_max_sat: 10,
            ..rich()
        })
        .contains(&(Charge, "price_above_limit"))
    );
    // An hour later the challenges with a time are over.
    let (_, late) = choose(&borrowed(&headers(None)), &rich(), NOW_S + 3600);
    let late: Vec<_> = late
        .iter()
        .map(|(kind, error)| (*kind, error.code()))
        .collect();
    let over = "challenge_expired";
    assert_eq!(late, [(Session, over), (Session, over), (Charge, over)]);
}

fn find<'a>(headers: &[(&'a str, &'a str)]) -> Result<Presented<'a>, Error> {
    Presented::find(headers.iter().copied())
}

#[test]
fn the_one_payment_is_found() {
    let bearer = ("authorization", "Bearer abc");
    assert_eq!(find(&[("accept", "*/*"), bearer]), Ok(Presented::Nothing));
    assert_eq!(
        find(&[("AUTHORIZATION", " payment e30 ")]),
        Ok(Presented::Payment("payment e30"))
    );
    assert_eq!(
        find(&[("Authorization", "LSAT a:b")]),
        Ok(Presented::L402("LSAT a:b"))
    );
    let token = v4(MINT, "sat", &[proof(1, "a")]);
    assert_eq!(
        find(&[("x-cashu", &token), bearer]),
        Ok(Presented::XCashu(&token))
    );
    assert_eq!(find(&[("x-cashu", "")]), Ok(Presented::Nothing));
    // Several macaroons of one credential are for L402 to judge.
    assert!(matches!(
        find(&[("Authorization", "L402 a,b:c")]),
        Ok(Presented::L402(_))
    ));
}

#[test]
fn two_payments_are_refused() {
    let several = [
        vec![
            ("authorization", "Payment e30"),
            ("authorization", "Payment e30"),
        ],
        vec![("authorization", "Payment e30"), ("x-cashu", "cashuBo2")],
        vec![("authorization", "Payment e30, L402 a:b")],
        vec![("authorization", "L402 a:b,Payment e30")],
        vec![("x-cashu", "cashuBo2, cashuBo3")],
        vec![("x-cashu", "cashuBo2"), ("X-CASHU", "cashuBo2")],
    ];
    for headers in several {
        let error = find(&headers).unwrap_err();
        assert_eq!(
            (error.code(), error.http_status()),
            ("several_credentials", 400),
            "{headers:?}"
        );
    }
    let long = format!("Payment {}", "A".repeat(64 * 1024));
    assert_eq!(
        find(&[("authorization", &long)]).unwrap_err().code(),
        "credential_header_too_large"
    );
    assert!(!format!("{:?}", find(&[("authorization", "Payment secret")])).contains("secret"));
}

proptest! {
    #[test]
    fn any_headers_are_read_without_panic(name in "(authorization|x-cashu|www-authenticate)", value in ".{0,300}") {
        let headers = [(name.as_str(), value.as_str())];
        _ = find(&headers);
        _ = choose(&headers, &rich(), NOW_S);
    }
}
