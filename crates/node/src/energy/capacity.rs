//! How much of the answering others may use at once, as the site's power allows.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use energy::Timestamp;
use energy::drivers::Throttle;

use crate::error::{NodeError, Result};

/// What is said when nobody knows when there will be power again, in seconds.
const LATER_S: u64 = 300;
/// The longest that anybody is sent away for, in seconds.
const LATER_S_MAX: u64 = 86_400;

/// Places for the answers that others get. As many as there is power for; without a site, as many as are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Capacity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: AtomicU32,
    busy: AtomicU32,
    busy_ms: AtomicU64,
    /// When there will be more power, if there is too little.
    short_until: Mutex<Option<Timestamp>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            places: AtomicU32::new(u32::MAX),
            busy: AtomicU32::new(0),
            busy_ms: AtomicU64::new(0),
            short_until: Mutex::new(None),
        }
    }
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Shared>,
    since: Instant,
}

impl Capacity {
    /// Takes a place.
    ///
    /// # Errors
    /// `power_short` when there is none: nothing was taken, and nothing else is wrong.
    pub fn enter(&self, now: Timestamp) -> Result<Place> {
        let of = &self.0;
        let more = |busy: u32| (busy < of.places.load(Ordering::Relaxed)).then_some(busy + 1);
        match of
            .busy
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        {
            Ok(_) => Ok(Place {
                of: of.clone(),
                since: Instant::now(),
            }),
            Err(_) => Err(NodeError::PowerShort {
                retry_after_s: self.later_s(now),
            }),
        }
    }

    /// Says when there will be more power, if there is too little now.
    pub fn set_short_until(&self, until: Option<Timestamp>) {
        *self
            .0
            .short_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// For how long places were taken since this was asked last, in milliseconds.
    pub fn take_busy_ms(&self) -> u64 {
        self.0.busy_ms.swap(0, Ordering::Relaxed)
    }

    fn later_s(&self, now: Timestamp) -> u64 {
        let until = *self
            .0
            .short_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let left_s = until.map(|until| until.as_second() - now.as_second());
        let left_s = left_s.and_then(|left_s| u64::try_from(left_s).ok());
        left_s
            .filter(|left_s| *left_s > 0)
            .map_or(LATER_S, |left_s| left_s.min(LATER_S_MAX))
    }
}

impl Throttle for Capacity {
    fn slots(&self) -> u32 {
        self.0.places.load(Ordering::Relaxed)
    }

    fn set_slots(&self, slots: u32) {
        self.0.places.store(slots, Ordering::Relaxed);
    }

    fn busy(&self) -> u32 {
        self.0.busy.load(Ordering::Relaxed)
    }

    fn measured_power_w(&self) -> Option<f64> {
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(0);
        self.of.busy_ms.fetch_add(ms, Ordering::Relaxed);
        self.of.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn nobody_is_sent_away_without_a_site() {
        let capacity = Capacity::default();
        let places: Vec<Place> = (0..100).map(|_| capacity.enter(at(0)).unwrap()).collect();
        assert_eq!(capacity.busy(), 100);
        drop(places);
        assert_eq!(capacity.busy(), 0);
    }

    #[test]
    fn whoever_comes_when_power_is_short_is_told_when_to_come_back() {
        let capacity = Capacity::default();
        let before = capacity.enter(at(0)).unwrap();
        capacity.set_slots(1);
        let refused = |now: i64| match capacity.enter(at(now)) {
            Err(error) => (error.code().to_owned(), error.retry_after_s()),
            Ok(_) => (String::new(), None),
        };
        let short = |later_s| ("power_short".to_owned(), Some(later_s));
        assert_eq!(refused(100), short(300), "nobody knows when");
        capacity.set_short_until(Some(at(1_000)));
        assert_eq!(refused(100), short(900));
        assert_eq!(refused(1_000), short(300), "it should be over");
        assert_eq!(refused(-200_000), short(86_400));
        // Power for none: what has begun goes on.
        capacity.set_slots(0);
        assert_eq!(capacity.busy(), 1);
        drop(before);
        assert_eq!(refused(100).0, "power_short");
        capacity.set_slots(1);
        assert_eq!(refused(100).0, "");
    }
}
