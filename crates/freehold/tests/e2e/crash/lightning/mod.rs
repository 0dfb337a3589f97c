//! The same over Lightning: agents with narrowed tokens buy at another node's door, by L402, by charges and in sessions,
//! while either node is killed. What is paid is delivered, once; what isn't delivered isn't paid, or comes back.

mod books;
mod deal;
mod moments;
mod session;
mod session_books;
mod shop;
mod world;

use std::time::{Duration, Instant};

use crate::common::loudly;
use crate::common::rng::{Rng, any_seed, number};
use crate::crash::killer::{Plan, Trigger, Watch};
use crate::crash::tally::Tally;
use books::Written;
use deal::{Deal, End};
use session_books::Outage;
use world::World;

/// Half as many kills as where ecash pays: payments over Lightning take longer, and so do nodes with channels to come up.
const CRASHES: u64 = 12;
const PROBLEMS_MAX: usize = 6;
const LOST: &str = "closed by a kill";

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
        let deals = world.new_deals(&mut rng);
        let plan = Plan::of_nodes(&mut rng, usual_ms, &moments::of(&deals));
        let before = ended.len();
        if let Some(outage) = round(&world, &plan, deals, &mut ended, &mut tally).await {
            check(&world, &plan, &ended, before, &outage, &mut tally).await;
            world.replace_used_up(&ended);
        } else {
            tally.count("channels", LOST);
            if let Err(why) = world.is_sound().await {
                tally.problem(why);
            }
            ended.clear();
            world = World::new().await;
        }
    }
    ask_again(&world, &ended, &mut tally).await;
    loudly(&format!(
        "crash test over Lightning, seed {seed}: {:.0} s, usually {usual_ms} ms a deal; {}",
        start.elapsed().as_secs_f32(),
        tally.table()
    ));
    must_hold(&tally);
    world.assert_sound_up_and_down();
}

fn must_hold(tally: &Tally) {
    assert!(tally.problems.is_empty(), "{:#?}", tally.problems);
    for must in ["bought", "closed"] {
        assert!(tally.get("ends", must) > 0, "nothing was {must}");
    }
    let lost = tally.get("channels", LOST);
    assert!(lost <= 2 + tally.kills / 6, "{lost} channels were lost");
}

/// A few deals of all kinds with nobody killed: how long one takes.
async fn warm_up(
    world: &mut World,
    rng: &mut Rng,
    tally: &mut Tally,
    ended: &mut Vec<(Deal, End)>,
) -> u64 {
    let mut times = Vec::new();
    while tally.problems.is_empty()
        && (times.len() < 4 || tally.get("ends", "bought") == 0 || tally.get("ends", "closed") == 0)
    {
        for deal in world.new_deals(rng) {
            let start = Instant::now();
            match deal.conclude(world.addresses()).await {
                Ok(end) => {
                    tally.count("ends", end.name());
                    ended.push((deal, end));
                }
                Err(why) => tally.problem(why),
            }
            times.push(start.elapsed().as_millis());
        }
    }
    times.sort_unstable();
    u64::try_from(times[times.len() / 2]).unwrap().max(20)
}

/// Deals begin, somebody is killed and comes back, and every deal comes to its end; none if the kill cost the channel, for
/// then it takes blocks.
async fn round(
    world: &World,
    plan: &Plan,
    deals: Vec<Deal>,
    ended: &mut Vec<(Deal, End)>,
    tally: &mut Tally,
) -> Option<Outage> {
    let watch = Watch::new(&world.seller, &world.payer, plan.trigger);
    let begin = |deal: Deal| {
        let at = world.addresses();
        tokio::spawn(async move {
            let end = deal.conclude(at).await;
            (deal, end)
        })
    };
    let running: Vec<_> = deals.into_iter().map(begin).collect();
    tokio::task::spawn_blocking(move || watch.wait())
        .await
        .unwrap();
    let outage = kill(world, plan, running.len(), tally).await;
    if world.has_lost_channel() {
        running.iter().for_each(tokio::task::JoinHandle::abort);
        return None;
    }
    for deal in running {
        match deal.await.unwrap() {
            (deal, Ok(end)) => ended.push((deal, end)),
            (_, Err(why)) => tally.problem(format!("{why}\n  after {plan:?}")),
        }
    }
    Some(outage)
}

/// Kills, looks at what is on the disks, and brings back.
async fn kill(world: &World, plan: &Plan, running: usize, tally: &mut Tally) -> Outage {
    if let Trigger::At(moment, _) = plan.trigger {
        tally.count("watched moments", moment.name);
    }
    tally.count("victims", format!("{:?}", plan.victim));
    let killed = Instant::now();
    tally.kills += plan.kill(&world.seller, &world.payer);
    let written = Written::read(world);
    let sessions = written.sessions.states();
    for (deal, state) in written.states(running).into_iter().chain(sessions) {
        tally.count("killed when", format!("{deal}: {state}"));
    }
    tally.kills += plan.bring_back(&world.seller, &world.payer).await;
    Outage::new(plan, killed, &written.sessions)
}

/// Checks what ended since `before` by itself, and all of it together.
async fn check(
    world: &World,
    plan: &Plan,
    ended: &[(Deal, End)],
    before: usize,
    outage: &Outage,
    tally: &mut Tally,
) {
    let (problems, new) = (tally.problems.len(), &ended[before..]);
    if let Err(why) = world.rest().await {
        tally.problem(why);
    }
    ask_again(world, new, tally).await;
    let written = Written::read(world);
    for (deal, end) in new {
        let kind = format!("{}: {}", deal.protocol, end.name());
        tally.count("ends by protocol", kind);
        tally.count("ends", end.name());
        let delivered = world.shop.delivered(&deal.id);
        written.check(deal, end, delivered, tally);
        if let Some(closed) = end.closed() {
            let sessions = &written.sessions;
            sessions.check(deal, closed, delivered.into(), outage, tally);
        }
    }
    written.check_sums(world, ended, tally).await;
    if tally.problems.len() > problems {
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
        let again = deal.again(end, world.addresses());
        let again = tokio::time::timeout(Duration::from_secs(60), again);
        let again = again.await;
        tally.check(
            again.as_ref().is_ok_and(|again| again.as_ref() == Ok(end)),
            || format!("{deal:?} was {end:?}, and is {again:?}"),
        );
    }
}
