//! When and whom the killing hits.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::common::Node;
use crate::common::rng::Rng;
use crate::crash::books;

/// A moment that never comes isn't waited for longer than this.
const WATCH_MAX: Duration = Duration::from_secs(3);

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Seller,
    Payer,
    Both,
    /// Only the process that runs the seller's model.
    Engine,
}

/// One of the two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Seller,
    Payer,
}

/// Something that happens in the middle of a payment: a count that rises.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub name: &'static str,
    whose: Whose,
    file: &'static str,
    sql: &'static str,
}

pub const fn moment(
    name: &'static str,
    whose: Whose,
    file: &'static str,
    sql: &'static str,
) -> Moment {
    Moment {
        name,
        whose,
        file,
        sql,
    }
}

/// Where ecash is half moved.
pub const ECASH: [Moment; 13] = [
    moment(
        "payment reserved",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'reserved'",
    ),
    moment(
        "payment reserved ever",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments",
    ),
    moment(
        "payment paying",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'paying'",
    ),
    moment(
        "payment answered",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'answered'",
    ),
    moment(
        "payment settled",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'settled'",
    ),
    moment(
        "token in the making",
        Whose::Payer,
        "purses",
        "SELECT count(*) FROM wallet_sagas WHERE kind = 'send'",
    ),
    moment(
        "change coming in",
        Whose::Payer,
        "purses",
        "SELECT count(*) FROM wallet_sagas WHERE kind = 'receive'",
    ),
    moment(
        "sale redeeming",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM sales",
    ),
    moment(
        "token being swapped",
        Whose::Seller,
        "till",
        "SELECT count(*) FROM wallet_sagas WHERE kind = 'receive'",
    ),
    moment(
        "sale paid",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM sales WHERE state = 'paid'",
    ),
    moment(
        "change in the making",
        Whose::Seller,
        "till",
        "SELECT count(*) FROM wallet_sagas WHERE kind = 'send'",
    ),
    moment(
        "sale settled",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM sales WHERE state = 'settled'",
    ),
    moment(
        "mint at work",
        Whose::Seller,
        "mint",
        "SELECT count(*) FROM saga_state",
    ),
];

/// When the killing begins.
#[derive(Clone, Copy, Debug)]
pub enum Trigger {
    After(Duration),
    At(Moment, Duration),
}

/// One round's killing.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub victim: Victim,
    pub trigger: Trigger,
    /// Killed again so long after its start, while it recovers.
    pub again: Option<Duration>,
    /// Who comes back first, and how much later the other.
    pub payer_first: bool,
    pub gap: Duration,
}

impl Plan {
    /// Half of the moments are drawn from the time that a request takes, half from the places
    /// where money is half moved.
    pub fn new(rng: &mut Rng, usual_ms: u64, moments: &[Moment]) -> Self {
        let victim = match rng.within(0, 100) {
            0..40 => Victim::Seller,
            40..76 => Victim::Payer,
            76..92 => Victim::Both,
            _ => Victim::Engine,
        };
        let trigger = match rng.within(0, 100) {
            0..15 => Trigger::After(rng.pause((usual_ms / 5).max(1))),
            15..45 => Trigger::After(rng.pause(usual_ms * 6 / 5)),
            _ => Trigger::At(rng.pick(moments), rng.pause(8)),
        };
        let early = rng.chance(50);
        let again = rng.pause(if early { 120 } else { 900 });
        let late = rng.chance(25);
        Self {
            victim,
            trigger,
            again: rng.chance(25).then_some(again),
            payer_first: rng.chance(50),
            gap: rng.pause(if late { 1_200 } else { 100 }),
        }
    }

    /// The same where there is no model whose process could be killed.
    pub fn of_nodes(rng: &mut Rng, usual_ms: u64, moments: &[Moment]) -> Self {
        let mut plan = Self::new(rng, usual_ms, moments);
        if plan.victim == Victim::Engine {
            plan.victim = Victim::Both;
        }
        plan
    }

    /// Whether this node is killed.
    pub fn hits(&self, whose: Whose) -> bool {
        match self.victim {
            Victim::Seller => whose == Whose::Seller,
            Victim::Payer => whose == Whose::Payer,
            Victim::Both => true,
            Victim::Engine => false,
        }
    }

    /// Kills; how many.
    pub fn kill(&self, seller: &Node, payer: &Node) -> u64 {
        let hit = [(Whose::Seller, seller), (Whose::Payer, payer)];
        let hit = hit.into_iter().filter(|(whose, _)| self.hits(*whose));
        hit.map(|(_, node)| node.kill9()).count() as u64
    }

    /// Starts what was killed; how often it was killed again meanwhile.
    pub async fn bring_back(&self, seller: &Node, payer: &Node) -> u64 {
        let one = async |whose, node| {
            if self.payer_first != (whose == Whose::Payer) {
                tokio::time::sleep(self.gap).await;
            }
            match self.hits(whose) {
                true => bring_back(node, self.again).await,
                false => 0,
            }
        };
        let (a, b) = tokio::join!(one(Whose::Seller, seller), one(Whose::Payer, payer));
        a + b
    }
}

/// Gets ready to see the moment, so that nothing has to be opened when it comes.
pub struct Watch {
    trigger: Trigger,
    database: Option<Connection>,
    before: i64,
}

impl Watch {
    pub fn new(seller: &Node, payer: &Node, trigger: Trigger) -> Self {
        let mut watch = Self {
            trigger,
            database: None,
            before: 0,
        };
        if let Trigger::At(moment, _) = trigger {
            let node = match moment.whose {
                Whose::Seller => seller,
                Whose::Payer => payer,
            };
            let path = node
                .home()
                .network_dir()
                .join(format!("{}.db", moment.file));
            watch.database = Some(books::open(&path).unwrap());
            watch.before = watch.count(moment).unwrap();
        }
        watch
    }

    /// Waits for the moment, or for as long as anybody would.
    pub fn wait(self) {
        let (moment, delay) = match self.trigger {
            Trigger::After(delay) => return std::thread::sleep(delay),
            Trigger::At(moment, delay) => (moment, delay),
        };
        let deadline = Instant::now() + WATCH_MAX;
        while Instant::now() < deadline {
            // A count that can't be had right now is had the next time.
            match self.count(moment) {
                Ok(count) if count > self.before => break,
                _ => std::thread::sleep(Duration::from_micros(300)),
            }
        }
        std::thread::sleep(delay);
    }

    fn count(&self, moment: Moment) -> rusqlite::Result<i64> {
        let database = self.database.as_ref().unwrap();
        let mut statement = database.prepare_cached(moment.sql)?;
        statement.query_row([], |row| row.get(0))
    }
}

/// SIGKILL to a process that may be gone already.
pub fn kill_process(pid: u64) {
    let mut kill = Command::new("kill");
    let kill = kill.args(["-KILL", &pid.to_string()]).stderr(Stdio::null());
    kill.status().unwrap();
}

/// Starts a node that was killed; how often it was killed again meanwhile.
async fn bring_back(node: &Node, again: Option<Duration>) -> u64 {
    let mut kills = 0;
    if let Some(pause) = again {
        node.respawn();
        tokio::time::sleep(pause).await;
        node.kill9();
        kills += 1;
    }
    node.restart().await;
    kills
}
