//! The same over Lightning: agents with narrowed tokens buy at another node's door, by L402 and by charges, while either
//! node is killed. What is paid is delivered, once; what isn't delivered isn't paid.

mod books;
mod deal;
mod shop;
mod world;

use std::time::{Duration, Instant};

use crate::common::loudly;
use crate::common::rng::{Rng, any_seed, number};
use crate::crash::killer::{Moment, Plan, Trigger, Watch, Whose, moment};
use crate::crash::tally::Tally;
use books::Written;
use deal::{Deal, End};
use world::World;

/// Half as many kills as where ecash pays: payments over Lightning take longer, and so do nodes with channels to come up.
const CRASHES: u64 = 12;
const PROBLEMS_MAX: usize = 6;

/// Where money and proofs are half moved.
const MOMENTS: [Moment; 8] = [
    moment(
        "invoice noted",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'paying'",
    ),
    moment(
        "purse pays",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM purse_payments WHERE state = 'paying'",
    ),
    moment(
        "channel pays",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM lightning_payments WHERE state = 'pending'",
    ),
    moment(
        "purse paid",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM purse_payments WHERE state = 'settled'",
    ),
    moment(
        "proof kept",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'paid'",
    ),
    moment(
        "invoice made",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM lightning_invoices",
    ),
    moment(
        "invoice paid",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM lightning_invoices WHERE received_msat > 0",
    ),
    moment(
        "call begun",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM payment_uses",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_over_lightning_is_delivered_once_whatever_is_killed() {
    let seed = number("FREEHOLD_CRASH_SEED").unwrap_or_else(any_seed);
    let crashes = number("FREEHOLD_CRASHES").map_or(CRASHES, |ecash| ecash.div_ceil(2));
    println!("FREEHOLD_CRASH_SEED={seed}, {crashes} kills");
    let (mut rng, mut tally) = (Rng::new(seed), Tally::default());
    let start = Instant::now();
    let mut world = World::new().await;
    let mut ended = Vec::new();
    let usual_ms = warm_up(&mut world, &mut rng, &mut tally, &mut ended).await;

    while tally.kills < crashes && tally.problems.len() < PROBLEMS_MAX {
        let plan = Plan::of_nodes(&mut rng, usual_ms, &MOMENTS);
        let deals = world.new_deals(&mut rng);
        let new = round(&world, &plan, deals, &mut tally).await;
        check(&world, &plan, &new, &mut tally).await;
        ended.extend(new);
        world.replace_used_up(&ended);
    }
    ask_again(&world, &ended, &mut tally).await;
    let bought = ended
        .iter()
        .filter(|(_, end)| matches!(end, End::Bought { .. }))
        .count();
    loudly(&format!(
        "crash test over Lightning, seed {seed}: {} deals, {} bought, {:.0} s, usually {usual_ms} ms each; {}",
        ended.len(),
        bought,
        start.elapsed().as_secs_f32(),
        tally.table()
    ));
    assert!(tally.problems.is_empty(), "{:#?}", tally.problems);
    assert!(bought > 0, "nothing was bought");
    world.assert_sound_up_and_down();
}

/// A few deals with nobody killed: how long one takes.
async fn warm_up(
    world: &mut World,
    rng: &mut Rng,
    tally: &mut Tally,
    ended: &mut Vec<(Deal, End)>,
) -> u64 {
    let mut times = Vec::new();
    while times.len() < 4 {
        for deal in world.new_deals(rng) {
            let start = Instant::now();
            match deal.conclude(world.addresses()).await {
                Ok(end) => ended.push((deal, end)),
                Err(why) => tally.problem(why),
            }
            times.push(start.elapsed().as_millis());
        }
    }
    times.sort_unstable();
    u64::try_from(times[times.len() / 2]).unwrap().max(20)
}

/// Deals begin, somebody is killed and comes back, and every deal comes to its end.
async fn round(
    world: &World,
    plan: &Plan,
    deals: Vec<Deal>,
    tally: &mut Tally,
) -> Vec<(Deal, End)> {
    let watch = Watch::new(&world.seller, &world.payer, plan.trigger);
    let running: Vec<_> = deals
        .into_iter()
        .map(|deal| {
            let at = world.addresses();
            tokio::spawn(async move {
                let end = deal.conclude(at).await;
                (deal, end)
            })
        })
        .collect();
    tokio::task::spawn_blocking(move || watch.wait())
        .await
        .unwrap();
    if let Trigger::At(moment, _) = plan.trigger {
        tally.count("watched moments", moment.name);
    }
    tally.count("victims", format!("{:?}", plan.victim));
    tally.kills += plan.kill(&world.seller, &world.payer);
    for (deal, state) in Written::read(world).states(running.len()) {
        tally.count("killed when", format!("{deal}: {state}"));
    }
    tally.kills += plan.bring_back(&world.seller, &world.payer).await;
    let mut ended = Vec::new();
    for deal in running {
        match deal.await.unwrap() {
            (deal, Ok(end)) => ended.push((deal, end)),
            (_, Err(why)) => tally.problem(format!("{why}\n  after {plan:?}")),
        }
    }
    ended
}

async fn check(world: &World, plan: &Plan, new: &[(Deal, End)], tally: &mut Tally) {
    let before = tally.problems.len();
    if let Err(why) = world.rest().await {
        tally.problem(why);
    }
    ask_again(world, new, tally).await;
    let written = Written::read(world);
    for (deal, end) in new {
        tally.count("ends", end.name());
        tally.count(
            "ends by protocol",
            format!("{}: {}", deal.protocol, end.name()),
        );
        written.check(deal, end, world.shop.delivered(&deal.id), tally);
    }
    written.check_sums(world, tally).await;
    if tally.problems.len() > before {
        eprintln!("  after {plan:?}, {new:?}");
    }
}

/// The same deal has the same end, for ever; and is paid once.
async fn ask_again(world: &World, ended: &[(Deal, End)], tally: &mut Tally) {
    for (deal, end) in ended {
        // What was refused may be allowed later.
        if matches!(end, End::Refused { .. }) {
            continue;
        }
        let again = tokio::time::timeout(Duration::from_secs(60), deal.conclude(world.addresses()));
        let again = again.await;
        tally.check(
            again.as_ref().is_ok_and(|again| again.as_ref() == Ok(end)),
            || format!("{deal:?} was {end:?}, and is {again:?}"),
        );
    }
}
