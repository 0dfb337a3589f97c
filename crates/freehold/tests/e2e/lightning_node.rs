//! Real Lightning on the chain of `--network sandbox`: what a newcomer does with two commands, and the main road over
//! it: ecash that channels back pays for an answer of the model.

use std::time::{Duration, Instant};

use crate::common::{Home, Node, Outsider, Pay, ask, at_home, token_sat, told, waiting};
use cdk::Amount;
use cdk::amount::SplitTarget;
use cdk::nuts::nut00::KnownMethod;
use cdk::nuts::{MintQuoteState, PaymentMethod};
use serde_json::Value;

/// Opening a channel takes a few rounds of the background, which a busy machine makes long.
const READY_WITHIN: Duration = Duration::from_secs(180);

fn sat(view: &Value, key: &str) -> u64 {
    view[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key}: {view:#}"))
}

/// Waits for something that the background brings about.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + READY_WITHIN;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        waiting(|| std::thread::sleep(Duration::from_millis(200)));
    }
}

fn text(view: &Value, key: &str) -> String {
    view[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key}: {view:#}"))
        .to_owned()
}

fn pay(node: &Node, request: &str, more: &[&str]) -> Value {
    let paid = node.json(&[&["lightning", "pay", request], more].concat());
    assert_eq!(paid["state"], "succeeded", "{paid:#}");
    paid
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_pays_and_is_paid() {
    let home = Home::without_model_on("sandbox", "");
    let node = at_home(&home, READY_WITHIN).await;
    let before = sat(&node.json(&["lightning", "status"]), "owner_sat");

    // An invoice each way, and the same invoice twice.
    let invoice = text(
        &node.json(&["sandbox", "invoice", "--sat", "1000"]),
        "request",
    );
    let paid = pay(&node, &invoice, &[]);
    assert_eq!(paid["amount_msat"], 1_000_000);
    assert!(paid["preimage"].is_string());
    pay(&node, &invoice, &[]);
    let mine = text(
        &node.json(&["lightning", "invoice", "--sat", "300", "bread"]),
        "request",
    );
    node.json(&["sandbox", "pay", &mine]);

    // An offer each way.
    let offer = text(&node.json(&["sandbox", "invoice", "--offer"]), "request");
    pay(&node, &offer, &["--sat", "50"]);
    let mine = text(
        &node.json(&["lightning", "offer", "--sat", "20", "milk"]),
        "request",
    );
    node.json(&["sandbox", "pay", &mine]);

    // Unasked.
    let neighbour = text(&node.json(&["sandbox", "status"]), "neighbour");
    let (neighbour, _) = neighbour.split_once('@').unwrap();
    node.json(&["lightning", "keysend", neighbour, "--sat", "7"]);

    let after = sat(&node.json(&["lightning", "status"]), "owner_sat");
    assert_eq!(after, before - 1_000 + 300 - 50 + 20 - 7);
    let payments = node.json(&["lightning", "payments"]);
    assert_eq!(payments.as_array().unwrap().len(), 3, "{payments:#}");
    home.assert_ledger_sound();

    // What isn't there can't be paid, and nothing is lost by trying.
    let dear = text(
        &node.json(&["sandbox", "invoice", "--sat", "1900000"]),
        "request",
    );
    let (_, error) = home.error(&["lightning", "pay", &dear]);
    assert!(error["error"]["code"].is_string(), "{error:#}");
    let (_, error) = home.error(&["lightning", "pay", "lnbcrt1nonsense"]);
    assert_eq!(error["error"]["code"], "invoice_invalid");
    assert_eq!(
        sat(&node.json(&["lightning", "status"]), "owner_sat"),
        after
    );

    // Six blocks are taken back, though not those with the channel; a crash; and all goes on.
    node.json(&["sandbox", "mine", "10"]);
    node.json(&["sandbox", "reorg", "6"]);
    node.kill9();
    node.restart().await;
    until("the channel is back", || {
        sat(&node.json(&["lightning", "status"]), "channels_usable") > 0
    });
    let invoice = text(
        &node.json(&["sandbox", "invoice", "--sat", "11"]),
        "request",
    );
    pay(&node, &invoice, &[]);
    assert_eq!(
        sat(&node.json(&["lightning", "status"]), "owner_sat"),
        after - 11
    );
    home.assert_ledger_sound();
    node.stop();
}

/// An outsider's ecash at the node's mint, for which the neighbour pays over Lightning.
async fn ecash_for_lightning(node: &Node, amount_sat: u64) -> Outsider {
    let outsider = Outsider::at(&node.url()).await;
    let method = PaymentMethod::Known(KnownMethod::Bolt11);
    let amount = Some(Amount::from(amount_sat));
    let quote = outsider
        .wallet
        .mint_quote(method, amount, None, None)
        .await
        .unwrap();
    let state = outsider
        .wallet
        .check_mint_quote_status(&quote.id)
        .await
        .unwrap()
        .state;
    assert_eq!(state, MintQuoteState::Unpaid, "nobody has paid yet");
    node.json(&["sandbox", "pay", &quote.request]);
    let deadline = Instant::now() + READY_WITHIN;
    while outsider
        .wallet
        .check_mint_quote_status(&quote.id)
        .await
        .unwrap()
        .state
        == MintQuoteState::Unpaid
    {
        assert!(
            Instant::now() < deadline,
            "the mint doesn't see that it was paid"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let minted = outsider
        .wallet
        .mint(&quote.id, SplitTarget::default(), None)
        .await;
    minted.unwrap();
    outsider
}

#[tokio::test(flavor = "multi_thread")]
async fn ecash_that_channels_back_pays_for_an_answer() {
    let Some(home) = Home::on("sandbox", "") else {
        return;
    };
    let node = at_home(&home, READY_WITHIN).await;
    let owned = sat(&node.json(&["lightning", "status"]), "owner_sat");
    let outsider = ecash_for_lightning(&node, 200).await;
    let view = node.json(&["lightning", "status"]);
    assert_eq!(sat(&view, "mint_issued_sat"), 200);
    assert_eq!(sat(&view, "owner_sat"), owned, "ecash is owed, not earned");

    // The paid door of the main road.
    let token = outsider.token(100).await;
    let reply = node.chat(Pay::Ecash(&token), &ask("Say hello", 8)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let change = reply.header("x-cashu").expect("change");
    let change_sat = token_sat(change);
    assert!(change_sat < 100);
    assert_eq!(outsider.redeem(change).await, change_sat);
    home.assert_ledger_sound();

    // What is left goes out over Lightning again: the mint pays the neighbour.
    let invoice = text(
        &node.json(&["sandbox", "invoice", "--sat", "60"]),
        "request",
    );
    let method = PaymentMethod::Known(KnownMethod::Bolt11);
    let quote = outsider
        .wallet
        .melt_quote(method, &invoice, None, None)
        .await
        .unwrap();
    let prepared = outsider
        .wallet
        .prepare_melt(&quote.id, Default::default())
        .await
        .unwrap();
    let melted = prepared.confirm().await.unwrap();
    assert_eq!(u64::from(melted.amount()), 60);
    let spent = u64::from(melted.amount() + melted.fee_paid());
    let view = node.json(&["lightning", "status"]);
    assert_eq!(sat(&view, "mint_issued_sat"), 200 - spent);
    home.assert_ledger_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purse_pays_invoices_within_its_limits() {
    let home = Home::without_model_on("sandbox", "");
    let node = at_home(&home, READY_WITHIN).await;
    let owned = sat(&node.json(&["lightning", "status"]), "owner_sat");
    node.json(&[
        "purse",
        "new",
        "scout",
        "--per-payment-sat",
        "80",
        "--per-day-sat",
        "150",
    ]);
    node.json(&["purse", "fund", "scout", "--sat", "500"]);
    let view = node.json(&["lightning", "status"]);
    assert_eq!(sat(&view, "owner_sat"), owned - 500);
    assert_eq!(sat(&view, "mint_issued_sat"), 500);

    let invoice = |sat: &str| text(&node.json(&["sandbox", "invoice", "--sat", sat]), "request");
    let first = invoice("50");
    let paid = node.json(&["purse", "pay", "scout", &first]);
    assert_eq!(paid["state"], "settled", "{paid:#}");
    // The same invoice again costs nothing.
    assert_eq!(
        node.json(&["purse", "pay", "scout", &first])["state"],
        "settled"
    );
    let balance = sat(&node.json(&["purse", "show", "scout"]), "balance_sat");
    let fee = sat(&paid, "fee_sat");
    assert_eq!(balance, 450 - fee);
    assert_eq!(
        sat(&node.json(&["lightning", "status"]), "mint_issued_sat"),
        balance
    );

    // More than one payment may cost, and more than a day may.
    let (_, error) = home.error(&["purse", "pay", "scout", &invoice("90")]);
    assert_eq!(error["error"]["code"], "budget_per_payment");
    node.json(&["purse", "pay", "scout", &invoice("60")]);
    let (_, error) = home.error(&["purse", "pay", "scout", &invoice("60")]);
    assert_eq!(error["error"]["code"], "budget_per_day");

    // One that fails gives everything back.
    let before = sat(&node.json(&["purse", "show", "scout"]), "balance_sat");
    let (_, error) = home.error(&["purse", "pay", "scout", "lnbcrt1nonsense"]);
    assert_eq!(error["error"]["code"], "invoice_invalid");
    assert_eq!(
        sat(&node.json(&["purse", "show", "scout"]), "balance_sat"),
        before
    );
    home.assert_ledger_sound();
    let output = node.cli(&["ledger", "check"]);
    assert!(output.status.success(), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_chain_and_a_channel() {
    let home = Home::without_model_on("sandbox", "");
    let first = at_home(&home, READY_WITHIN).await;
    let esplora = text(&first.json(&["sandbox", "status"]), "esplora_url");
    let other_home = Home::without_model_on("sandbox", &format!("[chain]\nesplora = '{esplora}'"));
    let second = Node::start_with(&other_home, &["--lightning-listen", "127.0.0.1:0"]).await;
    let at = second.json(&["lightning", "status"])["listening"][0]
        .as_str()
        .unwrap()
        .to_owned();
    // A node keeps something on the chain, with which to close its channels.
    let address = text(&second.json(&["lightning", "address"]), "address");
    first.json(&["sandbox", "fund", &address, "--sat", "100000"]);
    second.json(&["lightning", "sync"]);
    first.json(&[
        "lightning",
        "open",
        &at,
        "--sat",
        "400000",
        "--push-sat",
        "150000",
    ]);
    until("the second node's channel", || {
        second.json(&["lightning", "sync"]);
        sat(&second.json(&["lightning", "status"]), "channels_usable") > 0
    });
    until("the second node's books", || {
        sat(&second.json(&["lightning", "status"]), "owner_sat") > 240_000
    });
    let invoice = text(
        &second.json(&["lightning", "invoice", "--sat", "5000"]),
        "request",
    );
    pay(&first, &invoice, &[]);
    let invoice = text(
        &first.json(&["lightning", "invoice", "--sat", "2000"]),
        "request",
    );
    pay(&second, &invoice, &[]);
    // Closed without the peer's help, it all comes back, after the delay.
    let channel = text(&second.json(&["lightning", "channels"])[0], "id");
    second.json(&["lightning", "close", &channel, "--force"]);
    until("all is back on the chain", || {
        first.json(&["sandbox", "mine", "150"]);
        second.json(&["lightning", "sync"]);
        let view = second.json(&["lightning", "status"]);
        sat(&view, "onchain_sat") > 240_000 && sat(&view, "closing_sat") == 0
    });
    home.assert_ledger_sound();
    other_home.assert_ledger_sound();
}
