//! Where the node keeps what must not be lost: one SQLite file, one thread that writes it.
//!
//! Writes reach the disk in the order in which they were asked for, several of them in one
//! transaction if they wait together, and none is acknowledged before it is fsynced. So what a
//! crash leaves behind is always a beginning of what was written.
//!
//! When the disk takes no more, the thread tries again until it does. The library would otherwise
//! give up its channels; so it waits instead, acknowledges nothing, and goes on when there is room.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::{LightningError, backup, outgoing};

const FILE: &str = "lightning.db";
/// So many writes share a transaction.
const BATCH_MAX: usize = 64;
/// So many writes may wait; whoever asks for more waits too.
const QUEUE_MAX: usize = 1_024;
/// After so long a write that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS kv (
    primary_namespace TEXT NOT NULL,
    secondary_namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (primary_namespace, secondary_namespace, key)
) STRICT;";

/// Is asked before each write with its name. An error is one of the disk: the write is tried again
/// later. For tests of what happens when a node dies, or its disk is full, at any of its writes.
pub type WriteHook = Arc<dyn Fn(&str) -> std::io::Result<()> + Send + Sync>;

pub(super) type Work = Box<dyn FnMut(&Connection) -> rusqlite::Result<()> + Send>;
type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

pub(super) struct Write {
    name: String,
    work: Work,
    done: Done,
}

enum Job {
    Write(Write),
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Close(SyncSender<()>),
}

/// The node's file. Clones share it.
#[derive(Clone)]
pub struct Store {
    jobs: SyncSender<Job>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Why writes wait, if they do.
    fault: Mutex<Option<String>>,
    wake: Condvar,
    closing: AtomicBool,
}

impl State {
    fn set_fault(&self, fault: Option<String>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Waits before another try. False if there shall be none.
    fn pause(&self) -> bool {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.closing.load(Ordering::SeqCst) {
            drop(self.wake.wait_timeout(fault, RETRY_PAUSE));
        }
        !self.closing.load(Ordering::SeqCst)
    }
}

impl Store {
    /// Opens or creates the file in a folder that only its owner can read.
    ///
    /// # Errors
    /// `InUse` if somebody has it, `Storage` if it can't be used.
    pub fn open(dir: &Path) -> Result<Self, LightningError> {
        Self::open_with(dir, None)
    }

    /// Like [`Self::open`], with a hook that is asked before each write.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(dir: &Path, hook: Option<WriteHook>) -> Result<Self, LightningError> {
        let connection = connect(dir)?;
        let state = Arc::new(State::default());
        let (jobs, queue) = mpsc::sync_channel(QUEUE_MAX);
        let writer = Writer {
            connection,
            state: Arc::clone(&state),
            hook,
        };
        thread::Builder::new()
            .name("lightning-store".into())
            .spawn(move || writer.run(&queue))
            .map_err(storage)?;
        Ok(Self { jobs, state })
    }

    /// Why writes wait at the moment, if they do.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let fault = self.state.fault.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what waits, if the disk takes it, and gives the file free. Whatever comes later fails.
    pub fn close(&self) {
        self.state.closing.store(true, Ordering::SeqCst);
        self.state.wake.notify_all();
        let (done, closed) = mpsc::sync_channel(1);
        if self.jobs.send(Job::Close(done)).is_ok() {
            let _ = closed.recv();
        }
    }

    /// Asks for a write; `done` learns what became of it.
    pub(super) fn enqueue(&self, name: String, work: Work, done: Done) {
        let job = Job::Write(Write { name, work, done });
        if let Err(mpsc::SendError(Job::Write(write))) = self.jobs.send(job) {
            (write.done)(Err("the store is closed".into()));
        }
    }

    /// Writes in one transaction, and waits for it.
    pub(super) fn write<T: Send + 'static>(
        &self,
        name: &str,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LightningError> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let work = Box::new(move |connection: &Connection| {
            let value = work(connection)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        });
        let (sender, done) = mpsc::sync_channel(1);
        let done_hook = Box::new(move |outcome| drop(sender.send(outcome)));
        self.enqueue(name.to_owned(), work, done_hook);
        let outcome = done.recv().map_err(storage)?;
        outcome.map_err(LightningError::Storage)?;
        let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| LightningError::Storage("a write gave no result".into()))
    }

    /// Reads what was written so far.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LightningError> {
        let (sender, done) = mpsc::sync_channel(1);
        let job = Job::Read(Box::new(move |connection| {
            drop(sender.send(work(connection)));
        }));
        self.jobs.send(job).map_err(storage)?;
        done.recv().map_err(storage)?.map_err(storage)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Store");
        shown.field("fault", &self.fault()).finish_non_exhaustive()
    }
}

fn storage(error: impl std::fmt::Display) -> LightningError {
    LightningError::Storage(error.to_string())
}

fn connect(dir: &Path) -> Result<Connection, LightningError> {
    fs::create_dir_all(dir).map_err(storage)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(storage)?;
    let file = dir.join(FILE);
    // SQLite gives its other files the rights of this one.
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(&file).map_err(storage)?;
    fs::set_permissions(&file, Permissions::from_mode(0o600)).map_err(storage)?;
    let connection = Connection::open(&file).map_err(storage)?;
    prepare(&connection).map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            LightningError::InUse
        }
        _ => storage(error),
    })?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(1))?;
    // Two nodes with the same channels would lose the money: the file has one owner.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(outgoing::SCHEMA)?;
    connection.execute_batch(backup::SCHEMA)?;
    // Takes the lock even if the tables were there.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT;")
}

struct Writer {
    connection: Connection,
    state: Arc<State>,
    hook: Option<WriteHook>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| queue.recv().ok()) {
            match job {
                Job::Write(first) => {
                    let (batch, then) = self.gather(first, queue);
                    next = then;
                    self.commit(batch);
                }
                Job::Read(read) => read(&self.connection),
                Job::Close(done) => {
                    drop(self.connection);
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    /// What waits behind a write, up to what isn't one.
    fn gather(&self, first: Write, queue: &Receiver<Job>) -> (Vec<Write>, Option<Job>) {
        let mut batch = vec![first];
        // A hook looks at each write as one that the disk knows of.
        let room = if self.hook.is_some() { 1 } else { BATCH_MAX };
        while batch.len() < room {
            match queue.try_recv() {
                Ok(Job::Write(write)) => batch.push(write),
                Ok(other) => return (batch, Some(other)),
                Err(_) => break,
            }
        }
        (batch, None)
    }

    fn commit(&mut self, mut batch: Vec<Write>) {
        let outcome = loop {
            match self.attempt(&mut batch) {
                Ok(()) => break Ok(()),
                Err(Fault::Work(_)) if batch.len() > 1 => {
                    // One of them is wrong: the others shall not suffer for it.
                    batch.into_iter().for_each(|one| self.commit(vec![one]));
                    return;
                }
                Err(Fault::Work(why)) => break Err(why),
                Err(Fault::Disk(why)) => {
                    tracing::error!(target: "wallet::lightning", "a write waits: {why}");
                    self.state.set_fault(Some(why.clone()));
                    if !self.state.pause() {
                        break Err(why);
                    }
                }
            }
        };
        if outcome.is_ok() {
            self.state.set_fault(None);
        }
        for write in batch {
            (write.done)(outcome.clone());
        }
    }

    fn attempt(&mut self, batch: &mut [Write]) -> Result<(), Fault> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        for write in batch {
            if let Some(hook) = &self.hook {
                hook(&write.name).map_err(|error| Fault::Disk(error.to_string()))?;
            }
            (write.work)(&transaction)?;
        }
        Ok(transaction.commit()?)
    }
}

/// Why a transaction failed.
enum Fault {
    /// It may go well later.
    Disk(String),
    /// It never will.
    Work(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(
                Code::DiskFull
                | Code::SystemIoFailure
                | Code::CannotOpen
                | Code::ReadOnly
                | Code::DatabaseBusy
                | Code::OutOfMemory,
            ) => Self::Disk(error.to_string()),
            _ => Self::Work(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    fn put(store: &Store, key: &'static str) -> Result<(), LightningError> {
        store.write(key, move |connection| {
            let sql = "INSERT OR REPLACE INTO kv VALUES ('', '', ?1, x'00')";
            connection.execute(sql, [key]).map(drop)
        })
    }

    fn count(store: &Store) -> u32 {
        let sql = "SELECT count(*) FROM kv";
        let read = store.read(move |db| db.query_row(sql, [], |row| row.get(0)));
        read.unwrap()
    }

    #[test]
    fn a_folder_has_one_owner_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("lightning");
        let store = Store::open(&folder).unwrap();
        put(&store, "a").unwrap();
        assert!(matches!(Store::open(&folder), Err(LightningError::InUse)));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for file in fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
        store.close();
        assert!(put(&store, "b").is_err());
        let store = Store::open(&folder).unwrap();
        assert_eq!(count(&store), 1);
    }

    #[test]
    fn a_full_disk_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let refusals = Arc::new(AtomicU32::new(2));
        let left = Arc::clone(&refusals);
        let hook: WriteHook = Arc::new(move |_| {
            let full = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            match full {
                Ok(_) => Err(std::io::ErrorKind::StorageFull.into()),
                Err(_) => Ok(()),
            }
        });
        let store = Store::open_with(dir.path(), Some(hook)).unwrap();
        put(&store, "a").unwrap();
        assert_eq!(store.fault(), None);
        assert_eq!(refusals.load(Ordering::SeqCst), 0);
        assert_eq!(count(&store), 1);
    }

    #[test]
    fn a_closing_store_waits_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let hook: WriteHook = Arc::new(|_| Err(std::io::ErrorKind::StorageFull.into()));
        let store = Store::open_with(dir.path(), Some(hook)).unwrap();
        let writing = store.clone();
        let write = thread::spawn(move || put(&writing, "a"));
        while store.fault().is_none() {
            thread::yield_now();
        }
        store.close();
        assert!(matches!(
            write.join().unwrap(),
            Err(LightningError::Storage(_))
        ));
    }
}
