//! Anchored heads of the log: which sizes were stamped, and how far each stamp is.

use rusqlite::{Connection, OptionalExtension, Row};
use timestamp::Hash;
use timestamp::log::Head;
use timestamp::ots::{Attestation, Timestamp};
use timestamp::proof::Anchor;

use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// Each row is a head with its checkpoint, and an OpenTimestamps proof from its root. `worth` says
/// how much it proves; see [`Worth`].
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS anchors (
    tree_size        INTEGER PRIMARY KEY,
    root             BLOB NOT NULL CHECK (length(root) = 32),
    checkpoint       TEXT NOT NULL,
    timestamp        BLOB NOT NULL,
    worth            INTEGER NOT NULL CHECK (worth BETWEEN 0 AND 2),
    created_unix_ms  INTEGER NOT NULL,
    upgraded_unix_ms INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS anchors_pending ON anchors (tree_size) WHERE worth = 1;
";

/// How many pending anchors are given out at a time, oldest first.
const PENDING_MAX: u32 = 1_000;
const COLUMNS: &str = "tree_size, root, checkpoint, timestamp";

/// A head that calendars have promised to anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAnchor {
    /// The log's size at that head.
    pub tree_size: u64,
    /// The log's root at that head: what the timestamp starts from.
    pub root: Hash,
    /// What is known so far.
    pub timestamp: Timestamp,
    /// When it was first kept, Unix milliseconds.
    pub created_unix_ms: i64,
}

/// A head with its anchor.
pub(super) struct StoredAnchor {
    pub head: Head,
    pub anchor: Anchor,
}

impl StoredAnchor {
    /// The anchor for a leaf: the first in Bitcoin that includes it, or else the first that will
    /// be, or else a stand-in.
    pub fn of_leaf(db: &Connection, index: u64) -> Result<Option<Self>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM anchors WHERE tree_size > ?1
             ORDER BY worth DESC, tree_size LIMIT 1"
        );
        Self::query(db, &sql, index)
    }

    fn of_size(db: &Connection, tree_size: u64) -> Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM anchors WHERE tree_size = ?1");
        Self::query(db, &sql, tree_size)
    }

    fn query(db: &Connection, sql: &str, key: u64) -> Result<Option<Self>> {
        let row = db.prepare_cached(sql)?.query_row([key], read).optional()?;
        row.map(|(head, timestamp)| {
            let anchor = Anchor::from_bytes(&timestamp)?;
            Ok(Self { head, anchor })
        })
        .transpose()
    }

    fn insert(&self, db: &Connection) -> Result<()> {
        let timestamp = self.anchor.timestamp();
        db.execute(
            "INSERT INTO anchors
                 (tree_size, root, checkpoint, timestamp, worth, created_unix_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                self.head.size,
                self.head.root.as_bytes(),
                &self.head.checkpoint,
                self.anchor.to_bytes()?,
                Worth::of(&self.head.root, timestamp)? as i64,
                now_ms(),
            ),
        )?;
        Ok(())
    }

    /// Adds what came to be known.
    fn update(&self, db: &Connection, more: &Timestamp) -> Result<()> {
        let mut timestamp = self.anchor.timestamp().clone();
        timestamp.merge(more.clone());
        let anchor = Anchor::new(timestamp)?;
        db.execute(
            "UPDATE anchors SET timestamp = ?2, worth = ?3, upgraded_unix_ms = ?4
             WHERE tree_size = ?1",
            (
                self.head.size,
                anchor.to_bytes()?,
                Worth::of(&self.head.root, anchor.timestamp())? as i64,
                now_ms(),
            ),
        )?;
        Ok(())
    }
}

impl Node {
    /// The size and root of the log, if it has leaves that no anchor includes yet.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn log_head_to_anchor(&self) -> Result<Option<(u64, Hash)>> {
        let anchored: Option<u64> = self
            .inner
            .db
            .write(|tx| -> Result<_> {
                let sql = "SELECT max(tree_size) FROM anchors";
                Ok(tx.query_row(sql, [], |row| row.get(0))?)
            })
            .await?;
        let receipts = self.inner.receipts.lock().await;
        let size = receipts.size();
        Ok((size > anchored.unwrap_or(0)).then(|| (size, receipts.root())))
    }

    /// Keeps an anchor of the log's root at this size; of one that there is already, all that
    /// both say.
    ///
    /// # Errors
    /// If the log never had this size, the timestamp is too long, or the database fails.
    #[boxed]
    pub async fn keep_anchor(&self, tree_size: u64, timestamp: &Timestamp) -> Result<()> {
        let stored = StoredAnchor {
            head: self.inner.receipts.lock().await.head_at(tree_size)?,
            anchor: Anchor::new(timestamp.clone())?,
        };
        self.inner
            .db
            .write(move |tx| match StoredAnchor::of_size(tx, tree_size)? {
                Some(known) => known.update(tx, stored.anchor.timestamp()),
                None => stored.insert(tx),
            })
            .await
    }

    /// The anchors that calendars still owe something to, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn pending_anchors(&self) -> Result<Vec<PendingAnchor>> {
        let sql = format!(
            "SELECT {COLUMNS}, created_unix_ms FROM anchors WHERE worth = 1
             ORDER BY tree_size LIMIT {PENDING_MAX}"
        );
        self.inner
            .db
            .write(move |tx| -> Result<Vec<PendingAnchor>> {
                let mut statement = tx.prepare_cached(&sql)?;
                let mut rows = statement.query([])?;
                let mut pending = Vec::new();
                while let Some(row) = rows.next()? {
                    let (head, timestamp) = read(row)?;
                    pending.push(PendingAnchor {
                        tree_size: head.size,
                        root: head.root,
                        timestamp: Anchor::from_bytes(&timestamp)?.timestamp().clone(),
                        created_unix_ms: row.get(4)?,
                    });
                }
                Ok(pending)
            })
            .await
    }

    /// Adds to an anchor what a calendar has told since. The caller has checked what Bitcoin's
    /// headers say about it: a block that it names makes the anchor complete.
    ///
    /// # Errors
    /// `not_found`, or as [`Node::keep_anchor`].
    #[boxed]
    pub async fn upgrade_anchor(&self, tree_size: u64, timestamp: &Timestamp) -> Result<()> {
        let more = timestamp.clone();
        self.inner
            .db
            .write(move |tx| match StoredAnchor::of_size(tx, tree_size)? {
                Some(known) => known.update(tx, &more),
                None => Err(NodeError::NotFound {
                    what: "anchor of the log at size",
                    id: tree_size.to_string(),
                }),
            })
            .await
    }
}

/// What an anchor proves, the more the higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// Nothing, and nothing more comes: a stand-in.
    Nothing = 0,
    /// Calendars have promised.
    Pending = 1,
    /// It names a Bitcoin block, and one is enough.
    Bitcoin = 2,
}

impl Worth {
    fn of(root: &Hash, timestamp: &Timestamp) -> Result<Self> {
        let attestations = timestamp
            .attestations(root.as_bytes())
            .map_err(timestamp::Error::from)?;
        let any = |is: fn(&Attestation) -> bool| attestations.iter().any(|(_, a)| is(a));
        Ok(if any(|a| matches!(a, Attestation::Bitcoin { .. })) {
            Self::Bitcoin
        } else if any(|a| matches!(a, Attestation::Pending(_))) {
            Self::Pending
        } else {
            Self::Nothing
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Head, Vec<u8>)> {
    let head = Head {
        size: row.get(0)?,
        root: Hash(row.get(1)?),
        checkpoint: row.get(2)?,
    };
    Ok((head, row.get(3)?))
}
