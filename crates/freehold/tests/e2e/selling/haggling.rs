//! Haggling (`docs/haggle.md`): our buyer at our seller's, and either of them among strangers.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::common::{Home, Node, Outsider, Reply, token_sat};
use crate::selling::buyer::{ask, challenges, code, credential, parameter, payment, request, sell};
use crate::selling::pair::Pair;
use crate::selling::upstream::Shop;

const TERMS: [&str; 2] = ["--haggle", "floor=3sat,rounds=3"];

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_agreed_on_and_paid_over_lightning() {
    let (pair, shop) = (Pair::meet().await, Shop::open().await);
    let offer = sell(&pair.seller, &shop.url, &TERMS);
    let terms = json!({ "floor_sat": 3, "rounds": 3, "tactic": "linear" });
    assert_eq!(offer["haggle"], terms, "{offer:#}");
    ours(&pair, &shop);
    by_hand(&pair, &shop).await;
    pair.assert_sound();
}

/// `freehold fetch --bid`: what it pays follows from both sides' tactics.
fn ours(pair: &Pair, shop: &Shop) {
    let url = format!("{}/api/echo", pair.seller.url());
    let buy = |more: &[&str]| pair.buyer.json(&[&["fetch", &url], more].concat());
    let cases: [(&str, &[&str], u64); 8] = [
        ("l402", &["--bid", "3sat"], 3),
        ("mpp-charge", &["--bid", "3sat"], 3),
        // The seller asks 5, 4 and 3, the buyer bids 2 and 3, and would bid 4 next: it takes the 4.
        (
            "l402",
            &["--bid", "2", "--bid-max", "4", "--bid-rounds", "3"],
            4,
        ),
        (
            "mpp-charge",
            &["--bid", "2", "--bid-max", "4", "--bid-rounds", "3"],
            4,
        ),
        // No agreement, and money enough: what was asked last is less than the list price.
        ("mpp-charge", &["--bid", "1"], 3),
        ("mpp-charge", &["--bid", "1", "--bid-rounds", "2"], 4),
        ("mpp-charge", &["--bid", "9"], 5),
        ("mpp-charge", &[], 5),
    ];
    for (rail, more, price_sat) in cases {
        let hits = shop.hits();
        let bought = buy(&[&["--rail", rail], more].concat());
        let paid = &bought["payment"];
        assert_eq!(
            (&paid["amount_sat"], &paid["spent_sat"], &paid["protocol"]),
            (&json!(price_sat), &json!(price_sat), &json!(rail)),
            "{more:?}: {bought:#}"
        );
        let seen: Value = serde_json::from_str(bought["body"].as_str().unwrap()).unwrap();
        assert!(seen["headers"]["payment-bid"].is_null(), "it stays here");
        assert_eq!(shop.hits(), hits + 1);
    }
    // The same id is the same purchase, whatever is bid the second time.
    let hits = shop.hits();
    for bid in ["3", "4"] {
        let bought = buy(&["--bid", bid, "--id", "haggled"]);
        assert_eq!(bought["payment"]["amount_sat"], 3);
    }
    assert_eq!(shop.hits(), hits + 1);
    // Below the floor nothing is sold, and nothing is paid above the limit.
    let (exit, error) = pair
        .buyer
        .home()
        .error(&["fetch", &url, "--bid", "1", "--max-sat", "2"]);
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &"price_above_limit".into())
    );
    let (_, error) = pair
        .buyer
        .home()
        .error(&["fetch", &url, "--bid", "5", "--bid-max", "4"]);
    assert_eq!(error["error"]["code"], "haggle_limits_invalid");
    assert_eq!(shop.hits(), hits + 1);
}

/// What is agreed on is bound to the payment, and both to what is sold.
async fn by_hand(pair: &Pair, shop: &Shop) {
    let seller = &pair.seller;
    let terms = [
        &["sell", &shop.url, "--price", "5", "--path", "/other"][..],
        &TERMS,
    ]
    .concat();
    seller.json(&terms);
    let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let open = format!("open nonce=\"{nonce}\", quantity=\"1\", msat=\"3000\"");
    let mut said = bid(seller, "/api/echo", &open).await;
    for asked_msat in ["5000", "4000"] {
        let counter = said.header("payment-offer").unwrap().to_owned();
        assert!(counter.starts_with("counter "), "{counter}");
        assert_eq!(parameter(&counter, "price-msat").unwrap(), asked_msat);
        assert_eq!(said.json()["price_sat"], 5, "the list price stands");
        assert!(challenges(&said).iter().all(|one| one.contains("cashu")));
        let lower = format!("bid {}, msat=\"2999\"", terms_of(&counter));
        let refused = bid(seller, "/api/echo", &lower).await;
        assert_eq!(
            refused.header("payment-offer").unwrap(),
            "refuse reason=\"bid-lowered\""
        );
        said = bid(seller, "/api/echo", &lower.replace("\"2999\"", "\"3000\"")).await;
    }
    let accepted = said.header("payment-offer").unwrap().to_owned();
    assert!(accepted.starts_with("accept "), "{accepted}");
    let take = format!("take {}", terms_of(&accepted));
    let id = parameter(&accepted, "id").unwrap();

    // Everything that can be paid is bound to it, and there are no sessions at this price.
    let asked = bid(seller, "/api/echo", &take).await;
    assert_eq!(
        (asked.status, asked.json()["price_sat"].as_u64()),
        (402, Some(3))
    );
    assert_eq!(challenges(&asked).len(), 2);
    let macaroon = parameter(&challenges(&asked)[0], "macaroon").unwrap();
    let macaroon = STANDARD.decode(macaroon).unwrap();
    let raw = URL_SAFE_NO_PAD.decode(&id).unwrap();
    assert!(
        macaroon.windows(32).any(|window| window == raw),
        "the token's id"
    );
    let charge = payment(&asked, "lightning", "charge");
    let opaque = URL_SAFE_NO_PAD.encode(format!("{{\"haggle\":\"{id}\"}}"));
    assert_eq!(parameter(&charge, "opaque"), Some(opaque));

    let preimage = pair.pay(&request(&charge)["methodDetails"]["invoice"]);
    let proof = credential(&charge, &json!({ "preimage": preimage }));
    let hits = shop.hits();
    let take_it = ("payment-bid", take.as_str());
    let cases = [
        ("/api/echo", None, "challenge_elsewhere"),
        ("/other/echo", Some(take_it), "challenge_elsewhere"),
        ("/api/echo", Some(take_it), ""),
        ("/api/echo", Some(take_it), "payment_used"),
    ];
    for (path, taken, wanted) in cases {
        let headers: Vec<_> = taken
            .into_iter()
            .chain([("authorization", proof.as_str())])
            .collect();
        let reply = ask(seller, path, &headers).await;
        match wanted {
            "" => assert_eq!(reply.status, 200, "{}", reply.text()),
            wanted => assert_eq!((reply.status, code(&reply).as_str()), (402, wanted)),
        }
    }
    assert_eq!(shop.hits(), hits + 1);

    // An offer that was changed, or is for something else, is none.
    for (path, take) in [
        ("/api/echo", take.replace("\"3000\"", "\"1000\"")),
        ("/other/echo", take.clone()),
    ] {
        let reply = bid(seller, path, &take).await;
        assert_eq!(
            reply.header("payment-offer").unwrap(),
            "refuse reason=\"offer-unknown\""
        );
        assert_eq!(reply.json()["price_sat"], 5);
    }
    // What can't be read is no bid.
    let reply = bid(seller, "/api/echo", "open msat=\"3000\"").await;
    assert_eq!((reply.status, reply.header("payment-offer")), (402, None));
}

/// A request with a bid.
async fn bid(node: &Node, path: &str, bid: &str) -> Reply {
    ask(node, path, &[("payment-bid", bid)]).await
}

/// An offer's parameters, without the word before them and what isn't an offer's.
fn terms_of(answer: &str) -> String {
    let names = [
        "id",
        "nonce",
        "round",
        "quantity",
        "bid-msat",
        "price-msat",
        "expires",
    ];
    let terms = names.map(|name| format!("{name}=\"{}\"", parameter(answer, name).unwrap()));
    terms.join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn ecash_pays_what_was_agreed_and_strangers_are_paid_as_ever() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &TERMS);
    node.json(&["sell", &shop.url, "--price", "7", "--path", "/api/events"]);
    node.json(&["purse", "new", "agent", "--per-payment-sat", "60"]);
    node.json(&["purse", "fund", "agent", "--sat", "200"]);
    let fetch = |url: &str, more: &[&str]| {
        node.json(&[&["fetch", url, "--purse", "agent"], more].concat())["payment"]["spent_sat"]
            .as_u64()
            .unwrap()
    };
    let at = |path: &str| format!("{}{path}", node.url());
    assert_eq!(fetch(&at("/api/echo"), &["--bid", "3"]), 3);
    assert_eq!(
        fetch(
            &at("/api/echo"),
            &["--bid", "2", "--bid-max", "4", "--bid-rounds", "3"]
        ),
        4
    );
    // Who doesn't haggle is paid its price: a bid that nobody hears costs nothing.
    assert_eq!(fetch(&at("/api/echo"), &[]), 5);
    assert_eq!(fetch(&at("/api/events"), &["--bid", "3"]), 7);
    let plain = at("/api/events");
    let (_, error) = home.error(&["fetch", &plain, "--bid", "3", "--max-sat", "6"]);
    assert_eq!(error["error"]["code"], "price_above_limit");

    // An offer that was taken is good for whoever brings the ecash, as long as it is firm, and for no less.
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(50).await;
    let open = format!(
        "open nonce=\"{}\", quantity=\"1\", msat=\"5000\"",
        "A".repeat(22)
    );
    let accepted = bid(&node, "/api/echo", &open).await;
    let take = format!(
        "take {}",
        terms_of(accepted.header("payment-offer").unwrap())
    );
    let (little, enough) = (outsider.token(4).await, outsider.token(8).await);
    for (token, status) in [(&little, 400), (&enough, 200), (&enough, 402)] {
        let headers = [("payment-bid", take.as_str()), ("x-cashu", token.as_str())];
        let reply = ask(&node, "/api/echo", &headers).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        if status == 200 {
            assert_eq!(token_sat(reply.header("x-cashu").unwrap()), 3);
        }
    }

    // A seller that accepts, and asks for something else then, isn't paid.
    let list_price = accepted_elsewhere(&node).await;
    let cheat = cheat(list_price).await;
    let (exit, error) = home.error(&["fetch", &cheat, "--purse", "agent", "--bid", "3"]);
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &"haggle_answer_inconsistent".into()),
        "{error:#}"
    );
    let left = &node.json(&["purse", "show", "agent"])["balance_sat"];
    assert_eq!(left, &json!(200 - 3 - 4 - 5 - 7));
    home.assert_ledger_sound();
}

/// The challenge of another purchase.
async fn accepted_elsewhere(node: &Node) -> String {
    let asked = ask(node, "/api/echo", &[]).await;
    asked.header("x-cashu").unwrap().to_owned()
}

/// A seller that accepts every bid and asks for what it likes.
async fn cheat(x_cashu: String) -> String {
    let answer = move |headers: HeaderMap| {
        let bid = headers["payment-bid"].to_str().unwrap().to_owned();
        let nonce = parameter(&bid, "nonce").unwrap();
        let offer = format!(
            "accept id=\"{}\", nonce=\"{nonce}\", round=\"1\", quantity=\"1\", bid-msat=\"3000\", \
             price-msat=\"3000\", expires=\"9999999999\"",
            "A".repeat(43)
        );
        let mut headers = HeaderMap::new();
        headers.insert("payment-offer", HeaderValue::from_str(&offer).unwrap());
        headers.insert("x-cashu", HeaderValue::from_str(&x_cashu).unwrap());
        std::future::ready((StatusCode::PAYMENT_REQUIRED, headers))
    };
    let router = Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}
