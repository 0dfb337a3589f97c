//! Peers, channels, and the coins for them.

use serde::{Deserialize, Serialize};
use wallet::MSAT_PER_SAT;
use wallet::ledger::{self, Account};
use wallet::lightning::{Channel, ChannelId, LightningError, OpenChannel};

use super::view::{ChannelView, LightningView, PeerView};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::Node;

/// A channel to be opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    /// `NODE_ID@HOST:PORT`
    pub peer: String,
    /// What goes into the channel, from this node's coins.
    pub amount_sat: u64,
    /// What of it is a gift to the peer.
    #[serde(default)]
    pub push_sat: u64,
    /// Whether others may pay through it.
    #[serde(default)]
    pub is_announced: bool,
}

impl Node {
    /// The Lightning node at a glance.
    ///
    /// # Errors
    /// `no_lightning`, or `lightning_not_running`.
    #[boxed]
    pub async fn lightning_status(&self) -> Result<LightningView> {
        let lightning = self.cashier()?.lightning();
        let (status, has) = (lightning.status().await, lightning.balances().await?);
        let read = |tx: &rusqlite::Transaction<'_>| -> Result<(i64, i64)> {
            let owner = ledger::ensure_account(tx, &Account::OwnerLightning)?;
            let mint = ledger::ensure_account(tx, &Account::MintIssued)?;
            Ok((owner.available_msat(), mint.balance_msat))
        };
        let (owner_msat, mint_msat) = self.inner.db.write(read).await?;
        let sat = |msat: i64| msat.max(0).unsigned_abs() / MSAT_PER_SAT;
        let node_id = lightning.node_id();
        let listening = lightning.listening().iter();
        Ok(LightningView {
            node_id: node_id.to_string(),
            listening: listening.map(|at| format!("{node_id}@{at}")).collect(),
            height: status.height,
            channels_usable: status.channels_usable,
            channels: status.channels,
            owner_sat: sat(owner_msat),
            mint_issued_sat: sat(mint_msat),
            onchain_sat: has.onchain_total_sat,
            channels_sat: has.channels_sat,
            closing_sat: has.closing_sat,
            outbound_sat: has.outbound_capacity_msat / MSAT_PER_SAT,
            inbound_sat: has.inbound_capacity_msat / MSAT_PER_SAT,
            storage_fault: status.storage_fault,
        })
    }

    /// A fresh address for coins that channels are opened with.
    ///
    /// # Errors
    /// `no_lightning`, or the storage's.
    #[boxed]
    pub async fn lightning_address(&self) -> Result<String> {
        Ok(self.cashier()?.lightning().new_address().await?.to_string())
    }

    /// Sends coins that no channel holds: all of them, if no amount is given.
    ///
    /// # Errors
    /// `lightning_insufficient`, or an address that isn't one of this network.
    #[boxed]
    pub async fn lightning_send_onchain(
        &self,
        address: &str,
        amount_sat: Option<u64>,
        fee_rate_sat_per_vb: Option<u64>,
    ) -> Result<String> {
        let lightning = self.cashier()?.lightning();
        let txid = match amount_sat {
            Some(amount_sat) => {
                lightning
                    .send_onchain(address, amount_sat, fee_rate_sat_per_vb)
                    .await?
            }
            None => {
                lightning
                    .send_all_onchain(address, fee_rate_sat_per_vb)
                    .await?
            }
        };
        Ok(txid.to_string())
    }

    /// All channels.
    ///
    /// # Errors
    /// `no_lightning`, or `lightning_not_running`.
    #[boxed]
    pub async fn lightning_channels(&self) -> Result<Vec<ChannelView>> {
        let channels = self.cashier()?.lightning().channels().await?;
        Ok(channels.into_iter().map(ChannelView::from).collect())
    }

    /// All peers.
    ///
    /// # Errors
    /// `no_lightning`, or `lightning_not_running`.
    #[boxed]
    pub async fn lightning_peers(&self) -> Result<Vec<PeerView>> {
        let peers = self.cashier()?.lightning().peers().await?;
        let view = |peer: wallet::lightning::Peer| PeerView {
            node_id: peer.node_id.to_string(),
            address: peer.address,
            is_connected: peer.is_connected,
        };
        Ok(peers.into_iter().map(view).collect())
    }

    /// Opens a channel. It can be used when its transaction is deep enough.
    ///
    /// # Errors
    /// `lightning_peer_unreachable`, `lightning_insufficient`, or the peer's refusal.
    #[boxed]
    pub async fn lightning_open(&self, request: OpenRequest) -> Result<String> {
        let bad = || LightningError::Invalid("peer: it is NODE_ID@HOST:PORT");
        let (node_id, address) = request.peer.split_once('@').ok_or_else(bad)?;
        let open = OpenChannel {
            node_id: node_id.parse().map_err(|_| bad())?,
            address: address.to_owned(),
            amount_sat: request.amount_sat,
            push_msat: wallet::sat_to_msat(request.push_sat),
            is_announced: request.is_announced,
        };
        let id = self.cashier()?.lightning().open_channel(open).await?;
        Ok(id.to_string())
    }

    /// Closes a channel together with the peer; or, forced, without it: then our part waits for some blocks.
    ///
    /// # Errors
    /// If there is no such channel.
    #[boxed]
    pub async fn lightning_close(&self, id: &str, is_forced: bool) -> Result<()> {
        let unknown = |_| NodeError::NotFound {
            what: "channel",
            id: id.to_owned(),
        };
        let channel: ChannelId = id.parse().map_err(unknown)?;
        let lightning = self.cashier()?.lightning();
        match is_forced {
            true => Ok(lightning.force_close_channel(channel).await?),
            false => Ok(lightning.close_channel(channel).await?),
        }
    }

    /// Looks at the chain now, and brings the books to it.
    ///
    /// # Errors
    /// `lightning_chain_unreachable`.
    #[boxed]
    pub async fn lightning_sync(&self) -> Result<()> {
        let cashier = self.cashier()?;
        cashier.lightning().sync().await?;
        self.follow_chain().await?;
        Ok(())
    }
}

impl From<Channel> for ChannelView {
    fn from(channel: Channel) -> Self {
        Self {
            id: channel.id.to_string(),
            node_id: channel.node_id.to_string(),
            funding: channel.funding.map(|outpoint| outpoint.to_string()),
            capacity_sat: channel.amount_sat,
            outbound_sat: channel.outbound_capacity_msat / MSAT_PER_SAT,
            inbound_sat: channel.inbound_capacity_msat / MSAT_PER_SAT,
            is_usable: channel.is_usable,
            is_announced: channel.is_announced,
        }
    }
}
