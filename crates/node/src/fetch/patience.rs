//! For how long a seller that has the money is asked for its answer. Pure: the time is passed in.
//!
//! By its age alone a payment would be given up whenever somebody sets the clock. So a clock that nobody sets has to agree:
//! the process's own, which begins anew with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// No answer is waited for any more when a payment is so old…
const AGE_MAX_MS: i64 = 24 * 60 * 60 * 1_000;
/// …and this process has asked for so long.
const ASKED_MAX: Duration = Duration::from_secs(6 * 60 * 60);
/// Between two rounds in the background: the first time, and at most.
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// How long the sellers of open payments have been asked in vain, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Patience(Mutex<HashMap<String, Asked>>);

#[derive(Clone, Copy, Debug)]
struct Asked {
    since: Duration,
    next: Duration,
    pause: Duration,
}

impl Patience {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A round has brought no answer. True if that was the last: the payment is `age_ms` old, and the process `uptime`.
    pub fn is_over(&self, id: &str, age_ms: i64, uptime: Duration) -> bool {
        let mut all = self.all();
        let asked = all.entry(id.to_owned()).or_insert(Asked {
            since: uptime,
            next: uptime,
            pause: PAUSE_MIN,
        });
        asked.next = uptime + asked.pause;
        asked.pause = (asked.pause * 2).min(PAUSE_MAX);
        age_ms > AGE_MAX_MS && uptime.saturating_sub(asked.since) > ASKED_MAX
    }

    /// Whether it is time for the background to ask again.
    pub fn is_due(&self, id: &str, uptime: Duration) -> bool {
        self.all().get(id).is_none_or(|asked| uptime >= asked.next)
    }

    /// Forgets all payments but these.
    pub fn keep_only(&self, open: &[String]) {
        let mut all = self.all();
        if !all.is_empty() {
            all.retain(|id, _| open.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const DAYS_3_MS: i64 = 3 * AGE_MAX_MS;

    #[test]
    fn a_clock_that_is_set_ends_nothing() {
        let patience = Patience::default();
        assert!(!patience.is_over("a", DAYS_3_MS, HOUR));
        assert!(!patience.is_over("a", DAYS_3_MS, 7 * HOUR));
        assert!(!patience.is_over("a", AGE_MAX_MS, 8 * HOUR), "it is young");
        assert!(patience.is_over("a", AGE_MAX_MS + 1, 8 * HOUR));
        assert!(
            !patience.is_over("b", DAYS_3_MS, 8 * HOUR),
            "it is new here"
        );
    }

    #[test]
    fn the_background_asks_less_and_less_often() {
        let patience = Patience::default();
        assert!(patience.is_due("a", HOUR));
        let mut pauses = Vec::new();
        let mut at = HOUR;
        for _ in 0..13 {
            patience.is_over("a", 0, at);
            let begun = at;
            while !patience.is_due("a", at) {
                at += Duration::from_secs(1);
            }
            pauses.push((at - begun).as_secs());
        }
        assert_eq!(pauses[..4], [2, 4, 8, 16]);
        assert_eq!(pauses[12], 3_600);
        patience.keep_only(&["b".to_owned()]);
        assert!(patience.is_due("a", HOUR), "it is forgotten");
    }
}
