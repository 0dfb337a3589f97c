//! The paid door, end to end: ecash for an answer, change, receipts, repeats and hang-ups.

use std::fs;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{
    Checks, Home, Node, Outsider, Pay, Reply, ask, ask_stream, eventually, signal, token_sat,
};
use cdk::nuts::{CurrencyUnit, PaymentRequest};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn paid() {
    let Some(home) = Home::new() else { return };
    let node = Arc::new(Node::start(&home).await);
    let mut checks = Checks::new();
    checks.run("challenge", challenge(node.clone())).await;
    checks.run("exact", exact(node.clone())).await;
    checks.run("change", change(node.clone())).await;
    checks.run("stream", stream(node.clone())).await;
    checks.run("repeat", repeat(node.clone())).await;
    checks
        .run("another_request", another_request(node.clone()))
        .await;
    checks.run("two_at_once", two_at_once(node.clone())).await;
    checks.run("hang_up", hang_up(node.clone())).await;
    checks.run("receipt", receipt(node.clone())).await;
    checks.run("model_dies", model_dies(node.clone())).await;
    checks.run("fetch", fetch(node.clone())).await;
    checks.run("restart", restart(node.clone())).await;
    node.home().assert_ledger_sound();
    checks.finish();
}

fn earned(node: &Node) -> u64 {
    node.json(&["status"])["earned_sat"].as_u64().unwrap()
}

fn price_sat((prompt, completion): (u64, u64)) -> u64 {
    (prompt * 10 + completion * 100).div_ceil(1_000)
}

/// What a request costs at most, by its challenge.
async fn quote(node: &Node, body: &Value) -> u64 {
    let reply = node.chat(Pay::Nothing, body).await;
    assert_eq!(reply.status, 402, "{}", reply.text());
    let request = PaymentRequest::from_str(reply.header("x-cashu").unwrap()).unwrap();
    request.amount.unwrap().into()
}

/// Somebody with money.
async fn rich(node: &Node) -> Outsider {
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(2_000).await;
    outsider
}

/// The price by the token counts is the price that was taken, and the rest came back for real.
async fn assert_fair(outsider: &Outsider, paid: u64, reply: &Reply) -> u64 {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let price = reply.price_sat().expect("a price");
    assert_eq!(price, price_sat(reply.usage()), "the price of the tokens");
    let change = reply.change().map_or(0, |token| token_sat(&token));
    assert_eq!(paid, price + change, "what was paid is price and change");
    if let Some(token) = reply.change() {
        assert_eq!(
            outsider.redeem(&token).await,
            change,
            "the change is good money"
        );
    }
    price
}

async fn challenge(node: Arc<Node>) {
    for body in [ask("Hello", 100), ask_stream("Hello", 100)] {
        let reply = node.chat(Pay::Nothing, &body).await;
        assert_eq!(reply.status, 402);
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
        let header = reply.header("x-cashu").unwrap();
        assert!(header.starts_with("creqA"), "{header}");
        let request = PaymentRequest::from_str(header).unwrap();
        assert_eq!(request.unit, Some(CurrencyUnit::Sat));
        let mints: Vec<String> = request.mints.iter().map(ToString::to_string).collect();
        assert_eq!(mints, [format!("{}/mint", node.url())]);
        let amount: u64 = request.amount.unwrap().into();
        assert!(
            (11..=12).contains(&amount),
            "100 tokens and a short prompt: {amount}"
        );
        let body = reply.json();
        assert_eq!(body["status"], 402);
        assert_eq!(body["code"], "payment_required");
        assert_eq!(body["error"]["code"], "payment_required");
        for part in ["title", "detail", "hint"] {
            assert!(!body[part].as_str().unwrap().is_empty(), "{part}");
        }
    }
}

async fn exact(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let body = ask("Write a very long story about a dragon.", 24);
    let price = quote(&node, &body).await;
    let before = earned(&node);
    let token = outsider.token(price).await;
    let reply = node.chat(Pay::Ecash(&token), &body).await;
    let paid = assert_fair(&outsider, price, &reply).await;
    assert_eq!(reply.json()["choices"][0]["finish_reason"], "length");
    assert_eq!(
        (paid, reply.change()),
        (price, None),
        "all was used, so nothing comes back"
    );
    assert!(!outsider.is_unspent(&token).await);
    assert_eq!(earned(&node), before + price);
    node.home().assert_ledger_sound();
}

async fn change(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let before = earned(&node);
    let mut total = 0;
    // A short answer to a long quote, and more money than was asked for.
    for (prompt, max_tokens, extra) in [("Say yes.", 400, 0), ("Hello", 8, 9), ("Hello", 30, 150)] {
        let body = ask(prompt, max_tokens);
        let paid = quote(&node, &body).await + extra;
        let token = outsider.token(paid).await;
        let reply = node.chat(Pay::Ecash(&token), &body).await;
        total += assert_fair(&outsider, paid, &reply).await;
        let header = reply.header("x-cashu").map_or(0, str::len);
        assert!(header < 8_000, "proxies cut headers of {header} bytes");
    }
    assert_eq!(earned(&node), before + total);
    assert_eq!(
        outsider.balance().await,
        2_000 - total,
        "not a sat is lost on the way"
    );
    node.home().assert_ledger_sound();
}

async fn stream(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let body = ask_stream("Say hello to Alice.", 40);
    let paid = quote(&node, &body).await + 20;
    let token = outsider.token(paid).await;
    let reply = node.chat(Pay::Ecash(&token), &body).await;
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    assert!(reply.header("freehold-sale").is_some());
    assert!(!reply.answer().is_empty());
    let events = reply.events();
    let last = events.last().unwrap();
    assert!(
        last["payment"].is_object(),
        "the payment is in the last chunk: {last}"
    );
    assert!(last["payment"]["receipt"].is_object(), "{last}");
    assert_fair(&outsider, paid, &reply).await;
    node.home().assert_ledger_sound();
}

async fn repeat(node: Arc<Node>) {
    let outsider = rich(&node).await;
    for body in [
        ask("Tell me a joke.", 20),
        ask_stream("Tell me a joke.", 20),
    ] {
        let paid = quote(&node, &body).await + 5;
        let token = outsider.token(paid).await;
        let before = earned(&node);
        let first = node.chat(Pay::Ecash(&token), &body).await;
        assert_eq!(first.status, 200, "{}", first.text());
        for _ in 0..2 {
            let again = node.chat(Pay::Ecash(&token), &body).await;
            assert_eq!(again.status, 200, "{}", again.text());
            assert_eq!(again.answer(), first.answer());
            assert_eq!(again.usage(), first.usage());
            assert_eq!(
                (again.price_sat(), again.change()),
                (first.price_sat(), first.change())
            );
            assert_eq!(again.header("freehold-sale"), first.header("freehold-sale"));
            let receipts = [first.receipt().unwrap(), again.receipt().unwrap()];
            let [one, two] = receipts.map(|receipt| receipt["signed_receipt"].clone());
            assert_eq!(one, two, "the same receipt");
        }
        assert_eq!(
            earned(&node),
            before + first.price_sat().unwrap(),
            "money is taken once"
        );
        assert_fair(&outsider, paid, &first).await;
        // The change is taken; what is stored is still the same, worthless now.
        let again = node.chat(Pay::Ecash(&token), &body).await;
        assert_eq!(again.change(), first.change());
        assert!(!outsider.is_unspent(&again.change().unwrap()).await);
    }
    node.home().assert_ledger_sound();
}

async fn another_request(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let body = ask("Tell me a joke.", 10);
    let token = outsider.token(quote(&node, &body).await + 30).await;
    let first = node.chat(Pay::Ecash(&token), &body).await;
    assert_eq!(first.status, 200);
    let before = earned(&node);
    for other in [
        ask("Tell me another.", 10),
        ask_stream("Tell me a joke.", 10),
    ] {
        let reply = node.chat(Pay::Ecash(&token), &other).await;
        assert!([400, 409].contains(&reply.status), "{}", reply.text());
        assert_eq!(reply.code(), "payment_used");
        assert!(
            reply.header("x-cashu").unwrap().starts_with("creqA"),
            "and how to pay for it"
        );
    }
    assert_eq!(earned(&node), before);
    assert!(
        outsider.is_unspent(&first.change().unwrap()).await,
        "the change is as good as before"
    );
    node.home().assert_ledger_sound();
}

async fn two_at_once(node: Arc<Node>) {
    let outsider = rich(&node).await;
    // The same request: one sale, told twice.
    let body = ask("Tell me a joke.", 20);
    let paid = quote(&node, &body).await + 3;
    let token = outsider.token(paid).await;
    let before = earned(&node);
    let (one, two) = tokio::join!(
        node.chat(Pay::Ecash(&token), &body),
        node.chat(Pay::Ecash(&token), &body)
    );
    assert_eq!(
        (one.status, two.status),
        (200, 200),
        "{} {}",
        one.text(),
        two.text()
    );
    assert_eq!((one.answer(), one.change()), (two.answer(), two.change()));
    assert_eq!(earned(&node), before + one.price_sat().unwrap());
    assert_fair(&outsider, paid, &one).await;

    // Two requests: one of them gets the money's worth.
    let other = ask("Tell me a tale.", 20);
    let paid = quote(&node, &body).await.max(quote(&node, &other).await) + 3;
    let token = outsider.token(paid).await;
    let before = earned(&node);
    let (one, two) = tokio::join!(
        node.chat(Pay::Ecash(&token), &body),
        node.chat(Pay::Ecash(&token), &other)
    );
    let (good, bad) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    assert!(
        [400, 409].contains(&bad.status),
        "{} {}",
        good.text(),
        bad.text()
    );
    assert_eq!(bad.code(), "payment_used");
    assert_eq!(earned(&node), before + good.price_sat().unwrap());
    assert_fair(&outsider, paid, &good).await;
    node.home().assert_ledger_sound();
}

async fn hang_up(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let bodies = [
        ask_stream("Write a very long story about a dragon.", 60),
        ask("Write a very long story about a dragon.", 60),
    ];
    for body in bodies {
        let paid = quote(&node, &body).await + 7;
        let token = outsider.token(paid).await;
        let before = earned(&node);
        // Leave as soon as the money is taken.
        let task = tokio::spawn({
            let (node, token, body) = (node.clone(), token.clone(), body.to_string());
            async move {
                let mut response = node.chat_begin(Pay::Ecash(&token), body).await;
                let piece = response.chunk().await.unwrap().unwrap_or_default();
                String::from_utf8_lossy(&piece).into_owned()
            }
        });
        eventually("the token is spent", async || {
            !outsider.is_unspent(&token).await
        })
        .await;
        if body["stream"] == true {
            assert!(!task.await.unwrap().is_empty());
        } else {
            assert!(!task.is_finished(), "it was to be left half-way");
            task.abort();
        }
        let reply = node.chat(Pay::Ecash(&token), &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(
            reply.answer().len() > 60,
            "the whole answer: {}",
            reply.answer()
        );
        assert_fair(&outsider, paid, &reply).await;
        assert_eq!(
            earned(&node),
            before + reply.price_sat().unwrap(),
            "sold once"
        );
    }
    node.home().assert_ledger_sound();
}

async fn receipt(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let body = ask("Name three colours.", 20);
    let token = outsider.token(quote(&node, &body).await).await;
    let reply = node.chat(Pay::Ecash(&token), &body).await;
    let receipt = reply.receipt().expect("a receipt");
    let key = node.get("/api/receipt-key", Pay::Nothing).await.json();
    let key = key["key"].as_str().unwrap();

    let dir = node.home().scratch();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap();
        path(name)
    };
    let proof = write("receipt.json", &receipt.to_string());
    let answer = write("answer.txt", &reply.answer());
    let request = write("request.json", &body.to_string());
    let empty = path("nobody-home");
    // Somewhere else: with a data directory in which there's nothing.
    let verify = |args: &[&str]| {
        let args = [&["--data-dir", &empty, "receipt", "verify", "--json"], args].concat();
        node.cli(&args)
    };
    let full = [
        &*proof,
        "--key",
        key,
        "--answer",
        &answer,
        "--request",
        &request,
    ];
    let output = verify(&full);
    assert!(output.status.success(), "{output:?}");
    let verified: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verified["price_sat"], json!(reply.price_sat()));
    assert_eq!(verified["model"], "smollm2-135m-instruct");
    assert!(
        !dir.join("nobody-home").exists(),
        "verifying offline leaves nothing behind"
    );

    let cheaper = receipt
        .to_string()
        .replacen("\"price_msat\":", "\"price_msat\":1", 1);
    let cheaper = write("cheaper.json", &cheaper);
    let lie = write("lie.txt", "I never said that.");
    let other = format!(
        "freehold/84bea8fa9f64ce7a/receipts+79f01ba2+AYS+qPqfZM56hGMElXuwZ8TKj4N2lxnMyZaxS8io/TlC\
         ,ml-dsa-44:{}",
        "ab".repeat(32)
    );
    for wrong in [
        vec![&*cheaper, "--key", key],
        vec![&*proof, "--key", key, "--answer", &lie],
        vec![&*proof, "--key", key, "--request", &lie],
        vec![&*proof, "--key", &other],
        vec![&*lie],
    ] {
        let output = verify(&wrong);
        assert_eq!(output.status.code(), Some(1), "{wrong:?}: {output:?}");
    }
    // By its id, with the node's help.
    let id = receipt["signed_receipt"]["receipt"]["id"].as_str().unwrap();
    assert_eq!(node.json(&["receipt", "verify", id])["id"], id);
    assert_eq!(
        node.json(&["receipt", "show", id])["signed_receipt"],
        receipt["signed_receipt"]
    );
}

async fn model_dies(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let body = ask_stream("Write a very long story about a dragon.", 600);
    let paid = quote(&node, &body).await + 11;
    let token = outsider.token(paid).await;
    let before = earned(&node);
    let mut response = node.chat_begin(Pay::Ecash(&token), body.to_string()).await;
    response.chunk().await.unwrap().unwrap();
    let pid = node.json(&["status"])["model_pid"].as_u64().unwrap();
    signal("KILL", u32::try_from(pid).unwrap());
    let reply = Reply::of(response).await;
    assert_eq!(
        reply.events().last().unwrap()["error"]["code"],
        "engine_restarted",
        "{}",
        reply.text()
    );
    let refund = reply.change().expect("the money back");
    assert_eq!(token_sat(&refund), paid);
    // Whoever didn't hear of it hears it again, and gets no second refund.
    let again = node.chat(Pay::Ecash(&token), &body).await;
    assert_eq!(again.change(), Some(refund.clone()), "{}", again.text());
    assert_eq!(again.code(), "engine_restarted");
    assert_eq!(outsider.redeem(&refund).await, paid);
    assert_eq!(outsider.balance().await, 2_000);
    assert_eq!(earned(&node), before);
    node.home().assert_ledger_sound();
}

async fn fetch(node: Arc<Node>) {
    let new = node.json(&["purse", "new", "buyer", "--per-payment-sat", "40"]);
    assert!(new["token"].is_string());
    node.json(&["purse", "fund", "buyer", "--sat", "200"]);
    let balance = || {
        node.json(&["purse", "show", "buyer"])["balance_sat"]
            .as_u64()
            .unwrap()
    };
    let url = format!("{}/v1/chat/completions", node.url());
    let body = ask("Tell me a joke.", 40).to_string();
    let buy = |args: &[&str]| {
        let args = [&["fetch", &url, "--purse", "buyer"], args].concat();
        node.json(&args)
    };
    let first = buy(&["-d", &body, "--id", "joke-1"]);
    assert_eq!(first["status"], 200);
    let spent = first["payment"]["spent_sat"].as_u64().unwrap();
    assert_eq!(balance(), 200 - spent);
    let answer: Value = serde_json::from_str(first["body"].as_str().unwrap()).unwrap();
    let count = |name: &str| answer["usage"][name].as_u64().unwrap();
    assert_eq!(
        spent,
        price_sat((count("prompt_tokens"), count("completion_tokens")))
    );

    // The same key pays once; for anything else it is refused.
    let again = buy(&["-d", &body, "--id", "joke-1"]);
    assert_eq!(again["body"], first["body"]);
    assert_eq!(balance(), 200 - spent);
    let refused = |args: &[&str]| {
        let args = [&["fetch", &url, "--purse", "buyer"], args].concat();
        let (code, error) = node.home().error(&args);
        assert_eq!(code, 1, "{args:?}: {error}");
        error
    };
    refused(&[
        "-d",
        &ask("Something else", 40).to_string(),
        "--id",
        "joke-1",
    ]);

    // A stream has its change and receipt at its end.
    let streamed = buy(&["-d", &ask_stream("Tell me a joke.", 30).to_string()]);
    let paid = streamed["payment"]["spent_sat"].as_u64().unwrap();
    assert_eq!(balance(), 200 - spent - paid);
    let receipt = streamed["payment"]["receipt_id"].as_str().unwrap();
    assert_eq!(
        node.json(&["receipt", "verify", receipt])["price_sat"],
        paid
    );

    // Above the limit, above the budget: nothing moves.
    refused(&["-d", &body, "--max-sat", "1"]);
    refused(&[
        "-d",
        &ask("Tell me a joke.", 600).to_string(),
        "--max-sat",
        "1000",
    ]);
    assert_eq!(balance(), 200 - spent - paid);
    assert_eq!(node.json(&["purse", "show", "buyer"])["reserved_sat"], 0);
    // What costs nothing is fetched without a payment.
    let models = format!("{}/v1/models", node.url());
    let free = node.json(&["fetch", &models, "--purse", "buyer", "--max-sat", "0"]);
    assert!(free["status"] == 200 && free["payment"].is_null(), "{free}");
    node.home().assert_ledger_sound();
}

/// Killed in the middle of a paid answer, the node owes it, and pays its debt after a restart.
async fn restart(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let body = ask_stream("Write a very long story about a dragon.", 120);
    let paid = quote(&node, &body).await + 2;
    let token = outsider.token(paid).await;
    let mut response = node.chat_begin(Pay::Ecash(&token), body.to_string()).await;
    response.chunk().await.unwrap().unwrap();
    node.kill9();
    drop(response);
    node.restart().await;
    let reply = loop {
        let reply = node.chat(Pay::Ecash(&token), &body).await;
        if reply.status != 503 {
            break reply;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_fair(&outsider, paid, &reply).await;
    let before = earned(&node);
    node.kill9();
    node.restart().await;
    let again = node.chat(Pay::Ecash(&token), &body).await;
    assert_eq!(
        (again.answer(), again.change()),
        (reply.answer(), reply.change())
    );
    assert_eq!(earned(&node), before);
    node.home().assert_ledger_sound();
}
