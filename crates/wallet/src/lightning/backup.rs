//! A backup of channels that can't do harm: which channels there were, with whom, and where the
//! peers listen. Together with the seed it gets back our part of every channel.
//!
//! It holds no state of a channel on purpose. Whoever starts from an old state may broadcast it, by
//! himself even (an expired payment in it is reason enough for the library), and loses the channel
//! for it. Without any state, the peer is told that we lost ours, and closes the channel; what is
//! ours then goes to keys that follow from the seed alone (see `sweep.rs`). What is lost are
//! payments that were on their way.

use std::fmt::Write as _;
use std::path::Path;

use bitcoin::secp256k1::PublicKey;
use bitcoin::{Network, OutPoint};
use ldk_node::Node;
use ldk_node::lightning::routing::gossip::NodeId;
use rusqlite::{Connection, params};

use super::channels::socket_address;
use super::{Lightning, LightningError, Store};

use crate::boxed;

pub(super) const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS restored_channel (
    funding TEXT PRIMARY KEY,
    node_id TEXT NOT NULL,
    amount_sat INTEGER NOT NULL,
    is_done INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS restored_peer (
    node_id TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (node_id, address)
) STRICT;";

const MAGIC: &str = "freehold channel backup 1";
/// A larger backup isn't read: there is room for thousands of channels.
const BYTES_MAX: usize = 1 << 20;
const ADDRESSES_MAX: usize = 4;

/// Where a peer listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupPeer {
    /// Its node id.
    pub node_id: PublicKey,
    /// One of its addresses.
    pub address: String,
}

/// A channel that was open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupChannel {
    /// The output that is the channel.
    pub funding: OutPoint,
    /// The peer.
    pub node_id: PublicKey,
    /// All that was in it.
    pub amount_sat: u64,
}

/// Which channels there were. It isn't secret, but private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelBackup {
    /// The network.
    pub network: Network,
    /// Whose channels they are.
    pub node_id: PublicKey,
    /// Where the peers listen.
    pub peers: Vec<BackupPeer>,
    /// The channels.
    pub channels: Vec<BackupChannel>,
}

impl ChannelBackup {
    /// The backup as text, one thing a line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{MAGIC}\nnetwork {}\nnode {}\n", self.network, self.node_id);
        for peer in &self.peers {
            let _ = writeln!(text, "peer {} {}", peer.node_id, peer.address);
        }
        for channel in &self.channels {
            let (funding, node_id) = (channel.funding, channel.node_id);
            let _ = writeln!(text, "channel {funding} {node_id} {}", channel.amount_sat);
        }
        text
    }

    /// Reads a backup.
    ///
    /// # Errors
    /// `Backup`.
    pub fn parse(text: &str) -> Result<Self, LightningError> {
        let damaged = || LightningError::Backup("it is damaged".into());
        if text.len() > BYTES_MAX {
            return Err(LightningError::Backup("it is too large".into()));
        }
        let mut lines = text.lines();
        if lines.next() != Some(MAGIC) {
            return Err(LightningError::Backup("it is of another kind".into()));
        }
        let (mut network, mut node_id) = (None, None);
        let (mut peers, mut channels) = (Vec::new(), Vec::new());
        for line in lines {
            let mut words = line.split(' ');
            match words.next() {
                Some("network") => network = Some(next(&mut words)?),
                Some("node") => node_id = Some(next(&mut words)?),
                Some("peer") => peers.push(BackupPeer {
                    node_id: next(&mut words)?,
                    address: socket_address(words.next().ok_or_else(damaged)?)?.to_string(),
                }),
                Some("channel") => channels.push(BackupChannel {
                    funding: next(&mut words)?,
                    node_id: next(&mut words)?,
                    amount_sat: next(&mut words)?,
                }),
                _ => return Err(damaged()),
            }
            if words.next().is_some() {
                return Err(damaged());
            }
        }
        Ok(Self {
            network: network.ok_or_else(damaged)?,
            node_id: node_id.ok_or_else(damaged)?,
            peers,
            channels,
        })
    }
}

fn next<'a, T: std::str::FromStr>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<T, LightningError> {
    let word = words.next().and_then(|word| word.parse().ok());
    word.ok_or_else(|| LightningError::Backup("it is damaged".into()))
}

impl Lightning {
    /// The backup of the channels as they are now. It changes whenever a channel is opened, and only
    /// then: a payment needs no new one.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn channel_backup(&self) -> Result<ChannelBackup, LightningError> {
        let network = self.inner.config.network;
        self.call(move |node| Ok(of_node(node, network))).await
    }
}

fn of_node(node: &Node, network: Network) -> ChannelBackup {
    let channels = node.list_channels().into_iter().filter_map(|channel| {
        Some(BackupChannel {
            funding: channel.funding_txo?,
            node_id: channel.counterparty_node_id,
            amount_sat: channel.channel_value_sats,
        })
    });
    let channels: Vec<BackupChannel> = channels.collect();
    let mut ids: Vec<PublicKey> = channels.iter().map(|channel| channel.node_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let peers = ids.into_iter().flat_map(|id| addresses(node, id));
    ChannelBackup {
        network,
        node_id: node.node_id(),
        peers: peers.collect(),
        channels,
    }
}

/// Where a peer may be found: where we found it, and where it says it listens.
fn addresses(node: &Node, node_id: PublicKey) -> Vec<BackupPeer> {
    let known = node.list_peers().into_iter();
    let known = known.filter(|peer| peer.node_id == node_id && peer.is_persisted);
    let mut found: Vec<String> = known.map(|peer| peer.address.to_string()).collect();
    let graph = node.network_graph().node(&NodeId::from_pubkey(&node_id));
    if let Some(announced) = graph.and_then(|info| info.announcement_info) {
        let addresses = announced.addresses().iter();
        found.extend(addresses.map(ToString::to_string));
    }
    found.dedup();
    found.truncate(ADDRESSES_MAX);
    let peer = |address| BackupPeer { node_id, address };
    found.into_iter().map(peer).collect()
}

/// Prepares an empty folder for getting channels back: open a [`Lightning`] node with the old seed
/// there, and call [`Lightning::sweep`] until it has nothing to wait for. Blocks.
///
/// # Errors
/// `Backup` if a node lives in the folder, `InUse` or `Storage`.
pub fn restore(storage_dir: &Path, backup: &ChannelBackup) -> Result<(), LightningError> {
    let store = Store::open(storage_dir)?;
    let backup = backup.clone();
    let written = store.write("restore", move |db| write(db, &backup));
    store.close();
    if written? {
        return Ok(());
    }
    Err(LightningError::Backup(
        "a node lives in the folder already".into(),
    ))
}

fn write(db: &Connection, backup: &ChannelBackup) -> rusqlite::Result<bool> {
    // A node that has begun may have channels of its own.
    let is_empty: bool =
        db.query_row("SELECT NOT EXISTS (SELECT 1 FROM kv)", [], |row| row.get(0))?;
    if !is_empty {
        return Ok(false);
    }
    for channel in &backup.channels {
        let sql = "INSERT OR REPLACE INTO restored_channel (funding, node_id, amount_sat)
            VALUES (?1, ?2, ?3)";
        let amount_sat = i64::try_from(channel.amount_sat).unwrap_or(i64::MAX);
        let (funding, node_id) = (channel.funding.to_string(), channel.node_id.to_string());
        db.execute(sql, params![funding, node_id, amount_sat])?;
    }
    for peer in &backup.peers {
        let sql = "INSERT OR REPLACE INTO restored_peer VALUES (?1, ?2)";
        db.execute(sql, [&peer.node_id.to_string(), &peer.address])?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODE: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

    fn backup() -> ChannelBackup {
        let node_id = NODE.parse().unwrap();
        ChannelBackup {
            network: Network::Signet,
            node_id,
            peers: vec![BackupPeer {
                node_id,
                address: "127.0.0.1:9735".into(),
            }],
            channels: vec![BackupChannel {
                funding: format!("{}:1", "ab".repeat(32)).parse().unwrap(),
                node_id,
                amount_sat: 1_000_000,
            }],
        }
    }

    #[test]
    fn a_backup_is_read_as_it_was_written() {
        let backup = backup();
        let text = backup.to_text();
        assert_eq!(ChannelBackup::parse(&text).unwrap(), backup);
        for damage in [
            text.replace("backup 1", "backup 2"),
            text.replace(":1 ", " "),
            text.replace("node", "knot"),
            text.replace("1000000", "1000000 7"),
            text.replace("127.0.0.1:9735", ""),
            text.replace(&format!("node {NODE}\n"), ""),
            " ".repeat(BYTES_MAX + 1),
        ] {
            assert!(ChannelBackup::parse(&damage).is_err(), "{damage:.300}");
        }
    }

    #[test]
    fn only_an_empty_folder_is_restored_into() {
        let dir = tempfile::tempdir().unwrap();
        restore(dir.path(), &backup()).unwrap();
        // Again does no harm.
        restore(dir.path(), &backup()).unwrap();
        let store = Store::open(dir.path()).unwrap();
        let put = "INSERT INTO kv VALUES ('', '', 'manager', x'00')";
        store.write("manager", |db| db.execute(put, [])).unwrap();
        store.close();
        let refused = restore(dir.path(), &backup()).unwrap_err();
        assert_eq!(refused.code(), "lightning_backup");
    }

    proptest! {
        #[test]
        fn no_text_panics(lines in proptest::collection::vec("(peer|channel|node|network)?[ -~]{0,90}", 0..8)) {
            let _ = ChannelBackup::parse(&format!("{MAGIC}\n{}", lines.join("\n")));
        }
    }
}
