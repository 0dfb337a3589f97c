//! A chart of dots for a terminal.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::symbols::Marker;
use ratatui_core::text::Line;
use ratatui_core::widgets::Widget;
use ratatui_widgets::chart::{Axis, Chart, Dataset, GraphType};

use super::thinned;
use crate::backtest::{Hour, Tally};

/// In characters, with axes and their labels.
const SIZE: Rect = Rect::new(0, 0, 79, 12);

/// Draws a run that kept its hours: miners, AI and the price, one below the other. Empty without hours.
pub fn terminal(tally: &Tally) -> String {
    if tally.hours.is_empty() {
        return String::new();
    }
    [
        part("miners, kW", &tally.hours, &|hour| hour.miners_kw),
        part("AI and firm load, kW", &tally.hours, &|hour| {
            hour.firm_kw + hour.batch_kw
        }),
        part("price, $/kWh", &tally.hours, &|hour| {
            hour.import_usd_per_kwh
        }),
    ]
    .join("\n")
}

fn part(title: &str, hours: &[Hour], of: &dyn Fn(&Hour) -> f64) -> String {
    format!("{title}, by days\n{}", lines(hours, of))
}

fn lines(hours: &[Hour], of: &dyn Fn(&Hour) -> f64) -> String {
    let points = steps(&thinned(hours, of));
    let end = hours.len() as f64 / 24.0;
    let low = points.iter().map(|(_, y)| *y).fold(0.0, f64::min);
    let high = points.iter().map(|(_, y)| *y).fold(low + 1e-3, f64::max);
    let dots = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .data(&points);
    let label = |value: f64| Line::from(number(value, high - low));
    let days = [0.0, end / 2.0, end].map(|day| Line::from(number(day, end)));
    let chart = Chart::new(vec![dots])
        .x_axis(Axis::default().bounds([0.0, end]).labels(days))
        .y_axis(
            Axis::default()
                .bounds([low, high])
                .labels([label(low), label(high)]),
        );
    let mut buffer = Buffer::empty(SIZE);
    chart.render(SIZE, &mut buffer);
    let row = |y: u16| {
        let cells = (0..SIZE.width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..SIZE.height).map(|y| row(y) + "\n").collect()
}

/// Each value holds until the next.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut steps = Vec::with_capacity(2 * points.len());
    for (i, (x, y)) in points.iter().enumerate() {
        if let Some((_, before)) = i.checked_sub(1).map(|i| points[i]) {
            steps.push((*x, before));
        }
        steps.push((*x, *y));
    }
    steps
}

/// With as many digits as a range needs.
fn number(value: f64, range: f64) -> String {
    let digits = (1.0 - range.log10().floor()).clamp(0.0, 4.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_their_range_needs() {
        assert_eq!(number(0.042, 0.042), "0.042");
        assert_eq!(number(14.0, 14.0), "14");
        assert_eq!(number(3.5, 7.0), "3.5");
        assert_eq!(number(1100.0, 1100.0), "1100");
    }

    #[test]
    fn values_hold_until_the_next() {
        assert_eq!(
            steps(&[(0.0, 1.0), (1.0, 3.0)]),
            [(0.0, 1.0), (1.0, 1.0), (1.0, 3.0)]
        );
        assert_eq!(steps(&[]), []);
    }
}
