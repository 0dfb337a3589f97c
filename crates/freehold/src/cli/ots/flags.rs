//! Flags that several of the commands have.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use node::Config;
use node::stamps::{HeaderSources, VerifyOptions, Whitelist};

use crate::output::Output;

/// How long a calendar may take when it is asked for what has become of a promise.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long `--wait` pauses before it asks again: calendars are not to be pestered.
pub const WAIT_PAUSE: Duration = Duration::from_secs(30);

/// Whom a proof may make us contact.
#[derive(Debug, Args)]
pub struct WhitelistFlags {
    /// A calendar that may be asked besides the well-known ones. May be repeated
    #[arg(
        short = 'l',
        long = "whitelist",
        env = "FREEHOLD_OTS_WHITELIST",
        hide_env = true
    )]
    #[arg(value_name = "URL", value_delimiter = ',')]
    whitelist: Vec<String>,
    /// Ask none of the well-known calendars
    #[arg(long, env = "FREEHOLD_OTS_NO_DEFAULT_WHITELIST", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    no_default_whitelist: bool,
}

impl WhitelistFlags {
    /// The named ones, and those of the configuration: the owner chose both.
    pub fn whitelist(&self, config: &Config) -> Whitelist {
        let named = [&self.whitelist[..], &config.timestamp.calendars].concat();
        Whitelist::new(&named, !self.no_default_whitelist)
    }
}

/// Where block headers come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Block headers")]
pub struct ChainFlags {
    /// Which chain
    #[arg(
        long,
        env = "FREEHOLD_CHAIN",
        hide_env = true,
        default_value = "mainnet"
    )]
    #[arg(value_name = "mainnet|signet|testnet4|regtest")]
    pub chain: String,
    /// Check against this file of headers (80 bytes each), and ask nobody
    #[arg(
        long,
        env = "FREEHOLD_HEADERS_FILE",
        hide_env = true,
        value_name = "FILE"
    )]
    headers: Option<PathBuf>,
    /// The height of the first header in that file, if it isn't 0
    #[arg(
        long,
        env = "FREEHOLD_HEADERS_START",
        hide_env = true,
        value_name = "HEIGHT"
    )]
    #[arg(requires = "headers")]
    start_height: Option<u32>,
    /// A Bitcoin node's RPC, such as http://127.0.0.1:8332. May be repeated
    #[arg(
        long,
        env = "FREEHOLD_BITCOIN_NODE",
        hide_env = true,
        value_name = "URL"
    )]
    #[arg(value_delimiter = ',')]
    bitcoin_node: Vec<String>,
    /// The file with the Bitcoin node's user:password, such as ~/.bitcoin/.cookie
    #[arg(
        long,
        env = "FREEHOLD_BITCOIN_COOKIE",
        hide_env = true,
        value_name = "FILE"
    )]
    bitcoin_cookie: Option<PathBuf>,
    /// An Esplora server. May be repeated
    #[arg(long, env = "FREEHOLD_ESPLORA", hide_env = true, value_name = "URL")]
    #[arg(value_delimiter = ',')]
    esplora: Vec<String>,
    /// A peer of the Bitcoin network. May be repeated
    #[arg(
        long,
        env = "FREEHOLD_PEER",
        hide_env = true,
        value_name = "ADDRESS:PORT"
    )]
    #[arg(value_delimiter = ',')]
    peer: Vec<SocketAddr>,
    /// Ask nobody: go by the headers that are here already
    #[arg(long, env = "FREEHOLD_OFFLINE", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub offline: bool,
}

impl ChainFlags {
    pub fn options(&self, config: &Config) -> VerifyOptions {
        let file = self.headers.clone().map(|file| (file, self.start_height));
        let set = &config.timestamp;
        // Whoever names a source means that one, and not the ones in the file.
        let is_named =
            !(self.bitcoin_node.is_empty() && self.esplora.is_empty() && self.peer.is_empty());
        let choose = |named: &[String], set: &[String]| match is_named {
            true => named.to_vec(),
            false => set.to_vec(),
        };
        VerifyOptions {
            headers: HeaderSources {
                chain: self.chain.clone(),
                folder: HeaderSources::folder(config),
                file,
                bitcoin_nodes: choose(&self.bitcoin_node, &set.bitcoin_nodes),
                bitcoin_auth: self.bitcoin_cookie.clone().or(set.bitcoin_cookie.clone()),
                esplora: choose(&self.esplora, &set.esplora),
                peers: match is_named {
                    true => self.peer.clone(),
                    false => set.peers.clone(),
                },
                is_offline: self.offline,
            },
            now_unix_s: now_unix_s(),
        }
    }
}

pub fn now_unix_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Shows how many of something are done, where there is a terminal.
pub fn bar(output: Output, what: &str) -> ProgressBar {
    let is_seen = std::io::IsTerminal::is_terminal(&std::io::stderr()) && !output.quiet;
    let target = match is_seen {
        true => ProgressDrawTarget::stderr_with_hz(5),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:28}] {pos}/{len}  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// Shows how far the chain of headers has come.
pub fn header_progress(output: Output) -> impl FnMut(&str, u32, u32) + Send {
    let bar = bar(output, "block headers");
    move |source: &str, height: u32, target: u32| {
        bar.set_message(source.to_owned());
        bar.set_length(u64::from(target));
        bar.set_position(u64::from(height));
        if height >= target {
            bar.finish_and_clear();
        }
    }
}
