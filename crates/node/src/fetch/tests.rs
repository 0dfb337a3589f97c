//! What is believed of a 402, which way is taken, and what a payment's record holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bitcoin::Network;
use http402::l402::{self, Issuer, Terms};
use http402::mpp::{ChallengeKeys, ChargeOffer, Credential, Invoice};
use http402::xcashu;
use proptest::{collection, prop_assert_eq, proptest};
use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::payment::{Payment, PaymentState};
use super::rows::create_tables;
use super::ways::{self, Bill, Means, Way};
use super::{FetchRequest, Protocol, Spender};

/// BOLT 11's own example: 250,000 sat for a cup of coffee, within a minute of 2017.
const COFFEE: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";
const COFFEE_HASH: &str = "0001020304050607080900010203040506070809000102030405060708090102";
const COFFEE_SAT: u64 = 250_000;
const THEN_S: u64 = 1_496_314_660;
const MINT: &str = "https://mint.example";

type Headers = Vec<(String, String)>;

fn hash() -> [u8; 32] {
    hex::decode(COFFEE_HASH).unwrap().try_into().unwrap()
}

fn header(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn l402(payment_hash: [u8; 32], invoice: &str) -> (String, String) {
    let issuer = Issuer::new(&[1; 32], "shop.example");
    let macaroon = issuer.mint(payment_hash, [2; 32], &Terms::new("meter"));
    let challenge = issuer.challenge(&macaroon.unwrap(), invoice).unwrap();
    header("www-authenticate", challenge)
}

fn charge(payment_hash: [u8; 32], body: Option<&[u8]>) -> (String, String) {
    let keys = ChallengeKeys::new(&[7; 32]).unwrap();
    let offer = ChargeOffer {
        id: "GET /".into(),
        realm: "shop.example".into(),
        price_sat: COFFEE_SAT,
        description: None,
        network: Some("mainnet".into()),
        agreed: None,
    };
    let invoice = Invoice {
        bolt11: COFFEE.into(),
        payment_hash: payment_hash.into(),
        expires_at_s: THEN_S + 58,
    };
    let challenge = offer.challenge(&keys, &invoice, body).unwrap();
    header("WWW-Authenticate", challenge.to_header().unwrap())
}

fn ecash(price_sat: u64) -> (String, String) {
    let offer = xcashu::Offer::new(price_sat, "sat", &[MINT]).unwrap();
    let xcashu::Decision::Challenge(challenge) = offer.decide(None) else {
        unreachable!()
    };
    header(challenge.name, challenge.value)
}

fn means() -> Means {
    Means {
        account: "owner".into(),
        mint_url: MINT.into(),
        ecash_fee_sat: 0,
        ecash_sat: 1_000_000,
        has_channels: false,
        fee_min_sat: 5,
        own_node: None,
        lightning: Some(Network::Bitcoin),
        is_authorized: false,
        body: Vec::new(),
        agreed: None,
        now_s: THEN_S,
    }
}

/// The rail that is taken, or the code of why none is.
fn check(headers: &Headers, means: &Means, wanted: &[Protocol], max_sat: Option<u64>) -> String {
    match ways::choose(headers, means, wanted, max_sat) {
        Ok(way) => way.protocol.to_string(),
        Err(error) => error.code().to_owned(),
    }
}

#[test]
fn the_cheapest_way_is_taken_that_is_wanted_and_allowed() {
    let all = vec![
        l402(hash(), COFFEE),
        charge(hash(), None),
        ecash(COFFEE_SAT),
    ];
    assert_eq!(check(&all, &means(), &[], None), "x-cashu", "no fee");
    let dear = vec![l402(hash(), COFFEE), charge(hash(), None), ecash(300_000)];
    assert_eq!(check(&dear, &means(), &[], None), "mpp-charge");
    let l402_first = [Protocol::L402, Protocol::MppCharge];
    assert_eq!(check(&all, &means(), &l402_first, None), "l402");
    assert_eq!(check(&all, &means(), &[Protocol::XCashu], None), "x-cashu");
    assert_eq!(
        check(&all[..2].to_vec(), &means(), &[Protocol::XCashu], None),
        "rail_unwanted"
    );
    // The limit is for price and fee: five sat and a hundredth are expected on top.
    let limit = |max_sat| check(&dear, &means(), &[], Some(max_sat));
    assert_eq!(limit(252_505), "mpp-charge");
    assert_eq!(limit(252_504), "price_above_limit");
    assert_eq!(check(&all, &means(), &[], Some(250_000)), "x-cashu");
    assert_eq!(check(&all, &means(), &[], Some(0)), "price_above_limit");
}

#[test]
fn money_that_is_there_comes_before_money_that_is_not() {
    let all = vec![l402(hash(), COFFEE), ecash(COFFEE_SAT)];
    let channels = Means {
        ecash_sat: 100,
        has_channels: true,
        ..means()
    };
    assert_eq!(check(&all, &channels, &[], None), "l402");
    // A purse pays both from the same ecash.
    let empty = Means {
        ecash_sat: 100,
        ..means()
    };
    assert_eq!(check(&all, &empty, &[], None), "insufficient_funds");
}

#[test]
fn an_invoice_that_is_not_its_challenges_is_not_paid() {
    let other = [9; 32];
    let refused = |headers: Headers, means: &Means| check(&headers, means, &[], None);
    assert_eq!(
        refused(vec![l402(other, COFFEE)], &means()),
        "l402_invoice_mismatch"
    );
    assert_eq!(
        refused(vec![charge(other, None)], &means()),
        "invoice_contradicts"
    );
    assert_eq!(
        refused(vec![charge(hash(), Some(b"another body"))], &means()),
        "digest_mismatch"
    );
    let late = Means {
        now_s: THEN_S + 59,
        ..means()
    };
    assert_eq!(
        refused(vec![l402(hash(), COFFEE)], &late),
        "invoice_expired"
    );
    assert_eq!(
        refused(vec![charge(hash(), None)], &late),
        "challenge_expired"
    );
    let elsewhere = Means {
        lightning: Some(Network::Regtest),
        ..means()
    };
    assert_eq!(
        refused(vec![l402(hash(), COFFEE)], &elsewhere),
        "invoice_invalid"
    );
    let itself = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad";
    let own = Means {
        own_node: Some(itself.into()),
        ..means()
    };
    assert_eq!(refused(vec![l402(hash(), COFFEE)], &own), "own_invoice");
    let without = Means {
        lightning: None,
        ..means()
    };
    assert_eq!(
        refused(vec![l402(hash(), COFFEE)], &without),
        "no_lightning"
    );
    let authorized = Means {
        is_authorized: true,
        ..means()
    };
    assert_eq!(
        refused(vec![l402(hash(), COFFEE)], &authorized),
        "authorization_taken"
    );
    assert_eq!(
        refused(vec![l402(hash(), "lnbc1nonsense")], &means()),
        "invoice_invalid"
    );
}

#[test]
fn one_bad_challenge_hides_no_good_one_and_noise_hides_nothing() {
    let mut headers = vec![
        header(
            "www-authenticate",
            "Bearer realm=\"x\", L402 macaroon=\"".into(),
        ),
        header("x-cashu", "creqAnonsense".into()),
        l402([9; 32], COFFEE),
        charge(hash(), None),
    ];
    assert_eq!(check(&headers, &means(), &[], None), "mpp-charge");
    headers.extend((0..500).map(|n| header("www-authenticate", format!("Noise n=\"{n}\""))));
    assert_eq!(check(&headers, &means(), &[], None), "mpp-charge");
    assert_eq!(check(&Vec::new(), &means(), &[], None), "challenge_missing");
    let noise = vec![header("www-authenticate", "Basic realm=\"x\"".into())];
    assert_eq!(check(&noise, &means(), &[], None), "challenge_missing");
}

/// What was paid with.
const PREIMAGE: [u8; 32] = [5; 32];

fn stated(id: &str, invoice: &str, hash: [u8; 32]) -> (String, String) {
    let request = json!({
        "amount": COFFEE_SAT.to_string(), "currency": "sat",
        "methodDetails": {"invoice": invoice, "paymentHash": hex::encode(hash)},
    });
    let request = URL_SAFE_NO_PAD.encode(request.to_string());
    let value = format!(
        "Payment id=\"{id}\", realm=\"x\", method=\"lightning\", intent=\"charge\", request=\"{request}\""
    );
    header("www-authenticate", value)
}

#[test]
fn the_credential_is_of_the_challenge_that_agrees_with_what_was_paid() {
    let paid_hash: [u8; 32] = Sha256::digest(PREIMAGE).into();
    let headers = vec![
        header("set-cookie", "a=b".into()),
        stated("wrong", COFFEE, [9; 32]),
        stated("right", COFFEE, paid_hash),
        l402(hash(), COFFEE),
        l402(paid_hash, COFFEE),
    ];
    let kept = ways::challenge_headers(&headers);
    assert_eq!(kept.len(), 4);
    let proof = |kept: &Headers, protocol, invoice| {
        ways::authorization(kept, protocol, invoice, b"", PREIMAGE)
    };
    let charge = proof(&kept, Protocol::MppCharge, COFFEE).unwrap();
    let credential = Credential::parse(&charge).unwrap();
    assert_eq!(credential.challenge.id, "right");
    assert_eq!(credential.payload["preimage"], hex::encode(PREIMAGE));
    let macaroon = proof(&kept[3..].to_vec(), Protocol::L402, COFFEE).unwrap();
    let credential = l402::Credential::parse(&macaroon).unwrap().unwrap();
    assert_eq!(credential.preimage, PREIMAGE);
    // A proof of another payment is none.
    assert!(proof(&kept[..1].to_vec(), Protocol::MppCharge, COFFEE).is_err());
    assert!(proof(&kept[2..3].to_vec(), Protocol::L402, COFFEE).is_err());
    assert!(proof(&kept, Protocol::MppCharge, "lnbc1other").is_err());
}

fn way(protocol: Protocol) -> Way {
    let bill = Bill {
        invoice: COFFEE.into(),
        payment_hash: COFFEE_HASH.into(),
        expires_s: THEN_S,
    };
    Way {
        protocol,
        amount_sat: COFFEE_SAT,
        bill: protocol.is_lightning().then_some(bill),
    }
}

fn payment(id: &str, protocol: Protocol) -> Payment {
    let request = FetchRequest {
        method: "POST".into(),
        url: "http://shop.example/".into(),
        body: Some(b"body".to_vec()),
        max_sat: Some(COFFEE_SAT + 7),
        ..FetchRequest::default()
    };
    Payment::new(id.into(), Spender::Owner, request, way(protocol), 1)
}

#[test]
fn a_record_comes_back_as_it_was_and_an_invoice_is_paid_for_one_request() {
    let db = Connection::open_in_memory().unwrap();
    create_tables(&db).unwrap();
    let mut first = payment("a", Protocol::L402);
    assert_eq!(
        first.state,
        PaymentState::Paying,
        "no wallet knows of it yet"
    );
    first.sealed = Some(vec![1, 2, 3]);
    first.refuse_repeated_invoice(&db).unwrap();
    first.insert(&db).unwrap();
    let found = Payment::find(&db, "a").unwrap().unwrap();
    assert_eq!(found.bill, first.bill);
    assert_eq!(
        (found.protocol, found.fee_max_sat),
        (Protocol::L402, Some(7))
    );
    assert_eq!(found.sealed, first.sealed);
    assert_eq!(Payment::open_ids(&db).unwrap(), ["a"]);

    // The same invoice for another request: refused by us, and by the table.
    let second = payment("b", Protocol::MppCharge);
    let refused = second.refuse_repeated_invoice(&db).unwrap_err();
    assert_eq!(refused.code(), "invoice_reused");
    assert!(second.insert(&db).is_err());
    // Once nothing was paid for the first, it may be paid for the second.
    first.state = PaymentState::Voided;
    first.update(&db, 2).unwrap();
    second.refuse_repeated_invoice(&db).unwrap();
    second.insert(&db).unwrap();
    payment("c", Protocol::XCashu).insert(&db).unwrap();
}

#[test]
fn a_table_from_before_lightning_is_changed_in_place() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE payments (
            id TEXT PRIMARY KEY,
            state TEXT NOT NULL CHECK (state IN ('reserved', 'paying', 'answered', 'settled', 'voided')),
            purse TEXT, method TEXT NOT NULL, url TEXT NOT NULL, request_headers TEXT, request_body BLOB,
            request_sha256 TEXT NOT NULL, amount_sat INTEGER NOT NULL CHECK (amount_sat > 0),
            fee_sat INTEGER NOT NULL DEFAULT 0, operation TEXT, token TEXT, status INTEGER, headers TEXT, body BLOB,
            change_token TEXT, change_id TEXT UNIQUE, spent_sat INTEGER, receipt_id TEXT, error TEXT,
            created_ms INTEGER NOT NULL, settled_ms INTEGER
        ) STRICT;
        CREATE INDEX payments_open ON payments (state) WHERE state NOT IN ('settled', 'voided');
        INSERT INTO payments (id, state, purse, method, url, request_headers, request_sha256, amount_sat, token,
            change_id, created_ms)
        VALUES ('old', 'paying', 'scout', 'GET', 'http://x', '[]', 'ab', 21, 'cashuBsecret', 'c1', 5);",
    )
    .unwrap();
    for _ in 0..2 {
        create_tables(&db).unwrap();
        let old = Payment::find(&db, "old").unwrap().unwrap();
        assert_eq!(
            (old.state, old.protocol),
            (PaymentState::Paying, Protocol::XCashu)
        );
        assert_eq!(
            (old.amount_sat, old.token.as_deref()),
            (21, Some("cashuBsecret"))
        );
        assert_eq!(Payment::open_ids(&db).unwrap(), ["old"]);
    }
    let mut paid = payment("new", Protocol::L402);
    paid.insert(&db).unwrap();
    paid.state = PaymentState::Paid;
    paid.update(&db, 9).unwrap();
    let indices =
        "SELECT count(*) FROM sqlite_master WHERE name IN ('payments_open', 'payments_hash')";
    let count: u32 = db.query_row(indices, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2);
}

#[test]
fn paying_for_nothing_is_told_as_what_it_is() {
    use super::HttpAnswer;
    use super::carrier::Carrier;
    let mut paid = payment("a", Protocol::L402);
    paid.state = PaymentState::Settled;
    let answers = [
        (None, Some("paid_unanswered")),
        (Some(402), Some("paid_and_refused")),
        (Some(401), Some("paid_and_refused")),
        (Some(302), Some("paid_and_redirected")),
        (Some(404), None),
        (Some(200), None),
    ];
    for (status, code) in answers {
        paid.answer = status.map(|status| HttpAnswer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            carrier: Carrier::Headers,
        });
        let told = paid
            .was_for_nothing()
            .then(|| paid.regret().code().to_owned());
        assert_eq!(told.as_deref(), code, "{status:?}");
    }
    paid.protocol = Protocol::XCashu;
    paid.answer = None;
    assert!(!paid.was_for_nothing(), "ecash is taken back instead");
}

proptest! {
    #[test]
    fn no_headers_panic(values in collection::vec("((L402|LSAT|Payment) )?.{0,120}", 0..6), name in "(WWW-Authenticate|x-cashu)") {
        let headers: Headers = values.into_iter().map(|value| header(&name, value)).collect();
        let _ = check(&headers, &means(), &[], None);
        let _ = ways::authorization(&headers, Protocol::L402, COFFEE, b"", [0; 32]);
    }

    #[test]
    fn no_damage_to_a_challenge_is_paid_for_more_or_panics(at in 0_usize..2_000, to in "[ -~]") {
        for (_, mut text) in [l402(hash(), COFFEE), charge(hash(), None)] {
            let at = at % text.len();
            text.replace_range(at..=at, &to);
            let headers = vec![header("www-authenticate", text)];
            if let Ok(way) = ways::choose(&headers, &means(), &[], None) {
                let bill = way.bill.unwrap();
                prop_assert_eq!((way.amount_sat, bill.payment_hash.as_str()), (COFFEE_SAT, COFFEE_HASH));
            }
        }
    }
}
