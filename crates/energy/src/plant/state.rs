//! What the plant carries from one step to the next.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Step;
use crate::site::{BatchAi, Site};

/// What the plant carries from one step to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// What is in the battery, in kWh.
    pub battery_kwh: f64,
    /// Each group of miners.
    pub groups: Vec<GroupState>,
    /// Each batch AI.
    pub batch: Vec<BatchState>,
    /// The highest import of the month, in kW.
    pub peak_kw: f64,
    /// The local month that `peak_kw` belongs to, by its first day.
    pub month: Option<Date>,
}

/// A group of miners.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupState {
    /// How many run.
    pub units: u32,
    /// Which of them must run on.
    pub locks: Vec<Lock>,
}

impl GroupState {
    /// How many must run on at a moment, since they were started only now.
    pub fn locked(&self, now: Timestamp) -> u32 {
        let locked = self
            .locks
            .iter()
            .filter(|lock| lock.until > now)
            .map(|lock| lock.units)
            .sum::<u32>();
        locked.min(self.units)
    }
}

/// Machines that must run until a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// How many.
    pub units: u32,
    /// Until when.
    pub until: Timestamp,
}

/// The work of a batch AI that is at hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchState {
    /// What is left to do, in kWh.
    pub remaining_kwh: f64,
    /// By when.
    pub due: Timestamp,
}

impl State {
    /// The state before anything ran: battery half full, miners off, and of each day's work what falls to the rest of
    /// the day.
    pub fn new(site: &Site, start: Timestamp) -> Self {
        let zone = site.zone();
        let batch = site.ai.batch.iter().map(|batch| {
            let due = next_due(start, batch, &zone);
            let share = (hours_between(start, due) / 24.0).min(1.0);
            BatchState {
                remaining_kwh: batch.energy_kwh_per_day * share,
                due,
            }
        });
        Self {
            battery_kwh: site
                .battery
                .as_ref()
                .map_or(0.0, |b| f64::midpoint(b.energy_kwh, b.energy_kwh_min)),
            groups: vec![GroupState::default(); site.miners.len()],
            batch: batch.collect(),
            peak_kw: 0.0,
            month: None,
        }
    }

    /// The state as it will be when something begins at a moment: with the day's new work and the month's new peak. What
    /// was missed is booked by the step itself.
    pub fn as_of(&self, site: &Site, now: Timestamp) -> Self {
        let mut turned = self.clone();
        turned.turn(site, now);
        turned
    }

    /// Turns to a step's day and month. Gives the work that wasn't done by its deadline, in kWh for each batch AI.
    pub(super) fn begin(&mut self, site: &Site, step: &Step) -> Vec<f64> {
        self.turn(site, step.start)
    }

    fn turn(&mut self, site: &Site, now: Timestamp) -> Vec<f64> {
        let zone = site.zone();
        let month = month_of(now, &zone);
        if self.month != Some(month) {
            self.month = Some(month);
            self.peak_kw = 0.0;
        }
        for group in &mut self.groups {
            group.locks.retain(|lock| lock.until > now);
        }
        let batches = site.ai.batch.iter().zip(&mut self.batch);
        batches
            .map(|(batch, state)| state.begin(batch, now, &zone))
            .collect()
    }
}

impl BatchState {
    fn begin(&mut self, batch: &BatchAi, now: Timestamp, zone: &TimeZone) -> f64 {
        if now < self.due {
            return 0.0;
        }
        let missed_kwh = self.remaining_kwh;
        *self = Self {
            remaining_kwh: batch.energy_kwh_per_day,
            due: next_due(now, batch, zone),
        };
        missed_kwh
    }
}

/// The next moment after `now` at which a day's work is due.
pub(crate) fn next_due(now: Timestamp, batch: &BatchAi, zone: &TimeZone) -> Timestamp {
    let today = zone.to_datetime(now).date();
    let hour = i8::try_from(batch.due_hour).unwrap_or(0);
    let due = |days: i64| {
        let date = today.checked_add(days.days()).ok()?;
        date.at(hour, 0, 0, 0)
            .to_zoned(zone.clone())
            .ok()
            .map(|due| due.timestamp())
    };
    [0, 1, 2]
        .into_iter()
        .filter_map(due)
        .find(|due| *due > now)
        .unwrap_or(Timestamp::MAX)
}

/// The first day of the local month.
pub(crate) fn month_of(moment: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(moment).date().first_of_month()
}

/// From one moment to another, in hours; not less than zero.
pub(crate) fn hours_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_second().saturating_sub(from.as_second()).max(0)) as f64 / 3600.0
}
