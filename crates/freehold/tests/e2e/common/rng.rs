//! Chance that can be repeated: everything random in the test comes from one seed.

use std::env;
use std::time::{Duration, SystemTime};

/// SplitMix64: small, and good enough to pick moments.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `from` on, below `to`.
    pub fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.within(0, 100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.next() % from.len() as u64;
        from[usize::try_from(index).unwrap()]
    }

    /// A pause of less than `max_ms`.
    pub fn pause(&mut self, max_ms: u64) -> Duration {
        Duration::from_micros(self.within(0, max_ms * 1_000))
    }
}

/// A number that the environment sets.
pub fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

/// A seed for a run that repeats none.
pub fn any_seed() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_secs() ^ u64::from(since.subsec_nanos())
}
