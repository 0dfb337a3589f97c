//! What is drawn, what may be drawn, and the commands that bring both together.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::event::Limit;
use super::ready::Cut;
use super::unit::{Role, Unit};
use super::{Active, Command, Controller, Mode, What};

/// Less than this is nothing, in kW.
const EPS_KW: f64 = 1e-6;

impl Controller {
    /// Total over IT power, as forecast; the worst that the site knows, without a forecast.
    pub(super) fn pue(&self) -> f64 {
        let worst = || {
            let ratios = self.site.cooling.pue.iter().map(|point| point.ratio);
            ratios.fold(1.0, f64::max)
        };
        self.conditions.map_or_else(worst, |now| now.pue)
    }

    /// The import cap, or less if the grid gives less by the forecast, in kW.
    pub(super) fn cap_kw(&self) -> f64 {
        let now = self
            .conditions
            .map_or(f64::INFINITY, |now| now.import_kw_max);
        self.site.grid.import_kw_max.min(now)
    }

    /// A sum over all machines, at the meter, in kW.
    pub(super) fn sum_kw(&self, power_w: impl Fn(&Unit) -> f64) -> f64 {
        let pue = self.pue();
        let each = self.units.iter().map(|unit| {
            let ratio = if unit.spec.role == Role::Battery {
                1.0
            } else {
                pue
            };
            power_w(unit) / 1000.0 * ratio
        });
        each.sum()
    }

    pub(super) fn is_lowering(&self, now: Timestamp) -> bool {
        let slack = self.settings.slack_seconds;
        self.units.iter().any(|unit| unit.is_lowering(now, slack))
    }

    /// What firm AI and other load may draw beside the machines, less sun and wind, in kW. Firm AI and the house may take
    /// at any moment what they have been promised; sun and wind count only as forecast, and only while the meter is
    /// believed.
    fn promised_kw(&self, now: Timestamp) -> f64 {
        let zone = self.site.zone();
        let hour = usize::from(zone.to_datetime(now).hour().unsigned_abs());
        let firm_kw = self.site.firm_kw(hour) * self.pue() + self.site.base_load_kw.at(hour);
        let own_kw = self.conditions.map_or(0.0, |now| now.pv_kw + now.wind_kw);
        if self.meter.other_kw(now).is_some() {
            firm_kw - own_kw
        } else {
            firm_kw
        }
    }

    /// The most that may be imported soon, in kW.
    fn import_kw_worst(&self, now: Timestamp) -> f64 {
        let promised_kw = self.promised_kw(now);
        let other_kw = self
            .meter
            .other_kw(now)
            .map_or(promised_kw, |other| other.max(promised_kw));
        other_kw + self.sum_kw(|unit| unit.worst_w(now, self.settings.slack_seconds))
    }

    /// What is imported as far as one knows, with commands to draw less believed until they are overdue, in kW.
    pub(super) fn import_kw_by_units(&self, now: Timestamp) -> f64 {
        let other_kw = self
            .meter
            .other_kw(now)
            .unwrap_or_else(|| self.promised_kw(now));
        other_kw + self.sum_kw(|unit| unit.worst_w(now, self.settings.slack_seconds))
    }

    /// How much is to be dropped, and for what.
    fn excess_kw(&self, now: Timestamp) -> (f64, Limit) {
        let cap_kw = self.cap_kw();
        let mut excess_kw = self.import_kw_worst(now) - cap_kw * (1.0 - self.settings.margin_share);
        // Whatever one thinks of machines: what the meter shows counts, unless they are just about to follow.
        if let Some(import_kw) = self.meter.import_kw(now).filter(|_| !self.is_lowering(now)) {
            excess_kw = excess_kw.max(import_kw - cap_kw);
        }
        let call = self
            .active
            .map(|active| self.excess_of_call_kw(now, &active));
        match call {
            Some(call_kw) if call_kw > excess_kw => (call_kw, Limit::Call),
            _ => (excess_kw, Limit::Cap),
        }
    }

    /// How much a call lacks. Once the meter should show what was dropped, it alone counts, whatever machines say.
    fn excess_of_call_kw(&self, now: Timestamp, active: &Active) -> f64 {
        // A little more than was asked for, since a meter is never still.
        let limit_kw = active.limit_kw - self.settings.margin_share * active.call.power_kw;
        let by_units_kw = self.import_kw_by_units(now) - limit_kw;
        let metered = self.meter.last().filter(|last| last.at > active.due);
        match metered.filter(|_| self.meter.distrust(now).is_none()) {
            Some(last) if last.import_kw > active.limit_kw => {
                by_units_kw.max(last.import_kw - limit_kw)
            }
            _ => by_units_kw,
        }
    }

    /// Drops what is too much, by the list that was made ahead.
    pub(super) fn cut(&mut self, now: Timestamp) -> Vec<Command> {
        let (excess_kw, limit) = self.excess_kw(now);
        if excess_kw <= EPS_KW {
            self.short_of = None;
            return Vec::new();
        }
        let within_seconds = match (limit, self.active) {
            (Limit::Call, Some(active)) => active.call.within_seconds,
            _ => f64::INFINITY,
        };
        let mut missing_kw = excess_kw;
        // A machine may be cut more than once; the last cut is the deepest.
        let mut targets: BTreeMap<usize, f64> = BTreeMap::new();
        let is_quick = |cut: &&Cut| cut.seconds <= within_seconds;
        let (quick, slow) = (self.ready.iter().filter(is_quick), self.ready.iter());
        // What is slow goes only when the quick isn't enough: late is better than not at all.
        for cut in quick.chain(slow.filter(|cut| !is_quick(cut))) {
            if missing_kw <= EPS_KW {
                break;
            }
            let unit = &self.units[cut.unit];
            let worst_w = unit.worst_w(now, self.settings.slack_seconds);
            let already_w = targets.get(&cut.unit).copied().unwrap_or(worst_w);
            // One that was told so already, and doesn't do it, saves nothing.
            if cut.to_w >= already_w - 1.0
                || unit.ordered_w() <= cut.to_w + 1.0 && unit.was_ordered()
            {
                continue;
            }
            targets.insert(cut.unit, cut.to_w);
            let saved_share = (already_w - cut.to_w) / 1000.0;
            let ratio = if unit.spec.role == Role::Battery {
                1.0
            } else {
                self.pue()
            };
            missing_kw -= saved_share * ratio;
        }
        let commands = self.give(now, &targets);
        if let Some(active) = self.active.as_mut().filter(|_| !commands.is_empty()) {
            let quick = slowest(&self.units, &commands).min(within_seconds);
            active.due = later(now, quick);
        }
        self.note_cut(now, excess_kw, missing_kw, limit, commands.len());
        commands
    }

    fn give(&mut self, now: Timestamp, targets: &BTreeMap<usize, f64>) -> Vec<Command> {
        let mut commands = Vec::with_capacity(targets.len());
        for (index, power_w) in targets {
            let unit = &mut self.units[*index];
            unit.hold_w = *power_w;
            unit.order(now, *power_w);
            commands.push(Command {
                unit: *index,
                power_w: *power_w,
            });
        }
        commands
    }

    fn note_cut(
        &mut self,
        now: Timestamp,
        excess_kw: f64,
        missing_kw: f64,
        limit: Limit,
        units: usize,
    ) {
        if units > 0 {
            self.calm_until = Some(later(now, self.settings.calm_seconds));
            let power_kw = excess_kw - missing_kw.min(excess_kw);
            self.note(
                now,
                What::Cut {
                    power_kw,
                    units,
                    limit,
                },
            );
        }
        if missing_kw <= EPS_KW {
            self.short_of = None;
        } else if self.short_of != Some(limit) && !self.is_lowering(now) {
            self.short_of = Some(limit);
            self.note(
                now,
                What::Short {
                    power_kw: missing_kw,
                    limit,
                },
            );
        }
    }

    /// Tells machines what the plan wants of them: less at once, more as far as there is room.
    pub(super) fn reconcile(&mut self, now: Timestamp) -> Vec<Command> {
        let slack = self.settings.slack_seconds;
        let is_adopting = self.mode == Mode::Adopting;
        let mut commands = Vec::new();
        for (index, unit) in self.units.iter_mut().enumerate() {
            let target_w = unit.wanted_w.min(unit.hold_w);
            let is_less = target_w <= unit.ordered_w().min(unit.seen_w()) + 1.0
                || target_w < unit.ordered_w();
            if is_less
                && (unit.was_seen() || !is_adopting)
                && unit.needs_order(now, target_w, slack)
            {
                unit.order(now, target_w);
                commands.push(Command {
                    unit: index,
                    power_w: target_w,
                });
            }
        }
        commands.extend(self.raise(now));
        commands
    }

    /// Gives room to machines that are wanted to draw more: AI first, then the battery, then miners.
    fn raise(&mut self, now: Timestamp) -> Vec<Command> {
        let is_calm = self.calm_until.is_none_or(|until| now >= until);
        if !is_calm || self.mode == Mode::Adopting || self.is_lowering(now) {
            return Vec::new();
        }
        let mut room_kw = self.room_kw(now);
        let slack = self.settings.slack_seconds;
        let mut order: Vec<usize> = (0..self.units.len()).collect();
        order.sort_by_key(|index| raise_rank(self.units[*index].spec.role));
        let mut commands = Vec::new();
        for index in order {
            let ratio = self.ratio(index);
            let unit = &mut self.units[index];
            if unit.wanted_w <= unit.hold_w {
                unit.hold_w = f64::INFINITY;
            }
            let before_w = unit.worst_w(now, slack);
            let target_w = within_room(unit, before_w, room_kw * 1000.0 / ratio);
            let is_more = target_w > unit.ordered_w().min(unit.seen_w());
            if is_more && unit.needs_order(now, target_w, slack) {
                room_kw -= (target_w - before_w).max(0.0) / 1000.0 * ratio;
                unit.hold_w = if target_w < unit.wanted_w {
                    target_w
                } else {
                    f64::INFINITY
                };
                unit.order(now, target_w);
                commands.push(Command {
                    unit: index,
                    power_w: target_w,
                });
            }
        }
        commands
    }

    fn ratio(&self, index: usize) -> f64 {
        if self.units[index].spec.role == Role::Battery {
            1.0
        } else {
            self.pue()
        }
    }

    /// How much more may be drawn, in kW. Twice the margin is left, so that what is raised isn't dropped again at once.
    fn room_kw(&self, now: Timestamp) -> f64 {
        let margin = 1.0 - 2.0 * self.settings.margin_share;
        let cap_kw = self.cap_kw() * margin - self.import_kw_worst(now);
        let call_kw = self.active.map_or(f64::INFINITY, |active| {
            let left_kw = active.limit_kw - 2.0 * self.settings.margin_share * active.call.power_kw;
            left_kw - self.import_kw_by_units(now)
        });
        cap_kw.min(call_kw)
    }
}

/// What a machine may be told with so much room, in W: what is wanted, or as much of that as fits.
fn within_room(unit: &Unit, before_w: f64, room_w: f64) -> f64 {
    if unit.wanted_w <= before_w + room_w.max(0.0) {
        return unit.wanted_w;
    }
    let part_w = before_w + room_w.max(0.0);
    let is_enough = part_w >= unit.spec.power_w_min && part_w > before_w + unit.tolerance_w();
    if unit.spec.is_tunable && is_enough {
        part_w
    } else {
        unit.ordered_w()
    }
}

const fn raise_rank(role: Role) -> u8 {
    match role {
        Role::Batch { .. } => 0,
        Role::Battery => 1,
        Role::Miner { .. } => 2,
    }
}

/// How long it takes until all of them draw less, in seconds.
fn slowest(units: &[Unit], commands: &[Command]) -> f64 {
    let each = commands
        .iter()
        .map(|command| units[command.unit].spec.lower_seconds);
    each.fold(0.0, f64::max)
}

fn later(now: Timestamp, seconds: f64) -> Timestamp {
    now.checked_add(SignedDuration::from_millis((seconds * 1000.0) as i64))
        .unwrap_or(Timestamp::MAX)
}
