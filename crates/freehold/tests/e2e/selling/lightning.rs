//! L402, charges and sessions over real Lightning, paid by the sandbox's neighbour.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Home, Node, Pay, Reply, ask as ask_model, at_home, with_channel};
use crate::selling::buyer::{
    ask, challenges, code, credential, parameter, payment, receipt, request, sell,
};
use crate::selling::hang_ups::hang_ups;
use crate::selling::upstream::Shop;

/// Opening a channel takes a few rounds of the background.
pub const READY_WITHIN: Duration = Duration::from_secs(120);

/// Has the neighbour pay; the preimage.
pub fn paid(node: &Node, invoice: &str) -> String {
    let paid = node.json(&["sandbox", "pay", invoice]);
    paid["preimage"]
        .as_str()
        .unwrap_or_else(|| panic!("{paid:#}"))
        .to_owned()
}

fn owner_sat(node: &Node) -> u64 {
    node.json(&["lightning", "status"])["owner_sat"]
        .as_u64()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_protocols_are_offered_at_once_and_each_pays() {
    // Answers of the model are sold too, where there is one.
    let (with_model, shop) = (Home::on("sandbox", ""), Shop::open().await);
    let has_model = with_model.is_some();
    let home = with_model.unwrap_or_else(|| Home::without_model_on("sandbox", ""));
    let node = at_home(&home, READY_WITHIN).await;
    sell(&node, &shop.url, &["--deposit", "50"]);
    let before_sat = owner_sat(&node);

    // The order that works: L402, sessions, charges.
    let asked = ask(&node, "/api/echo", &[]).await;
    let kinds: Vec<String> = challenges(&asked)
        .iter()
        .map(|challenge| match challenge.starts_with("L402 ") {
            true => "L402".to_owned(),
            false => format!(
                "{}/{}",
                parameter(challenge, "method").unwrap(),
                parameter(challenge, "intent").unwrap()
            ),
        })
        .collect();
    assert_eq!(kinds[0], "L402");
    assert_eq!(kinds[1], "lightning/session");
    assert_eq!(kinds.last().unwrap(), "lightning/charge");
    assert!(asked.header("x-cashu").is_some());

    l402(&node, &shop).await;
    charge(&node, &shop).await;
    let spent_sat = session(&node, &shop).await;
    assert_eq!(owner_sat(&node), before_sat + 5 + 5 + spent_sat);
    home.assert_ledger_sound();
    if has_model {
        chat(&node).await;
    }
    crash(&node, &shop).await;
    with_channel(&node, READY_WITHIN);
    hang_ups(&node, &shop).await;
    home.assert_ledger_sound();
    node.stop();
}

async fn l402(node: &Node, shop: &Shop) {
    let hits = shop.hits();
    let asked = ask(node, "/api/echo", &[]).await;
    let challenge = challenges(&asked)[0].clone();
    let macaroon = parameter(&challenge, "macaroon").unwrap();
    assert_eq!(parameter(&challenge, "token").as_ref(), Some(&macaroon));
    let early = format!("L402 {macaroon}:{}", "00".repeat(32));
    let refused = ask(node, "/api/echo", &[("authorization", &early)]).await;
    assert_eq!(
        (refused.status, code(&refused)),
        (401, "l402_preimage_wrong".to_owned())
    );
    assert!(
        challenges(&refused)[0].starts_with("L402 "),
        "with a fresh challenge"
    );

    let preimage = paid(node, &parameter(&challenge, "invoice").unwrap());
    let credential = format!("L402 {macaroon}:{preimage}");
    // What fails isn't used up; what isn't sold with it isn't served.
    let failed = ask(node, "/api/fail", &[("authorization", &credential)]).await;
    assert_eq!(
        (failed.status, failed.json()["payment"].as_str()),
        (502, Some("not_consumed"))
    );
    let named = [
        ("authorization", credential.as_str()),
        ("idempotency-key", "n"),
    ];
    let served = ask(node, "/api/echo", &named).await;
    assert_eq!(served.status, 200, "{}", served.text());
    assert!(served.json()["headers"]["authorization"].is_null());
    // Named, it is answered again; and to nobody whose macaroon isn't good.
    let same = ask(node, "/api/echo", &named).await;
    assert_eq!((same.status, same.text()), (200, served.text()));
    let forged = format!("L402 {}:{preimage}", altered(&macaroon));
    let forged = [("authorization", forged.as_str()), ("idempotency-key", "n")];
    let refused = ask(node, "/api/echo", &forged).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    let again = ask(node, "/api/echo", &[("authorization", &credential)]).await;
    assert_eq!(
        (again.status, code(&again)),
        (402, "payment_used".to_owned())
    );
    assert_eq!(shop.hits(), hits + 1);
}

/// A macaroon whose signature is another.
fn altered(macaroon: &str) -> String {
    let at = macaroon.trim_end_matches('=').len() - 4;
    let other = if macaroon[at..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    let mut altered = macaroon.to_owned();
    altered.replace_range(at..=at, other);
    altered
}

async fn charge(node: &Node, shop: &Shop) {
    let hits = shop.hits();
    let challenge = payment(&ask(node, "/api/echo", &[]).await, "lightning", "charge");
    let terms = request(&challenge);
    assert_eq!(
        (&terms["amount"], &terms["currency"]),
        (&"5".into(), &"sat".into())
    );
    let wrong = credential(&challenge, &json!({ "preimage": "00".repeat(32) }));
    let refused = ask(node, "/api/echo", &[("authorization", &wrong)]).await;
    assert_eq!(
        (refused.status, code(&refused)),
        (402, "preimage_invalid".to_owned())
    );

    let preimage = paid(node, terms["methodDetails"]["invoice"].as_str().unwrap());
    // The price rises between challenge and payment: what was quoted holds.
    node.json(&[
        "sell",
        &shop.url,
        "--price",
        "9sat",
        "--path",
        "/api",
        "--deposit",
        "50",
    ]);
    let good = credential(&challenge, &json!({ "preimage": preimage }));
    let served = ask(node, "/api/echo", &[("authorization", &good)]).await;
    assert_eq!(served.status, 200, "{}", served.text());
    let receipt = receipt(&served);
    assert_eq!(
        (&receipt["status"], &receipt["reference"]),
        (&"success".into(), &terms["methodDetails"]["paymentHash"])
    );
    let again = ask(node, "/api/echo", &[("authorization", &good)]).await;
    assert_eq!(
        (again.status, code(&again)),
        (402, "payment_used".to_owned())
    );
    // Not as a macaroon either: one invoice buys one call, however it is shown.
    assert_eq!(shop.hits(), hits + 1);
    sell(node, &shop.url, &["--deposit", "50"]);
}

/// Opens, calls, tops up and closes. Returns what it cost.
async fn session(node: &Node, shop: &Shop) -> u64 {
    let act = async |challenge: &str, payload: &Value| {
        ask(
            node,
            "/api/echo",
            &[("authorization", &credential(challenge, payload))],
        )
        .await
    };
    let hits = shop.hits();
    let challenge = payment(&ask(node, "/api/echo", &[]).await, "lightning", "session");
    let terms = request(&challenge);
    let preimage = paid(node, terms["depositInvoice"].as_str().unwrap());
    let id = terms["paymentHash"].as_str().unwrap().to_owned();
    let neighbours = node.json(&["sandbox", "invoice"]);
    let open =
        json!({ "action": "open", "preimage": preimage, "returnInvoice": neighbours["request"] });
    let opened = act(&challenge, &open).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    let bearer = json!({ "action": "bearer", "sessionId": id, "preimage": preimage });
    for _ in 0..3 {
        assert_eq!(act(&challenge, &bearer).await.status, 200);
    }
    // A deposit is no charge, and opens one session.
    let second =
        json!({ "action": "open", "preimage": preimage, "returnInvoice": neighbours["request"] });
    assert_eq!(
        act(&challenge, &second).await.status,
        200,
        "the same again is the same session"
    );

    let more = payment(&ask(node, "/api/echo", &[]).await, "lightning", "session");
    let top_up = paid(node, request(&more)["depositInvoice"].as_str().unwrap());
    let top_up = json!({ "action": "topUp", "sessionId": id, "topUpPreimage": top_up });
    assert_eq!(act(&more, &top_up).await.json(), json!({ "status": "ok" }));
    assert_eq!(act(&more, &top_up).await.json(), json!({ "status": "ok" }));

    let spent_sat = u64::from(shop.hits() - hits) * 5;
    let close = json!({ "action": "close", "sessionId": id, "preimage": preimage });
    let closed = act(&challenge, &close).await;
    let wanted =
        json!({ "refundSats": 100 - spent_sat, "refundStatus": "succeeded", "status": "closed" });
    assert_eq!(closed.json(), wanted);
    assert_eq!(
        act(&challenge, &close).await.json(),
        wanted,
        "and is paid once"
    );
    let payments = node.json(&["lightning", "payments"]);
    let refunds: Vec<&Value> = payments
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["holder"] == "sessions")
        .collect();
    assert_eq!(refunds.len(), 1, "{payments:#}");
    assert_eq!(refunds[0]["amount_msat"], (100 - spent_sat) * 1_000);
    assert_eq!(code(&act(&challenge, &bearer).await), "session_closed");
    spent_sat
}

/// An answer of the model, by a macaroon and by a charge; each proof is good for one.
async fn chat(node: &Node) {
    let question = ask_model("Say yes.", 4);
    let chat = async |authorization: Option<&str>| {
        let request = node.request(Method::POST, "/v1/chat/completions", Pay::Nothing);
        let mut request = request.json(&question);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        Reply::of(request.send().await.unwrap()).await
    };
    let asked = chat(None).await;
    assert_eq!(asked.status, 402, "{}", asked.text());
    let l402 = challenges(&asked)[0].clone();
    let preimage = paid(node, &parameter(&l402, "invoice").unwrap());
    let macaroon = parameter(&l402, "macaroon").unwrap();
    let by_macaroon = format!("L402 {macaroon}:{preimage}");

    // All challenges of one answer are for one invoice.
    let charge = payment(&chat(None).await, "lightning", "charge");
    let invoice = request(&charge)["methodDetails"]["invoice"].clone();
    let preimage = paid(node, invoice.as_str().unwrap());
    let by_charge = credential(&charge, &json!({ "preimage": preimage }));
    for authorization in [by_macaroon, by_charge] {
        let answered = chat(Some(&authorization)).await;
        assert_eq!(answered.status, 200, "{}", answered.text());
        let answer = answered.json();
        assert!(
            answer["choices"][0]["message"]["content"].is_string(),
            "{answer:#}"
        );
        let again = chat(Some(&authorization)).await;
        assert_ne!(again.status, 200, "one proof, one answer: {}", again.text());
    }
}

/// The node dies after a payment, and after a deposit.
async fn crash(node: &Node, shop: &Shop) {
    let challenge = challenges(&ask(node, "/api/echo", &[]).await)[0].clone();
    let preimage = paid(node, &parameter(&challenge, "invoice").unwrap());
    node.kill9();
    node.restart().await;
    let credential = format!(
        "L402 {}:{preimage}",
        parameter(&challenge, "macaroon").unwrap()
    );
    let hits = shop.hits();
    let served = ask(node, "/api/echo", &[("authorization", &credential)]).await;
    assert_eq!(served.status, 200, "{}", served.text());
    node.kill9();
    node.restart().await;
    let again = ask(node, "/api/echo", &[("authorization", &credential)]).await;
    assert_eq!(code(&again), "payment_used");
    assert_eq!(shop.hits(), hits + 1);
}
