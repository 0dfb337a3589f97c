//! Charts of a backtest: as SVG, and for a terminal.

mod svg;
mod terminal;

pub use svg::svg;
pub use terminal::terminal;

use crate::backtest::Hour;

/// The most points of a line: more are joined to means, or a year would be a smear.
const POINTS_MAX: usize = 400;

/// Means over equal stretches, so that there are at most so many.
fn thinned(hours: &[Hour], of: impl Fn(&Hour) -> f64) -> Vec<(f64, f64)> {
    let stretch = hours.len().div_ceil(POINTS_MAX).max(1);
    let days = |i: usize| (i * stretch) as f64 / 24.0;
    let mean = |part: &[Hour]| part.iter().map(&of).sum::<f64>() / part.len() as f64;
    hours
        .chunks(stretch)
        .enumerate()
        .map(|(i, part)| (days(i), mean(part)))
        .collect()
}
