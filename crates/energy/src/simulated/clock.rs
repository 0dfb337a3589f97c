//! A clock that is moved by hand.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::drivers::Clock;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct SimulatedClock {
    millisecond: AtomicI64,
}

impl SimulatedClock {
    /// A clock that shows a moment.
    pub fn new(start: Timestamp) -> Self {
        Self {
            millisecond: AtomicI64::new(start.as_millisecond()),
        }
    }

    /// Moves it on.
    pub fn advance(&self, seconds: f64) {
        let millis = (seconds * 1000.0).round() as i64;
        self.millisecond.fetch_add(millis, Ordering::SeqCst);
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.millisecond.load(Ordering::SeqCst)
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).unwrap_or(Timestamp::MAX)
    }
}
