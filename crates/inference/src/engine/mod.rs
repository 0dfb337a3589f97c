//! The parent's side: starts the worker, speaks to it, and starts it again when it dies.

mod child;
mod config;
mod flight;
mod generation;
mod supervisor;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};

use crate::{Activity, Error, ModelInfo, Prepared, Result, openai::ChatRequest};
use child::Child;
pub use config::EngineConfig;
pub use generation::{Generation, GenerationEvent};
use supervisor::{Ask, Status, Supervisor, Switch};

/// Asks that may be on their way to the supervisor.
const ASKS: usize = 64;

/// A model that answers chat requests, in a process of its own.
///
/// Cheap to clone. The process ends with the last clone, or at [`Engine::shutdown`].
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    asks: mpsc::Sender<Ask>,
    cancels: mpsc::UnboundedSender<u64>,
    status: watch::Receiver<Status>,
    ready_timeout: Duration,
    next_id: AtomicU64,
    task: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Engine {
    /// Starts the worker process and loads the model.
    ///
    /// # Errors
    /// [`Error::WorkerSpawnFailed`] if the program can't be started, [`Error::ModelLoadFailed`] if
    /// it can't load the model.
    pub async fn start(config: EngineConfig) -> Result<Self> {
        let child = Child::start(&config, &config.model_path).await?;
        let (asks, ask_receiver) = mpsc::channel(ASKS);
        let (cancels, cancel_receiver) = mpsc::unbounded_channel();
        let (status_sender, status) = watch::channel(Status::of(&child));
        let ready_timeout = config.ready_timeout;
        let supervisor = Supervisor::new(config, ask_receiver, cancel_receiver, status_sender);
        let task = tokio::spawn(supervisor.run(child)).abort_handle();
        let inner = Inner {
            asks,
            cancels,
            status,
            ready_timeout,
            next_id: AtomicU64::new(1),
            task,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The loaded model; while the worker restarts, the one that it had.
    pub fn info(&self) -> ModelInfo {
        self.inner.status.borrow().info.clone()
    }

    /// The worker's process id, unless it is being restarted.
    pub fn pid(&self) -> Option<u32> {
        self.inner.status.borrow().pid
    }

    /// Measures a request without doing any of its work: enough to price it.
    ///
    /// # Errors
    /// [`Error::ContextLengthExceeded`] if the prompt doesn't fit, and whatever else would make the
    /// request fail before its first token.
    pub async fn prepare(&self, request: &ChatRequest) -> Result<Prepared> {
        request.validate()?;
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Prepare {
            id: self.next_id(),
            request: Box::new(request.clone()),
            reply,
        })
        .await?;
        answer.await.unwrap_or(Err(Error::EngineStopped))
    }

    /// Starts to answer a request, with at most so many tokens. It is stopped when the returned
    /// stream is dropped.
    ///
    /// # Errors
    /// The same as [`Engine::prepare`], and [`Error::Busy`] if too many others are waiting.
    pub async fn generate(&self, request: ChatRequest, max_tokens: u32) -> Result<Generation> {
        self.generate_scoped(request, max_tokens, "").await
    }

    /// The same as [`Engine::generate`] for one of several parties that shouldn't learn of each
    /// other. Remembered prompts make an answer come sooner, which tells that somebody has asked
    /// the same before; so they are shared only among requests of one scope.
    ///
    /// # Errors
    /// The same as [`Engine::generate`].
    pub async fn generate_scoped(
        &self,
        request: ChatRequest,
        max_tokens: u32,
        scope: &str,
    ) -> Result<Generation> {
        request.validate()?;
        let id = self.next_id();
        let (events, receiver) = mpsc::channel(self.most_events(max_tokens));
        let (accepted, answer) = oneshot::channel();
        let generation = Generation::new(id, receiver, self.inner.cancels.clone());
        self.ask(Ask::Generate {
            id,
            request: Box::new(request),
            max_tokens,
            scope: scope.to_owned(),
            accepted,
            events,
        })
        .await?;
        // If the caller gives up during this wait, the generation is dropped, which cancels it.
        let prepared = answer.await.unwrap_or(Err(Error::EngineStopped))?;
        Ok(generation.accepted(prepared))
    }

    /// Replaces the model. Requests that are being answered end with [`Error::EngineRestarted`].
    ///
    /// # Errors
    /// [`Error::ModelLoadFailed`] if the new model can't be loaded; the old one is back then.
    pub async fn load(&self, model_path: &Path) -> Result<ModelInfo> {
        let (reply, answer) = oneshot::channel();
        let model_path = model_path.to_owned();
        let ask = Ask::Load(Switch { model_path, reply });
        let sent = self.inner.asks.send(ask).await;
        sent.map_err(|_| Error::EngineStopped)?;
        answer.await.unwrap_or(Err(Error::EngineStopped))
    }

    /// Asks the worker how busy it is.
    ///
    /// # Errors
    /// If it doesn't answer.
    pub async fn activity(&self) -> Result<Activity> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Activity { reply }).await?;
        answer.await.unwrap_or(Err(Error::EngineStopped))
    }

    /// Ends the worker process. Requests that are being answered end with
    /// [`Error::EngineStopped`], and so does everything that is asked later.
    pub async fn shutdown(&self) {
        self.inner.task.abort();
        // The supervisor drops its end of the channel when it is gone, and the process with it.
        self.inner.asks.closed().await;
    }

    async fn ask(&self, ask: Ask) -> Result<()> {
        let mut status = self.inner.status.clone();
        let ready = status.wait_for(|status| status.pid.is_some());
        match tokio::time::timeout(self.inner.ready_timeout, ready).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Error::EngineStopped),
            Err(_) => return Err(Error::EngineUnavailable),
        }
        let sent = self.inner.asks.send(ask).await;
        sent.map_err(|_| Error::EngineStopped)
    }

    fn next_id(&self) -> u64 {
        self.inner.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// An answer never has more events than this, so a slow reader never stops the worker, and a
    /// worker that goes mad can't fill the memory.
    fn most_events(&self, max_tokens: u32) -> usize {
        let tokens = max_tokens.min(self.inner.status.borrow().info.context_tokens);
        usize::try_from(tokens).unwrap_or(usize::MAX >> 4) + 2
    }
}
