//! Work that shares a commit. The disk takes as long for many as for one, so whoever's turn it is takes along all that
//! waits. Each keeps what it wrote, or nothing of it, whatever becomes of the others.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, Error, Transaction, TransactionBehavior, ffi};
use tokio::sync::oneshot;

/// What became of some work.
pub(super) enum Told<T, E> {
    /// It came to its end; what is `Ok` is on the disk.
    Ended(Result<T, E>),
    /// It panicked, and wrote nothing.
    Panicked(Box<dyn Any + Send>),
    /// Its transaction wasn't committed.
    Lost(Error),
}

/// Work that waits for its turn, whatever it returns.
pub(super) trait Work: Send {
    /// Does it, and says whether what it wrote stays.
    fn run(&mut self, tx: &Transaction<'_>) -> bool;

    /// Tells its caller, now that its transaction is over.
    fn tell(self: Box<Self>, committed: Result<(), Error>);
}

struct Waiting<T, E, F> {
    work: Option<F>,
    outcome: Option<Result<Result<T, E>, Box<dyn Any + Send>>>,
    caller: oneshot::Sender<Told<T, E>>,
}

/// Puts work into its waiting form, and returns where its caller is told.
pub(super) fn waiting<T, E, F>(work: F) -> (Box<dyn Work>, oneshot::Receiver<Told<T, E>>)
where
    F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (caller, told) = oneshot::channel();
    let waiting = Waiting {
        work: Some(work),
        outcome: None,
        caller,
    };
    (Box::new(waiting), told)
}

impl<T, E, F> Work for Waiting<T, E, F>
where
    F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send,
    T: Send,
    E: Send,
{
    fn run(&mut self, tx: &Transaction<'_>) -> bool {
        let work = self.work.take();
        self.outcome = work.map(|work| catch_unwind(AssertUnwindSafe(|| work(tx))));
        matches!(self.outcome, Some(Ok(Ok(_))))
    }

    fn tell(self: Box<Self>, committed: Result<(), Error>) {
        let told = match (self.outcome, committed) {
            (Some(Err(panic)), _) => Told::Panicked(panic),
            // It kept nothing, so nothing of it could be lost.
            (Some(Ok(Err(error))), _) => Told::Ended(Err(error)),
            (Some(Ok(Ok(value))), Ok(())) => Told::Ended(Ok(value)),
            (_, Err(error)) => Told::Lost(error),
            (None, Ok(())) => Told::Lost(aborted()),
        };
        // A caller that is gone needn't know.
        drop(self.caller.send(told));
    }
}

/// Does all of it, in as few transactions as it takes, and tells the callers.
pub(super) fn commit(connection: &mut Connection, works: Vec<Box<dyn Work>>) {
    let mut rest = VecDeque::from(works);
    while !rest.is_empty() {
        let mut run = Vec::new();
        let committed = commit_some(connection, &mut rest, &mut run);
        if run.is_empty() {
            // There couldn't even be a transaction.
            run.extend(rest.drain(..));
        }
        for work in run {
            work.tell(committed.as_ref().copied().map_err(copy));
        }
    }
}

/// One transaction, with what is in `rest`; what was tried goes to `run`.
fn commit_some(
    connection: &mut Connection,
    rest: &mut VecDeque<Box<dyn Work>>,
    run: &mut Vec<Box<dyn Work>>,
) -> Result<(), Error> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    while !rest.is_empty() {
        tx.execute_batch("SAVEPOINT work")?;
        let Some(mut work) = rest.pop_front() else {
            break;
        };
        let is_kept = work.run(&tx);
        run.push(work);
        if tx.is_autocommit() {
            // On a full disk, for one, SQLite itself rolls everything back: what comes now would be written alone.
            return Err(aborted());
        }
        tx.execute_batch(match is_kept {
            true => "RELEASE work",
            false => "ROLLBACK TO work; RELEASE work",
        })?;
    }
    tx.commit()
}

fn aborted() -> Error {
    let why = "the transaction was rolled back";
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT), Some(why.to_owned()))
}

/// The same error once more, as far as it can be told to several.
fn copy(error: &Error) -> Error {
    match error {
        Error::SqliteFailure(code, text) => Error::SqliteFailure(*code, text.clone()),
        other => Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(other.to_string())),
    }
}
