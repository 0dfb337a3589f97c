//! `freehold lightning`

use clap::{Args, Subcommand};
use node::MSAT_PER_SAT;
use node::lightning::{
    BookedInvoice, BookedPayment, ChannelView, InvoiceInput, InvoiceView, LightningView,
    OpenRequest, PayInput, PeerView,
};
use serde_json::json;

use super::table::{pairs, table};
use crate::api::lightning::{
    AddressView, ClaimInput, CloseInput, Done, FailInput, KeysendInput, Opening, SendInput, Sent,
};
use crate::client::Client;
use crate::failure::Result;
use crate::output::Output;
use crate::when;

/// What to do over Lightning.
#[derive(Debug, Subcommand)]
pub enum LightningCommand {
    /// How the Lightning node is doing, and what it has
    Status,
    /// Pay a BOLT 11 invoice or a BOLT 12 offer
    Pay(PayArgs),
    /// Make a BOLT 11 invoice, to be paid once
    Invoice(InvoiceArgs),
    /// Make a BOLT 12 offer, to be paid as often as one likes
    Offer {
        #[command(flatten)]
        amount: Amount,
        /// What it is for
        #[arg(default_value = "")]
        description: String,
    },
    /// Pay to a node that didn't ask
    Keysend {
        /// The node's public name
        node_id: String,
        /// How much
        #[arg(env = "FREEHOLD_KEYSEND_SAT", hide_env = true, value_name = "SAT")]
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        sat: u64,
    },
    /// Take the payment of a hold invoice; the preimage is read from standard input
    Claim {
        /// What came
        #[arg(long, value_name = "SAT")]
        #[arg(env = "FREEHOLD_CLAIM_SAT", hide_env = true)]
        sat: u64,
    },
    /// Send the payment of a hold invoice back
    Fail {
        /// Its payment hash
        payment_hash: String,
    },
    /// List what was paid
    Payments,
    /// List the invoices, and what came in
    Invoices,
    /// List the channels
    Channels,
    /// Open a channel
    Open(OpenArgs),
    /// Close a channel
    Close {
        /// Its name, as `freehold lightning channels` shows it
        channel: String,
        /// Without the peer: what is ours waits for some blocks then
        #[arg(long, env = "FREEHOLD_CLOSE_FORCE", hide_env = true)]
        #[arg(value_parser = clap::builder::FalseyValueParser::new())]
        force: bool,
    },
    /// List the peers
    Peers,
    /// Show a fresh address for coins that channels are opened with
    Address,
    /// Send coins that no channel holds
    Send(SendArgs),
    /// Look at the chain now
    Sync,
}

/// An amount that may be left to the payer.
#[derive(Debug, Args)]
pub struct Amount {
    /// How much; left to the payer if missing
    #[arg(
        long,
        env = "FREEHOLD_LIGHTNING_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    sat: Option<u64>,
}

impl Amount {
    fn msat(&self) -> Option<u64> {
        self.sat.map(|sat| sat.saturating_mul(MSAT_PER_SAT))
    }
}

/// What is to be paid.
#[derive(Debug, Args)]
pub struct PayArgs {
    /// The invoice or the offer
    request: String,
    #[command(flatten)]
    amount: Amount,
    /// What the way may cost [default: a hundredth, at least 10 sat]
    #[arg(
        long,
        env = "FREEHOLD_LIGHTNING_MAX_FEE_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    max_fee_sat: Option<u64>,
    /// A name of 64 hex digits for the payment of an offer: the same name pays once
    #[arg(
        long,
        env = "FREEHOLD_LIGHTNING_PAYMENT_ID",
        hide_env = true,
        value_name = "HEX"
    )]
    payment_id: Option<String>,
}

/// An invoice to be made.
#[derive(Debug, Args)]
pub struct InvoiceArgs {
    #[command(flatten)]
    amount: Amount,
    /// What it is for
    #[arg(default_value = "")]
    description: String,
    /// For how long it can be paid, in seconds [default: 3600]
    #[arg(
        long,
        env = "FREEHOLD_INVOICE_EXPIRY_S",
        hide_env = true,
        value_name = "SECONDS"
    )]
    expiry_s: Option<u32>,
    /// Buy a channel for it from the provider that is configured, for at most this much
    #[arg(
        long,
        env = "FREEHOLD_INVOICE_JIT_MAX_FEE_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    jit_max_fee_sat: Option<u64>,
    /// Hold the payment until it is claimed or failed: the hash of a secret of yours, in hex
    #[arg(
        long,
        env = "FREEHOLD_INVOICE_HOLD",
        hide_env = true,
        value_name = "HASH"
    )]
    #[arg(conflicts_with = "jit_max_fee_sat")]
    hold: Option<String>,
}

/// A channel to be opened.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// NODE_ID@HOST:PORT
    peer: String,
    /// What goes into it
    #[arg(long, value_name = "SAT")]
    #[arg(env = "FREEHOLD_CHANNEL_SAT", hide_env = true)]
    sat: u64,
    /// What of it is a gift to the peer
    #[arg(
        long,
        env = "FREEHOLD_CHANNEL_PUSH_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    #[arg(default_value_t = 0)]
    push_sat: u64,
    /// Let others pay through it
    #[arg(long, env = "FREEHOLD_CHANNEL_ANNOUNCE", hide_env = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    announce: bool,
}

/// Coins to be sent.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Where to
    address: String,
    /// How much; all that no channel needs, if missing
    #[arg(long, value_name = "SAT")]
    #[arg(env = "FREEHOLD_SEND_SAT", hide_env = true)]
    sat: Option<u64>,
    /// What it pays to be in a block, in sat per virtual byte
    #[arg(long, value_name = "SAT_PER_VB")]
    #[arg(env = "FREEHOLD_SEND_FEE_RATE", hide_env = true)]
    fee_rate: Option<u64>,
}

pub async fn run(output: Output, client: &Client, command: LightningCommand) -> Result<()> {
    match command {
        LightningCommand::Status => output.show(client.get("/api/lightning").await?, status),
        LightningCommand::Sync => {
            let synced = client.post("/api/lightning/sync", &json!({})).await?;
            output.show(synced, status)
        }
        LightningCommand::Pay(args) => pay(output, client, args).await,
        LightningCommand::Invoice(args) => {
            let input = InvoiceInput {
                amount_msat: args.amount.msat(),
                description: args.description,
                expiry_s: args.expiry_s,
                jit_fee_max_msat: args
                    .jit_max_fee_sat
                    .map(|sat| sat.saturating_mul(MSAT_PER_SAT)),
                hold_payment_hash: args.hold,
            };
            let invoice = client.post("/api/lightning/invoices", &input).await?;
            output.show(invoice, |invoice: InvoiceView| invoice.request)
        }
        LightningCommand::Offer {
            amount,
            description,
        } => {
            let input = InvoiceInput {
                amount_msat: amount.msat(),
                description,
                ..InvoiceInput::default()
            };
            let offer = client.post("/api/lightning/offers", &input).await?;
            output.show(offer, |offer: InvoiceView| offer.request)
        }
        LightningCommand::Keysend { node_id, sat } => {
            let amount_msat = sat.saturating_mul(MSAT_PER_SAT);
            let input = KeysendInput {
                node_id,
                amount_msat,
            };
            let paid = client.post("/api/lightning/keysends", &input).await?;
            output.show(paid, paid_words)
        }
        LightningCommand::Claim { sat } => claim(output, client, sat).await,
        LightningCommand::Fail { payment_hash } => {
            let input = FailInput { payment_hash };
            let failed = client.post("/api/lightning/fail", &input).await?;
            output.show(failed, |_: Done| "it goes back to the payer".into())
        }
        LightningCommand::Payments => {
            let payments = client.get("/api/lightning/payments").await?;
            output.show(payments, payment_rows)
        }
        LightningCommand::Invoices => {
            let invoices = client.get("/api/lightning/invoices").await?;
            output.show(invoices, invoice_rows)
        }
        other => channels(output, client, other).await,
    }
}

async fn pay(output: Output, client: &Client, args: PayArgs) -> Result<()> {
    let input = PayInput {
        request: args.request,
        amount_msat: args.amount.msat(),
        fee_max_msat: args.max_fee_sat.map(|sat| sat.saturating_mul(MSAT_PER_SAT)),
        id: args.payment_id,
    };
    let paid = client.post("/api/lightning/payments", &input).await?;
    output.show(paid, paid_words)
}

/// The preimage is a secret until it is claimed with, so it doesn't stand on the command line.
async fn claim(output: Output, client: &Client, sat: u64) -> Result<()> {
    let mut preimage = String::new();
    std::io::stdin().read_line(&mut preimage)?;
    let input = ClaimInput {
        preimage: preimage.trim().to_owned(),
        amount_msat: sat.saturating_mul(MSAT_PER_SAT),
    };
    let claimed = client.post("/api/lightning/claim", &input).await?;
    output.show(claimed, |_: Done| "claimed".into())
}

async fn channels(output: Output, client: &Client, command: LightningCommand) -> Result<()> {
    match command {
        LightningCommand::Channels => {
            let channels = client.get("/api/lightning/channels").await?;
            output.show(channels, channel_rows)
        }
        LightningCommand::Open(args) => {
            let input = OpenRequest {
                peer: args.peer,
                amount_sat: args.sat,
                push_sat: args.push_sat,
                is_announced: args.announce,
            };
            let opening = client.post("/api/lightning/channels", &input).await?;
            output.show(opening, |opening: Opening| {
                let channel = opening.channel;
                format!("channel {channel} is being opened; it can be used when its transaction is deep enough")
            })
        }
        LightningCommand::Close { channel, force } => {
            let path = format!("/api/lightning/channels/{channel}/close");
            let closing = client.post(&path, &CloseInput { is_forced: force }).await?;
            output.show(closing, |_: Done| {
                format!("channel {channel} is being closed")
            })
        }
        LightningCommand::Peers => {
            output.show(client.get("/api/lightning/peers").await?, peer_rows)
        }
        LightningCommand::Address => {
            let address = client.post("/api/lightning/addresses", &json!({})).await?;
            output.show(address, |view: AddressView| view.address)
        }
        LightningCommand::Send(args) => {
            let input = SendInput {
                address: args.address,
                amount_sat: args.sat,
                fee_rate_sat_per_vb: args.fee_rate,
            };
            let sent = client.post("/api/lightning/send", &input).await?;
            output.show(sent, |sent: Sent| format!("sent: {}", sent.txid))
        }
        // `run` has done the others.
        _ => Ok(()),
    }
}

fn status(view: LightningView) -> String {
    let mut lines = vec![
        ("node", view.node_id),
        ("chain", format!("height {}", view.height)),
        (
            "channels",
            format!("{} of {} can be used", view.channels_usable, view.channels),
        ),
        ("can send", format!("{} sat", view.outbound_sat)),
        ("can receive", format!("{} sat", view.inbound_sat)),
        ("in channels", format!("{} sat", view.channels_sat)),
        ("on the chain", format!("{} sat", view.onchain_sat)),
        ("yours", format!("{} sat", view.owner_sat)),
        ("owed as ecash", format!("{} sat", view.mint_issued_sat)),
    ];
    if view.closing_sat > 0 {
        lines.push(("being closed", format!("{} sat", view.closing_sat)));
    }
    lines.extend(view.listening.into_iter().map(|at| ("listens at", at)));
    lines.extend(view.storage_fault.map(|fault| ("WAITS", fault)));
    pairs(&lines)
}

/// An amount in satoshi, with its thousandths if it has any.
fn sat(msat: u64) -> String {
    match msat % MSAT_PER_SAT {
        0 => format!("{} sat", msat / MSAT_PER_SAT),
        rest => format!("{}.{rest:03} sat", msat / MSAT_PER_SAT),
    }
}

fn paid_words(paid: BookedPayment) -> String {
    use node::lightning::PaymentState;
    let amount = sat(paid.amount_msat);
    match paid.state {
        PaymentState::Succeeded => {
            let fee = sat(paid.fee_msat.unwrap_or(0));
            format!("paid {amount}, and {fee} for the way")
        }
        PaymentState::Pending => {
            format!(
                "{amount} are on their way; `freehold lightning payments` tells when they have arrived"
            )
        }
        PaymentState::Failed => {
            let why = paid.reason.unwrap_or_default();
            format!("nothing was paid: {why}")
        }
    }
}

fn payment_rows(payments: Vec<BookedPayment>) -> String {
    if payments.is_empty() {
        return "nothing was paid yet".into();
    }
    let row = |payment: &BookedPayment| {
        [
            when::utc(payment.created_ms),
            sat(payment.amount_msat),
            payment.fee_msat.map(sat).unwrap_or_default(),
            format!("{:?}", payment.holder).to_lowercase(),
            format!("{:?}", payment.state).to_lowercase(),
            payment.id.chars().take(16).collect(),
        ]
    };
    let rows = payments.iter().map(row).collect();
    table(["when", "amount", "fee", "of", "state", "id"], rows)
}

fn invoice_rows(invoices: Vec<BookedInvoice>) -> String {
    if invoices.is_empty() {
        return "no invoices yet: freehold lightning invoice".into();
    }
    let row = |invoice: &BookedInvoice| {
        [
            when::utc(invoice.created_ms),
            invoice.amount_msat.map(sat).unwrap_or_default(),
            invoice.received_msat.map(sat).unwrap_or_default(),
            format!("{:?}", invoice.holder).to_lowercase(),
            invoice.description.clone(),
            invoice.payment_hash.chars().take(16).collect(),
        ]
    };
    let rows = invoices.iter().map(row).collect();
    table(["when", "asked", "came", "for", "what for", "hash"], rows)
}

fn channel_rows(channels: Vec<ChannelView>) -> String {
    if channels.is_empty() {
        return "no channels yet: freehold lightning open".into();
    }
    let row = |channel: &ChannelView| {
        [
            channel.id.clone(),
            channel.node_id.chars().take(12).collect(),
            channel.capacity_sat.to_string(),
            channel.outbound_sat.to_string(),
            channel.inbound_sat.to_string(),
            if channel.is_usable { "yes" } else { "no" }.to_owned(),
        ]
    };
    let rows = channels.iter().map(row).collect();
    let columns = [
        "channel",
        "peer",
        "sat",
        "can send",
        "can receive",
        "usable",
    ];
    table(columns, rows)
}

fn peer_rows(peers: Vec<PeerView>) -> String {
    if peers.is_empty() {
        return "no peers".into();
    }
    let row = |peer: &PeerView| {
        let connected = if peer.is_connected { "yes" } else { "no" };
        [peer.node_id.clone(), peer.address.clone(), connected.into()]
    };
    table(
        ["node", "address", "connected"],
        peers.iter().map(row).collect(),
    )
}
