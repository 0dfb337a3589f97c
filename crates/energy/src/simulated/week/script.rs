//! What goes wrong in the week, and when.

use std::sync::atomic::Ordering;

use super::place::Place;
use crate::controller::UnitSpec;
use crate::simulated::Fault;

/// Something that happens at an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A machine breaks, or is mended.
    Machine(usize, Fault),
    /// The meter shows one value from now on, or the truth again.
    MeterStuck(bool),
    /// The plug ignores commands, or heeds them again.
    PlugDeaf(bool),
    /// No plan is made, or plans are made again.
    PlanLost(bool),
    /// The feed of prices doesn't answer, or does again.
    PricesLost(bool),
    /// The controller is killed when half of its commands are sent, and begins anew.
    Killed,
    /// The grid calls.
    Call,
}

const SCRIPT: [(usize, Action); 26] = [
    (5, Action::Machine(1, Fault::Deaf)),
    (8, Action::Call),
    (10, Action::Machine(1, Fault::None)),
    (12, Action::Machine(2, Fault::Dead)),
    (13, Action::Call),
    (16, Action::Machine(2, Fault::None)),
    (18, Action::MeterStuck(true)),
    (21, Action::MeterStuck(false)),
    (22, Action::Killed),
    // The rest of the last plan would do for a day; a controller that begins anew has none.
    (26, Action::PlanLost(true)),
    (27, Action::Killed),
    (30, Action::PlanLost(false)),
    (34, Action::Machine(3, Fault::Lies)),
    (35, Action::Call),
    (40, Action::Machine(3, Fault::None)),
    (46, Action::PricesLost(true)),
    (54, Action::PricesLost(false)),
    (60, Action::Machine(4, Fault::Slow)),
    (61, Action::Call),
    (66, Action::Machine(4, Fault::None)),
    (72, Action::PlugDeaf(true)),
    (80, Action::PlugDeaf(false)),
    (90, Action::Machine(9, Fault::Refuses)),
    (100, Action::Machine(9, Fault::None)),
    (120, Action::Killed),
    (140, Action::Call),
];

/// What happens at an hour.
pub(super) fn at(hour: usize) -> impl Iterator<Item = Action> {
    SCRIPT
        .into_iter()
        .filter(move |(at, _)| *at == hour)
        .map(|(_, action)| action)
}

impl Action {
    /// The same for a place with other machines; `None` where there is nothing that it could befall.
    pub fn befalls(self, place: &Place) -> Option<Self> {
        match self {
            Self::Machine(index, fault) => {
                let index = index.checked_rem(place.machines.len())?;
                Some(Self::Machine(index, fault))
            }
            Self::PlugDeaf(_) => (place.broker.plugs() > 0).then_some(self),
            other => Some(other),
        }
    }

    /// Does it, as far as it is the place's.
    pub fn happen(self, place: &Place) {
        match self {
            Self::Machine(index, fault) => place.machines[index].set_fault(fault),
            Self::MeterStuck(is_stuck) => place.is_meter_stuck.store(is_stuck, Ordering::Relaxed),
            Self::PlugDeaf(is_deaf) => place.broker.set_deaf(0, is_deaf),
            Self::PlanLost(_) | Self::PricesLost(_) | Self::Killed | Self::Call => {}
        }
    }

    /// In words, with the names of the machines, and how much less the grid calls for.
    pub fn text(self, names: &[UnitSpec], call_kw: f64) -> String {
        match self {
            Self::Machine(index, Fault::None) => format!("{} is mended", names[index].name),
            Self::Machine(index, fault) => {
                let what = match fault {
                    Fault::Dead => "answers no more",
                    Fault::Refuses => "refuses commands",
                    Fault::Deaf => "ignores commands",
                    Fault::Lies => "ignores commands and claims to follow them",
                    Fault::Slow => "takes ten times as long",
                    Fault::None => "is mended",
                };
                format!("{} {what}", names[index].name)
            }
            Self::MeterStuck(true) => "the meter is stuck at one value".into(),
            Self::MeterStuck(false) => "the meter shows the truth again".into(),
            Self::PlugDeaf(true) => "the plug ignores commands".into(),
            Self::PlugDeaf(false) => "the plug heeds commands again".into(),
            Self::PlanLost(true) => "plans are made no more".into(),
            Self::PlanLost(false) => "plans are made again".into(),
            Self::PricesLost(true) => "the feed of prices doesn't answer".into(),
            Self::PricesLost(false) => "the feed of prices answers again".into(),
            Self::Killed => "the controller is killed in the middle of its commands".into(),
            Self::Call => {
                format!("the grid calls: {call_kw:.1} kW less for half an hour, in five minutes")
            }
        }
    }
}
