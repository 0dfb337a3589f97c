//! A chart as SVG.

use plotters::chart::ChartBuilder;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::Rectangle;
use plotters::prelude::SVGBackend;
use plotters::series::{AreaSeries, LineSeries};
use plotters::style::{Color, RGBColor, WHITE};

use super::thinned;
use crate::backtest::{Hour, Tally};
use crate::{Error, Result};

const SIZE: (u32, u32) = (1000, 640);
const FIRM: RGBColor = RGBColor(44, 90, 160);
const BATCH: RGBColor = RGBColor(95, 168, 211);
const MINERS: RGBColor = RGBColor(242, 169, 59);
const OWN: RGBColor = RGBColor(60, 140, 70);
const PRICE: RGBColor = RGBColor(170, 50, 60);

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws a run that kept its hours: load by kind and own power above, the price below.
///
/// # Errors
/// When there are no hours, or the library fails.
pub fn svg(tally: &Tally) -> Result<String> {
    if tally.hours.is_empty() {
        return Err(Error::Chart {
            why: "the run kept no hours".into(),
        });
    }
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    let drawn = root.fill(&WHITE).map_err(fault).and_then(|()| {
        let (above, below) = root.split_vertically(430);
        loads(&above, tally)
            .and_then(|()| prices(&below, tally))
            .and_then(|()| root.present().map_err(fault))
    });
    drop(root);
    drawn.map(|()| text)
}

fn fault(error: impl std::fmt::Display) -> Error {
    Error::Chart {
        why: error.to_string(),
    }
}

/// Loads are stacked: the largest sum is drawn first, and what is below it over it.
fn loads(area: &Area<'_>, tally: &Tally) -> Result<()> {
    let firm = thinned(&tally.hours, |h| h.firm_kw);
    let batch = thinned(&tally.hours, |h| h.firm_kw + h.batch_kw);
    let miners = thinned(&tally.hours, |h| h.firm_kw + h.batch_kw + h.miners_kw);
    let own = thinned(&tally.hours, |h| h.own_kw);
    let top = miners
        .iter()
        .chain(&own)
        .map(|(_, y)| *y)
        .fold(1e-3, f64::max)
        * 1.1;
    let mut chart = ChartBuilder::on(area)
        .caption(
            format!("{}: load and own power, kW", tally.name),
            ("sans-serif", 18),
        )
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..days(&tally.hours), 0.0..top)
        .map_err(fault)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("days")
        .draw()
        .map_err(fault)?;
    for (points, color, label) in [
        (miners, MINERS, "miners"),
        (batch, BATCH, "batch AI"),
        (firm, FIRM, "firm load"),
    ] {
        chart
            .draw_series(AreaSeries::new(points, 0.0, color.mix(0.85)))
            .map_err(fault)?
            .label(label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
    }
    chart
        .draw_series(LineSeries::new(own, OWN.stroke_width(2)))
        .map_err(fault)?
        .label("sun and wind")
        .legend(|(x, y)| Rectangle::new([(x, y - 1), (x + 12, y + 1)], OWN.filled()));
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(fault)
}

fn prices(area: &Area<'_>, tally: &Tally) -> Result<()> {
    let prices = thinned(&tally.hours, |h| h.import_usd_per_kwh);
    let low = prices.iter().map(|(_, y)| *y).fold(0.0, f64::min);
    let high = prices.iter().map(|(_, y)| *y).fold(low + 1e-3, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("price, $/kWh", ("sans-serif", 15))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..days(&tally.hours), low..high * 1.05)
        .map_err(fault)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .draw()
        .map_err(fault)?;
    chart
        .draw_series(LineSeries::new(prices, PRICE.stroke_width(1)))
        .map_err(fault)?;
    Ok(())
}

fn days(hours: &[Hour]) -> f64 {
    hours.len() as f64 / 24.0
}
