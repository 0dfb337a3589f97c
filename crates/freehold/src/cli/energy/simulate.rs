//! `freehold energy simulate`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::FalseyValueParser;
use node::energy::{HourPassed, Moment, SimulateOptions, Simulation, WeekSummary};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use wire::server::{self, Stop};

use super::ChanceArgs;
use crate::cli::up::local_url;
use crate::energy::{Story, router};
use crate::failure::{Failure, Result};
use crate::output::Output;

/// Browsers that may watch at a time.
const WATCHERS_MAX: usize = 16;

/// What to simulate.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The simulated site's file [default: a workshop with a few miners]
    #[arg(
        long = "site",
        id = "simulated_site",
        env = "FREEHOLD_ENERGY_SIMULATED_SITE"
    )]
    #[arg(hide_env = true, value_name = "SITE.toml")]
    site: Option<PathBuf>,
    /// How many hours to live through; 168 is a week
    #[arg(
        long,
        env = "FREEHOLD_ENERGY_HOURS",
        hide_env = true,
        value_name = "HOURS"
    )]
    #[arg(default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=8760))]
    hours: u32,
    /// Simulated seconds between two looks at all devices
    #[arg(
        long,
        env = "FREEHOLD_ENERGY_STEP",
        hide_env = true,
        value_name = "SECONDS"
    )]
    #[arg(default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=600))]
    step: u32,
    /// Let nothing go wrong
    #[arg(long, env = "FREEHOLD_ENERGY_NO_FAULTS", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    no_faults: bool,
    /// Devices are at 127.NUMBER.x.y; two simulations at a time need two numbers
    #[arg(
        long,
        env = "FREEHOLD_ENERGY_NETWORK",
        hide_env = true,
        value_name = "NUMBER"
    )]
    #[arg(default_value_t = 81, value_parser = clap::value_parser!(u8).range(2..=254))]
    energy_network: u8,
    /// Where the page is; port 0 takes any free one
    #[arg(long, env = "FREEHOLD_ENERGY_PAGE_LISTEN", hide_env = true)]
    #[arg(value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    page_listen: SocketAddr,
    #[command(flatten)]
    chance: ChanceArgs,
}

impl SimulateArgs {
    fn options(&self) -> SimulateOptions {
        SimulateOptions {
            site: self.site.clone(),
            seed: self.chance.seed,
            hours: usize::try_from(self.hours).unwrap_or(usize::MAX),
            step_seconds: f64::from(self.step),
            faults: !self.no_faults,
            network: self.energy_network,
        }
    }
}

pub async fn run(output: Output, args: &SimulateArgs, mut stop: Stop) -> Result<()> {
    let simulation = Arc::new(Simulation::new(args.options())?);
    let listener = listen(args.page_listen).await?;
    let bound = listener
        .local_addr()
        .map_err(|error| Failure::ours("listen_failed", error.to_string()))?;
    let story = Arc::new(Story::new(simulation.clone()));
    let server = tokio::spawn(server::serve(
        listener,
        router(story.clone()),
        stop.clone(),
        WATCHERS_MAX,
    ));
    greet(output, &simulation, &local_url(bound))?;
    let result = tokio::select! {
        result = live(output, &simulation, &story) => result.and_then(|summary| end(output, &summary)),
        () = stop.requested() => {
            output.note("stopped");
            Ok(())
        }
    };
    server.abort();
    result
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(Failure::user(
            "listen_remote",
            format!("{address} can be reached from other machines"),
            "the page is for this machine: listen on 127.0.0.1",
        ));
    }
    TcpListener::bind(address).await.map_err(|error| {
        Failure::user(
            "listen_failed",
            format!("can't listen on {address}: {error}"),
            "use a free port; port 0 takes any",
        )
    })
}

/// Lives through it, and tells the terminal and the page.
async fn live(output: Output, simulation: &Simulation, story: &Story) -> Result<WeekSummary> {
    let (sender, mut moments) = mpsc::unbounded_channel();
    let mut tell = |moment| {
        // Who doesn't listen any more has failed to write, and says so.
        _ = sender.send(moment);
    };
    let life = simulation.run(&mut tell);
    tokio::pin!(life);
    loop {
        tokio::select! {
            biased;
            Some(moment) = moments.recv() => show(output, simulation, story, moment)?,
            summary = &mut life => {
                while let Ok(moment) = moments.try_recv() {
                    show(output, simulation, story, moment)?;
                }
                return Ok(summary?);
            }
        }
    }
}

fn show(output: Output, simulation: &Simulation, story: &Story, moment: Moment) -> Result<()> {
    let shown = match (&moment, output.json) {
        (Moment::Hour(hour), true) => hour_json(hour).to_string(),
        (Moment::Hour(hour), false) => hour_words(simulation, hour),
        (Moment::Said { at, by, what }, true) => {
            json!({"at": at.to_string(), "by": by, "what": what}).to_string()
        }
        (Moment::Said { at, by, what }, false) => {
            format!("{}    {by}: {what}", simulation.clock(*at))
        }
    };
    story.add(moment);
    output.line(&shown)
}

fn hour_json(hour: &HourPassed) -> Value {
    json!({
        "hour": hour.at.to_string(),
        "import_usd_per_kwh": hour.import_usd_per_kwh,
        "import_kw": hour.import_kw,
        "firm_kw": hour.firm_kw,
        "batch_kw": hour.batch_kw,
        "miners_kw": hour.miners_kw,
        "groups_kw": hour.groups_kw,
        "own_kw": hour.pv_kw,
        "battery_kwh": hour.battery_kwh,
    })
}

fn hour_words(simulation: &Simulation, hour: &HourPassed) -> String {
    format!(
        "{}  ${:.3}/kWh  grid {:6.2} kW  firm {:5.2}  batch {:5.2}  miners {:6.2}  sun {:5.2}  battery {:5.1} kWh",
        simulation.clock(hour.at),
        hour.import_usd_per_kwh,
        hour.import_kw,
        hour.firm_kw,
        hour.batch_kw,
        hour.miners_kw,
        hour.pv_kw,
        hour.battery_kwh,
    )
}

fn greet(output: Output, simulation: &Simulation, url: &str) -> Result<()> {
    let site = simulation.site();
    if output.json {
        return output.line(&json!({"site": site, "page": url}).to_string());
    }
    output.line(&format!(
        "{} behind {} kW, with simulated devices\npage: {url}\nCtrl-C stops it.\n",
        site.name, site.import_kw_max
    ))
}

fn end(output: Output, summary: &WeekSummary) -> Result<()> {
    if output.json {
        let summary = json!({
            "hours": summary.hours,
            "took_seconds": summary.took.as_secs_f64(),
            "import_kw_highest": summary.import_kw_highest,
            "import_kw_max": summary.import_kw_max,
            "over_cap_seconds": summary.over_cap_seconds,
            "firm_kwh": summary.firm_kwh,
            "batch_kwh": summary.batch_kwh,
            "mined_th_h": summary.mined_th_h,
            "import_kwh": summary.import_kwh,
            "calls": summary.calls,
            "calls_met": summary.calls_met,
            "reports": summary.reports,
            "faults": summary.faults,
            "commands": summary.commands,
        });
        return output.line(&json!({"summary": summary}).to_string());
    }
    output.line(&format!(
        "\n{} hours in {:.0} s: {:.0} kWh of firm AI, {:.0} of batch AI, {:.0} from the grid; commands: {}, faults: {}\n\
         highest import {:.2} of {} kW, over the cap for {:.0} s\n\
         calls of the grid: {}, met in time: {}, reported: {}",
        summary.hours,
        summary.took.as_secs_f64(),
        summary.firm_kwh,
        summary.batch_kwh,
        summary.import_kwh,
        summary.commands,
        summary.faults,
        summary.import_kw_highest,
        summary.import_kw_max,
        summary.over_cap_seconds,
        summary.calls,
        summary.calls_met,
        summary.reports,
    ))
}
