//! `freehold sell`

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand, ValueEnum};
use node::sell::{Haggle, NewOffer, Offer, SessionView, Tools, Unit};

use super::amount;
use super::table::{pairs, table};
use crate::api::lightning::Done;
use crate::client::{Client, escape};
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::when;

/// What to sell, or what to do with what is sold.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SellArgs {
    #[command(subcommand)]
    command: Option<SellCommand>,
    /// The server whose answers are sold, such as http://127.0.0.1:3000
    #[arg(required = true)]
    url: Option<String>,
    #[command(flatten)]
    terms: Terms,
}

/// What to do with what is sold.
#[derive(Debug, Subcommand)]
pub enum SellCommand {
    /// List what is sold
    List,
    /// Sell something no longer; what was paid in advance goes back
    Remove {
        /// Which: see `freehold sell list`
        id: String,
    },
    /// List the newest sessions: deposits, and what was taken from them
    Sessions,
}

/// How it is sold.
#[derive(Debug, Args)]
struct Terms {
    /// The price of a unit, such as 5sat
    #[arg(
        long,
        env = "FREEHOLD_SELL_PRICE",
        hide_env = true,
        value_name = "AMOUNT"
    )]
    #[arg(value_parser = amount::sat, required = true)]
    price: Option<u64>,
    /// The path that is sold, and all below it [default: /]
    #[arg(long, env = "FREEHOLD_SELL_PATH", hide_env = true, value_name = "PATH")]
    path: Option<String>,
    /// The only method that is sold [default: all]
    #[arg(
        long,
        env = "FREEHOLD_SELL_METHOD",
        hide_env = true,
        value_name = "METHOD"
    )]
    method: Option<String>,
    /// The URL is an MCP server's: sell the calls of its tools, and nothing else
    #[arg(long, env = "FREEHOLD_SELL_MCP", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    mcp: bool,
    /// Sell this tool of an MCP server [default: all that aren't sold by themselves]
    #[arg(long, env = "FREEHOLD_SELL_TOOL", hide_env = true, value_name = "NAME")]
    tool: Option<String>,
    /// What the price is for
    #[arg(long, env = "FREEHOLD_SELL_PER", hide_env = true, value_name = "UNIT")]
    #[arg(value_enum, default_value_t = Per::Call, ignore_case = true)]
    per: Per,
    /// How many calls one payment buys [default: 1]
    #[arg(
        long,
        env = "FREEHOLD_SELL_CALLS",
        hide_env = true,
        value_name = "NUMBER"
    )]
    calls: Option<u32>,
    /// How many calls each address has for nothing, such as 10/day
    #[arg(
        long,
        env = "FREEHOLD_SELL_FREE",
        hide_env = true,
        value_name = "N/day"
    )]
    #[arg(value_parser = per_day)]
    free: Option<u32>,
    /// What it is, for people [default: method and path]
    #[arg(
        long,
        env = "FREEHOLD_SELL_DESCRIPTION",
        hide_env = true,
        value_name = "TEXT"
    )]
    description: Option<String>,
    /// The deposit of a session; 0 for no sessions [default: 100 times the price]
    #[arg(
        long,
        env = "FREEHOLD_SELL_DEPOSIT",
        hide_env = true,
        value_name = "AMOUNT"
    )]
    #[arg(value_parser = deposit)]
    deposit: Option<u64>,
    /// Let buyers haggle: floor=3sat,rounds=5,tactic=linear (or fixed, boulware-2, conceder-3…)
    #[arg(
        long,
        env = "FREEHOLD_SELL_HAGGLE",
        hide_env = true,
        value_name = "TERMS"
    )]
    #[arg(value_parser = haggle)]
    haggle: Option<Haggle>,
}

/// What the price is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Per {
    Call,
    Minute,
    #[value(name = "MiB")]
    MiB,
}

impl From<Per> for Unit {
    fn from(per: Per) -> Self {
        match per {
            Per::Call => Self::Call,
            Per::Minute => Self::Minute,
            Per::MiB => Self::MiB,
        }
    }
}

/// Reads `10/day` or `10`.
fn per_day(text: &str) -> std::result::Result<u32, String> {
    let number = text.strip_suffix("/day").unwrap_or(text);
    number
        .parse()
        .map_err(|_| format!("{text:?} isn't a number a day: write 10/day"))
}

/// An amount, or nothing.
fn deposit(text: &str) -> std::result::Result<u64, String> {
    match text {
        "0" | "0sat" => Ok(0),
        text => amount::sat(text),
    }
}

/// Reads `floor=3sat,rounds=5,tactic=linear`; the floor is needed.
fn haggle(text: &str) -> std::result::Result<Haggle, String> {
    let mut haggle = Haggle::new(0);
    for part in text.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim() {
            "floor" => haggle.floor_sat = amount::sat(value)?,
            "rounds" => haggle.rounds = value.parse().map_err(|_| format!("rounds={value}"))?,
            "tactic" => haggle.tactic = value.parse().map_err(|error| format!("{error}"))?,
            other => return Err(format!("{other:?} isn't known: write floor=3sat,rounds=5")),
        }
    }
    match haggle.floor_sat {
        0 => Err("a floor is needed, such as floor=3sat".to_owned()),
        _ => Ok(haggle),
    }
}

pub async fn run(output: Output, client: &Client, args: SellArgs) -> Result<()> {
    match args.command {
        None => {
            let offer = client
                .post("/api/offers", &args.terms.of(args.url)?)
                .await?;
            output.show(offer, |offer: Offer| sold(client, &offer))
        }
        Some(SellCommand::List) => output.show(client.get("/api/offers").await?, listed),
        Some(SellCommand::Remove { id }) => {
            let path = format!("/api/offers/{}/remove", escape(&id));
            let done = client.post(&path, &serde_json::json!({})).await?;
            output.show(done, |_: Done| format!("{id} isn't sold any more"))
        }
        Some(SellCommand::Sessions) => output.show(client.get("/api/sessions").await?, sessions),
    }
}

impl Terms {
    fn of(self, url: Option<String>) -> Result<NewOffer> {
        // Clap has seen to both.
        let missing = || {
            Failure::user(
                "usage",
                "a URL and a price are needed",
                "see `freehold sell --help`",
            )
        };
        Ok(NewOffer {
            upstream: url.ok_or_else(missing)?,
            price_sat: self.price.ok_or_else(missing)?,
            path: self.path,
            method: self.method,
            unit: self.per.into(),
            calls: self.calls,
            free_per_day: self.free.unwrap_or(0),
            description: self.description,
            deposit_sat: self.deposit,
            haggle: self.haggle,
            tools: (self.mcp || self.tool.is_some()).then_some(Tools { name: self.tool }),
        })
    }
}

fn sold(client: &Client, offer: &Offer) -> String {
    let node = client.url().unwrap_or("this node, when it is up");
    let deposit = match offer.deposit_sat {
        0 => "no sessions".to_owned(),
        sat => format!("{sat} sat"),
    };
    let haggle = match &offer.haggle {
        None => "no".to_owned(),
        Some(haggle) => format!(
            "down to {} sat in {} rounds, {}",
            haggle.floor_sat, haggle.rounds, haggle.tactic
        ),
    };
    pairs(&[
        ("id", offer.id.clone()),
        ("sold at", format!("{node} below {}", offer.path)),
        ("served by", offer.upstream.clone()),
        (
            "price",
            format!("{} sat a {}", offer.price_sat, offer.unit.as_str()),
        ),
        ("deposit", deposit),
        ("haggling", haggle),
    ])
}

fn listed(offers: Vec<Offer>) -> String {
    let row = |offer: Offer| {
        let method = match offer.tools {
            Some(tools) => tools
                .name
                .map_or("tools".to_owned(), |name| format!("tool {name}")),
            None => offer.method.unwrap_or_else(|| "any".to_owned()),
        };
        let price = format!("{} sat a {}", offer.price_sat, offer.unit.as_str());
        [offer.id, method, offer.path, price, offer.upstream]
    };
    let rows = offers.into_iter().map(row).collect();
    table(["id", "method", "path", "price", "served by"], rows)
}

fn sessions(sessions: Vec<SessionView>) -> String {
    let row = |session: SessionView| {
        [
            when::utc(session.created_ms),
            session.offer,
            session.state,
            session.deposits_sat.to_string(),
            session.spent_sat.to_string(),
        ]
    };
    let rows = sessions.into_iter().map(row).collect();
    table(["opened", "offer", "state", "deposit", "spent"], rows)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn terms_to_haggle_by_are_read() {
        let read = haggle("floor=3sat,rounds=4,tactic=conceder-2").unwrap();
        assert_eq!((read.floor_sat, read.rounds), (3, 4));
        assert_eq!(read.tactic.to_string(), "conceder-2");
        assert_eq!(haggle("floor=7").unwrap(), Haggle::new(7));
        for text in [
            "",
            "rounds=3",
            "floor",
            "floor=0",
            "floor=3,rounds=x",
            "floor=3,x=1",
            "floor=3,tactic=x",
        ] {
            assert!(haggle(text).is_err(), "{text}");
        }
    }
}
