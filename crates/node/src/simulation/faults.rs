//! What goes wrong, and how often.

use std::cell::Cell;

use super::world::{Machine, OUTSIDE, W};

/// A rule of the node that is broken on purpose: the invariants must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A wallet that hasn't answered is taken for one that refused.
    ForgetsTheSilent,
    /// What a payment has bought isn't looked up.
    ForgetsUses,
    /// A token counts as given back when the seller refuses it.
    BelievesRefusals,
    /// Recovery takes back tokens that were handed out.
    TakesBackRecorded,
}

/// Where a computer dies, of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    Before,
    After,
}

/// In thousandths.
const DEATHS: u64 = 4;

pub(crate) struct Faults {
    pub is_on: Cell<bool>,
    pub mutation: Option<Mutation>,
}

impl Faults {
    pub fn new(mutation: Option<Mutation>) -> Self {
        Self {
            is_on: Cell::new(true),
            mutation,
        }
    }
}

impl super::world::World {
    /// Whether this goes wrong now.
    pub fn fails(&self, what: &str, permille: u64) -> bool {
        let fails = self.faults.is_on.get() && self.chance(permille);
        if fails {
            self.count(&format!("fault: {what}"));
        }
        fails
    }

    pub fn is_mutated(&self, by: Mutation) -> bool {
        self.faults.mutation == Some(by)
    }

    /// Whether the computer dies at this commit.
    pub fn death(&self, what: &str) -> Option<Death> {
        if !self.fails("crash at a persist point", DEATHS) {
            return None;
        }
        self.count(&format!("crash: {what}"));
        Some(match self.below(2) {
            0 => Death::Before,
            _ => Death::After,
        })
    }
}

/// A moment at which something has just become durable: the computer may die here.
pub(crate) async fn persist_point(world: &W, machine: Machine, what: &str) {
    if machine != OUTSIDE && world.death(what).is_some() {
        world.doom(machine, &format!("after {what}"));
        std::future::pending::<()>().await;
    }
}
