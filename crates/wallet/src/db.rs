//! One SQLite connection for the ledger and for whatever must be booked together
//! with it in one transaction.

mod together;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use together::{Told, Work};

use crate::{cashier, ledger, purse, vault};

/// A handle to the database; clones share one connection.
///
/// One writer at a time is all that SQLite offers, so one connection behind a
/// mutex loses nothing, and makes `decide, then reserve` atomic by construction.
#[derive(Clone)]
pub struct Db(Arc<Shared>);

struct Shared {
    connection: Mutex<Connection>,
    /// What comes while somebody has the connection. The next one takes all of it along.
    waiting: Mutex<Vec<Box<dyn Work>>>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").finish_non_exhaustive()
    }
}

impl Shared {
    /// Does what waits. That may be nothing: whoever had the turn before may have taken it along.
    fn take_turn(&self) {
        let mut connection = lock(&self.connection);
        let works = std::mem::take(&mut *lock(&self.waiting));
        together::commit(&mut connection, works);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        Ok(Self(Arc::new(Shared {
            connection: Mutex::new(connection),
            waiting: Mutex::default(),
        })))
    }

    /// Runs `work` in one immediate transaction on a blocking thread, and commits
    /// when it returns `Ok`. An error or a panic rolls back all that it wrote. Several that
    /// wait for the connection share a commit; each sees what those before it wrote.
    ///
    /// # Errors
    /// What `work` returned, or a database error as `E`.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        let (work, mut told) = together::waiting(work);
        lock(&self.0.waiting).push(work);
        let shared = Arc::clone(&self.0);
        let turn = tokio::task::spawn_blocking(move || shared.take_turn());
        let told = tokio::select! {
            biased;
            told = &mut told => told.ok(),
            // A turn that finds nothing to do: another's took this work along, and its caller is told already.
            turn = turn => match turn {
                Ok(()) => told.await.ok(),
                Err(_) => None,
            },
        };
        match told {
            Some(Told::Ended(result)) => result,
            Some(Told::Panicked(panic)) => std::panic::resume_unwind(panic),
            Some(Told::Lost(error)) => Err(error.into()),
            // The runtime is going down: nothing was committed.
            None => Err(E::from(rusqlite::Error::InvalidQuery)),
        }
    }

    /// The same on this very thread, which waits for the disk, in a transaction of its own.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E>,
        E: From<rusqlite::Error>,
    {
        let mut connection = lock(&self.0.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}
