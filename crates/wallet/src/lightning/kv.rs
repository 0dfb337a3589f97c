//! The library's view of the store: values by two namespaces and a key.

use std::future::Future;
use std::pin::Pin;
use std::thread::{self, ThreadId};

use ldk_node::lightning::io;
use ldk_node::lightning::util::persist::{
    CHANNEL_MANAGER_PERSISTENCE_KEY, CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE, KVStore, KVStoreSync,
};
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};
use tokio::sync::{oneshot, watch};

use super::outgoing::{self, PaymentId};
use super::store::{Store, Work};

const PAYMENTS: &str = "payments";

type Async<T> = Pin<Box<dyn Future<Output = Result<T, io::Error>> + Send>>;

/// A payment of an offer that is being handed to the library on this thread.
#[derive(Debug, Clone, Copy)]
struct Handover {
    id: PaymentId,
    thread: ThreadId,
}

/// What the library writes to and reads from.
///
/// The library chooses the id of an offer's payment itself, and tells it only when it has sent the
/// first message. So while a payment is handed over, the library's own first record of it carries
/// our id's link in the same transaction, and the state of all payments (the "manager") waits for
/// that: what isn't linked doesn't exist after a crash either.
#[derive(Debug)]
pub(super) struct Kv {
    store: Store,
    handover: watch::Sender<Option<Handover>>,
}

impl Kv {
    pub(super) fn new(store: Store) -> Self {
        let (handover, _) = watch::channel(None);
        Self { store, handover }
    }

    /// Runs `send` as the handover of one payment; only one at a time may be.
    pub(super) fn hand_over<T>(&self, id: PaymentId, send: impl FnOnce() -> T) -> T {
        /// Ends the handover even if the library panics.
        struct End<'a>(&'a watch::Sender<Option<Handover>>);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.send_replace(None);
            }
        }
        let thread = thread::current().id();
        self.handover.send_replace(Some(Handover { id, thread }));
        let _end = End(&self.handover);
        send()
    }

    fn put(&self, namespaces: (&str, &str), key: &str, value: Vec<u8>) -> Put {
        let link = self.link(namespaces.0, key);
        let (primary, secondary) = (namespaces.0.to_owned(), namespaces.1.to_owned());
        let key = key.to_owned();
        Put {
            name: format!("{primary}/{secondary}/{key}"),
            work: Box::new(move |db| {
                if let Some(link) = &link {
                    link.write(db)?;
                }
                let sql = "INSERT OR REPLACE INTO kv VALUES (?1, ?2, ?3, ?4)";
                let mut statement = db.prepare_cached(sql)?;
                statement
                    .execute(params![primary, secondary, key, value])
                    .map(drop)
            }),
        }
    }

    fn delete(&self, namespaces: (&str, &str), key: &str) -> Put {
        let (primary, secondary) = (namespaces.0.to_owned(), namespaces.1.to_owned());
        let key = key.to_owned();
        Put {
            name: format!("{primary}/{secondary}/{key} (removed)"),
            work: Box::new(move |db| {
                let sql = "DELETE FROM kv
                    WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3";
                let mut statement = db.prepare_cached(sql)?;
                statement.execute([&primary, &secondary, &key]).map(drop)
            }),
        }
    }

    /// What is noted beside a write during a handover.
    fn link(&self, primary: &str, key: &str) -> Option<Link> {
        let handover = (*self.handover.borrow())?;
        let is_ours = handover.thread == thread::current().id();
        match primary {
            PAYMENTS if is_ours => Some(Link::Known {
                id: handover.id,
                ldk_id: key.parse().ok()?,
            }),
            CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE
            | CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE => {
                Some(Link::Exposed(handover.id))
            }
            _ => None,
        }
    }

    fn sync(&self, put: Put) -> Result<(), io::Error> {
        self.store.write(&put.name, put.work).map_err(other)
    }
}

struct Put {
    name: String,
    work: Work,
}

enum Link {
    /// The library calls our payment by this id.
    Known { id: PaymentId, ldk_id: PaymentId },
    /// A channel's state was written meanwhile, in which the payment may be.
    Exposed(PaymentId),
}

impl Link {
    fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Known { id, ldk_id } => outgoing::link(db, *id, *ldk_id),
            Self::Exposed(id) => outgoing::expose(db, *id),
        }
    }
}

/// Asks at once, so that the order of calls is the order of writes; waits when polled.
fn enqueue(store: &Store, put: Put) -> Async<()> {
    let (sender, done) = oneshot::channel();
    let done_hook = Box::new(move |outcome| drop(sender.send(outcome)));
    store.enqueue(put.name, put.work, done_hook);
    Box::pin(async move { done.await.map_err(other)?.map_err(other) })
}

fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::Other, error.to_string())
}

impl KVStoreSync for Kv {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Result<Vec<u8>, io::Error> {
        let names = [primary.to_owned(), secondary.to_owned(), key.to_owned()];
        let value = self.store.read(move |db| value(db, &names));
        let value = value.map_err(other)?;
        value.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such key"))
    }

    fn write(
        &self,
        primary: &str,
        secondary: &str,
        key: &str,
        buf: Vec<u8>,
    ) -> Result<(), io::Error> {
        self.sync(self.put((primary, secondary), key, buf))
    }

    fn remove(
        &self,
        primary: &str,
        secondary: &str,
        key: &str,
        _lazy: bool,
    ) -> Result<(), io::Error> {
        self.sync(self.delete((primary, secondary), key))
    }

    fn list(&self, primary: &str, secondary: &str) -> Result<Vec<String>, io::Error> {
        let names = [primary.to_owned(), secondary.to_owned()];
        let keys = self.store.read(move |db| keys(db, &names));
        keys.map_err(other)
    }
}

impl KVStore for Kv {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Async<Vec<u8>> {
        let value = KVStoreSync::read(self, primary, secondary, key);
        Box::pin(async move { value })
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, buf: Vec<u8>) -> Async<()> {
        let put = self.put((primary, secondary), key, buf);
        let is_manager = primary.is_empty() && key == CHANNEL_MANAGER_PERSISTENCE_KEY;
        if !is_manager || self.handover.borrow().is_none() {
            return enqueue(&self.store, put);
        }
        let mut handover = self.handover.subscribe();
        let store = self.store.clone();
        Box::pin(async move {
            handover.wait_for(Option::is_none).await.map_err(other)?;
            enqueue(&store, put).await
        })
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, _lazy: bool) -> Async<()> {
        enqueue(&self.store, self.delete((primary, secondary), key))
    }

    fn list(&self, primary: &str, secondary: &str) -> Async<Vec<String>> {
        let keys = KVStoreSync::list(self, primary, secondary);
        Box::pin(async move { keys })
    }
}

fn value(db: &Connection, names: &[String; 3]) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT value FROM kv
        WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3";
    let mut statement = db.prepare_cached(sql)?;
    statement
        .query_row(params_from_iter(names), |row| row.get(0))
        .optional()
}

fn keys(db: &Connection, names: &[String; 2]) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT key FROM kv WHERE primary_namespace = ?1 AND secondary_namespace = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(names), |row| row.get(0))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::super::outgoing::{Begun, Intent, PaymentKind};
    use super::*;
    use std::task::{Context, Poll, Waker};

    const OURS: PaymentId = PaymentId([1; 32]);
    const THEIRS: PaymentId = PaymentId([2; 32]);

    fn begun(dir: &std::path::Path) -> Kv {
        let store = Store::open(dir).unwrap();
        let intent = Intent {
            id: OURS,
            kind: PaymentKind::Bolt12,
            digest: [0; 32],
            amount_msat: 1,
            fee_max_msat: 0,
        };
        let begin = store.write("begin", move |db| outgoing::begin(db, &intent));
        assert_eq!(begin.unwrap(), Begun::New);
        Kv::new(store)
    }

    fn record(kv: &Kv) -> outgoing::Outgoing {
        let record = kv.store.read(|db| outgoing::get(db, OURS));
        record.unwrap().unwrap()
    }

    #[test]
    fn the_librarys_first_record_of_a_payment_is_linked_to_ours() {
        let dir = tempfile::tempdir().unwrap();
        let kv = begun(dir.path());
        // Somebody else's record, at the same time.
        let other = PaymentId([3; 32]).to_string();
        kv.hand_over(OURS, || {
            thread::scope(|scope| {
                let write = || KVStoreSync::write(&kv, PAYMENTS, "", &other, vec![1]);
                scope.spawn(write).join().unwrap().unwrap();
            });
            assert!(record(&kv).is_only_intended);
            KVStoreSync::write(&kv, PAYMENTS, "", &THEIRS.to_string(), vec![2]).unwrap();
        });
        assert_eq!(record(&kv).ldk_id, Some(THEIRS));
        // After the handover records are only records.
        KVStoreSync::write(&kv, PAYMENTS, "", &other, vec![3]).unwrap();
        assert_eq!(record(&kv).ldk_id, Some(THEIRS));
        let listed = KVStoreSync::list(&kv, PAYMENTS, "").unwrap();
        assert_eq!(listed, [THEIRS.to_string(), other]);
    }

    #[test]
    fn channels_written_meanwhile_may_hold_the_payment_and_the_manager_waits() {
        let dir = tempfile::tempdir().unwrap();
        let kv = begun(dir.path());
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = kv.hand_over(OURS, || {
            let mut waiting = KVStore::write(&kv, "", "", "manager", vec![1]);
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            assert!(record(&kv).is_only_intended);
            assert!(KVStoreSync::read(&kv, "", "", "manager").is_err());
            KVStoreSync::write(&kv, "monitor_updates", "a", "1", vec![1]).unwrap();
            assert!(!record(&kv).is_only_intended);
            waiting
        });
        let done = loop {
            match waiting.as_mut().poll(&mut context) {
                Poll::Ready(done) => break done,
                Poll::Pending => thread::yield_now(),
            }
        };
        done.unwrap();
        assert_eq!(KVStoreSync::read(&kv, "", "", "manager").unwrap(), [1]);
    }

    #[test]
    fn values_are_replaced_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Kv::new(Store::open(dir.path()).unwrap());
        for value in [1, 2] {
            KVStoreSync::write(&kv, "a", "b", "c", vec![value]).unwrap();
        }
        assert_eq!(KVStoreSync::read(&kv, "a", "b", "c").unwrap(), [2]);
        for _ in 0..2 {
            KVStoreSync::remove(&kv, "a", "b", "c", false).unwrap();
        }
        let missing = KVStoreSync::read(&kv, "a", "b", "c").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
