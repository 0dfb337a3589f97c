//! Kills nodes with SIGKILL in the middle of paid requests, again and again, and checks that no
//! sat is lost, made or spent twice.
//!
//! A seller (with the mint and the model) and a payer (whose agent has a tight budget) are
//! killed at random moments of fetches, of payments by an outsider and of purse calls: alone,
//! together, again during recovery, and sometimes only the model's process. Half of the moments
//! are drawn from the time that a request takes; for the other half the test watches the nodes'
//! databases, and kills within milliseconds of a change of state, because the places where money
//! is half moved are short.
//!
//! `FREEHOLD_CRASHES` says how many kills (24 by default, 200 in `make crash`), and
//! `FREEHOLD_CRASH_SEED` repeats a run's choices; the moments themselves depend on the machine.

mod books;
mod killer;
mod lightning;
mod reply;
mod request;
mod round;
mod tally;
mod verify;
mod world;

use std::time::Instant;

use crate::common::rng::{Rng, any_seed, number};
use round::Round;
use tally::Tally;
use world::World;

const CRASHES: u64 = 24;
/// So many problems are enough to look for their cause.
const PROBLEMS_MAX: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_paid_request_is_answered_or_refunded_whatever_is_killed() {
    let seed = number("FREEHOLD_CRASH_SEED").unwrap_or_else(any_seed);
    let crashes = number("FREEHOLD_CRASHES").unwrap_or(CRASHES);
    let Some(mut world) = World::new().await else {
        return;
    };
    println!("FREEHOLD_CRASH_SEED={seed} FREEHOLD_CRASHES={crashes}");
    let mut rng = Rng::new(seed);
    let mut tally = Tally::default();
    let start = Instant::now();
    let usual_ms = round::warm_up(&mut world, &mut rng, &mut tally).await;

    let mut ended = Vec::new();
    while tally.kills < crashes && tally.problems.len() < PROBLEMS_MAX {
        let round = Round::new(&mut world, &mut rng, usual_ms).await;
        ended.extend(round.run(&mut world, &mut tally).await);
        if std::mem::take(&mut tally.is_spoilt) {
            ended.clear();
            world = World::new().await.unwrap();
        }
    }
    round::ask_all_again(&ended, &world, &mut tally).await;
    verify::check_operations(&world, &mut tally).await;
    check_by_command(&world, &mut tally);

    crate::common::loudly(&format!(
        "crash test, seed {seed}: {} requests, {:.0} s, usually {usual_ms} ms each; {}",
        ended.len(),
        start.elapsed().as_secs_f32(),
        tally.table()
    ));
    assert!(tally.problems.is_empty(), "{:#?}", tally.problems);
    for must in ["answered", "voided or refunded"] {
        assert!(
            crashes < CRASHES || tally.get("ends", must) > 0,
            "no request was {must}"
        );
    }
}

/// `freehold ledger check`, with the nodes up and then with each of them down.
fn check_by_command(world: &World, tally: &mut Tally) {
    let mut check = |what: &str, node: &crate::common::Node| {
        let output = node.cli(&["ledger", "check", "--json"]);
        let audit: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let is_sound = audit["sound"] == true
            && audit["sum_msat"] == 0
            && audit["in_flight"] == 0
            && audit["pending"] == 0
            && audit["ecash_booked_sat"] == audit["ecash_held_sat"];
        tally.check(output.status.success() && is_sound, || {
            format!("ledger check, {what}: {}", crate::common::told(&output))
        });
    };
    check("seller up", &world.seller);
    check("payer up", &world.payer);
    world.payer.kill9();
    check("payer down", &world.payer);
    world.seller.kill9();
    check("seller down", &world.seller);
}
