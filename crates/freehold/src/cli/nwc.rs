//! `freehold nwc`, and `freehold purse back`

use std::io::Read as _;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use node::{BackingView, NewNwcConnection, NwcConnectionView, PurseName, PurseView};
use serde_json::json;

use super::args::purse_name;
use super::lifetime::lifetime_s;
use super::qr::draw;
use super::table::{pairs, table};
use crate::api::nwc::{BackingInput, NwcInput};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::when;

/// The longest connection URI that is read.
const URI_BYTES_MAX: u64 = 4_096;

/// What to do with a connection.
#[derive(Debug, Subcommand)]
pub enum NwcCommand {
    /// Let another program use a purse, and show the URI for it once
    New(NewArgs),
    /// List all connections
    List,
    /// End a connection, for good
    Revoke {
        /// Which: see `freehold nwc list`
        id: String,
    },
}

/// Which purse, and how.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The purse that it spends from, within its limits
    #[arg(long, env = "FREEHOLD_NWC_PURSE", hide_env = true, value_name = "NAME")]
    #[arg(value_parser = purse_name)]
    purse: PurseName,
    /// A relay at which both sides meet; several may be named [default: those of the configuration]
    #[arg(
        long = "relay",
        env = "FREEHOLD_NWC_RELAYS",
        hide_env = true,
        value_name = "URL"
    )]
    #[arg(value_delimiter = ',')]
    relays: Vec<String>,
    /// How long it lives, such as 12h, 30d or 8w [default: until it is revoked]
    #[arg(
        long,
        env = "FREEHOLD_NWC_EXPIRES",
        hide_env = true,
        value_name = "TIME"
    )]
    #[arg(value_parser = lifetime_s)]
    expires: Option<u64>,
    /// It may look, but not pay or make invoices
    #[arg(long, env = "FREEHOLD_NWC_READ_ONLY", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    read_only: bool,
    /// Show the URI as a QR code too
    #[arg(long, env = "FREEHOLD_NWC_QR", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    qr: bool,
}

/// Which purse is backed by what.
#[derive(Debug, Args)]
pub struct BackArgs {
    /// Which purse
    #[arg(value_parser = purse_name)]
    name: PurseName,
    /// By the wallet whose connection URI is on standard input (Nostr Wallet Connect)
    #[arg(long, env = "FREEHOLD_BACK_NWC", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new(), required_unless_present = "off")]
    nwc: bool,
    /// By nothing any more: the purse pays with its own money again
    #[arg(
        long,
        env = "FREEHOLD_BACK_OFF",
        hide_env = true,
        conflicts_with = "nwc"
    )]
    #[arg(value_parser = FalseyValueParser::new())]
    off: bool,
}

pub async fn run(output: Output, client: &Client, command: NwcCommand) -> Result<()> {
    match command {
        NwcCommand::New(args) => {
            let with_qr = args.qr;
            let input = NwcInput {
                purse: args.purse.to_string(),
                relays: args.relays,
                expires_s: args.expires,
                read_only: args.read_only,
            };
            let new = client.post("/api/nwc", &input).await?;
            output.show(new, |new| created(&new, with_qr))
        }
        NwcCommand::List => output.show(client.get("/api/nwc").await?, listed),
        NwcCommand::Revoke { id } => {
            let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
            if !is_id {
                let hint = "`freehold nwc list` shows the ids";
                return Err(Failure::user(
                    "not_found",
                    "this is no connection's id",
                    hint,
                ));
            }
            let revoked = client
                .post(&format!("/api/nwc/{id}/revoke"), &json!({}))
                .await?;
            output.show(revoked, |revoked: NwcConnectionView| {
                format!(
                    "connection {} to purse {} is revoked",
                    revoked.id, revoked.purse
                )
            })
        }
    }
}

/// `freehold purse back`
pub async fn back(output: Output, client: &Client, args: BackArgs) -> Result<()> {
    let name = args.name;
    if args.off {
        let purse = client
            .post(&format!("/api/purses/{name}/unback"), &json!({}))
            .await?;
        return output.show(purse, |purse: PurseView| {
            format!("purse {} pays with its own money again", purse.name)
        });
    }
    output.note("paste the other wallet's connection URI, then end with Ctrl-D");
    let uri = tokio::task::spawn_blocking(read_uri)
        .await
        .map_err(|error| Failure::ours("input_unreadable", error.to_string()))??;
    let backing = client
        .post(&format!("/api/purses/{name}/back"), &BackingInput { uri })
        .await?;
    output.show(backing, |backing: BackingView| {
        let alias = backing
            .alias
            .map(|alias| format!(" ({alias})"))
            .unwrap_or_default();
        format!(
            "purse {} is backed by wallet {}{alias}; its limits hold as before",
            backing.purse, backing.wallet
        )
    })
}

/// A secret comes by standard input, never by an argument that others can see.
fn read_uri() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(URI_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::user("input_unreadable", error.to_string(), "pipe the URI in"))?;
    if text.trim().is_empty() {
        let hint = "pipe the URI in, for example from a password manager";
        return Err(Failure::user(
            "nwc_uri_invalid",
            "there is no URI on standard input",
            hint,
        ));
    }
    Ok(text)
}

fn created(new: &NewNwcConnection, with_qr: bool) -> String {
    let mut text = format!(
        "{}\n\n{}\n\nThe URI is shown this once; paste it into the other program. Who has it can use the purse. \
         End it with: freehold nwc revoke {}",
        shown(&new.connection),
        new.uri,
        new.connection.id
    );
    if with_qr && let Ok(picture) = draw(&new.uri) {
        text.push_str("\n\n");
        text.push_str(&picture);
    }
    text
}

fn shown(connection: &NwcConnectionView) -> String {
    pairs(&[
        ("connection", connection.id.clone()),
        ("purse", connection.purse.to_string()),
        ("relays", connection.relays.join(" ")),
        ("may", may(connection).to_owned()),
        (
            "ends",
            connection
                .expires_ms
                .map_or_else(|| "when it is revoked".into(), when::utc),
        ),
    ])
}

fn listed(connections: Vec<NwcConnectionView>) -> String {
    if connections.is_empty() {
        return "no connections yet: freehold nwc new --purse NAME".into();
    }
    let row = |connection: &NwcConnectionView| {
        let ends = match (connection.revoked_ms, connection.expires_ms) {
            (Some(ms), _) => format!("revoked {}", when::utc(ms)),
            (None, Some(ms)) => when::utc(ms),
            (None, None) => "-".into(),
        };
        [
            connection.id.clone(),
            connection.purse.to_string(),
            may(connection).to_owned(),
            when::utc(connection.created_ms),
            ends,
            connection.relays.join(" "),
        ]
    };
    let rows = connections.iter().map(row).collect();
    table(["id", "purse", "may", "made", "ends", "relays"], rows)
}

const fn may(connection: &NwcConnectionView) -> &'static str {
    if connection.read_only { "look" } else { "pay" }
}
