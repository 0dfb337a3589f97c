//! `freehold fetch`

use std::borrow::Cow;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use clap::builder::FalseyValueParser;
use node::{Bidding, Protocol, PurseName, Tactic};
use serde_json::{Value, json};

use super::amount;
use super::args::purse_name;
use crate::api::fetch::{FetchInput, FetchOutput};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// What to fetch.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Where from
    url: String,
    /// The purse that pays, within its limits [default: your own money]
    #[arg(
        long,
        env = "FREEHOLD_FETCH_PURSE",
        hide_env = true,
        value_name = "NAME"
    )]
    #[arg(value_parser = purse_name)]
    purse: Option<PurseName>,
    /// The most that it may cost, fees included
    #[arg(
        long,
        env = "FREEHOLD_FETCH_MAX_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    #[arg(default_value_t = 100)]
    max_sat: u64,
    /// The method [default: GET, or POST with -d]
    #[arg(
        short = 'X',
        long = "request",
        env = "FREEHOLD_FETCH_REQUEST",
        hide_env = true
    )]
    #[arg(value_name = "METHOD")]
    method: Option<String>,
    /// A header to send; may be given several times
    #[arg(
        short = 'H',
        long = "header",
        env = "FREEHOLD_FETCH_HEADER",
        hide_env = true
    )]
    #[arg(value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The body to send; `@FILE` reads it from a file, `@-` from standard input
    #[arg(short, long, env = "FREEHOLD_FETCH_DATA", hide_env = true)]
    data: Option<String>,
    /// Idempotency key: however often it is repeated, the same key pays once
    #[arg(long, env = "FREEHOLD_FETCH_ID", hide_env = true, value_name = "KEY")]
    id: Option<String>,
    /// Pay by one of these only: x-cashu, mpp-charge, l402 [default: by the cheapest]
    #[arg(
        long = "rail",
        env = "FREEHOLD_FETCH_RAIL",
        hide_env = true,
        value_name = "RAIL"
    )]
    #[arg(value_delimiter = ',')]
    rails: Vec<Protocol>,
    #[command(flatten)]
    haggling: Haggling,
    /// How long to wait for one answer of the seller's, in seconds
    #[arg(
        long,
        env = "FREEHOLD_FETCH_TIMEOUT_S",
        hide_env = true,
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600), default_value_t = 600)]
    timeout_s: u64,
    /// Write the body to a file
    #[arg(
        short,
        long,
        env = "FREEHOLD_FETCH_OUTPUT",
        hide_env = true,
        value_name = "FILE"
    )]
    output: Option<PathBuf>,
    /// Print the status and the headers before the body
    #[arg(short, long, env = "FREEHOLD_FETCH_INCLUDE", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    include: bool,
}

/// How to bid for a lower price.
#[derive(Debug, Args)]
struct Haggling {
    /// Bid this first, such as 3sat; sellers that don't haggle are paid their price
    #[arg(
        long,
        env = "FREEHOLD_FETCH_BID",
        hide_env = true,
        value_name = "AMOUNT"
    )]
    #[arg(value_parser = amount::sat)]
    bid: Option<u64>,
    /// Bid no more than this [default: as the first bid]
    #[arg(
        long,
        env = "FREEHOLD_FETCH_BID_MAX",
        hide_env = true,
        value_name = "AMOUNT"
    )]
    #[arg(value_parser = amount::sat, requires = "bid")]
    bid_max: Option<u64>,
    /// How many bids to make at most
    #[arg(
        long,
        env = "FREEHOLD_FETCH_BID_ROUNDS",
        hide_env = true,
        value_name = "NUMBER"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=32), default_value_t = 5)]
    bid_rounds: u32,
    /// How the bids rise: fixed, linear, boulware-2 (late), conceder-2 (early)
    #[arg(
        long,
        env = "FREEHOLD_FETCH_TACTIC",
        hide_env = true,
        value_name = "NAME"
    )]
    #[arg(default_value_t)]
    tactic: Tactic,
}

impl Haggling {
    fn bidding(&self) -> Option<Bidding> {
        Some(Bidding {
            first_sat: self.bid?,
            last_sat: self.bid_max,
            tactic: self.tactic,
            rounds: self.bid_rounds,
        })
    }
}

pub async fn run(output: Output, client: &Client, args: FetchArgs) -> Result<()> {
    let reply = client.post("/api/fetch", &input(&args)?).await?;
    let fetched: FetchOutput = serde_json::from_value(reply).map_err(unreadable)?;
    let body = STANDARD.decode(&fetched.body_base64).map_err(unreadable)?;
    if let Some(path) = &args.output {
        std::fs::write(path, &body).map_err(|e| Failure::file("write", path, &e))?;
    }
    if output.json {
        output.json(&described(&fetched, &body))?;
    } else {
        show(output, &args, &fetched, &body)?;
    }
    output.note_payment(&fetched);
    match fetched.status {
        200..300 => Ok(()),
        status => Err(Failure::user(
            "http_status",
            format!("{} answered {status}", args.url),
            "the body says more; `-i` shows the headers",
        )),
    }
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::ours("answer_unreadable", format!("the node's answer: {error}"))
}

fn show(output: Output, args: &FetchArgs, fetched: &FetchOutput, body: &[u8]) -> Result<()> {
    if args.include {
        output.line(&format!("HTTP {}", fetched.status))?;
        for (name, value) in &fetched.headers {
            output.line(&format!("{name}: {value}"))?;
        }
        output.line("")?;
    }
    if args.output.is_some() {
        return Ok(());
    }
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        return output.bytes(body);
    }
    output.bytes(&shortened(body))?;
    // A prompt right after the body would look like a part of it.
    if !body.is_empty() && !body.ends_with(b"\n") {
        output.line("")?;
    }
    Ok(())
}

/// The body without its receipt, which is thousands of characters that nobody reads. It was kept,
/// and the note below the body has its id.
fn shortened(body: &[u8]) -> Cow<'_, [u8]> {
    let whole = serde_json::from_slice(body).ok();
    let shorter = whole.and_then(|mut whole: Value| {
        *whole.get_mut("payment")?.get_mut("receipt")? = json!("…");
        Some(whole.to_string().into_bytes())
    });
    shorter.map_or(Cow::Borrowed(body), Cow::Owned)
}

impl Output {
    /// Tells what was paid, if anything.
    fn note_payment(self, fetched: &FetchOutput) {
        let Some(payment) = &fetched.payment else {
            return;
        };
        let paid = match payment.spent_sat {
            Some(spent_sat) => format!("paid {spent_sat} sat (of at most {})", payment.amount_sat),
            None => format!("{} sat {}", payment.amount_sat, payment.state),
        };
        let from = match payment.spender.strip_prefix("purse:") {
            Some(purse) => format!("purse {purse}"),
            None => "your own money".to_owned(),
        };
        let receipt = match &payment.receipt_id {
            Some(id) => format!(" · receipt {id}"),
            None => String::new(),
        };
        self.note(&format!("{paid} from {from}{receipt}"));
    }
}

/// The answer for programs: text as it is, anything else in base64.
fn described(fetched: &FetchOutput, body: &[u8]) -> Value {
    let mut value = json!({"status": fetched.status, "headers": fetched.headers});
    match std::str::from_utf8(body) {
        Ok(text) => value["body"] = json!(text),
        Err(_) => value["body_base64"] = json!(fetched.body_base64),
    }
    value["payment"] = json!(fetched.payment);
    value
}

fn input(args: &FetchArgs) -> Result<FetchInput> {
    let body = args.data.as_deref().map(data).transpose()?;
    let mut headers = args.headers.clone();
    let has_type = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let is_json = |body: &Vec<u8>| serde_json::from_slice::<Value>(body).is_ok();
    if !has_type && body.as_ref().is_some_and(is_json) {
        headers.push(("Content-Type".into(), "application/json".into()));
    }
    let default = if body.is_some() { "POST" } else { "GET" };
    Ok(FetchInput {
        id: args.id.clone(),
        method: args.method.clone().unwrap_or_else(|| default.into()),
        url: args.url.clone(),
        headers,
        body_base64: body.map(|body| STANDARD.encode(body)),
        max_sat: Some(args.max_sat),
        rails: args.rails.clone(),
        timeout_s: Some(args.timeout_s),
        bidding: args.haggling.bidding(),
        purse: args.purse.as_ref().map(ToString::to_string),
    })
}

fn data(given: &str) -> Result<Vec<u8>> {
    let Some(source) = given.strip_prefix('@') else {
        return Ok(given.into());
    };
    if source != "-" {
        return std::fs::read(source).map_err(|e| Failure::file("read", Path::new(source), &e));
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().read_to_end(&mut bytes);
    read.map_err(|e| Failure::file("read", Path::new("standard input"), &e))?;
    Ok(bytes)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("it must look like `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn parsed(line: &[&str]) -> FetchInput {
        let line = ["freehold", "fetch", "http://x"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Fetch(args) => input(&args).unwrap(),
            _ => FetchInput::default(),
        }
    }

    #[test]
    fn a_body_makes_it_a_post_of_json_if_it_is() {
        let input = parsed(&[]);
        assert_eq!((input.method.as_str(), input.max_sat), ("GET", Some(100)));
        let input = parsed(&["-d", r#"{"a":1}"#, "--purse", "scout"]);
        assert_eq!(input.method, "POST");
        assert_eq!(
            input.headers,
            [("Content-Type".into(), "application/json".into())]
        );
        assert_eq!(input.purse.as_deref(), Some("scout"));
        let input = parsed(&["-d", "plain", "-X", "PUT", "-H", "a: b:c"]);
        assert_eq!(input.method, "PUT");
        assert_eq!(input.headers, [("a".into(), "b:c".into())]);
        let input = parsed(&["-d", "1", "-H", "content-type: text/plain"]);
        assert_eq!(input.headers.len(), 1);
    }

    #[test]
    fn a_bid_is_made_if_there_is_a_first_one() {
        assert_eq!(parsed(&[]).bidding, None);
        let line = ["--bid", "3sat", "--bid-max", "5", "--tactic", "boulware-2"];
        let bidding = parsed(&line).bidding.unwrap();
        assert_eq!((bidding.first_sat, bidding.last_sat), (3, Some(5)));
        assert_eq!(
            (bidding.tactic.to_string().as_str(), bidding.rounds),
            ("boulware-2", 5)
        );
        let line = ["freehold", "fetch", "http://x", "--bid-max", "5"];
        assert!(Cli::try_parse_from(line).is_err());
    }

    #[test]
    fn a_receipt_is_not_shown_in_full() {
        let shown = |body: &str| String::from_utf8(shortened(body.as_bytes()).into()).unwrap();
        let body = r#"{"choices":[1],"payment":{"price_sat":2,"receipt":{"format":"long"}}}"#;
        let short = r#"{"choices":[1],"payment":{"price_sat":2,"receipt":"…"}}"#;
        assert_eq!(shown(body), short);
        for other in ["{ }", "text", r#"{"payment": 1}"#, r#"{"payment": {} }"#] {
            assert_eq!(shown(other), other);
        }
    }

    #[test]
    fn what_cannot_be_a_purse_or_a_header_is_refused_at_once() {
        for line in [
            ["--purse", "No Purse"],
            ["-H", "nonsense"],
            ["--max-sat", "-1"],
        ] {
            let line = ["freehold", "fetch", "http://x"].iter().chain(&line);
            assert!(Cli::try_parse_from(line).is_err());
        }
    }
}
