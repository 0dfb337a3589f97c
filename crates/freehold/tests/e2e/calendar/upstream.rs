//! A calendar that anchors in another calendar.

use serde_json::Value;

use crate::calendar::chain::Chain;
use crate::calendar::server::Calendar;
use crate::calendar::user::User;

fn anchored_in(url: &str) -> Calendar {
    Calendar::start(&["--upstream", url, "--interval", "1", "--tick", "0.1"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_complete_when_both_calendars_have_anchored() {
    let (user, above) = (User::new(), Calendar::start(&[]));
    let calendar = anchored_in(&above.url());
    let file = user.stamped("file", &calendar);
    user.complete(&file, &calendar).await;
    let attested = file.attested();
    // The promises of both stay beside the anchor.
    let is_anchor = |each: &node::stamps::Attestation| each.stand_in_time_unix_s().is_some();
    assert!(attested.iter().any(is_anchor), "{attested:?}");
    let text = user.ok(&["info", file.proof_name()]);
    assert!(text.contains(&calendar.url()) && text.contains(&above.url()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_the_other_calendar_waits_for_its_block_loses_nothing() {
    let (user, chain) = (User::new(), Chain::start());
    let calendar = anchored_in(&chain.calendar.url());
    let file = user.stamped("file", &calendar);
    chain.next_tx(&[]).await;
    let is_under_way = |status: &Value| status["under_way"] == 1;
    calendar.until("it was promised", is_under_way).await;
    calendar.kill9();
    chain.anchor().await;
    calendar.restart();
    user.complete(&file, &calendar).await;
    let height = file.height().unwrap();
    let mut args = vec!["verify", file.proof_name()];
    let by = chain.by_node();
    args.extend(by.iter().map(String::as_str));
    let said = user.ok(&args);
    assert!(said.starts_with(&format!("Success! Bitcoin block {height} ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_above_that_is_away_is_trouble_and_no_loss() {
    let (user, above) = (User::new(), Calendar::start(&[]));
    let calendar = anchored_in(&above.url());
    above.kill9();
    let file = user.stamped("file", &calendar);
    let has_trouble = |status: &Value| status["trouble"].is_string();
    calendar.until("it is trouble", has_trouble).await;
    above.restart();
    user.complete(&file, &calendar).await;
    assert!(calendar.status().await["trouble"].is_null());
}
