//! What may be known ahead, and guesses at the rest. A forecaster sees a [`View`], which holds nothing of the future but
//! what was published.

mod persistence;
mod prices;
mod sun;

pub use persistence::{Drift, Hold, Persistence};
pub use prices::PriceDrift;
pub use sun::Sun;

/// The hours of a day.
pub(crate) const DAY: usize = 24;

/// What is known at a moment.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The values known so far, by the hour and oldest first. They may reach beyond now (published prices), end with now,
    /// or have stopped long ago (a feed that broke).
    pub known: &'a [f64],
    /// The place of the current hour in `known`, or beyond it.
    pub now: usize,
}

impl View<'_> {
    /// The value of an hour: as known, or as on the last day of which that hour is known, or the last one known.
    pub fn like_yesterday(&self, hour: usize) -> f64 {
        let behind = (hour + 1).saturating_sub(self.known.len()).div_ceil(DAY) * DAY;
        let value = hour
            .checked_sub(behind)
            .and_then(|hour| self.known.get(hour));
        value.or(self.known.last()).copied().unwrap_or(0.0)
    }
}

/// Guesses hourly values.
pub trait Forecaster: Send + Sync {
    /// So many finite values from the current hour on. What is known is given as it is.
    fn forecast(&self, view: &View<'_>, hours: usize) -> Vec<f64>;
}
