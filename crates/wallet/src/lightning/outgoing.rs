//! Our own record of what this node pays: written before the library is told, so that a crash at
//! any point leaves behind what was meant to happen.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

pub(super) const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS outgoing (
    id BLOB PRIMARY KEY,
    -- What the library calls it. Missing for an offer that isn't handed over yet.
    ldk_id BLOB UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('bolt11', 'bolt12', 'keysend')),
    -- The digest of what is paid: one id is for one thing.
    digest BLOB NOT NULL,
    amount_msat INTEGER NOT NULL,
    fee_max_msat INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('intended', 'exposed', 'sent', 'succeeded', 'failed', 'unsent')),
    preimage BLOB,
    fee_msat INTEGER,
    reason TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS outgoing_open ON outgoing (state)
    WHERE state IN ('intended', 'exposed', 'sent');";

/// The name of a payment: the payment hash, or what the caller chose for the payment of an offer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId(pub [u8; 32]);

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentId({self})")
    }
}

impl FromStr for PaymentId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// What proves a payment. `Debug` doesn't show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Preimage(pub [u8; 32]);

impl fmt::Debug for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preimage(..)")
    }
}

/// How a payment travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentKind {
    /// By an invoice.
    Bolt11,
    /// By an offer.
    Bolt12,
    /// To a node, unasked.
    Keysend,
}

impl PaymentKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Bolt11 => "bolt11",
            Self::Bolt12 => "bolt12",
            Self::Keysend => "keysend",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "bolt12" => Self::Bolt12,
            "keysend" => Self::Keysend,
            _ => Self::Bolt11,
        }
    }
}

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentStatus {
    /// It may still succeed, however long it takes: what it could cost stays reserved.
    Pending,
    /// The payee has it.
    Succeeded {
        /// The proof, if the library knows it.
        preimage: Option<Preimage>,
        /// What the way cost.
        fee_msat: u64,
    },
    /// Nothing was paid, and nothing will be.
    Failed {
        /// Why, in a word that programs can read.
        reason: String,
    },
    /// It was recorded, but a crash came before anything was sent. Paying again begins anew.
    Unsent,
}

impl PaymentStatus {
    /// True if nothing can change any more unless it is paid anew.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Pending)
    }
}

/// An outgoing payment that is about to begin.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) id: PaymentId,
    pub(super) kind: PaymentKind,
    pub(super) digest: [u8; 32],
    pub(super) amount_msat: u64,
    pub(super) fee_max_msat: u64,
}

/// What [`begin`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It is recorded, and may be sent.
    New,
    /// It was sent before, or is being sent.
    Known,
    /// The id belongs to something else.
    Conflict,
}

/// A record.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) id: PaymentId,
    pub(super) ldk_id: Option<PaymentId>,
    pub(super) kind: PaymentKind,
    pub(super) amount_msat: u64,
    pub(super) fee_max_msat: u64,
    pub(super) status: PaymentStatus,
    /// Nothing of it can be anywhere but in this record.
    pub(super) is_only_intended: bool,
}

/// Records that a payment is about to be sent, unless it was before.
pub(super) fn begin(db: &Connection, intent: &Intent) -> rusqlite::Result<Begun> {
    let sql = "SELECT state, digest, amount_msat FROM outgoing WHERE id = ?1";
    let found = db
        .query_row(sql, [intent.id.0], |row| {
            let state: String = row.get(0)?;
            let is_same =
                row.get::<_, [u8; 32]>(1)? == intent.digest && msat(row, 2)? == intent.amount_msat;
            Ok((state, is_same))
        })
        .optional()?;
    match found {
        Some((state, _)) if matches!(state.as_str(), "failed" | "unsent") => {}
        Some((_, true)) => return Ok(Begun::Known),
        Some((_, false)) => return Ok(Begun::Conflict),
        None => {}
    }
    // The library names invoices and keysends by their hash, as we do.
    let ldk_id = (intent.kind != PaymentKind::Bolt12).then_some(intent.id.0);
    let sql = "INSERT OR REPLACE INTO outgoing
        (id, ldk_id, kind, digest, amount_msat, fee_max_msat, state)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'intended')";
    let amount_msat = i64::try_from(intent.amount_msat).unwrap_or(i64::MAX);
    let fee_max_msat = i64::try_from(intent.fee_max_msat).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.execute(params![
        intent.id.0,
        ldk_id,
        intent.kind.name(),
        intent.digest,
        amount_msat,
        fee_max_msat
    ])?;
    Ok(Begun::New)
}

/// Notes what the library calls an offer's payment.
pub(super) fn link(db: &Connection, id: PaymentId, ldk_id: PaymentId) -> rusqlite::Result<()> {
    let sql = "UPDATE outgoing SET ldk_id = ?2, state = 'sent'
        WHERE id = ?1 AND state IN ('intended', 'exposed')";
    db.execute(sql, [id.0, ldk_id.0]).map(drop)
}

/// Notes that a payment may be on its way without a link.
pub(super) fn expose(db: &Connection, id: PaymentId) -> rusqlite::Result<()> {
    let sql = "UPDATE outgoing SET state = 'exposed' WHERE id = ?1 AND state = 'intended'";
    db.execute(sql, [id.0]).map(drop)
}

/// Notes what became of a payment, by our id.
pub(super) fn settle(
    db: &Connection,
    id: PaymentId,
    status: &PaymentStatus,
) -> rusqlite::Result<()> {
    let (state, preimage, fee_msat, reason) = match status {
        PaymentStatus::Pending => return Ok(()),
        PaymentStatus::Succeeded { preimage, fee_msat } => {
            ("succeeded", *preimage, Some(*fee_msat), None)
        }
        PaymentStatus::Failed { reason } => ("failed", None, None, Some(reason.as_str())),
        PaymentStatus::Unsent => ("unsent", None, None, None),
    };
    // What succeeded has succeeded, whatever is said later.
    let sql = "UPDATE outgoing SET state = ?2, preimage = ?3, fee_msat = ?4, reason = ?5
        WHERE id = ?1 AND state <> 'succeeded'";
    let fee_msat = fee_msat.map(|fee| i64::try_from(fee).unwrap_or(i64::MAX));
    let preimage = preimage.map(|preimage| preimage.0);
    db.prepare_cached(sql)?
        .execute(params![id.0, state, preimage, fee_msat, reason])
        .map(drop)
}

/// Notes what the library says of a payment, and tells our id of it.
pub(super) fn settle_by_ldk_id(
    db: &Connection,
    ldk_id: PaymentId,
    status: &PaymentStatus,
) -> rusqlite::Result<PaymentId> {
    let sql = "SELECT id FROM outgoing WHERE ldk_id = ?1";
    let mut id = db.query_row(sql, [ldk_id.0], |row| row.get(0)).optional()?;
    if id.is_none() {
        // All that the library pays has a record, so an unknown one is that which lost its link.
        let sql = "UPDATE outgoing SET ldk_id = ?1, state = 'sent' WHERE id =
            (SELECT id FROM outgoing WHERE state = 'exposed' AND ldk_id IS NULL LIMIT 1)
            RETURNING id";
        id = db.query_row(sql, [ldk_id.0], |row| row.get(0)).optional()?;
    }
    let id = id.map_or(ldk_id, PaymentId);
    settle(db, id, status)?;
    Ok(id)
}

/// True if what the library keeps of channels and payments says anything of this id.
pub(super) fn is_known_to_library(db: &Connection, ldk_id: PaymentId) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM kv
        WHERE (primary_namespace IN ('monitors', 'monitor_updates')
            OR (primary_namespace = '' AND key IN ('manager', 'events')))
        AND instr(value, ?1) > 0)";
    db.query_row(sql, [ldk_id.0], |row| row.get(0))
}

const COLUMNS: &str = "id, ldk_id, kind, amount_msat, fee_max_msat, state, preimage, fee_msat,
    reason";

pub(super) fn get(db: &Connection, id: PaymentId) -> rusqlite::Result<Option<Outgoing>> {
    let sql = format!("SELECT {COLUMNS} FROM outgoing WHERE id = ?1");
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_row([id.0], record).optional()
}

/// The newest records, up to a number.
pub(super) fn newest(db: &Connection, count_max: u32) -> rusqlite::Result<Vec<Outgoing>> {
    let sql = format!("SELECT {COLUMNS} FROM outgoing ORDER BY rowid DESC LIMIT ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([count_max], record)?;
    rows.collect()
}

/// What isn't settled.
pub(super) fn open(db: &Connection) -> rusqlite::Result<Vec<Outgoing>> {
    let sql =
        format!("SELECT {COLUMNS} FROM outgoing WHERE state IN ('intended', 'exposed', 'sent')");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], record)?;
    rows.collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    let state: String = row.get("state")?;
    let status = match state.as_str() {
        "succeeded" => PaymentStatus::Succeeded {
            preimage: row.get::<_, Option<[u8; 32]>>("preimage")?.map(Preimage),
            fee_msat: msat(row, 7)?,
        },
        "failed" => PaymentStatus::Failed {
            reason: row.get("reason")?,
        },
        "unsent" => PaymentStatus::Unsent,
        _ => PaymentStatus::Pending,
    };
    let ldk_id = row.get::<_, Option<[u8; 32]>>("ldk_id")?.map(PaymentId);
    Ok(Outgoing {
        id: PaymentId(row.get("id")?),
        ldk_id,
        kind: PaymentKind::of(&row.get::<_, String>("kind")?),
        amount_msat: msat(row, 3)?,
        fee_max_msat: msat(row, 4)?,
        status,
        is_only_intended: state == "intended" && ldk_id.is_none(),
    })
}

fn msat(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: Option<i64> = row.get(index)?;
    Ok(value.unwrap_or(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db
    }

    fn intent(id: u8, kind: PaymentKind) -> Intent {
        Intent {
            id: PaymentId([id; 32]),
            kind,
            digest: [id; 32],
            amount_msat: 1_000,
            fee_max_msat: 10,
        }
    }

    fn failed() -> PaymentStatus {
        let reason = "route_not_found".into();
        PaymentStatus::Failed { reason }
    }

    #[test]
    fn one_id_is_for_one_thing_and_is_sent_once() {
        let db = db();
        let first = intent(1, PaymentKind::Bolt11);
        assert_eq!(begin(&db, &first).unwrap(), Begun::New);
        assert_eq!(begin(&db, &first).unwrap(), Begun::Known);
        let other = Intent {
            amount_msat: 2_000,
            ..first.clone()
        };
        assert_eq!(begin(&db, &other).unwrap(), Begun::Conflict);
        settle(&db, first.id, &failed()).unwrap();
        assert_eq!(begin(&db, &other).unwrap(), Begun::New);
        let status = PaymentStatus::Succeeded {
            preimage: Some(Preimage([7; 32])),
            fee_msat: 3,
        };
        assert_eq!(settle_by_ldk_id(&db, first.id, &status).unwrap(), first.id);
        assert_eq!(begin(&db, &other).unwrap(), Begun::Known);
        settle(&db, first.id, &failed()).unwrap();
        assert_eq!(get(&db, first.id).unwrap().unwrap().status, status);
        assert!(open(&db).unwrap().is_empty());
    }

    #[test]
    fn an_offer_is_found_by_its_link_or_because_only_it_lost_one() {
        let db = db();
        let (linked, lost) = (
            intent(1, PaymentKind::Bolt12),
            intent(2, PaymentKind::Bolt12),
        );
        begin(&db, &linked).unwrap();
        begin(&db, &lost).unwrap();
        assert!(get(&db, lost.id).unwrap().unwrap().is_only_intended);
        link(&db, linked.id, PaymentId([8; 32])).unwrap();
        expose(&db, lost.id).unwrap();
        assert!(!get(&db, lost.id).unwrap().unwrap().is_only_intended);
        let settled = |ldk_id| settle_by_ldk_id(&db, PaymentId([ldk_id; 32]), &failed()).unwrap();
        assert_eq!(settled(8), linked.id);
        assert_eq!(settled(9), lost.id);
        // Nothing of ours.
        assert_eq!(settled(10), PaymentId([10; 32]));
    }
}
