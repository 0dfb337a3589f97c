//! The command line. Each command has a file of its own.

mod amount;
mod answer;
mod approvals;
pub mod args;
mod ask;
mod backup;
mod calendar;
mod doctor;
mod energy;
mod fetch;
mod git;
mod ledger;
mod lifetime;
mod lightning;
mod model;
mod nwc;
mod onchain;
mod ots;
mod payments;
mod progress;
mod proxy;
mod purse;
mod qr;
mod receipt;
mod restore;
mod sandbox;
mod savings;
mod sell;
mod status;
mod table;
mod up;
mod vault;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use node::Config;
use tracing_subscriber::EnvFilter;

use crate::client::Client;
use crate::failure::{Exit, Failure, Result};
use crate::output::Output;
use args::{Cli, Command};
pub use table::sat;

/// The argument with which the node starts this program as the process that runs a model.
pub const WORKER: &str = "inference-worker";
/// How long a node in this process may take to stop.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(5);

/// Runs the program.
pub fn main() -> ExitCode {
    // Two are linked, and a library that finds two chooses none. An error says that one was chosen already.
    _ = rustls::crypto::ring::default_provider().install_default();
    // Not a command for people, and no setting of theirs may keep it from starting.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == WORKER) {
        let result = node::run_inference_worker().map_err(Failure::from);
        return finish(Output::default(), result);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let output = cli.global.output();
    let result = match cli.command {
        Command::Completions { shell } => completions(output, shell),
        command => {
            log(cli.global.verbose, cli.global.quiet);
            Context::new(output, &cli.global).and_then(|context| run(&context, command))
        }
    };
    finish(output, result)
}

/// Says what went wrong, if something did, to people and to the shell.
fn finish(output: Output, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.exit != Exit::Silent {
                output.failure(&failure);
            }
            ExitCode::from(failure.exit.code())
        }
    }
}

/// What every command needs.
pub struct Context {
    output: Output,
    config: Config,
    /// How many times `-v` was given.
    verbose: u8,
}

impl Context {
    fn new(output: Output, global: &args::Global) -> Result<Self> {
        let config = Config::load(&global.overrides())?;
        Ok(Self {
            output,
            config,
            verbose: global.verbose,
        })
    }
}

fn run(context: &Context, command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::ours("no_runtime", error.to_string()))?;
    let result = runtime.block_on(async {
        match command {
            // It ends its own way: cleanly.
            Command::Up(args) => up::run(context, &args).await,
            Command::Calendar(args) => calendar::run(context, &args).await,
            Command::Proxy(args) => proxy::run(context, args).await,
            Command::Energy(command) if !command.needs_node() => {
                energy::run(context, command).await
            }
            command => tokio::select! {
                result = dispatch(context, command) => result,
                _ = tokio::signal::ctrl_c() => Err(interrupted()),
            },
        }
    });
    // Reading standard input can't be cancelled and must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(500));
    result
}

async fn dispatch(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Model(command) => return model::run(context, command).await,
        Command::Stamp(args) => return ots::stamp(context, args).await,
        Command::Upgrade(args) => return ots::upgrade(context, args).await,
        Command::Verify(args) => return ots::verify(context, args).await,
        Command::Info(args) => return ots::info(context, &args),
        Command::Prune(args) => return ots::prune(context, args).await,
        Command::Git(command) => return git::run(context, command).await,
        Command::Purse(purse::PurseCommand::Narrow(args)) => {
            return purse::narrow(context.output, &args);
        }
        Command::Backup(args) if args.is_offline() => return backup::offline(context, args),
        Command::Restore(args) if !args.needs_node() => {
            return restore::offline(context, args).await;
        }
        Command::Receipt(command) if command.is_offline() => {
            return receipt::offline(context, command);
        }
        _ => {}
    }
    let client = Client::connect(&context.config).await?;
    let output = context.output;
    let result = match command {
        Command::Ask(args) => ask::run(output, &client, args).await,
        Command::Fetch(args) => fetch::run(output, &client, args).await,
        Command::Payments(args) => payments::run(output, &client, args).await,
        Command::Nwc(command) => nwc::run(output, &client, command).await,
        Command::Approvals(args) => approvals::run(output, &client, args).await,
        Command::Purse(command) => purse::run(output, &client, command).await,
        Command::Ledger(command) => ledger::run(output, &client, command).await,
        Command::Lightning(command) => lightning::run(output, &client, command).await,
        Command::Sandbox(command) => sandbox::run(output, &client, command).await,
        Command::Receipt(command) => receipt::run(output, &client, command).await,
        Command::Backup(args) => backup::run(output, &client, args).await,
        Command::Restore(args) => restore::run(output, &client, args).await,
        Command::Onchain(command) => onchain::run(output, &client, command).await,
        Command::Sell(args) => sell::run(output, &client, args).await,
        Command::Savings(command) => savings::run(output, &client, command).await,
        Command::Status(args) => status::run(output, &client, args).await,
        Command::Vault(command) => vault::run(output, &client, command).await,
        Command::Doctor => doctor::run(output, &client).await,
        Command::Energy(_) => energy::status(output, &client).await,
        // These were done above, or are `run`'s.
        _ => Ok(()),
    };
    // A command that is done must not hang on a node that won't stop: what it left is recorded.
    let _ = tokio::time::timeout(SHUTDOWN_TIME_MAX, client.close()).await;
    result
}

fn interrupted() -> Failure {
    Failure {
        exit: Exit::Interrupted,
        ..Failure::user(
            "interrupted",
            "interrupted",
            "payments under way are settled at the next start",
        )
    }
}

fn completions(output: Output, shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "freehold", &mut script);
    output.bytes(&script)
}

/// Help and version are data; anything else is a mistake, and a mistake's exit code is 1.
fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // With a closed pipe there's nobody left to tell.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let text = text.trim_start_matches("error: ");
    let text = text.split("\n\nFor more information").next();
    let message = text.unwrap_or_default().trim_end();
    let hint = "`freehold --help` and `freehold COMMAND --help` list what there is";
    let output = Output {
        json: wants_json(),
        quiet: false,
    };
    finish(output, Err(Failure::user("usage", message, hint)))
}

/// Whether errors are wanted as JSON, when the command line that would tell can't be understood.
fn wants_json() -> bool {
    let is_set = std::env::var("FREEHOLD_JSON").is_ok_and(|value| {
        let value = value.to_ascii_lowercase();
        !["", "0", "f", "false", "n", "no", "off"].contains(&value.as_str())
    });
    is_set || std::env::args_os().any(|arg| arg == "--json")
}

/// Logs go to standard error. `FREEHOLD_LOG` says precisely what is logged, `-v` and `-q` roughly.
fn log(verbose: u8, is_quiet: bool) {
    let level = match (is_quiet, verbose) {
        (true, _) => "error",
        // cdk calls 20 ms for a statement slow, and says so each time. The relay pool repeats whatever
        // nonsense a relay sends, however long.
        (_, 0) => "warn,cdk_sql_common=error,nostr_relay_pool=off",
        (_, 1) => "warn,freehold=info,node=info,inference=info,wallet=info,nostr_relay_pool=off",
        (_, 2) => {
            "info,freehold=debug,node=debug,inference=debug,wallet=debug,nostr_relay_pool=off"
        }
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("FREEHOLD_LOG").unwrap_or_else(|_| level.into());
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!is_plain && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}
