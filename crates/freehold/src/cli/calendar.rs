//! `freehold calendar`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use node::calendar::{AnchorChoice, Calendar, CalendarConfig};
use serde_json::json;
use tokio::net::TcpListener;
use wire::server;

use super::Context;
use super::up::{local_url, stop_signal};
use crate::calendar::router;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// How to run a calendar.
#[derive(Debug, Args)]
pub struct CalendarArgs {
    /// Where to listen; port 0 takes any free one
    #[arg(
        long = "calendar-listen",
        env = "FREEHOLD_CALENDAR_LISTEN",
        hide_env = true
    )]
    #[arg(value_name = "ADDRESS:PORT", default_value = "127.0.0.1:14788")]
    listen: SocketAddr,
    /// How clients reach it. It stands in every proof, so it has to stay
    #[arg(long = "calendar-url", env = "FREEHOLD_CALENDAR_URL", hide_env = true)]
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The folder with journal and keys [default: calendar in the data directory]
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_DIR",
        hide_env = true,
        value_name = "DIR"
    )]
    dir: Option<PathBuf>,
    /// Anchor in another calendar
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_UPSTREAM",
        hide_env = true,
        value_name = "URL"
    )]
    #[arg(conflicts_with = "wallet")]
    upstream: Option<String>,
    /// Anchor in Bitcoin with transactions of the calendar's own wallet, as this Esplora server
    /// sees the chain
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_WALLET",
        hide_env = true,
        value_name = "ESPLORA_URL"
    )]
    wallet: Option<String>,
    /// The wallet's chain
    #[arg(
        long = "calendar-chain",
        env = "FREEHOLD_CALENDAR_CHAIN",
        hide_env = true
    )]
    #[arg(
        default_value = "mainnet",
        value_name = "mainnet|signet|testnet4|regtest"
    )]
    chain: String,
    /// The most to pay for a byte; above it, the calendar collects and waits
    #[arg(long, env = "FREEHOLD_CALENDAR_FEE_MAX", hide_env = true)]
    #[arg(value_name = "SAT_PER_VB", default_value_t = 10.0)]
    fee_max: f64,
    /// Seconds that a round lasts
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_ROUND",
        hide_env = true,
        value_name = "SECONDS"
    )]
    #[arg(default_value_t = 1.0)]
    round: f64,
    /// Seconds between two anchors, at least [default: 6 hours; 1 for a stand-in]
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_INTERVAL",
        hide_env = true,
        value_name = "SECONDS"
    )]
    interval: Option<u64>,
    /// Seconds between two looks at the anchors
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_TICK",
        hide_env = true,
        value_name = "SECONDS"
    )]
    #[arg(hide = true)]
    tick: Option<f64>,
    /// How deep an anchor's block has to be before proofs are given out
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_CONFIRMATIONS",
        hide_env = true,
        value_name = "BLOCKS"
    )]
    #[arg(default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    confirmations: u32,
    /// The most connections at a time
    #[arg(
        long,
        env = "FREEHOLD_CALENDAR_CONNECTIONS",
        hide_env = true,
        value_name = "COUNT"
    )]
    #[arg(default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    connections: u32,
    /// Listen beyond this machine too
    #[arg(long = "calendar-allow-remote", env = "FREEHOLD_CALENDAR_ALLOW_REMOTE")]
    #[arg(hide_env = true, value_parser = FalseyValueParser::new())]
    allow_remote: bool,
}

impl CalendarArgs {
    fn config(&self, context: &Context, bound: SocketAddr) -> Result<CalendarConfig> {
        let anchor = match (&self.upstream, &self.wallet) {
            (Some(url), _) => AnchorChoice::Upstream { url: url.clone() },
            (None, Some(esplora)) => AnchorChoice::Wallet {
                chain: self.chain.clone(),
                esplora: esplora.clone(),
                fee_rate_max_sat_per_vb: self.fee_max,
            },
            (None, None) => AnchorChoice::StandIn,
        };
        let usual = if anchor == AnchorChoice::StandIn {
            1
        } else {
            6 * 60 * 60
        };
        let url = self.url.clone();
        Ok(CalendarConfig {
            folder: self
                .dir
                .clone()
                .unwrap_or_else(|| context.config.data_dir.join("calendar")),
            url: url.unwrap_or_else(|| local_url(bound)),
            round: seconds("--round", self.round)?,
            interval: Duration::from_secs(self.interval.unwrap_or(usual)),
            confirmations: self.confirmations,
            anchor,
            tick: self.tick.map(|tick| seconds("--tick", tick)).transpose()?,
        })
    }
}

fn seconds(flag: &str, seconds: f64) -> Result<Duration> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if (0.01..=60.0).contains(&seconds) => Ok(duration),
        _ => Err(Failure::user(
            "usage",
            format!("{flag} {seconds} is out of range"),
            "0.01 to 60 seconds",
        )),
    }
}

pub async fn run(context: &Context, args: &CalendarArgs) -> Result<()> {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        return Err(Failure::user(
            "listen_remote",
            format!("{} can be reached from other machines", args.listen),
            "add --calendar-allow-remote if that is meant",
        ));
    }
    raise_file_limit();
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::user(
            "listen_failed",
            format!("can't listen on {}: {error}", args.listen),
            "use an address of this machine and a free port; port 0 takes any",
        )
    })?;
    let bound = listener
        .local_addr()
        .map_err(|error| Failure::ours("listen_failed", error.to_string()))?;
    let stop = stop_signal()?;
    let config = args.config(context, bound)?;
    let calendar = Arc::new(Calendar::open(&config).await?);
    greet(context.output, &calendar, &config)?;
    let connections = usize::try_from(args.connections).unwrap_or(usize::MAX);
    server::serve(listener, router(calendar.clone()), stop, connections).await;
    if let Some(calendar) = Arc::into_inner(calendar) {
        calendar.shutdown().await;
    }
    context.output.note("stopped");
    Ok(())
}

fn greet(output: Output, calendar: &Calendar, config: &CalendarConfig) -> Result<()> {
    let status = calendar.status();
    if output.json {
        return output.json(&json!({"url": config.url, "status": status}));
    }
    let warning = match status.is_stand_in {
        true => {
            "\nThat is for trying things out: these proofs PROVE NOTHING. --upstream or \
                 --wallet makes real ones."
        }
        false => "",
    };
    let address = status
        .address
        .as_ref()
        .map(|address| format!("\nThe wallet pays from {address}; 20000 sat last for a while."));
    output.line(&format!(
        "calendar at {}\nanchored in {}{warning}{}\n\nIn another shell:\n  \
         freehold stamp -c {} FILE\n\nCtrl-C stops it.",
        config.url,
        status.anchor,
        address.unwrap_or_default(),
        config.url
    ))
}

/// Each client is an open file, and the usual limit is a thousand.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If it can't be raised, fewer clients are served at a time.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}
