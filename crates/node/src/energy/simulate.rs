//! A week of a site whose devices are simulated, spoken to over their real protocols.

use std::path::PathBuf;

use energy::Timestamp;
use energy::backtest::{Hour, Tally};
use energy::chart;
use energy::simulated::{
    HourPassed, WeekEvent, WeekOptions as RoomOptions, WeekSummary, week, workshop,
};
use energy::site::Site;
use serde::Serialize;

use super::{EnergyError, Sources};

/// How the week is lived.
#[derive(Debug, Clone)]
pub struct SimulateOptions {
    /// The site's file; without it, a workshop with a few miners.
    pub site: Option<PathBuf>,
    /// Prices, weather and load depend on it.
    pub seed: u64,
    /// How long it is, in hours; 168 is a week.
    pub hours: usize,
    /// How often everything is read and commanded, in simulated seconds.
    pub step_seconds: f64,
    /// Whether things go wrong.
    pub faults: bool,
    /// The devices are at `127.<network>.x.y`.
    pub network: u8,
}

/// Something that happened in the week.
#[derive(Debug, Clone)]
pub enum Moment {
    /// An hour has passed.
    Hour(HourPassed),
    /// Something worth a line.
    Said {
        /// When.
        at: Timestamp,
        /// Who says it: `world` for what goes wrong, `controller`, or `grid` for what was delivered.
        by: &'static str,
        /// What.
        what: String,
    },
}

/// A site that can be simulated.
#[derive(Debug, Clone)]
pub struct Simulation {
    site: Site,
    options: SimulateOptions,
}

/// What a site's page begins with.
#[derive(Debug, Clone, Serialize)]
pub struct SimulatedSite {
    /// Its name.
    pub name: String,
    /// Its import cap, in kW.
    pub import_kw_max: f64,
    /// Its groups of miners.
    pub groups: Vec<String>,
}

impl Simulation {
    /// Reads the site.
    ///
    /// # Errors
    /// When its file can't be read or used.
    pub fn new(options: SimulateOptions) -> Result<Self, EnergyError> {
        let site = match &options.site {
            Some(path) => Sources {
                site: path.clone(),
                ..Sources::default()
            }
            .site()?,
            None => workshop()?,
        };
        Ok(Self { site, options })
    }

    /// What is simulated.
    pub fn site(&self) -> SimulatedSite {
        SimulatedSite {
            name: self.site.name.clone(),
            import_kw_max: self.site.grid.import_kw_max,
            groups: self
                .site
                .miners
                .iter()
                .map(|group| group.name.clone())
                .collect(),
        }
    }

    /// A moment by the site's clock, such as `Tue 17:00`.
    pub fn clock(&self, moment: Timestamp) -> String {
        self.site.clock(moment)
    }

    /// A chart of hours that have passed, as SVG; nothing before the first.
    pub fn chart(&self, hours: &[HourPassed]) -> Option<String> {
        let hours = hours.iter().map(|hour| Hour {
            start: hour.at,
            import_usd_per_kwh: hour.import_usd_per_kwh,
            firm_kw: hour.firm_kw,
            batch_kw: hour.batch_kw,
            miners_kw: hour.miners_kw,
            import_kw: hour.import_kw,
            own_kw: hour.pv_kw,
            battery_kwh: hour.battery_kwh,
        });
        let tally = Tally {
            name: self.site.name.clone(),
            hours: hours.collect(),
            ..Tally::default()
        };
        chart::svg(&tally).ok()
    }

    /// Lives through the week, and tells what happens as it does. When this is dropped, all devices are gone.
    ///
    /// # Errors
    /// When the devices can't take their addresses.
    pub async fn run(
        &self,
        tell: &mut (dyn FnMut(Moment) + Send),
    ) -> Result<WeekSummary, EnergyError> {
        let options = RoomOptions {
            seed: self.options.seed,
            hours: self.options.hours,
            step_seconds: self.options.step_seconds,
            faults: self.options.faults,
            network: self.options.network,
            ..RoomOptions::default()
        };
        let mut tell = |event: WeekEvent| tell(moment(event));
        let lived = week(self.site.clone(), options, &mut tell).await;
        lived.map_err(EnergyError::Simulation)
    }
}

fn moment(event: WeekEvent) -> Moment {
    match event {
        WeekEvent::Hour(hour) => Moment::Hour(hour),
        WeekEvent::Happened { at, what } => Moment::Said {
            at,
            by: "world",
            what,
        },
        WeekEvent::Controller(event) => Moment::Said {
            at: event.at,
            by: "controller",
            what: event.what.to_string(),
        },
        WeekEvent::Delivered(evidence) => {
            let at = Timestamp::from_millisecond(evidence.ended_ms).unwrap_or_default();
            let what = format!(
                "{:.1} kW less were called for; {:.1} kW less were drawn in the mean, {:.1} kW at least",
                kw(evidence.called_w),
                kw(evidence.mean_less_w),
                kw(evidence.least_less_w)
            );
            Moment::Said {
                at,
                by: "grid",
                what,
            }
        }
    }
}

fn kw(power_w: i64) -> f64 {
    power_w as f64 / 1000.0
}
