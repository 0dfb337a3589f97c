//! What the controller knows of one machine: what it was told, what it was seen to draw, and what to believe.

use jiff::Timestamp;

/// What a machine does for the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Mines, as one of a group of the site.
    Miner {
        /// Which group.
        group: usize,
    },
    /// Works on batch AI.
    Batch {
        /// Which of the site's.
        job: usize,
    },
    /// Charges above zero, discharges below.
    Battery,
}

/// A machine that takes commands. Firm AI isn't one: nothing here can command it.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitSpec {
    /// What people call it.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// The least that it draws when it runs, in W; for a battery the most that it gives, below zero.
    pub power_w_min: f64,
    /// The most that it draws, in W.
    pub power_w_max: f64,
    /// Whether it can run at powers in between.
    pub is_tunable: bool,
    /// From the order to draw less until it does, in seconds.
    pub lower_seconds: f64,
    /// From the order to draw more until it does, in seconds.
    pub raise_seconds: f64,
}

/// A command: draw this much from now on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Command {
    /// Which machine, by its place in the list that the controller was made with.
    pub unit: usize,
    /// How much, in W: 0 is off, and below zero a battery gives.
    pub power_w: f64,
}

/// How much a machine is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It wasn't read yet, so it counts with the most that it can draw.
    Unknown,
    /// It does what it is told, as far as one can see.
    Good,
    /// It accepts commands and doesn't follow them, or refuses them.
    Deaf,
    /// It gives no reading any more.
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    power_w: f64,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Ordered {
    power_w: f64,
    at: Timestamp,
    has_failed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub spec: UnitSpec,
    pub health: Health,
    /// What was said of its health last.
    said: Health,
    /// What the plan wants, in W.
    pub wanted_w: f64,
    /// What it must not exceed since power was short, in W.
    pub hold_w: f64,
    ordered: Option<Ordered>,
    seen: Option<Seen>,
    tries: u32,
}

/// How often a machine is told the same before it counts as deaf.
const TRIES_MAX: u32 = 2;
/// The longest pause between two tries, in seconds.
const RETRY_SECONDS_MAX: f64 = 120.0;

impl Unit {
    pub fn new(spec: UnitSpec) -> Self {
        Self {
            spec,
            health: Health::Unknown,
            said: Health::Good,
            wanted_w: 0.0,
            hold_w: f64::INFINITY,
            ordered: None,
            seen: None,
            tries: 0,
        }
    }

    /// Differences up to this are none, in W.
    pub fn tolerance_w(&self) -> f64 {
        0.05 * self.spec.power_w_max.abs().max(-self.spec.power_w_min)
    }

    /// What it was last seen to draw, in W; the most that it can, if it never was.
    pub fn seen_w(&self) -> f64 {
        self.seen.map_or(self.spec.power_w_max, |seen| seen.power_w)
    }

    pub fn was_seen(&self) -> bool {
        self.seen.is_some()
    }

    pub fn was_ordered(&self) -> bool {
        self.ordered.is_some()
    }

    /// What it was told last, in W; what it draws, if it wasn't told anything.
    pub fn ordered_w(&self) -> f64 {
        self.ordered.map_or(self.seen_w(), |order| order.power_w)
    }

    /// Whether it draws more than standing by does.
    pub fn is_on(&self) -> bool {
        self.ordered_w().abs().max(self.seen_w().abs()) > self.tolerance_w()
    }

    /// How much more it draws than it was told to, in W. A worker that draws less has nothing to do: that is no fault.
    fn off_w(&self, told_w: f64) -> f64 {
        let off_w = self.seen_w() - told_w;
        match self.spec.role {
            Role::Batch { .. } => off_w.max(0.0),
            Role::Miner { .. } | Role::Battery => off_w,
        }
    }

    pub fn see(&mut self, now: Timestamp, power_w: f64) {
        self.seen = Some(Seen { power_w, at: now });
        if self.health == Health::Unknown || self.health == Health::Lost {
            self.health = Health::Good;
        }
        let follows = self
            .ordered
            .is_some_and(|order| self.off_w(order.power_w).abs() <= self.tolerance_w());
        if follows {
            self.tries = 0;
            self.health = Health::Good;
        }
    }

    pub fn order(&mut self, now: Timestamp, power_w: f64) {
        let is_repeated = self
            .ordered
            .is_some_and(|order| (order.power_w - power_w).abs() < 1.0);
        self.tries = if is_repeated {
            self.tries.saturating_add(1)
        } else {
            0
        };
        self.ordered = Some(Ordered {
            power_w,
            at: now,
            has_failed: false,
        });
    }

    pub fn fail(&mut self) {
        if let Some(order) = &mut self.ordered {
            order.has_failed = true;
        }
        if self.tries >= TRIES_MAX {
            self.health = Health::Deaf;
        }
    }

    /// Whether it was told to draw less, and may still be about to.
    pub fn is_lowering(&self, now: Timestamp, slack_seconds: f64) -> bool {
        self.ordered.is_some_and(|order| {
            !order.has_failed
                && order.power_w < self.seen_w() - self.tolerance_w()
                && seconds(order.at, now) < self.spec.lower_seconds + slack_seconds
        })
    }

    /// The most that it may be drawing soon, in W. An order to draw less is believed until it is overdue, an order to
    /// draw more for ever.
    pub fn worst_w(&self, now: Timestamp, slack_seconds: f64) -> f64 {
        match self.ordered {
            Some(order) if self.is_lowering(now, slack_seconds) => order.power_w,
            Some(order) => order.power_w.max(self.seen_w()),
            None => self.seen_w(),
        }
    }

    /// Whether it must be told to draw `power_w`: it wasn't yet, or it was and doesn't follow.
    pub fn needs_order(&self, now: Timestamp, power_w: f64, slack_seconds: f64) -> bool {
        let Some(order) = self.ordered else {
            return (self.seen_w() - power_w).abs() > self.tolerance_w();
        };
        if (order.power_w - power_w).abs() > 0.5 * self.tolerance_w() {
            return true;
        }
        let differs_w = self.off_w(power_w);
        let (is_off_by_much, takes_seconds) = if differs_w > 0.0 {
            (differs_w > self.tolerance_w(), self.spec.lower_seconds)
        } else {
            (
                -differs_w > self.tolerance_w(),
                2.0 * self.spec.raise_seconds,
            )
        };
        // Each try waits longer than the one before.
        let patience = (takes_seconds + slack_seconds) * f64::from(1_u32 << self.tries.min(6));
        let patience = patience.min(RETRY_SECONDS_MAX.max(takes_seconds + slack_seconds));
        (is_off_by_much || order.has_failed) && seconds(order.at, now) >= patience
    }

    /// Decides what to believe. Gives the health when it is another than was said last.
    pub fn judge(
        &mut self,
        now: Timestamp,
        slack_seconds: f64,
        lost_after_seconds: f64,
    ) -> Option<Health> {
        if self
            .seen
            .is_some_and(|seen| seconds(seen.at, now) > lost_after_seconds)
        {
            self.health = Health::Lost;
        } else if self.health == Health::Good
            && self.tries >= TRIES_MAX
            && self.is_overdue(now, slack_seconds)
        {
            self.health = Health::Deaf;
        }
        let is_news = self.health != self.said && self.health != Health::Unknown;
        if is_news {
            self.said = self.health;
        }
        is_news.then_some(self.health)
    }

    fn is_overdue(&self, now: Timestamp, slack_seconds: f64) -> bool {
        self.ordered.is_some_and(|order| {
            let differs_w = self.off_w(order.power_w);
            let takes_seconds = if differs_w > 0.0 {
                self.spec.lower_seconds
            } else {
                2.0 * self.spec.raise_seconds
            };
            differs_w.abs() > self.tolerance_w()
                && seconds(order.at, now) >= takes_seconds + slack_seconds
        })
    }
}

/// From one moment to a later one, in seconds.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.as_millisecond()) as f64 / 1000.0
}
