//! A calendar's transactions: what they cost, what becomes of them when blocks pass them by or go
//! away again, and what a restart in the middle does.

use crate::calendar::chain::Chain;
use crate::calendar::user::User;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_while_fees_are_above_the_ceiling() {
    let (user, chain) = (
        User::new(),
        Chain::with(&["--confirmations", "1", "--fee-max", "5"]),
    );
    chain.sandbox.set_fee_estimate_sat_per_vb(5.5);
    let early = user.stamped("early", &chain.calendar);
    let has_trouble = |status: &serde_json::Value| {
        let trouble = status["trouble"].as_str().unwrap_or_default();
        trouble.contains("5.5 sat/vB, above the ceiling of 5")
    };
    chain.calendar.until("fees are trouble", has_trouble).await;
    // It goes on collecting.
    let late = user.stamped("late", &chain.calendar);
    let status = chain.calendar.status().await;
    assert_eq!(status["pending"], 2, "{status:#}");
    assert!(chain.sandbox.mempool_txids().is_empty());
    let (code, error) = user.error(&["upgrade", early.proof_name(), "-l", &chain.calendar.url()]);
    assert_eq!((code, &error["error"]["code"]), (1, &"not_complete".into()));

    chain.sandbox.set_fee_estimate_sat_per_vb(5.0);
    let height = chain.anchor().await;
    for file in [early, late] {
        user.complete(&file, &chain.calendar).await;
        assert_eq!(file.height(), Some(height.into()));
    }
    let status = chain.calendar.status().await;
    assert!(status["trouble"].is_null(), "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_a_block_passes_by_is_replaced_by_one_for_more() {
    let (user, chain) = (User::new(), Chain::start());
    let early = user.stamped("early", &chain.calendar);
    let first = chain.next_tx(&[]).await;
    // Blocks that have no room for it: it isn't in the mempool of whoever mines them.
    let first_id = first.compute_txid();
    assert!(chain.sandbox.evict(&first_id));
    chain.sandbox.mine(1).unwrap();
    let back = chain.next_tx(&[]).await;
    assert_eq!(back.compute_txid(), first_id, "a lost one is sent again");

    let late = user.stamped("late", &chain.calendar);
    let second = chain.next_tx(&[first_id]).await;
    assert_eq!(
        second.input[0].previous_output,
        first.input[0].previous_output
    );
    assert!(chain.fee_sat(&second) > chain.fee_sat(&first));
    let height = chain.anchor().await;
    for file in [early, late] {
        user.complete(&file, &chain.calendar).await;
        assert_eq!(file.height(), Some(height.into()));
    }
    assert_eq!(chain.calendar.status().await["anchors"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_replaced_without_need() {
    let (user, chain) = (User::new(), Chain::start());
    user.stamped("early", &chain.calendar);
    let first = chain.next_tx(&[]).await;
    // More is pending, but no block has come yet.
    let late = user.stamped("late", &chain.calendar);
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(chain.sandbox.mempool_txids(), [first.compute_txid()]);
    chain.sandbox.mine(1).unwrap();
    // The rest gets a transaction of its own.
    let second = chain.next_tx(&[]).await;
    assert_ne!(
        second.input[0].previous_output,
        first.input[0].previous_output
    );
    let height = chain.anchor().await;
    user.complete(&late, &chain.calendar).await;
    assert_eq!(late.height(), Some(height.into()));
    assert_eq!(chain.calendar.status().await["anchors"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reorganisation_proofs_are_of_the_new_chain() {
    let (user, chain) = (User::new(), Chain::start());
    let file = user.stamped("file", &chain.calendar);
    let other = user.file("other");
    std::fs::copy(file.proof_name(), other.proof_name()).unwrap();
    let abandoned = chain.anchor().await;
    user.complete(&file, &chain.calendar).await;
    assert_eq!(file.height(), Some(abandoned.into()));

    // The block goes away, and its transaction waits again.
    chain.sandbox.reorg(1).unwrap();
    let waits = |status: &serde_json::Value| status["pending"] != 0;
    chain
        .calendar
        .until("the anchor no longer holds", waits)
        .await;
    let (_, error) = user.error(&["upgrade", other.proof_name(), "-l", &chain.calendar.url()]);
    assert_eq!(error["error"]["code"], "not_complete");
    let height = chain.anchor().await;
    assert!(height > abandoned);
    user.complete(&other, &chain.calendar).await;
    assert_eq!(other.height(), Some(height.into()));
    let mut args = vec!["verify", other.proof_name(), "-f", file.name()];
    let by = chain.by_esplora();
    args.extend(by.iter().map(String::as_str));
    assert!(user.ok(&args).starts_with("Success!"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_broadcast_and_block_sends_nothing_twice() {
    let (user, chain) = (User::new(), Chain::start());
    let file = user.stamped("file", &chain.calendar);
    let sent = chain.next_tx(&[]).await;
    chain.calendar.kill9();
    chain.calendar.restart();
    chain
        .calendar
        .until("it is under way", |status| status["under_way"] == 1)
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(chain.sandbox.mempool_txids(), [sent.compute_txid()]);
    chain.calendar.kill9();
    // The block comes while nobody is there to see it.
    chain.sandbox.mine(1).unwrap();
    chain.calendar.restart();
    chain.calendar.until_anchored().await;
    user.complete(&file, &chain.calendar).await;
    assert_eq!(file.height(), Some(chain.sandbox.tip().height.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_given_out_when_its_block_is_deep_enough() {
    let (user, chain) = (User::new(), Chain::with(&["--confirmations", "3"]));
    let file = user.stamped("file", &chain.calendar);
    chain.next_tx(&[]).await;
    chain.sandbox.mine(2).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let status = chain.calendar.status().await;
    assert_eq!(
        (&status["pending"], &status["under_way"]),
        (&1.into(), &1.into())
    );
    chain.sandbox.mine(1).unwrap();
    user.complete(&file, &chain.calendar).await;
    assert_eq!(
        file.height(),
        Some(u64::from(chain.sandbox.tip().height) - 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_cannot_be_seen_is_trouble_and_no_loss() {
    let (user, chain) = (User::new(), Chain::start());
    chain.sandbox.pause_api(true);
    let file = user.stamped("file", &chain.calendar);
    let has_trouble = |status: &serde_json::Value| status["trouble"].is_string();
    chain
        .calendar
        .until("the server is away", has_trouble)
        .await;
    chain.sandbox.pause_api(false);
    let height = chain.anchor().await;
    user.complete(&file, &chain.calendar).await;
    assert_eq!(file.height(), Some(height.into()));
}
