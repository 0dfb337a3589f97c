//! `freehold vault`

mod files;
mod qr;
mod token;
mod words;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use node::{NewProposal, ProposalView, VaultKeyView, VaultView};
use serde_json::{Value, json};

use crate::api::vaults::{AddressView, PeerInput, PolicyInput, PsbtInput};
use crate::client::{Client, escape};
use crate::failure::{Failure, Result};
use crate::output::Output;

/// What to do with a vault.
#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Print the line that names this node in a policy
    Key,
    /// Make a vault of a policy; without --yes only say what it means
    New {
        /// The policy file
        policy: PathBuf,
        /// Make it
        #[arg(long, env = "FREEHOLD_VAULT_YES", hide_env = true)]
        #[arg(value_parser = clap::builder::FalseyValueParser::new())]
        yes: bool,
        #[command(flatten)]
        rate: FeeRate,
    },
    /// List the vaults
    List,
    /// Show what a vault has, and the ways to spend it
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        rate: FeeRate,
    },
    /// Print an address to pay into
    Address {
        /// The vault
        name: String,
    },
    /// Propose a payment
    Propose(ProposeArgs),
    /// List the proposals
    Proposals {
        /// Of one vault only
        name: Option<String>,
    },
    /// Show a proposal, or take one in from a file or scanned QR codes
    Proposal {
        /// Its id, or a file
        proposal: String,
        #[command(flatten)]
        show: Show,
    },
    /// Sign a proposal
    Sign {
        /// Its id, or a file that is taken in first
        proposal: String,
        #[command(flatten)]
        show: Show,
    },
    /// Bring a proposal to another signer's node, and take its signatures home
    SendTo {
        /// Its id
        proposal: String,
        /// Where that node is reached; may be repeated
        #[arg(long, env = "FREEHOLD_VAULT_PEER", hide_env = true, value_name = "URL")]
        #[arg(required = true)]
        peer: Vec<String>,
    },
    /// Put the signatures of several files together
    Combine {
        /// PSBT files of one proposal
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        show: Show,
    },
    /// Send a proposal to the network
    Broadcast {
        /// Its id, or a file that is taken in first
        proposal: String,
    },
    /// Ecash that only the vault's signers can redeem
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Give a proposal up
    Drop {
        /// Its id
        proposal: String,
    },
}

/// What is to be paid.
#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The vault
    name: String,
    /// The address to pay to
    #[arg(
        long,
        env = "FREEHOLD_VAULT_TO",
        hide_env = true,
        value_name = "ADDRESS"
    )]
    to: String,
    /// How much to pay
    #[arg(long, env = "FREEHOLD_VAULT_SAT", hide_env = true, value_name = "SAT")]
    #[arg(
        id = "vault_sat",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    sat: Option<u64>,
    /// Pay everything that the path can spend
    #[arg(long, env = "FREEHOLD_VAULT_ALL", hide_env = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    all: bool,
    /// The path to take [default: the cheapest that is open at once]
    #[arg(
        long,
        env = "FREEHOLD_VAULT_PATH",
        hide_env = true,
        value_name = "NAME"
    )]
    path: Option<String>,
    /// What it is for
    #[arg(
        long,
        env = "FREEHOLD_VAULT_MEMO",
        hide_env = true,
        value_name = "TEXT"
    )]
    memo: Option<String>,
    #[command(flatten)]
    rate: FeeRate,
    #[command(flatten)]
    show: Show,
}

/// What a transaction pays for each byte.
#[derive(Debug, Args)]
pub struct FeeRate {
    /// The fee rate [default: what gets it into a block within the hour]
    #[arg(
        long,
        env = "FREEHOLD_VAULT_FEE_RATE",
        hide_env = true,
        value_name = "SAT_PER_VB"
    )]
    fee_rate: Option<f64>,
}

impl FeeRate {
    fn shown(&self) -> f64 {
        self.fee_rate.unwrap_or(1.0)
    }
}

/// How a proposal is passed on.
#[derive(Debug, Args)]
pub struct Show {
    /// Write what comes of it to a file
    #[arg(long, env = "FREEHOLD_VAULT_OUT", hide_env = true, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show the PSBT as QR codes
    #[arg(long, env = "FREEHOLD_VAULT_QR", hide_env = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    qr: bool,
}

pub async fn run(output: Output, client: &Client, command: VaultCommand) -> Result<()> {
    match command {
        VaultCommand::Key => {
            let key = client.get("/api/vault-key").await?;
            output.show(key, |view: VaultKeyView| view.key)
        }
        VaultCommand::New { policy, yes, rate } => {
            new(output, client, &policy, yes, rate.shown()).await
        }
        VaultCommand::List => output.show(client.get("/api/vaults").await?, words::vaults),
        VaultCommand::Show { name, rate } => {
            let rate = rate.shown();
            let path = format!("/api/vaults/{}?fee_rate_sat_per_vb={rate}", escape(&name));
            output.show(client.get(&path).await?, |vault: VaultView| {
                words::vault(&vault, rate)
            })
        }
        VaultCommand::Address { name } => {
            let path = format!("/api/vaults/{}/address", escape(&name));
            let address = client.post(&path, &json!({})).await?;
            output.show(address, |view: AddressView| view.address)
        }
        VaultCommand::Propose(args) => propose(output, client, args).await,
        VaultCommand::Proposals { name } => {
            let query = name.map(|name| format!("?vault={}", escape(&name)));
            let path = format!("/api/vault-proposals{}", query.unwrap_or_default());
            output.show(client.get(&path).await?, words::proposals)
        }
        VaultCommand::Token(command) => token::run(output, client, command).await,
        other => with_proposal(output, client, other).await,
    }
}

async fn with_proposal(output: Output, client: &Client, command: VaultCommand) -> Result<()> {
    let plain = Show {
        out: None,
        qr: false,
    };
    let (view, show) = match command {
        VaultCommand::Proposal { proposal, show } => {
            let id = known(client, &proposal).await?;
            (client.get(&api_path(&id, "")).await?, show)
        }
        VaultCommand::Sign { proposal, show } => {
            let id = known(client, &proposal).await?;
            (act(client, &id, "/sign").await?, show)
        }
        VaultCommand::SendTo { proposal, peer } => {
            let mut view = Value::Null;
            for peer in peer {
                let path = api_path(&proposal, "/send");
                view = client.post(&path, &PeerInput { peer }).await?;
            }
            (view, plain)
        }
        VaultCommand::Combine { files, show } => {
            let mut view = Value::Null;
            for file in &files {
                view = take_in(client, &files::read(file)?).await?;
            }
            (view, show)
        }
        VaultCommand::Broadcast { proposal } => {
            let id = known(client, &proposal).await?;
            (act(client, &id, "/broadcast").await?, plain)
        }
        VaultCommand::Drop { proposal } => (act(client, &proposal, "/drop").await?, plain),
        // The others are `run`'s.
        _ => return Ok(()),
    };
    show_proposal(output, view, &show)
}

async fn new(
    output: Output,
    client: &Client,
    file: &std::path::Path,
    is_sure: bool,
    rate: f64,
) -> Result<()> {
    let policy = files::text(file)?;
    let input = PolicyInput {
        policy,
        preview: !is_sure,
        fee_rate_sat_per_vb: rate,
    };
    let made = client.post("/api/vaults", &input).await?;
    if !is_sure {
        let shown = output.show(made, |vault| words::description(&vault, rate));
        output.note("nothing was made yet: read it, then say it again with --yes");
        return shown;
    }
    output.show(made, |vault: VaultView| words::vault(&vault, rate))
}

async fn propose(output: Output, client: &Client, args: ProposeArgs) -> Result<()> {
    let wanted = NewProposal {
        to: args.to,
        amount_sat: args.sat,
        path: args.path,
        fee_rate_sat_per_vb: args.rate.fee_rate,
        memo: args.memo.unwrap_or_default(),
    };
    let path = format!("/api/vaults/{}/proposals", escape(&args.name));
    let view = client.post(&path, &wanted).await?;
    show_proposal(output, view, &args.show)
}

/// The id of a proposal that is named by its id, or that is in a file and is taken in first.
async fn known(client: &Client, proposal: &str) -> Result<String> {
    if proposal.len() <= 64 && proposal.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(proposal.to_owned());
    }
    let view = take_in(client, &files::read(std::path::Path::new(proposal))?).await?;
    let id = view["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| Failure::ours("answer_unreadable", "the node's answer has no id"))
}

async fn take_in(client: &Client, psbt: &str) -> Result<Value> {
    let input = PsbtInput {
        psbt: psbt.to_owned(),
        vault: None,
        memo: String::new(),
    };
    client.post("/api/vault-proposals", &input).await
}

async fn act(client: &Client, id: &str, what: &str) -> Result<Value> {
    client.post(&api_path(id, what), &json!({})).await
}

fn api_path(id: &str, what: &str) -> String {
    format!("/api/vault-proposals/{}{what}", escape(id))
}

fn show_proposal(output: Output, view: Value, show: &Show) -> Result<()> {
    let psbt = view["psbt"].as_str().unwrap_or_default().to_owned();
    if let Some(file) = &show.out {
        files::write(file, &psbt)?;
    }
    if show.qr && !output.json {
        output.line(&qr::codes(&psbt)?)?;
    }
    output.show(view, |proposal: ProposalView| words::proposal(&proposal))
}
