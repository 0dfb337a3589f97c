//! The page of a simulated site: its hours as a chart, and what happened last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use node::energy::{HourPassed, Moment, Simulation};

/// Lines that the page shows.
const LINES_MAX: usize = 40;
/// Hours that the chart shows.
const HOURS_MAX: usize = 24 * 31;

/// What has happened so far.
pub struct Story {
    simulation: Arc<Simulation>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    hours: VecDeque<HourPassed>,
    /// The latest first.
    lines: VecDeque<(String, &'static str, String)>,
}

impl Story {
    /// A story that begins.
    pub fn new(simulation: Arc<Simulation>) -> Self {
        Self {
            simulation,
            told: Mutex::default(),
        }
    }

    /// Adds what happened.
    pub fn add(&self, moment: Moment) {
        let mut told = self.told();
        match moment {
            Moment::Hour(hour) => {
                told.hours.push_back(hour);
                if told.hours.len() > HOURS_MAX {
                    told.hours.pop_front();
                }
            }
            Moment::Said { at, by, what } => {
                let at = self.simulation.clock(at);
                told.lines.push_front((at, by, what));
                told.lines.truncate(LINES_MAX);
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The page, which loads itself again every other second.
pub fn router(story: Arc<Story>) -> Router {
    Router::new().route("/", get(page)).with_state(story)
}

async fn page(State(story): State<Arc<Story>>) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ];
    (headers, drawn(&story)).into_response()
}

fn drawn(story: &Story) -> Markup {
    let (hours, lines) = {
        let told = story.told();
        (
            told.hours.iter().cloned().collect::<Vec<_>>(),
            told.lines.clone(),
        )
    };
    let site = story.simulation.site();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="2";
                title { (site.name) " · Freehold" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (site.name) ", simulated" }
                @if let Some(now) = hours.last() {
                    dl { (facts(story, now, site.import_kw_max)) }
                    @for (group, power_kw) in site.groups.iter().zip(&now.groups_kw) {
                        p.group { (group) ": " (format!("{power_kw:.2} kW")) }
                    }
                } @else {
                    p { "The first hour has just begun." }
                }
                // Our own drawing, and the site's name in it is escaped by the library that draws.
                @if let Some(chart) = story.simulation.chart(&hours) { figure { (PreEscaped(chart)) } }
                h2 { "What happened" }
                table {
                    @for (at, by, what) in &lines { tr { th { (at) } td { (by) } td { (what) } } }
                }
            }
        }
    }
}

fn facts(story: &Story, now: &HourPassed, import_kw_max: f64) -> Markup {
    let facts = [
        ("Hour", story.simulation.clock(now.at)),
        (
            "Grid",
            format!("{:.2} of {import_kw_max} kW", now.import_kw),
        ),
        ("Price", format!("${:.3} a kWh", now.import_usd_per_kwh)),
        ("Firm AI", format!("{:.2} kW", now.firm_kw)),
        ("Batch AI", format!("{:.2} kW", now.batch_kw)),
        ("Miners", format!("{:.2} kW", now.miners_kw)),
        ("Sun", format!("{:.2} kW", now.pv_kw)),
        ("Battery", format!("{:.1} kWh", now.battery_kwh)),
    ];
    html! { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; }
dt { font-size: .8rem; opacity: .7; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.group { display: inline-block; margin: 0 1rem 0 0; opacity: .8; }
figure { margin: 1rem 0; overflow-x: auto; background: #fff; }
figure svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; font-weight: 400; }
th { white-space: nowrap; opacity: .7; }
";
