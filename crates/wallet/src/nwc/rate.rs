//! How fast a connection may ask: a bucket of tokens. Pure; the clock is passed in.

use super::limits::{REQUESTS_BURST, REQUESTS_PER_S};

/// Tokens are counted in thousandths, so that a fraction of a second counts too.
const SCALE: u64 = 1_000;

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Serve it.
    Fine,
    /// Tell the client that it is too fast.
    TooFast,
    /// It has been told a moment ago: an answer to each would be work too.
    Ignore,
}

/// One connection's bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateLimit {
    milli_tokens: u64,
    filled_ms: u64,
    told_ms: Option<u64>,
}

impl RateLimit {
    /// A full bucket.
    pub fn new(now_ms: u64) -> Self {
        Self {
            milli_tokens: u64::from(REQUESTS_BURST) * SCALE,
            filled_ms: now_ms,
            told_ms: None,
        }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now_ms: u64) -> Pace {
        // A clock that was set back fills nothing, and doesn't stop the filling either.
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        self.filled_ms = now_ms;
        self.milli_tokens = self
            .milli_tokens
            .saturating_add(passed_ms.saturating_mul(u64::from(REQUESTS_PER_S)))
            .min(u64::from(REQUESTS_BURST) * SCALE);
        if self.milli_tokens >= SCALE {
            self.milli_tokens -= SCALE;
            return Pace::Fine;
        }
        let is_told = self
            .told_ms
            .is_some_and(|told_ms| now_ms.abs_diff(told_ms) < 1_000);
        if is_told {
            return Pace::Ignore;
        }
        self.told_ms = Some(now_ms);
        Pace::TooFast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_fine_and_then_it_is_so_many_a_second() {
        let mut limit = RateLimit::new(5_000);
        for _ in 0..REQUESTS_BURST {
            assert_eq!(limit.take(5_000), Pace::Fine);
        }
        assert_eq!(limit.take(5_000), Pace::TooFast);
        assert_eq!(limit.take(5_100), Pace::Ignore);
        for _ in 0..REQUESTS_PER_S {
            assert_eq!(limit.take(6_100), Pace::Fine);
        }
        assert_eq!(limit.take(6_100), Pace::TooFast);
    }

    #[test]
    fn a_clock_set_back_neither_fills_nor_blocks_it() {
        let mut limit = RateLimit::new(1_000_000);
        for _ in 0..REQUESTS_BURST {
            limit.take(1_000_000);
        }
        assert_eq!(limit.take(10), Pace::TooFast);
        assert_eq!(limit.take(1_010), Pace::Fine);
    }
}
