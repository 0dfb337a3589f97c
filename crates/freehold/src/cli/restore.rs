//! `freehold restore`

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use node::Node;
use node::backup::{From, Restored, ReturnView, Scan, WORDS};
use serde_json::{Value, json};

use super::backup::read_line;
use super::{Context, sat};
use crate::client::{self, Client};
use crate::failure::Result;
use crate::output::Output;
use crate::when;

/// From what to restore. The recovery phrase is read from standard input.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RestoreArgs {
    /// The backup; without one, the phrase alone brings back coins on the chain, and ecash of a mint elsewhere
    file: Option<PathBuf>,
    /// Use the phrase alone, although there is a backup
    #[arg(long, env = "FREEHOLD_RESTORE_PHRASE_ONLY", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new(), conflicts_with = "file")]
    phrase_only: bool,
    #[command(subcommand)]
    command: Option<RestoreCommand>,
}

/// What to do after a restore.
#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// How far ecash and channels are on their way back
    Status,
    /// Open this node's own mint to others again: what was spent after the backup could be spent again
    OpenMint,
}

impl RestoreArgs {
    /// Whether it needs a node that is there already.
    pub const fn needs_node(&self) -> bool {
        self.command.is_some()
    }
}

pub async fn run(output: Output, client: &Client, args: RestoreArgs) -> Result<()> {
    let view = match args.command {
        Some(RestoreCommand::OpenMint) => client.post("/api/restore/open-mint", &json!({})).await?,
        _ => client.get("/api/restore").await?,
    };
    output.show(view, |view: ReturnView| status(&view))
}

pub async fn offline(context: &Context, args: RestoreArgs) -> Result<()> {
    let output = context.output;
    if io::stdin().is_terminal() {
        output.note("Type the 24 words of the recovery phrase, then Enter:");
    }
    let words = tokio::task::spawn_blocking(read_words).await;
    let words =
        words.map_err(|error| crate::failure::Failure::ours("no_input", error.to_string()))??;
    let from = match (args.file, args.phrase_only) {
        (Some(file), _) => From::File(file),
        (None, true) => From::PhraseOnly,
        (None, false) => From::Nothing,
    };
    let id = hex::encode(rand::random::<[u8; 8]>());
    let restored = node::backup::restore(&context.config, &words, from, &id).await?;
    output.note("restored; now the ecash is looked for");
    let mut value = serde_json::to_value(&restored).unwrap_or_default();
    let (view, trouble) = bring_back(context).await;
    value["ecash"] = json!(view.restore.and_then(|restore| restore.progress.ecash));
    value["trouble"] = json!(trouble);
    output.show(value, |value: Value| described(&restored, &value))
}

/// Words from standard input, on as many lines as they come.
fn read_words() -> Result<String> {
    let mut words = String::new();
    while words.split_whitespace().count() < WORDS {
        match read_line()? {
            Some(line) => {
                words.push_str(&line);
                words.push(' ');
            }
            None => break,
        }
    }
    Ok(words)
}

/// Opens the node and looks for its ecash. What goes wrong here goes on at the next start.
async fn bring_back(context: &Context) -> (ReturnView, Option<String>) {
    let worker = match client::worker() {
        Ok(worker) => worker,
        Err(failure) => return (ReturnView::default(), Some(failure.text())),
    };
    let node = match Node::open(context.config.clone(), worker).await {
        Ok(node) => node,
        Err(error) => return (ReturnView::default(), Some(error.to_string())),
    };
    let output = context.output;
    let tell = move |scan: &Scan| output.note(&progress(scan));
    let found = node.bring_ecash_back(&tell).await;
    let view = node.return_view();
    node.shutdown().await;
    (view, found.err().map(|error| error.to_string()))
}

fn progress(scan: &Scan) -> String {
    let Scan {
        wallet,
        asked,
        found_sat,
    } = scan;
    format!(
        "{wallet}: asked for {asked} secrets, {} found",
        sat(*found_sat)
    )
}

fn described(restored: &Restored, value: &Value) -> String {
    let mut lines = vec![match restored.backup_created_ms {
        Some(ms) => format!(
            "Restored {} from a backup as of {}.",
            restored.network,
            when::utc(ms)
        ),
        None => format!("Restored {} from the phrase alone.", restored.network),
    }];
    let closed = &restored.closed;
    if let Some(ecash) = value["ecash"].as_object() {
        let number = |name: &str| ecash[name].as_u64().unwrap_or_default();
        lines.push(format!(
            "Ecash found: {} for you and the purses, {} earned from customers.",
            sat(number("purses_sat")),
            sat(number("till_sat"))
        ));
        let corrections = &ecash["corrections"];
        let of = |name: &str| sat(corrections[name].as_u64().unwrap_or_default());
        lines.push(format!(
            "The books were corrected: {} found beyond them, {} missing.",
            of("recovered_sat"),
            of("lost_sat")
        ));
    }
    if let Some(trouble) = value["trouble"].as_str() {
        lines.push(format!(
            "The ecash wasn't looked for yet ({trouble}). It is at the next start; until then none can be spent."
        ));
    }
    if restored.channels > 0 {
        lines.push(format!(
            "{} channels: their peers are asked to close them once the node is up (`freehold up`). What is yours \
             comes to your coins on the chain; `freehold restore status` shows how far that is.",
            restored.channels
        ));
    }
    if closed.payments + closed.sales > 0 {
        lines.push(format!(
            "Under way when the backup was made: {} payments, booked as paid so that nothing is paid twice; {} \
             sales, booked as earned and not paid back by themselves.",
            closed.payments, closed.sales
        ));
    }
    if let Some(file) = &restored.config_file {
        lines.push(format!(
            "The configuration file of the backup is {}.",
            file.display()
        ));
    }
    if !restored.gone.is_empty() {
        lines.push("What doesn't come back:".into());
        lines.extend(restored.gone.iter().map(|what| format!("  - {what}")));
    }
    lines.push(
        "DANGER: if the old node still runs somewhere, stop it now, and never start it again. Two nodes with one \
         seed spend the same ecash, and lose each other's channels."
            .into(),
    );
    lines.join("\n")
}

fn status(view: &ReturnView) -> String {
    let Some(restore) = &view.restore else {
        return "this node was never restored".into();
    };
    let mut lines = vec![format!("restored at {}", when::utc(restore.restored_ms))];
    lines.push(match (&restore.progress.ecash, &view.scan) {
        (Some(ecash), _) => format!(
            "ecash: {} for you and the purses, {} from customers; {} found beyond the books, {} missing",
            sat(ecash.purses_sat),
            sat(ecash.till_sat),
            sat(ecash.corrections.recovered_sat),
            sat(ecash.corrections.lost_sat)
        ),
        (None, Some(scan)) => format!("ecash: {}", progress(scan)),
        (None, None) => "ecash: not looked for yet; none can be spent until then".into(),
    });
    lines.push(match (restore.progress.channels_done, &view.channels) {
        (true, _) => "channels: nothing to wait for".into(),
        (false, Some(channels)) => format!(
            "channels: {} wait for their peers to close them, {} for blocks, {} done",
            channels.waiting, channels.confirming, channels.done
        ),
        (false, None) => "channels: not looked at yet (`freehold up` does)".into(),
    });
    if view.is_mint_closed {
        lines.push("mint: closed to others (`freehold restore open-mint` opens it)".into());
    }
    lines.extend(
        view.trouble
            .iter()
            .map(|trouble| format!("WAITS: {trouble}")),
    );
    lines.join("\n")
}
