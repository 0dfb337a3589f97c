//! `freehold status`

use clap::Args;
use clap::builder::FalseyValueParser;
use node::backup::BackupView;
use serde_json::{Value, json};

use super::table::pairs;
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::when;

/// What to show.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print a new one-time link into the home page of the running node instead
    #[arg(long, env = "FREEHOLD_STATUS_LOGIN_LINK", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    login_link: bool,
}

pub async fn run(output: Output, client: &Client, args: StatusArgs) -> Result<()> {
    if args.login_link {
        return login_link(output, client).await;
    }
    let mut status = client.get("/api/status").await?;
    status["running"] = json!(client.url().is_some());
    output.show(status, |status: Value| described(&status))
}

async fn login_link(output: Output, client: &Client) -> Result<()> {
    let Some(url) = client.url() else {
        let hint = "start it with `freehold up`, which prints a link too";
        return Err(Failure::user("not_running", "no node is running", hint));
    };
    let link = client.post("/api/login-links", &json!({})).await?;
    let path = link["path"].as_str().unwrap_or_default();
    output.show(link.clone(), |_: Value| format!("{url}{path}"))
}

fn described(status: &Value) -> String {
    let text = |name: &str| match &status[name] {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    let sat = |name: &str| format!("{} sat", text(name));
    let node = if status["running"] == true {
        let uptime_ms = status["uptime_ms"].as_u64().unwrap_or_default();
        format!(
            "running at {} for {}",
            text("url"),
            when::duration(uptime_ms)
        )
    } else {
        "not running (freehold up starts it)".to_owned()
    };
    let price = &status["price"];
    pairs(&[
        ("freehold", text("version")),
        ("node", node),
        ("network", network(&text("network"))),
        ("mint", text("mint_url")),
        ("model", model(status)),
        (
            "price",
            format!(
                "{} msat a token in, {} out",
                price["prompt_msat_per_token"], price["completion_msat_per_token"]
            ),
        ),
        ("your money", sat("owner_sat")),
        ("in purses", sat("purses_sat")),
        ("earned", sat("earned_sat")),
        ("receipts", text("receipts")),
        (
            "in flight",
            format!("{} sales and payments", text("in_flight")),
        ),
        ("receipt key", text("receipt_key")),
        ("backup", backup_line(&status["backup"])),
    ])
}

/// The backups, in full.
pub fn backup(view: BackupView) -> String {
    let mut lines = vec![
        ("backup", view.path.display().to_string()),
        ("written", written(view.written_ms)),
    ];
    let channels = view
        .channels
        .map(|count| ("channels", format!("{count} in it")));
    lines.extend(channels);
    lines.extend(view.error.into_iter().map(|error| ("FAILED", error)));
    lines.extend(view.left_out.into_iter().map(|what| ("LEFT OUT", what)));
    lines.extend(view.copies.iter().map(super::backup::copy));
    let phrase = match view.is_phrase_confirmed {
        true => "confirmed to be written down",
        false => "not confirmed (freehold backup phrase)",
    };
    lines.push(("phrase", phrase.into()));
    pairs(&lines)
}

fn backup_line(view: &Value) -> String {
    let view: BackupView = serde_json::from_value(view.clone()).unwrap_or_default();
    match view.trouble() {
        Some(trouble) => format!("FAILED: {trouble}"),
        None => written(view.written_ms),
    }
}

fn written(written_ms: Option<i64>) -> String {
    written_ms.map_or_else(|| "never (freehold backup)".into(), when::utc)
}

/// The network, with a loud word about money that is none.
pub fn network(name: &str) -> String {
    match name {
        "play" => "play — PLAY MONEY: these sats are worth nothing".into(),
        other => other.into(),
    }
}

fn model(status: &Value) -> String {
    match (status["model"].as_str(), &status["model_pid"]) {
        (Some(model), Value::Number(pid)) => format!("{model} (loaded, process {pid})"),
        (Some(model), _) => format!("{model} (loaded when needed)"),
        (None, _) => "none (freehold model pull fetches one)".into(),
    }
}
