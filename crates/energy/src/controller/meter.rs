//! The site's meter, and whether to believe it.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::unit::seconds;

/// Without a reading for so long, the meter is lost, in seconds.
const LOST_SECONDS: f64 = 15.0;
/// A meter that shows the very same value for so long is looked at, in seconds.
const STUCK_SECONDS: f64 = 8.0;
/// It is stuck if the machines' own readings have changed by this share of its value meanwhile.
const STUCK_SHARE: f64 = 0.03;
/// Samples that are kept for records of deliveries.
const SAMPLES_MAX: usize = 4096;

/// A value of the site's meter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was read.
    pub at: Timestamp,
    /// What is drawn from the grid, in kW; below zero when power is fed in.
    pub import_kw: f64,
}

/// What is wrong with a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// There is no reading, or none for some time.
    Silent,
    /// It shows the same value while the machines have changed.
    Stuck,
}

#[derive(Debug, Default)]
pub(super) struct MeterWatch {
    samples: VecDeque<Sample>,
    /// Since when it shows the same, and what the machines drew then, in kW.
    same_since: Option<(Timestamp, f64)>,
    is_stuck: bool,
    /// What the machines don't explain: firm AI and other load less sun and wind, in kW.
    other_kw: Option<f64>,
}

impl MeterWatch {
    /// Takes a reading. `units_kw` is what the machines were seen to draw, at the meter. While machines are about to draw
    /// less, their own readings lag behind, and what they don't explain seems too little: it may then only grow.
    pub fn see(&mut self, now: Timestamp, import_kw: f64, units_kw: f64, is_lowering: bool) {
        if !import_kw.is_finite() {
            return;
        }
        let is_same = self.last().is_some_and(|last| last.import_kw == import_kw);
        match self.same_since {
            Some((since, before_kw)) if is_same => {
                let has_changed =
                    (units_kw - before_kw).abs() > STUCK_SHARE * import_kw.abs().max(1e-3);
                if seconds(since, now) > STUCK_SECONDS && has_changed {
                    self.is_stuck = true;
                }
            }
            _ => {
                self.same_since = Some((now, units_kw));
                self.is_stuck = false;
            }
        }
        self.samples.push_back(Sample { at: now, import_kw });
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
        if self.is_stuck {
            self.other_kw = None;
            return;
        }
        let other_kw = import_kw - units_kw;
        self.other_kw = Some(match self.other_kw {
            Some(before_kw) if is_lowering => before_kw.max(other_kw),
            _ => other_kw,
        });
    }

    pub fn last(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.samples.iter().copied()
    }

    pub fn distrust(&self, now: Timestamp) -> Option<Distrust> {
        match self.last() {
            Some(last) if seconds(last.at, now) <= LOST_SECONDS => {
                self.is_stuck.then_some(Distrust::Stuck)
            }
            _ => Some(Distrust::Silent),
        }
    }

    /// What it shows, if it can be believed.
    pub fn import_kw(&self, now: Timestamp) -> Option<f64> {
        self.last()
            .filter(|_| self.distrust(now).is_none())
            .map(|sample| sample.import_kw)
    }

    /// What the machines don't explain, if the meter can be believed, in kW.
    pub fn other_kw(&self, now: Timestamp) -> Option<f64> {
        self.other_kw.filter(|_| self.distrust(now).is_none())
    }
}
