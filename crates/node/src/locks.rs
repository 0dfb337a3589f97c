//! One lock a key, for as long as somebody wants it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::boxed;

/// Held while a sale or a payment is being worked on.
pub(crate) type Guard = OwnedMutexGuard<()>;

/// Makes sure that one task at a time drives a sale or a payment.
#[derive(Debug, Default)]
pub(crate) struct KeyedLocks(Mutex<HashMap<String, Weak<AsyncMutex<()>>>>);

impl KeyedLocks {
    /// Waits for the key's lock.
    #[boxed]
    pub async fn lock(&self, key: &str) -> Guard {
        self.entry(key).lock_owned().await
    }

    /// The key's lock if nobody has it.
    pub fn try_lock(&self, key: &str) -> Option<Guard> {
        self.entry(key).try_lock_owned().ok()
    }

    fn entry(&self, key: &str) -> Arc<AsyncMutex<()>> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = map.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        // Whoever comes first after a while sweeps up what nobody holds any more.
        if map.len() >= 1_024 {
            map.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(AsyncMutex::new(()));
        map.insert(key.to_owned(), Arc::downgrade(&lock));
        lock
    }
}
