//! Buying over Lightning by L402 and MPP, from sellers honest and not, with real invoices on `--network sandbox`. However
//! the seller behaves and whenever the node is killed: one payment for one request, and a clear word about it.

mod policies;
mod proxy;
mod shop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{Checks, Home, Node, at_home, told, waiting, with_channel};
use serde_json::Value;
use shop::{PRICE_SAT, Shop};

/// What the purses are filled with.
const FUNDED_SAT: u64 = 2_000;
const PROTOCOLS: [&str; 2] = ["l402", "mpp-charge"];

/// How long a channel may take to be opened, or to come back after a restart.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A purse with money.
fn purse(node: &Node, name: &str) {
    let sat = FUNDED_SAT.to_string();
    node.json(&["purse", "new", name, "--per-payment-sat", "60"]);
    node.json(&["purse", "fund", name, "--sat", &sat]);
}

fn balance(node: &Node, name: &str) -> u64 {
    let view = node.json(&["purse", "show", name]);
    assert_eq!(view["reserved_sat"], 0, "{view:#}");
    view["balance_sat"].as_u64().unwrap()
}

/// The record of the payment with this id.
fn find(node: &Node, id: &str) -> Option<Value> {
    let payments = node.json(&["payments", "--limit", "1000"]);
    let mut found = payments.as_array().unwrap().iter();
    found.find(|payment| payment["id"] == id).cloned()
}

/// Checks what is bought, what is paid for nothing, and what isn't paid at all.
#[tokio::test(flavor = "multi_thread")]
async fn one_payment_for_one_request() {
    let home = Home::without_model_on("sandbox", "");
    let node = Arc::new(at_home(&home, READY_WITHIN).await);
    let mut checks = Checks::new();
    for protocol in PROTOCOLS {
        checks
            .run(
                &format!("{protocol}_honest"),
                honest(node.clone(), protocol),
            )
            .await;
        checks
            .run(
                &format!("{protocol}_refused"),
                refused_before(node.clone(), protocol),
            )
            .await;
        checks
            .run(
                &format!("{protocol}_dishonest"),
                dishonest(node.clone(), protocol),
            )
            .await;
        checks
            .run(&format!("{protocol}_slow"), slow(node.clone(), protocol))
            .await;
        checks
            .run(
                &format!("{protocol}_at_once"),
                at_once(node.clone(), protocol),
            )
            .await;
    }
    checks.run("owner", owner(node.clone())).await;
    checks.run("credentials", credentials(node.clone())).await;
    checks.run("proxy", proxy::proxy(node.clone())).await;
    for protocol in PROTOCOLS {
        let supervised = policies::supervised(node.clone(), protocol);
        checks
            .run(&format!("{protocol}_supervised"), supervised)
            .await;
        let disputed = policies::disputed(node.clone(), protocol);
        checks.run(&format!("{protocol}_disputed"), disputed).await;
    }
    let limited = policies::limited(node.clone());
    checks.run("limited", limited).await;
    let narrowed = policies::narrowed(node.clone());
    checks.run("narrowed", narrowed).await;
    checks.finish();
    for protocol in PROTOCOLS {
        killed(node.clone(), protocol).await;
    }
}

async fn honest(node: Arc<Node>, protocol: &'static str) {
    let (shop, name) = (Shop::open(&node).await, format!("{protocol}-honest"));
    purse(&node, &name);
    let url = shop.at(protocol, "honest", "a");
    let buy = |id: &str| {
        node.json(&[
            "fetch", &url, "--purse", &name, "--rail", protocol, "--id", id,
        ])
    };
    let id = format!("{protocol}-honest");
    let bought = buy(&id);
    assert_eq!(
        (&bought["status"], &bought["body"]),
        (&200.into(), &"bought".into()),
        "{bought:#}"
    );
    let payment = &bought["payment"];
    assert_eq!(payment["protocol"], protocol);
    assert_eq!(payment["state"], "settled");
    let spent_sat = payment["spent_sat"].as_u64().unwrap();
    assert!(spent_sat >= PRICE_SAT && balance(&node, &name) == FUNDED_SAT - spent_sat);
    // The same id again: the same answer, from here.
    assert_eq!(buy(&id)["body"], "bought");
    assert_eq!((shop.sold(), shop.invoices_proven()), (1, 1));
    assert_eq!(balance(&node, &name), FUNDED_SAT - spent_sat);
    // The id is of that request only.
    let (_, error) = node.home().error(&[
        "fetch",
        &shop.at(protocol, "honest", "b"),
        "--purse",
        &name,
        "--id",
        &id,
    ]);
    assert_eq!(error["error"]["code"], "idempotency_conflict");
    // A moment's trouble at the seller's is nothing.
    let url = shop.at(protocol, "fails-once", "a");
    assert_eq!(
        node.json(&["fetch", &url, "--purse", &name])["body"],
        "bought"
    );
    assert_eq!(shop.invoices_proven(), 2);
    node.home().assert_ledger_sound();
}

/// What a seller can get wrong before it is paid.
async fn refused_before(node: Arc<Node>, protocol: &'static str) {
    let (shop, name) = (Shop::open(&node).await, format!("{protocol}-refused"));
    purse(&node, &name);
    let refuse = |manner: &str, more: &[&str], code: &str| {
        let url = shop.at(protocol, manner, "a");
        let args = [&["fetch", &url, "--purse", &name], more].concat();
        let (exit, error) = node.home().error(&args);
        assert_eq!(
            (exit, &error["error"]["code"]),
            (1, &code.into()),
            "{manner}: {error:#}"
        );
        assert_eq!(balance(&node, &name), FUNDED_SAT, "{manner}");
    };
    let (hash, amount) = match protocol {
        "l402" => ("l402_invoice_mismatch", None),
        _ => ("invoice_contradicts", Some("payment_challenge_malformed")),
    };
    refuse("other-hash", &[], hash);
    if let Some(code) = amount {
        refuse("other-amount", &[], code);
    }
    refuse("bomb", &[], "upstream_failed");
    refuse("honest", &["--max-sat", "9"], "price_above_limit");
    // The fee counts too, and is known before.
    refuse("honest", &["--max-sat", "11"], "price_above_limit");
    refuse("honest", &["--rail", "x-cashu"], "rail_unwanted");
    refuse(
        "honest",
        &["-H", "Authorization: Bearer mine"],
        "authorization_taken",
    );
    assert_eq!(shop.invoices_proven(), 0);

    // Of contradictory challenges the one that holds is paid.
    let url = shop.at(protocol, "contradicts", "a");
    assert_eq!(
        node.json(&["fetch", &url, "--purse", &name])["body"],
        "bought"
    );
    assert_eq!(shop.invoices_proven(), 1);
    // One invoice for two requests buys one of them.
    let left = balance(&node, &name);
    let first = shop.at(protocol, "reuses", "a");
    let second = shop.at(protocol, "reuses", "b");
    let (_, error) = node.home().error(&["fetch", &first, "--purse", &name]);
    assert_eq!(
        error["error"]["code"], "invoice_reused",
        "it was paid a moment ago"
    );
    let (_, error) = node.home().error(&["fetch", &second, "--purse", &name]);
    assert_eq!(error["error"]["code"], "invoice_reused");
    assert_eq!(balance(&node, &name), left);
    node.home().assert_ledger_sound();
}

/// What a seller can do once it has the money: it keeps it, but gets no more, and we say so.
async fn dishonest(node: Arc<Node>, protocol: &'static str) {
    let (shop, name) = (Shop::open(&node).await, format!("{protocol}-dishonest"));
    purse(&node, &name);
    let mut left_sat = FUNDED_SAT;
    for (manner, code) in [
        ("rises", "paid_and_refused"),
        ("denies", "paid_and_refused"),
        ("moves", "paid_and_redirected"),
    ] {
        let (url, id) = (
            shop.at(protocol, manner, "a"),
            format!("{protocol}-{manner}"),
        );
        let proven = shop.invoices_proven();
        for _ in 0..3 {
            let (exit, error) = node
                .home()
                .error(&["fetch", &url, "--purse", &name, "--id", &id]);
            assert_eq!(
                (exit, &error["error"]["code"]),
                (1, &code.into()),
                "{manner}: {error:#}"
            );
        }
        assert_eq!(
            shop.invoices_proven(),
            proven + 1,
            "{manner}: it was paid once"
        );
        let payment = find(&node, &id).unwrap();
        assert_eq!(payment["state"], "settled");
        assert!(payment["payment_hash"].is_string() && payment["error"].is_string());
        left_sat -= payment["spent_sat"].as_u64().unwrap();
        assert_eq!(balance(&node, &name), left_sat, "{manner}");
    }
    // A seller that comes to its senses is asked by the same id, and not paid again.
    let (url, id) = (
        shop.at(protocol, "denies-twice", "a"),
        format!("{protocol}-twice"),
    );
    let (_, error) = node
        .home()
        .error(&["fetch", &url, "--purse", &name, "--id", &id]);
    assert_eq!(error["error"]["code"], "paid_and_refused");
    let after_sat = balance(&node, &name);
    assert_eq!(
        node.json(&["fetch", &url, "--purse", &name, "--id", &id])["body"],
        "bought"
    );
    assert_eq!(balance(&node, &name), after_sat);
    node.home().assert_ledger_sound();
}

/// A seller that never answers is waited for, and not paid again.
async fn slow(node: Arc<Node>, protocol: &'static str) {
    let (shop, name) = (Shop::open(&node).await, format!("{protocol}-slow"));
    purse(&node, &name);
    let (url, id) = (
        shop.at(protocol, "hangs-once", "a"),
        format!("{protocol}-slow"),
    );
    let args = [
        "fetch",
        &url,
        "--purse",
        &name,
        "--id",
        &id,
        "--timeout-s",
        "1",
    ];
    assert_eq!(
        node.json(&args)["body"],
        "bought",
        "the second try is answered"
    );
    assert_eq!((shop.invoices_proven(), shop.sold()), (1, 1));
    node.home().assert_ledger_sound();
}

/// The same request many times at once is paid once; many requests are paid once each.
async fn at_once(node: Arc<Node>, protocol: &'static str) {
    let (shop, name) = (Shop::open(&node).await, format!("{protocol}-once"));
    purse(&node, &name);
    let url = shop.at(protocol, "honest", "a");
    let id = format!("{protocol}-at-once");
    let children: Vec<_> = (0..6)
        .map(|n| {
            let url = match n {
                0..3 => url.clone(),
                n => shop.at(protocol, "honest", &format!("other-{n}")),
            };
            let own = format!("{id}-{n}");
            let id = if n < 3 { &id } else { &own };
            let args = ["fetch", &url, "--purse", &name, "--id", id];
            node.home()
                .command(&args)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = waiting(|| child.wait_with_output().unwrap());
        assert_eq!(output.stdout, b"bought", "{}", told(&output));
    }
    assert_eq!((shop.invoices_proven(), shop.sold()), (4, 4));
    node.home().assert_ledger_sound();
}

/// The owner pays from channels.
async fn owner(node: Arc<Node>) {
    let shop = Shop::open(&node).await;
    let own = || {
        node.json(&["lightning", "status"])["owner_sat"]
            .as_u64()
            .unwrap()
    };
    let before_sat = own();
    for protocol in PROTOCOLS {
        let url = shop.at(protocol, "honest", "owner");
        let bought = node.json(&["fetch", &url]);
        assert_eq!(bought["body"], "bought");
        assert_eq!(
            bought["payment"]["spent_sat"], PRICE_SAT,
            "the neighbour is next door"
        );
    }
    assert_eq!(own(), before_sat - 2 * PRICE_SAT);
    node.home().assert_ledger_sound();
}

/// A macaroon that is still good is used again; one that isn't is replaced.
async fn credentials(node: Arc<Node>) {
    let shop = Shop::open(&node).await;
    purse(&node, "regular");
    purse(&node, "stranger");
    let buy = |what: &str, manner: &str, purse: &str| {
        let bought = node.json(&["fetch", &shop.at("l402", manner, what), "--purse", purse]);
        assert_eq!(bought["body"], "bought");
        bought["payment"].is_object()
    };
    assert!(buy("a", "honest", "regular"));
    assert!(!buy("a", "honest", "regular"), "paid for already");
    assert_eq!(shop.invoices_proven(), 1);
    // Another path, and another purse, are other purchases.
    assert!(buy("b", "honest", "regular"));
    assert!(buy("a", "honest", "stranger"));
    // Where one proof buys one answer, each answer is paid for.
    assert!(buy("a", "sells-once", "regular"));
    assert!(buy("a", "sells-once", "regular"));
    assert_eq!(shop.invoices_proven(), 5);

    // What is kept is kept encrypted: no macaroon stands in the database.
    let db = node.home().data_dir().join("sandbox/freehold.db");
    let connection = rusqlite::Connection::open(db).unwrap();
    let sql = "SELECT count(*), min(length(sealed)) FROM credentials";
    let kept: (u32, u32) = connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert!(kept.0 >= 4 && kept.1 > 100, "{kept:?}");
    let sql = "SELECT count(*) FROM credentials WHERE instr(sealed, CAST('L402' AS BLOB)) > 0";
    let plain: u32 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(plain, 0);
    node.home().assert_ledger_sound();
}

/// Killed at any moment, the node pays once for each request, and gets what it paid for.
async fn killed(node: Arc<Node>, protocol: &'static str) {
    let (shop, name) = (Shop::open(&node).await, format!("{protocol}-killed"));
    purse(&node, &name);
    for (n, delay_ms) in [0, 40, 90, 160, 300, 700].into_iter().enumerate() {
        with_channel(&node, READY_WITHIN);
        // One that hangs is killed when it has been paid for certain.
        let manner = if n == 5 { "hangs-once" } else { "fails-once" };
        let url = shop.at(protocol, manner, &format!("{n}"));
        let id = format!("{protocol}-killed-{n}");
        let args = ["fetch", &url, "--purse", &name, "--id", &id];
        let (challenges, proven) = (shop.challenges(), shop.invoices_proven());
        let mut child = node.home().command(&args).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while shop.challenges() == challenges {
            assert!(Instant::now() < deadline, "the seller was never asked");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        while n == 5 && shop.invoices_proven() <= proven {
            assert!(Instant::now() < deadline, "the proof never came");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        node.kill9();
        let _ = waiting(|| child.wait());
        node.restart().await;
        let deadline = Instant::now() + Duration::from_secs(60);
        let bought = loop {
            let output = node.cli(&[&args[..], &["--json"]].concat());
            if output.status.success() {
                break serde_json::from_slice::<Value>(&output.stdout).unwrap();
            }
            assert!(Instant::now() < deadline, "{}", told(&output));
            // While its channel comes back, a payment may fail, and then that is its end.
            if find(&node, &id).is_some_and(|payment| payment["state"] == "voided") {
                break Value::Null;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        println!(
            "{id}: killed {delay_ms} ms after the challenge: {}",
            bought["payment"]
        );
    }
    // Every sat that is gone bought an answer, once.
    let payments = node.json(&["payments", "--limit", "1000"]);
    let ours: Vec<&Value> = payments
        .as_array()
        .unwrap()
        .iter()
        .filter(|payment| payment["spender"] == format!("purse:{name}"))
        .collect();
    let spent_sat: u64 = ours.iter().map(|p| p["spent_sat"].as_u64().unwrap()).sum();
    let settled = ours.iter().filter(|p| p["state"] == "settled").count();
    assert_eq!(balance(&node, &name), FUNDED_SAT - spent_sat);
    assert_eq!((shop.sold(), shop.invoices_proven()), (settled, settled));
    assert!(settled >= 1);
    node.home().assert_ledger_sound();
}
