//! One SQLite connection for the ledger and for whatever must be booked together
//! with it in one transaction.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{cashier, ledger, purse, vault};

/// A handle to the database; clones share one connection.
///
/// One writer at a time is all that SQLite offers, so one connection behind a
/// mutex loses nothing, and makes `decide, then reserve` atomic by construction.
#[derive(Clone, Debug)]
pub struct Db {
    connection: Arc<Mutex<Connection>>,
}

impl Db {
    /// Opens or creates the database with the tables of the ledger, the purses and the vaults.
    /// Commits are fsynced (`synchronous = FULL`): what was acknowledged survives
    /// a power cut.
    ///
    /// # Errors
    /// If the file can't be opened or isn't such a database.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        Self::prepare(Connection::open(path)?)
    }

    /// A database that lives in memory only, for tests.
    ///
    /// # Errors
    /// If SQLite can't be set up.
    pub fn in_memory() -> Result<Self, rusqlite::Error> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> Result<Self, rusqlite::Error> {
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(ledger::SCHEMA)?;
        purse::prepare(&connection)?;
        connection.execute_batch(vault::store::SCHEMA)?;
        cashier::books::prepare(&connection)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// Runs `work` in one immediate transaction on a blocking thread, and commits
    /// when it returns `Ok`. An error or a panic rolls everything back.
    ///
    /// # Errors
    /// What `work` returned, or a database error as `E`.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        let db = self.clone();
        match tokio::task::spawn_blocking(move || db.write_blocking(work)).await {
            Ok(result) => result,
            Err(join) => match join.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down: nothing was committed.
                Err(_) => Err(E::from(rusqlite::Error::InvalidQuery)),
            },
        }
    }

    /// The same on this very thread, which waits for the disk.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E>,
        E: From<rusqlite::Error>,
    {
        let mut connection = (self.connection.lock()).unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}
