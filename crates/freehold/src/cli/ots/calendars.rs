//! The calendars that stamp, and waiting for them.

use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use node::Config;
use node::stamps::{DEFAULT_CALENDARS, StampOptions, Timestamp, Whitelist, upgrade_proof};

use super::flags::{UPGRADE_TIMEOUT, WAIT_PAUSE};
use crate::failure::{Failure, Result};
use crate::output::Output;

/// Where to stamp.
#[derive(Debug, Args)]
pub struct CalendarFlags {
    /// A calendar to stamp at, instead of the four public ones. May be repeated
    #[arg(
        short,
        long,
        env = "FREEHOLD_STAMP_CALENDAR",
        hide_env = true,
        value_name = "URL"
    )]
    #[arg(value_delimiter = ',')]
    calendar: Vec<String>,
    /// How many calendars have to answer [default: 2, or all if fewer are named]
    #[arg(short, env = "FREEHOLD_STAMP_M", hide_env = true, value_name = "COUNT")]
    m: Option<usize>,
    /// Seconds that a calendar may take
    #[arg(
        long,
        env = "FREEHOLD_STAMP_TIMEOUT",
        hide_env = true,
        value_name = "SECONDS"
    )]
    #[arg(default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Wait until the proofs are complete, which takes hours
    #[arg(short, long, env = "FREEHOLD_STAMP_WAIT", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub wait: bool,
}

impl CalendarFlags {
    /// What is named, or else configured, or else the public ones.
    pub fn options(&self, config: &Config) -> Result<StampOptions> {
        let configured = config.timestamp.calendars.as_slice();
        let calendars = match (self.calendar.as_slice(), configured) {
            ([], []) => DEFAULT_CALENDARS.map(str::to_owned).to_vec(),
            ([], configured) => configured.to_vec(),
            (named, _) => named.to_vec(),
        };
        let needed = self.m.unwrap_or(calendars.len().min(2));
        if needed == 0 || needed > calendars.len() {
            return Err(Failure::user(
                "usage",
                format!(
                    "-m {needed} of {} calendars makes no sense",
                    calendars.len()
                ),
                "-m is at least 1, and at most the number of calendars",
            ));
        }
        Ok(StampOptions {
            calendars,
            needed,
            timeout: Duration::from_secs(self.timeout),
        })
    }
}

/// Asks the calendars that were stamped at until the timestamp is complete.
pub async fn complete(
    output: Output,
    message: &[u8],
    timestamp: &mut Timestamp,
    options: &StampOptions,
) -> Result<()> {
    // The promises are by those who were asked, under whatever name they give themselves.
    let whitelist = Whitelist::new(&options.calendars, true);
    loop {
        let upgraded = upgrade_proof(message, timestamp, &[], &whitelist, UPGRADE_TIMEOUT);
        let upgraded = upgraded.await.map_err(node::NodeError::from)?;
        if upgraded.is_complete {
            return Ok(());
        }
        output.note("not yet; asking again in a while");
        tokio::time::sleep(WAIT_PAUSE).await;
    }
}
