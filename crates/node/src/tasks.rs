//! Background tasks that end with the node.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

/// Tasks that [`Tasks::stop`] (or dropping this) aborts. Whatever they do is durable
/// step by step, so an abort is like a crash, which everything here survives.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    /// Runs `task` in the background.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forget those that have ended.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Aborts all.
    pub fn stop(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }
}
