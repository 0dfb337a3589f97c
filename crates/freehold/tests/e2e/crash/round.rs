//! One round: requests begin, somebody is killed and comes back, and everything must end well.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::common::rng::Rng;
use crate::crash::books::{self, Purse};
use crate::crash::killer::{self, Plan, Trigger, Victim, Watch, Whose, kill_process};
use crate::crash::reply::Outcome;
use crate::crash::request::{Request, Way};
use crate::crash::tally::Tally;
use crate::crash::verify::Written;
use crate::crash::world::{World, keep};

/// A model's process that outlives its node would keep its memory.
const ORPHAN_WITHIN: Duration = Duration::from_secs(10);

type Ended = (Request, Outcome);
type Running = JoinHandle<(Request, Result<Outcome, String>)>;

pub struct Round {
    plan: Plan,
    requests: Vec<Request>,
    /// How long after the round's start each begins.
    starts: Vec<Duration>,
}

impl Round {
    pub async fn new(world: &mut World, rng: &mut Rng, usual_ms: u64) -> Self {
        let requests = world.new_requests(rng).await;
        Self {
            starts: requests.iter().map(|_| rng.pause(40)).collect(),
            plan: Plan::new(rng, usual_ms, &killer::ECASH),
            requests,
        }
    }

    /// What became of each request.
    pub async fn run(self, world: &mut World, tally: &mut Tally) -> Vec<Ended> {
        let engine = world.engine_pid().await;
        let watch = Watch::new(&world.seller, &world.payer, self.plan.trigger);
        let running = self.begin(world);
        tokio::task::spawn_blocking(move || watch.wait())
            .await
            .unwrap();
        self.kill(engine, world, tally).await;

        let mut ended = Vec::new();
        for request in running {
            match request.await.unwrap() {
                (request, Ok(outcome)) => ended.push((request, outcome)),
                (_, Err(why)) => tally.problem(why),
            }
        }
        self.rest(world, tally).await;
        let problems = tally.problems.len();
        check(&ended, world, tally).await;
        if tally.problems.len() > problems {
            keep(world, problems);
            eprintln!("  after {:?}, {:?}", self.plan, self.requests);
            tally.is_spoilt = true;
        }
        if ended.iter().any(|(_, outcome)| used_up(outcome)) {
            world.new_budget().await;
        }
        ended
    }

    fn begin(&self, world: &World) -> Vec<Running> {
        let pairs = self.requests.iter().zip(&self.starts);
        let tasks = pairs.map(|(request, start)| {
            let (request, start, at) = (request.clone(), *start, world.addresses.clone());
            tokio::spawn(async move {
                tokio::time::sleep(start).await;
                let outcome = request.conclude(&at).await;
                (request, outcome)
            })
        });
        tasks.collect()
    }

    async fn kill(&self, engine: Option<u64>, world: &World, tally: &mut Tally) {
        let plan = &self.plan;
        if let Trigger::At(moment, _) = plan.trigger {
            tally.count("watched moments", moment.name);
        }
        tally.count("victims", format!("{:?}", plan.victim));
        if plan.victim == Victim::Engine {
            if let Some(pid) = engine {
                kill_process(pid);
            }
            return;
        }
        tally.kills += plan.kill(&world.seller, &world.payer);
        self.note_states(world, tally);
        tally.kills += plan.bring_back(&world.seller, &world.payer).await;
        if let Some(pid) = engine.filter(|_| plan.hits(Whose::Seller)) {
            tally.check(is_gone(pid).await, || {
                format!("the model's process {pid} lives on")
            });
        }
    }

    /// How far everything was when it was cut off.
    fn note_states(&self, world: &World, tally: &mut Tally) {
        let written = Written::read(world).unwrap();
        let hits_seller = self.plan.hits(Whose::Seller);
        let hits_payer = self.plan.hits(Whose::Payer);
        for request in &self.requests {
            let (payment, sale) = written.states(request);
            let kind = request.kind();
            if hits_payer && matches!(request.way, Way::Fetch { .. }) {
                tally.count("payer killed, the payment", format!("{kind}: {payment}"));
            }
            if hits_seller && !matches!(request.way, Way::Call { .. }) {
                tally.count("seller killed, the sale", format!("{kind}: {sale}"));
            }
        }
        let seller = World::network_dir(&world.seller);
        let payer = World::network_dir(&world.payer);
        let half_done = [
            (
                hits_payer,
                "payer's purses",
                Purse::open(&payer, "purses").and_then(|p| p.operations()),
            ),
            (
                hits_seller,
                "seller's till",
                Purse::open(&seller, "till").and_then(|p| p.operations()),
            ),
            (hits_seller, "mint", books::mint_operations(&seller)),
        ];
        for (hit, whose, operations) in half_done {
            for operation in operations.unwrap().iter().filter(|_| hit) {
                tally.count(
                    "half done in the killed node's",
                    format!("{whose}: {operation}"),
                );
            }
        }
    }

    /// Both nodes must settle by themselves. If they don't, a restart shows whether the money
    /// is only stuck or gone.
    async fn rest(&self, world: &World, tally: &mut Tally) {
        let Err(why) = world.rest().await else {
            return;
        };
        keep(world, tally.problems.len());
        let plan = &self.plan;
        tally.problem(format!("{why}\n  after {plan:?}, {:?}", self.requests));
        for node in [&world.seller, &world.payer] {
            node.kill9();
            node.restart().await;
        }
        match world.rest().await {
            Ok(()) => tally.problem("…which restarting both nodes mended"),
            Err(why) => {
                tally.problem(format!("…and restarting didn't help: {why}"));
                tally.is_spoilt = true;
            }
        }
    }
}

/// Each request's end is the same for everybody, also when asked again; and all sums are right.
async fn check(ended: &[Ended], world: &World, tally: &mut Tally) {
    for (request, outcome) in ended {
        let end = match outcome {
            Outcome::Voided | Outcome::Refunded { .. } => "voided or refunded",
            other => other.name(),
        };
        tally.count("ends", end);
        tally.count(
            "ends by kind",
            format!("{}: {}", request.kind(), outcome.name()),
        );
        if let (Way::Pay { .. }, Some(change)) = (&request.way, outcome.change()) {
            let redeemed = world.outsider.try_redeem(change).await;
            tally.check(redeemed.is_ok(), || {
                format!("change of {request:?}: {redeemed:?}")
            });
        }
    }
    ask_all_again(ended, world, tally).await;
    let written = Written::read(world).unwrap();
    for (request, outcome) in ended {
        written.check(request, outcome, tally);
    }
    written.check_sums(world, tally).await;
}

/// The same request gets the same end, for ever.
pub async fn ask_all_again(ended: &[Ended], world: &World, tally: &mut Tally) {
    for (request, outcome) in ended {
        // A refused payment may be allowed later, and a call is a new one each time.
        if matches!(request.way, Way::Call { .. }) || matches!(outcome, Outcome::Refused { .. }) {
            continue;
        }
        let again = request.conclude(&world.addresses).await;
        tally.check(again.as_ref() == Ok(outcome), || {
            format!("{request:?} was {outcome:?}, and is {again:?}")
        });
    }
}

/// A few requests with nobody killed: how long one takes.
pub async fn warm_up(world: &mut World, rng: &mut Rng, tally: &mut Tally) -> u64 {
    let mut times = Vec::new();
    let mut ended = Vec::new();
    while times.len() < 6 {
        for request in world.new_requests(rng).await {
            let start = Instant::now();
            match request.conclude(&world.addresses).await {
                Ok(outcome) => ended.push((request, outcome)),
                Err(why) => tally.problem(why),
            }
            times.push(start.elapsed().as_millis());
        }
    }
    if let Err(why) = world.rest().await {
        tally.problem(why);
    }
    check(&ended, world, tally).await;
    times.sort_unstable();
    u64::try_from(times[times.len() / 2]).unwrap().max(20)
}

fn used_up(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { code } if code != "budget_per_payment")
}

async fn is_gone(pid: u64) -> bool {
    let deadline = Instant::now() + ORPHAN_WITHIN;
    while is_alive(pid) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// Dead but not reaped yet counts as gone.
fn is_alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_some_and(|state| !state.starts_with('Z'))
}
