//! Peers and channels.

use std::fmt;
use std::str::FromStr;

use bitcoin::OutPoint;
use bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::{ChannelDetails, Node, UserChannelId};

use super::{Lightning, LightningError};

use crate::boxed;

/// The name of a channel, from before it has a transaction until after it is closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u128);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelId({self})")
    }
}

impl FromStr for ChannelId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// A channel as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    /// The peer.
    pub node_id: PublicKey,
    /// The output that is the channel, once there is one.
    pub funding: Option<OutPoint>,
    /// All that is in it.
    pub amount_sat: u64,
    /// What can be sent at most, before fees.
    pub outbound_capacity_msat: u64,
    /// What can be received at most.
    pub inbound_capacity_msat: u64,
    /// True if its transaction is deep enough.
    pub is_ready: bool,
    /// True if it is ready, and the peer is connected.
    pub is_usable: bool,
    /// True if we opened it.
    pub is_outbound: bool,
    /// True if it is in the public graph.
    pub is_announced: bool,
    /// For how many blocks our part waits after a forced close of ours.
    pub close_delay_blocks: Option<u16>,
}

impl From<ChannelDetails> for Channel {
    fn from(details: ChannelDetails) -> Self {
        Self {
            id: ChannelId(details.user_channel_id.0),
            node_id: details.counterparty_node_id,
            funding: details.funding_txo,
            amount_sat: details.channel_value_sats,
            outbound_capacity_msat: details.outbound_capacity_msat,
            inbound_capacity_msat: details.inbound_capacity_msat,
            is_ready: details.is_channel_ready,
            is_usable: details.is_usable,
            is_outbound: details.is_outbound,
            is_announced: details.is_announced,
            close_delay_blocks: details.force_close_spend_delay,
        }
    }
}

/// A channel to be opened.
#[derive(Debug, Clone)]
pub struct OpenChannel {
    /// The peer.
    pub node_id: PublicKey,
    /// Where it listens.
    pub address: String,
    /// What goes into the channel, from our wallet.
    pub amount_sat: u64,
    /// What of it is the peer's from the start: a gift.
    pub push_msat: u64,
    /// Whether others may pay through it.
    pub is_announced: bool,
}

/// A peer that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its node id.
    pub node_id: PublicKey,
    /// Where it listens, as far as we know.
    pub address: String,
    /// True if it is connected.
    pub is_connected: bool,
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddress, LightningError> {
    let address = SocketAddress::from_str(text);
    address.map_err(|_| LightningError::Invalid("network address"))
}

impl Lightning {
    /// Connects to a peer, and keeps doing so.
    ///
    /// # Errors
    /// `PeerUnreachable` or `Invalid`.
    #[boxed]
    pub async fn connect(&self, node_id: PublicKey, address: &str) -> Result<(), LightningError> {
        let address = socket_address(address)?;
        self.call(move |node| Ok(node.connect(node_id, address, true)?))
            .await
    }

    /// Ends the connection, and makes none any more.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn disconnect(&self, node_id: PublicKey) -> Result<(), LightningError> {
        self.call(move |node| Ok(node.disconnect(node_id)?)).await
    }

    /// The peers that we know.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn peers(&self) -> Result<Vec<Peer>, LightningError> {
        self.call(|node| {
            let peers = node.list_peers().into_iter().map(|peer| Peer {
                node_id: peer.node_id,
                address: peer.address.to_string(),
                is_connected: peer.is_connected,
            });
            Ok(peers.collect())
        })
        .await
    }

    /// All channels that aren't closed.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn channels(&self) -> Result<Vec<Channel>, LightningError> {
        self.call(|node| Ok(node.list_channels().into_iter().map(Into::into).collect()))
            .await
    }

    /// Begins to open a channel. It can be used when its transaction is deep enough.
    ///
    /// # Errors
    /// `PeerUnreachable`, `Insufficient` or `Channel`.
    #[boxed]
    pub async fn open_channel(&self, open: OpenChannel) -> Result<ChannelId, LightningError> {
        let address = socket_address(&open.address)?;
        self.call(move |node| {
            let push_msat = Some(open.push_msat).filter(|push| *push > 0);
            let (peer, amount_sat) = (open.node_id, open.amount_sat);
            let opened = if open.is_announced {
                node.open_announced_channel(peer, address, amount_sat, push_msat, None)
            } else {
                node.open_channel(peer, address, amount_sat, push_msat, None)
            };
            let id = opened.map_err(|error| match error {
                ldk_node::NodeError::InsufficientFunds => LightningError::Insufficient {
                    needed_sat: amount_sat,
                    available_sat: node.list_balances().spendable_onchain_balance_sats,
                },
                other => other.into(),
            })?;
            Ok(ChannelId(id.0))
        })
        .await
    }

    /// Closes a channel together with the peer.
    ///
    /// # Errors
    /// `ChannelUnknown`, or `Channel` if the peer is away: then only force helps.
    #[boxed]
    pub async fn close_channel(&self, id: ChannelId) -> Result<(), LightningError> {
        self.call(move |node| {
            let (user_id, peer) = find(node, id)?;
            Ok(node.close_channel(&user_id, peer)?)
        })
        .await
    }

    /// Closes a channel without the peer. Our part of it comes back after a delay.
    ///
    /// # Errors
    /// `ChannelUnknown` or `Channel`.
    #[boxed]
    pub async fn force_close_channel(&self, id: ChannelId) -> Result<(), LightningError> {
        self.call(move |node| {
            let (user_id, peer) = find(node, id)?;
            Ok(node.force_close_channel(&user_id, peer, None)?)
        })
        .await
    }
}

fn find(node: &Node, id: ChannelId) -> Result<(UserChannelId, PublicKey), LightningError> {
    let channels = node.list_channels();
    let found = channels
        .iter()
        .find(|channel| channel.user_channel_id.0 == id.0);
    let found = found.ok_or(LightningError::ChannelUnknown)?;
    Ok((found.user_channel_id, found.counterparty_node_id))
}
