//! What can be said on the command line. Secrets can't: no flag takes a token.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use node::{ChainConfig, Network, Overrides, PurseName};

use super::{
    approvals, ask, backup, calendar, energy, fetch, git, ledger, lightning, model, nwc, onchain,
    ots, payments, proxy, purse, receipt, restore, sandbox, savings, sell, status, up, vault,
};
use crate::output::Output;

/// A private local model that pays and gets paid.
#[derive(Debug, Parser)]
#[command(name = "freehold", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 something to mend on your side, 2 on ours.\n\
                        Every flag has an environment variable, named in its long help (--help)."
)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the node and keep it running
    Up(up::UpArgs),
    /// Ask the model, and stream its answer
    Ask(ask::AskArgs),
    /// Fetch a URL, and pay for it if it costs no more than you say
    Fetch(fetch::FetchArgs),
    /// List what was bought by `fetch` and `proxy`
    Payments(payments::PaymentsArgs),
    /// Buy for programs that know nothing of it, as their HTTP proxy
    Proxy(proxy::ProxyArgs),
    /// Sell the answers of any HTTP service, by the call or by the session
    Sell(sell::SellArgs),
    /// Purses: money for agents, with limits that hold
    #[command(subcommand)]
    Purse(purse::PurseCommand),
    /// Payments of purses that wait for your word
    Approvals(approvals::ApprovalsArgs),
    /// Bitcoin on the chain: receive, pay, choose coins, sign, watch
    #[command(subcommand)]
    Onchain(onchain::OnchainCommand),
    /// Savings: what is too much for this machine goes to keys elsewhere
    #[command(subcommand)]
    Savings(savings::SavingsCommand),
    /// Nostr Wallet Connect: let other programs use a purse
    #[command(subcommand)]
    Nwc(nwc::NwcCommand),
    /// The books: where every sat went
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Lightning: pay, be paid, and keep channels
    #[command(subcommand)]
    Lightning(lightning::LightningCommand),
    /// The chain and the neighbour of `--network sandbox`
    #[command(subcommand)]
    Sandbox(sandbox::SandboxCommand),
    /// Models: fetch, list, choose, remove
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Receipts: proofs of what was asked, answered and paid
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// Timestamp files: prove that they existed now
    Stamp(ots::StampArgs),
    /// Complete timestamps with what the calendars have made of them
    Upgrade(ots::UpgradeArgs),
    /// Check a timestamp, or a saved answer of this node's model
    Verify(ots::VerifyArgs),
    /// Show what is in a timestamp
    Info(ots::InfoArgs),
    /// Leave out of a timestamp what isn't needed any more
    Prune(ots::PruneArgs),
    /// Timestamp commits and tags of a git repository
    #[command(subcommand)]
    Git(git::GitCommand),
    /// Run a calendar, at which anyone can timestamp
    Calendar(calendar::CalendarArgs),
    /// Energy: plan miners and AI together, replay the past, simulate a week
    #[command(subcommand)]
    Energy(energy::EnergyCommand),
    /// Vaults: bitcoin that people and agents share by one policy
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Back up everything into one encrypted file; show the recovery phrase
    Backup(backup::BackupArgs),
    /// Restore a node from its recovery phrase and a backup
    Restore(restore::RestoreArgs),
    /// How the node is doing
    Status(status::StatusArgs),
    /// Find out what is wrong, and what to do about it
    Doctor,
    /// Print a script that completes commands in your shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Reads a purse's name, and says which names there can be.
pub fn purse_name(name: &str) -> Result<PurseName, String> {
    name.parse()
        .map_err(|_| "a name is 1 to 32 of a-z, 0-9 and `-`, and begins with a letter".to_owned())
}

/// What all commands take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Print data, and errors, as JSON
    #[arg(long, global = true, env = "FREEHOLD_JSON", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    json: bool,
    /// Say more on standard error; twice for even more
    #[arg(short, long, global = true, env = "FREEHOLD_VERBOSE", hide_env = true)]
    #[arg(action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true, env = "FREEHOLD_QUIET", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(super) quiet: bool,
    /// The configuration file [default: config.toml in the XDG configuration directory]
    #[arg(long, global = true, env = "FREEHOLD_CONFIG", value_name = "FILE")]
    #[arg(hide_short_help = true)]
    config: Option<PathBuf>,
    /// Where keys, ledger and models are [default: the XDG data directory]
    #[arg(long, global = true, env = "FREEHOLD_DATA_DIR", value_name = "DIR")]
    #[arg(hide_short_help = true)]
    data_dir: Option<PathBuf>,
    /// Which money: `play` and `sandbox` are worth nothing; then there are `signet` and `mainnet`
    #[arg(long, global = true, env = "FREEHOLD_NETWORK", hide_short_help = true)]
    network: Option<Network>,
    #[command(flatten)]
    node: NodeFlags,
}

/// What the configuration file says too. Any command may have to open the node itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "Node settings (over the configuration file's)")]
pub struct NodeFlags {
    /// Where to listen; port 0 takes any free one
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_LISTEN",
        value_name = "ADDRESS:PORT"
    )]
    #[arg(hide_short_help = true)]
    listen: Option<SocketAddr>,
    /// How others reach this node, if not by its address
    #[arg(long, global = true, env = "FREEHOLD_PUBLIC_URL", value_name = "URL")]
    #[arg(hide_short_help = true)]
    public_url: Option<String>,
    /// The mint to use instead of the embedded one
    #[arg(long, global = true, env = "FREEHOLD_MINT_URL", value_name = "URL")]
    #[arg(hide_short_help = true)]
    mint_url: Option<String>,
    /// Price of a prompt's token, in thousandths of a sat
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_PROMPT_MSAT_PER_TOKEN",
        value_name = "MSAT"
    )]
    #[arg(hide_short_help = true)]
    prompt_msat_per_token: Option<u64>,
    /// Price of an answer's token, in thousandths of a sat
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_COMPLETION_MSAT_PER_TOKEN",
        value_name = "MSAT"
    )]
    #[arg(hide_short_help = true)]
    completion_msat_per_token: Option<u64>,
    /// Longest prompt and answer together
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_CONTEXT_TOKENS",
        value_name = "TOKENS"
    )]
    #[arg(hide_short_help = true)]
    context_tokens: Option<u32>,
    /// Processor threads for the model
    #[arg(long, global = true, env = "FREEHOLD_THREADS", value_name = "COUNT")]
    #[arg(hide_short_help = true, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Requests that are answered at the same time
    #[arg(long, global = true, env = "FREEHOLD_PARALLEL", value_name = "COUNT")]
    #[arg(hide_short_help = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: Option<u32>,
    #[command(flatten)]
    chain: ChainFlags,
    /// Where the Lightning node listens for peers [default: nowhere]
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_LIGHTNING_LISTEN",
        value_name = "ADDRESS:PORT"
    )]
    #[arg(hide_short_help = true)]
    lightning_listen: Option<SocketAddr>,
}

/// Where the node sees the chain that its bitcoin is on.
#[derive(Debug, Args)]
struct ChainFlags {
    /// The Esplora server with which the node sees the chain of its bitcoin
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_CHAIN_ESPLORA",
        value_name = "URL"
    )]
    #[arg(hide_short_help = true)]
    chain_esplora: Option<String>,
    /// The Electrum server with which the node sees the chain of its bitcoin
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_CHAIN_ELECTRUM",
        value_name = "URL"
    )]
    #[arg(hide_short_help = true)]
    chain_electrum: Option<String>,
    /// The Bitcoin node's RPC with which the node sees the chain of its bitcoin
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_CHAIN_BITCOIND",
        value_name = "URL"
    )]
    #[arg(hide_short_help = true)]
    chain_bitcoind: Option<String>,
    /// The file with that Bitcoin node's user:password, such as ~/.bitcoin/.cookie
    #[arg(
        long,
        global = true,
        env = "FREEHOLD_CHAIN_COOKIE",
        value_name = "FILE"
    )]
    #[arg(hide_short_help = true)]
    chain_cookie: Option<PathBuf>,
}

impl ChainFlags {
    fn config(&self) -> ChainConfig {
        ChainConfig {
            esplora: self.chain_esplora.clone(),
            electrum: self.chain_electrum.clone(),
            bitcoind_rpc: self.chain_bitcoind.clone(),
            bitcoind_cookie: self.chain_cookie.clone(),
        }
    }
}

impl Global {
    /// How to write.
    pub fn output(&self) -> Output {
        Output {
            json: self.json,
            quiet: self.quiet,
        }
    }

    /// What is to win over the configuration file.
    pub fn overrides(&self) -> Overrides {
        let node = &self.node;
        Overrides {
            config_file: self.config.clone(),
            data_dir: self.data_dir.clone(),
            network: self.network,
            listen: node.listen,
            mint_url: node.mint_url.clone(),
            public_url: node.public_url.clone(),
            prompt_msat_per_token: node.prompt_msat_per_token,
            completion_msat_per_token: node.completion_msat_per_token,
            context_tokens: node.context_tokens,
            threads: node.threads,
            parallel: node.parallel,
            chain: node.chain.config(),
            lightning_listen: node.lightning_listen,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Calls `look` for each flag of each command.
    fn each_flag(command: &clap::Command, look: &mut impl FnMut(&str, &clap::Arg)) {
        let flags = command.get_arguments().filter(|arg| !arg.is_positional());
        for flag in flags.filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
            look(command.get_name(), flag);
        }
        for command in command.get_subcommands() {
            each_flag(command, look);
        }
    }

    /// A flag that several commands have is one flag, and has one variable.
    #[test]
    fn every_flag_has_an_environment_variable_of_its_own() {
        let mut seen = std::collections::HashMap::new();
        each_flag(&Cli::command(), &mut |command, flag| {
            let id = flag.get_id();
            let name = flag
                .get_env()
                .map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            assert!(name.starts_with("FREEHOLD_"), "{command} {id}: {name}");
            let this = (id.to_string(), flag.get_help().map(ToString::to_string));
            let other = seen.entry(name.clone()).or_insert_with(|| this.clone());
            assert_eq!(*other, this, "{name} is also of {command}");
        });
    }

    #[test]
    fn no_flag_takes_a_secret() {
        each_flag(&Cli::command(), &mut |command, flag| {
            let id = flag.get_id().as_str();
            let is_secret = ["token", "secret", "password", "seed"].contains(&id);
            assert!(!is_secret, "{command} {id}");
        });
    }

    #[test]
    fn flags_may_come_after_the_command() {
        let args = "freehold purse list --json --data-dir /x --network play -vv";
        let cli = Cli::try_parse_from(args.split(' ')).map_err(|error| error.to_string());
        let global = cli.map(|cli| cli.global);
        assert!(global.is_ok_and(|global| {
            global.json && global.verbose == 2 && global.overrides().data_dir.is_some()
        }));
    }

    #[test]
    fn an_unknown_network_is_refused_helpfully() {
        let error = Cli::try_parse_from(["freehold", "--network", "testnet", "status"]);
        assert!(error.is_err_and(|error| error.to_string().contains("play")));
    }
}
