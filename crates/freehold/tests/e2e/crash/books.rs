//! The nodes' databases, read from outside: what a node says about itself is compared with
//! what is really written down.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

type Result<T> = rusqlite::Result<T>;

pub fn open(path: &Path) -> Result<Connection> {
    // Not read-only: a database that was killed has a log to be read in first.
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// A payment at the payer.
#[derive(Clone, Debug)]
pub struct Payment {
    pub id: String,
    pub state: String,
    pub purse: String,
    pub handed_sat: u64,
    pub spent_sat: Option<u64>,
    pub status: Option<u16>,
}

/// A sale at the seller.
#[derive(Clone, Debug)]
pub struct Sale {
    pub body: Vec<u8>,
    pub state: String,
    pub received_sat: u64,
    pub price_sat: u64,
    pub error: Option<String>,
}

/// A node's ledger.
pub struct Ledger(Connection);

impl Ledger {
    pub fn open(network_dir: &Path) -> Result<Self> {
        open(&network_dir.join("freehold.db")).map(Self)
    }

    pub fn payments(&self) -> Result<Vec<Payment>> {
        let sql = "SELECT id, state, COALESCE(purse, ''), amount_sat + fee_sat, spent_sat, status FROM payments";
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Payment {
                id: row.get(0)?,
                state: row.get(1)?,
                purse: row.get(2)?,
                handed_sat: row.get(3)?,
                spent_sat: row.get(4)?,
                status: row.get(5)?,
            })
        })?;
        rows.collect()
    }

    pub fn sales(&self) -> Result<Vec<Sale>> {
        let sql = "SELECT body, state, COALESCE(received_sat, 0), COALESCE(price_sat, 0), error_code FROM sales";
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Sale {
                body: row.get::<_, Option<_>>(0)?.unwrap_or_default(),
                state: row.get(1)?,
                received_sat: row.get(2)?,
                price_sat: row.get(3)?,
                error: row.get(4)?,
            })
        })?;
        rows.collect()
    }

    /// The balance of an account; zero if there is none.
    pub fn balance_msat(&self, account: &str) -> Result<i64> {
        let sql = "SELECT COALESCE(SUM(balance_msat), 0) FROM accounts WHERE name = ?1";
        self.0.query_row(sql, [account], |row| row.get(0))
    }

    /// What was posted by transfers whose ids begin so.
    pub fn posted_msat(&self, prefix: &str) -> Result<i64> {
        let sql = "SELECT COALESCE(SUM(posted_msat), 0) FROM transfers WHERE state = 'posted' AND id LIKE ?1 || '%'";
        self.0.query_row(sql, [prefix], |row| row.get(0))
    }
}

/// An ecash wallet's own records.
pub struct Purse(Connection);

impl Purse {
    pub fn open(network_dir: &Path, name: &str) -> Result<Self> {
        open(&network_dir.join(format!("{name}.db"))).map(Self)
    }

    pub fn unspent_sat(&self) -> Result<u64> {
        let sql = "SELECT COALESCE(SUM(amount), 0) FROM proof WHERE state = 'UNSPENT'";
        self.0.query_row(sql, [], |row| row.get(0))
    }

    /// The operations that aren't over: what each is, and how far it got.
    pub fn operations(&self) -> Result<Vec<String>> {
        let mut statement = self
            .0
            .prepare_cached("SELECT kind, state FROM wallet_sagas")?;
        let rows = statement.query_map([], |row| {
            let (kind, state): (String, String) = (row.get(0)?, row.get(1)?);
            let state: String = state
                .chars()
                .filter(|c| c.is_ascii_alphabetic() || "_:".contains(*c))
                .collect();
            Ok(format!("{kind} {state}"))
        })?;
        rows.collect()
    }
}

/// The sats of a mint's ecash that are out in the world: signed, and not redeemed.
pub fn mint_outstanding_sat(network_dir: &Path) -> Result<u64> {
    let sql = "SELECT (SELECT COALESCE(SUM(amount), 0) FROM blind_signature WHERE c IS NOT NULL)
                    - (SELECT COALESCE(SUM(amount), 0) FROM proof WHERE state = 'SPENT')";
    open(&network_dir.join("mint.db"))?.query_row(sql, [], |row| row.get(0))
}

/// The operations of the mint that aren't over.
pub fn mint_operations(network_dir: &Path) -> Result<Vec<String>> {
    let mint = open(&network_dir.join("mint.db"))?;
    let mut statement = mint.prepare("SELECT operation_kind || ' ' || state FROM saga_state")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}
