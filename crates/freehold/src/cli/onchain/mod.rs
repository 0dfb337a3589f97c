//! `freehold onchain`

mod fee;
mod psbt;
mod show;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use node::{BumpInput, FreezeInput, LabelInput, SendInput};
use serde_json::Value;

use super::amount;
use crate::api::onchain::{WalletInput, WatchInput};
use crate::client::{Client, escape};
use crate::failure::Result;
use crate::output::Output;

use fee::FeeFlags;

/// What to do with bitcoin on the chain.
#[derive(Debug, Subcommand)]
pub enum OnchainCommand {
    /// Show an address to be paid at
    Address {
        #[command(flatten)]
        wallet: WalletFlag,
        /// List the addresses that were given out instead
        #[arg(long, env = "FREEHOLD_ONCHAIN_LIST", hide_env = true)]
        #[arg(value_parser = FalseyValueParser::new())]
        list: bool,
    },
    /// Show what a wallet holds
    Balance(WalletFlag),
    /// List the coins that can be spent
    Coins(WalletFlag),
    /// Pay
    Send(SendArgs),
    /// Raise the fee of a transaction that waits for a block
    Bump {
        /// The transaction: one of ours, or one that pays us
        txid: String,
        #[command(flatten)]
        id: IdFlag,
        #[command(flatten)]
        fee: FeeFlags,
    },
    /// List transactions
    History {
        #[command(flatten)]
        wallet: WalletFlag,
        /// List the payments that were made here, and how far they are, instead
        #[arg(long, env = "FREEHOLD_ONCHAIN_SPENDS", hide_env = true)]
        #[arg(value_parser = FalseyValueParser::new())]
        spends: bool,
    },
    /// Partially signed transactions: to sign somewhere else, or for others
    #[command(subcommand)]
    Psbt(psbt::PsbtCommand),
    /// Watch wallets whose keys are somewhere else
    #[command(subcommand)]
    Watch(WatchCommand),
    /// Show a wallet's public descriptors, by which it can be watched elsewhere
    Export(WalletFlag),
    /// Keep a coin from being spent
    Freeze {
        /// The coin, as `txid:vout`
        coin: String,
        /// Let it be spent again
        #[arg(long, env = "FREEHOLD_ONCHAIN_OFF", hide_env = true)]
        #[arg(value_parser = FalseyValueParser::new())]
        off: bool,
    },
    /// Name an address, a transaction or a coin
    Label {
        /// An address, a transaction's id, or `txid:vout`
        what: String,
        /// The name; an empty one takes it away
        label: String,
        #[command(flatten)]
        wallet: WalletFlag,
    },
}

/// What to do with wallets that are watched.
#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    /// Watch a wallet
    Add {
        /// What to call it: 1 to 32 of a-z, 0-9 and `-`, beginning with a letter
        name: String,
        /// Its xpub, or a descriptor of public keys
        descriptor: String,
    },
    /// List the wallets that are watched
    List,
}

/// Which wallet.
#[derive(Debug, Args)]
pub struct WalletFlag {
    /// The watched wallet of this name, instead of the own one
    #[arg(
        long,
        env = "FREEHOLD_ONCHAIN_WALLET",
        hide_env = true,
        value_name = "NAME"
    )]
    wallet: Option<String>,
}

/// By what a payment happens once.
#[derive(Debug, Args)]
pub struct IdFlag {
    /// The payment's id: the same id pays once [default: a new one]
    #[arg(
        long = "payment-id",
        env = "FREEHOLD_ONCHAIN_PAYMENT_ID",
        hide_env = true
    )]
    #[arg(value_name = "ID")]
    payment_id: Option<String>,
}

/// A payment.
#[derive(Debug, Args)]
pub struct PaymentFlags {
    /// Where to
    address: String,
    /// How much arrives there, such as 20000sat
    #[arg(value_parser = amount::sat, required_unless_present = "all")]
    amount: Option<u64>,
    /// Send all there is, less the fee
    #[arg(long, env = "FREEHOLD_ONCHAIN_ALL", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new(), conflicts_with = "amount")]
    all: bool,
    /// Spend this coin, given as `txid:vout`, and no others. May be repeated
    #[arg(
        long = "coin",
        env = "FREEHOLD_ONCHAIN_COIN",
        hide_env = true,
        value_name = "TXID:VOUT"
    )]
    #[arg(value_delimiter = ',')]
    coins: Vec<String>,
    #[command(flatten)]
    fee: FeeFlags,
}

/// A payment that is made at once.
#[derive(Debug, Args)]
pub struct SendArgs {
    #[command(flatten)]
    payment: PaymentFlags,
    #[command(flatten)]
    id: IdFlag,
    /// What to call it
    #[arg(
        long,
        env = "FREEHOLD_ONCHAIN_LABEL",
        hide_env = true,
        value_name = "TEXT"
    )]
    label: Option<String>,
}

impl PaymentFlags {
    fn input(self) -> SendInput {
        SendInput {
            id: None,
            wallet: None,
            address: self.address,
            amount_sat: self.amount,
            all: self.all,
            coins: self.coins,
            fee: self.fee.choice(),
            label: None,
        }
    }
}

pub async fn run(output: Output, client: &Client, command: OnchainCommand) -> Result<()> {
    match command {
        OnchainCommand::Address { wallet, list: true } => {
            let addresses = client.get(&wallet.path("/api/onchain/addresses")).await?;
            output.show(addresses, show::addresses)
        }
        OnchainCommand::Address { wallet, .. } => {
            let WalletFlag { wallet } = wallet;
            let input = WalletInput { wallet };
            let address = client.post("/api/onchain/address", &input).await?;
            output.show(address, show::address)
        }
        OnchainCommand::Balance(wallet) => {
            let balance = client.get(&wallet.path("/api/onchain")).await?;
            output.show(balance, show::balance)
        }
        OnchainCommand::Coins(wallet) => {
            let coins = client.get(&wallet.path("/api/onchain/coins")).await?;
            output.show(coins, show::coins)
        }
        OnchainCommand::Send(args) => send(output, client, args).await,
        OnchainCommand::Bump { txid, id, fee } => {
            let input = BumpInput {
                id: id.payment_id,
                txid,
                fee: fee.choice(),
            };
            let spend = client.post("/api/onchain/bump", &input).await?;
            output.show(spend, show::spend)
        }
        OnchainCommand::History { wallet, spends } => match spends {
            true => {
                let spends = client.get(&wallet.path("/api/onchain/spends")).await?;
                output.show(spends, show::spends)
            }
            false => {
                let history = client.get(&wallet.path("/api/onchain/history")).await?;
                output.show(history, show::history)
            }
        },
        OnchainCommand::Psbt(command) => psbt::run(output, client, command).await,
        OnchainCommand::Watch(command) => watch(output, client, command).await,
        OnchainCommand::Export(wallet) => {
            let shown = client.get(&wallet.path("/api/onchain/descriptors")).await?;
            output.show(shown, show::descriptors)
        }
        OnchainCommand::Freeze { coin, off } => {
            let input = FreezeInput {
                wallet: None,
                coin,
                is_frozen: !off,
            };
            let coins = client.post("/api/onchain/freeze", &input).await?;
            output.show(coins, show::coins)
        }
        OnchainCommand::Label {
            what,
            label,
            wallet,
        } => {
            let input = LabelInput {
                wallet: wallet.wallet,
                what,
                label,
            };
            let named = client.post("/api/onchain/label", &input).await?;
            output.show(named, |named: Value| match named["label"].as_str() {
                Some(label) if !label.is_empty() => format!("it is called {label:?} now"),
                _ => "it has no name now".to_owned(),
            })
        }
    }
}

async fn send(output: Output, client: &Client, args: SendArgs) -> Result<()> {
    let input = SendInput {
        id: args.id.payment_id,
        label: args.label,
        ..args.payment.input()
    };
    let spend = client.post("/api/onchain/send", &input).await?;
    output.show(spend, show::spend)
}

async fn watch(output: Output, client: &Client, command: WatchCommand) -> Result<()> {
    match command {
        WatchCommand::Add { name, descriptor } => {
            let input = WatchInput { name, descriptor };
            let wallet = client.post("/api/onchain/watch", &input).await?;
            output.show(wallet, |wallet| show::watched(vec![wallet]))
        }
        WatchCommand::List => {
            let wallets = client.get("/api/onchain/watch").await?;
            output.show(wallets, show::watched)
        }
    }
}

impl WalletFlag {
    fn path(&self, path: &str) -> String {
        match &self.wallet {
            Some(name) => format!("{path}?wallet={}", escape(name)),
            None => path.to_owned(),
        }
    }
}
