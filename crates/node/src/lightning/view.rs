//! Lightning, for people and programs.

use serde::{Deserialize, Serialize};

/// The Lightning node at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LightningView {
    /// Its public name.
    pub node_id: String,
    /// Where it listens: `NODE_ID@HOST:PORT` is what others connect to.
    pub listening: Vec<String>,
    /// The height of the chain that it knows.
    pub height: u32,
    /// How many channels can be used now.
    pub channels_usable: usize,
    /// How many there are.
    pub channels: usize,
    /// What the owner can spend here: what isn't owed to those who hold the mint's ecash.
    pub owner_sat: u64,
    /// What the embedded mint owes to those who hold its ecash.
    pub mint_issued_sat: u64,
    /// Coins on the chain, for opening channels.
    pub onchain_sat: u64,
    /// Our part of the channels.
    pub channels_sat: u64,
    /// What comes back from closed channels, but hasn't yet.
    pub closing_sat: u64,
    /// What can be sent at most, before fees.
    pub outbound_sat: u64,
    /// What can be received at most.
    pub inbound_sat: u64,
    /// Why nothing can be written at the moment, if so.
    pub storage_fault: Option<String>,
}

/// A channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChannelView {
    /// Its name here.
    pub id: String,
    /// The peer.
    pub node_id: String,
    /// The output that it is, once it has one.
    pub funding: Option<String>,
    /// All that is in it.
    pub capacity_sat: u64,
    /// What can be sent through it.
    pub outbound_sat: u64,
    /// What can be received through it.
    pub inbound_sat: u64,
    /// Whether it can be used now.
    pub is_usable: bool,
    /// Whether it is announced to all.
    pub is_announced: bool,
}

/// A peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerView {
    /// Its public name.
    pub node_id: String,
    /// Where it was reached.
    pub address: String,
    /// Whether we are connected.
    pub is_connected: bool,
}

/// An invoice or an offer to be shown to a payer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InvoiceView {
    /// The invoice or the offer.
    pub request: String,
    /// The payment hash, of an invoice.
    pub payment_hash: Option<String>,
    /// How much, if that is said.
    pub amount_msat: Option<u64>,
    /// Until when it can be paid, Unix seconds.
    pub expires_at_s: Option<u64>,
}

/// The sandbox at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxView {
    /// Its Esplora server.
    pub esplora_url: String,
    /// The chain's height.
    pub height: u32,
    /// The neighbour's Lightning node.
    pub neighbour: String,
}
