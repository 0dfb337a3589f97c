//! How to run a worker.

use std::{ffi::OsString, path::PathBuf, thread, time::Duration};

/// What the engine needs to know.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The program that calls [`crate::worker::run`].
    pub worker_program: PathBuf,
    /// The arguments that make it do so.
    pub worker_args: Vec<OsString>,
    /// Environment variables for it, besides a few harmless ones. It doesn't inherit the others:
    /// there may be secrets among them, and it runs files from strangers.
    pub env: Vec<(OsString, OsString)>,
    /// The GGUF file.
    pub model_path: PathBuf,
    /// Prompt and answer of one request together, if not the default. Never more than the model
    /// was trained with.
    pub context_tokens: Option<u32>,
    /// Threads that compute.
    pub threads: u32,
    /// Requests that are answered at the same time.
    pub parallel: u32,
    /// How long a model may take to load.
    pub load_timeout: Duration,
    /// How long a request waits for a worker that is being restarted.
    pub ready_timeout: Duration,
    /// How long the worker may be silent before it is taken for dead.
    pub hang_timeout: Duration,
}

impl EngineConfig {
    /// The defaults: all cores, four requests at a time.
    pub fn new(
        worker_program: impl Into<PathBuf>,
        worker_args: impl IntoIterator<Item = impl Into<OsString>>,
        model_path: impl Into<PathBuf>,
    ) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            worker_program: worker_program.into(),
            worker_args: worker_args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            model_path: model_path.into(),
            context_tokens: None,
            threads: u32::try_from(cores).unwrap_or(1),
            parallel: 4,
            load_timeout: Duration::from_secs(300),
            ready_timeout: Duration::from_secs(30),
            hang_timeout: Duration::from_secs(120),
        }
    }
}
