//! The task that owns the worker process.
//!
//! It alone speaks to the worker and knows which requests are in flight, so when the process dies
//! it can tell every one of them, start the next process, and go on with those that come after.

use std::{path::PathBuf, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};
use tracing::{info, warn};

use super::{
    EngineConfig, GenerationEvent,
    child::Child,
    flight::{Flight, Waiter},
};
use crate::{
    Activity, Error, ModelInfo, Prepared, Result, frame,
    openai::ChatRequest,
    protocol::{Command, RequestId},
};

const SHORTEST_PING_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_PING_INTERVAL: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// A worker that has lived so long didn't die of how it was started.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// What the engine's handles ask of the supervisor.
#[derive(Debug)]
pub(super) enum Ask {
    Prepare {
        id: RequestId,
        request: Box<ChatRequest>,
        reply: oneshot::Sender<Result<Prepared>>,
    },
    Generate {
        id: RequestId,
        request: Box<ChatRequest>,
        max_tokens: u32,
        scope: String,
        accepted: oneshot::Sender<Result<Prepared>>,
        events: mpsc::Sender<Result<GenerationEvent>>,
    },
    Activity {
        reply: oneshot::Sender<Result<Activity>>,
    },
    Load(Switch),
}

/// A wish for another model.
#[derive(Debug)]
pub(super) struct Switch {
    pub(super) model_path: PathBuf,
    pub(super) reply: oneshot::Sender<Result<ModelInfo>>,
}

/// What everybody may know about the worker.
#[derive(Debug, Clone)]
pub(super) struct Status {
    pub(super) info: ModelInfo,
    /// None while there is no worker.
    pub(super) pid: Option<u32>,
}

impl Status {
    pub(super) fn of(child: &Child) -> Self {
        Self {
            info: child.info.clone(),
            pid: child.pid(),
        }
    }
}

/// Why a worker is of no more use.
enum End {
    Died(Error),
    Switch(Switch),
    /// There is no engine any more.
    Unwanted,
}

pub(super) struct Supervisor {
    config: EngineConfig,
    asks: mpsc::Receiver<Ask>,
    cancels: mpsc::UnboundedReceiver<RequestId>,
    status: watch::Sender<Status>,
    flight: Flight,
    delay: Duration,
}

impl Supervisor {
    pub(super) fn new(
        config: EngineConfig,
        asks: mpsc::Receiver<Ask>,
        cancels: mpsc::UnboundedReceiver<RequestId>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            config,
            asks,
            cancels,
            status,
            flight: Flight::default(),
            delay: Duration::ZERO,
        }
    }

    /// Keeps a worker running for as long as the engine exists.
    pub(super) async fn run(mut self, mut child: Child) {
        loop {
            let started_at = Instant::now();
            let end = self.serve(&mut child).await;
            self.status.send_modify(|status| status.pid = None);
            self.flight.fail_all(&Error::EngineRestarted);
            // The memory of the old worker must be free before the next one wants it.
            child.kill().await;
            let switch = match end {
                End::Unwanted => return,
                End::Switch(switch) => Some(switch),
                End::Died(error) => {
                    warn!(%error, "the inference process died");
                    self.set_delay(started_at.elapsed());
                    self.back_off().await
                }
            };
            child = self.start(switch).await;
            self.status.send_replace(Status::of(&child));
        }
    }

    /// Passes on requests and events until the worker ends, or has to.
    async fn serve(&mut self, child: &mut Child) -> End {
        let often_enough = self.config.hang_timeout / 4;
        let mut pings = interval(often_enough.clamp(SHORTEST_PING_INTERVAL, LONGEST_PING_INTERVAL));
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.serve_one(child, &mut pings).await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) => return End::Died(error),
            }
        }
    }

    async fn serve_one(&mut self, child: &mut Child, pings: &mut Interval) -> Result<Option<End>> {
        tokio::select! {
            event = child.next_event() => {
                let event = event?.ok_or_else(|| Error::protocol("it closed the pipe"))?;
                if let Some(id) = self.flight.dispatch(event)? {
                    child.send(&Command::Cancel { id }).await?;
                }
            }
            ask = self.asks.recv() => match ask {
                None => return Ok(Some(End::Unwanted)),
                Some(Ask::Load(switch)) => return Ok(Some(End::Switch(switch))),
                Some(ask) => self.pass_on(child, ask).await?,
            },
            Some(id) = self.cancels.recv() => {
                if self.flight.cancel(id) {
                    child.send(&Command::Cancel { id }).await?;
                }
            }
            _ = pings.tick() => match self.flight.silent_since() {
                None => self.ping(child, None).await?,
                Some(since) if since.elapsed() < self.config.hang_timeout => {}
                Some(_) => return Err(Error::protocol("it hangs")),
            },
        }
        Ok(None)
    }

    async fn pass_on(&mut self, child: &mut Child, ask: Ask) -> Result<()> {
        let (id, waiter, command) = match ask {
            Ask::Prepare { id, request, reply } => {
                let command = Command::Prepare { id, request };
                (id, Waiter::Prepare(reply), command)
            }
            Ask::Generate {
                id,
                request,
                max_tokens,
                scope,
                accepted,
                events,
            } => {
                let accepted = Some(accepted);
                let command = Command::Generate {
                    id,
                    request,
                    max_tokens,
                    scope,
                };
                (id, Waiter::Generate { accepted, events }, command)
            }
            Ask::Activity { reply } => return self.ping(child, Some(reply)).await,
            Ask::Load(_) => return Ok(()),
        };
        match frame::encode(&command) {
            Ok(bytes) => {
                self.flight.add(id, waiter);
                child.send_bytes(&bytes).await
            }
            Err(error) => {
                waiter.fail(error);
                Ok(())
            }
        }
    }

    async fn ping(
        &mut self,
        child: &mut Child,
        reply: Option<oneshot::Sender<Result<Activity>>>,
    ) -> Result<()> {
        self.flight.add_ping(reply);
        child.send(&Command::Ping).await
    }

    /// Starts workers until one is there.
    async fn start(&mut self, mut switch: Option<Switch>) -> Child {
        loop {
            let model_path = switch
                .as_ref()
                .map_or(&self.config.model_path, |switch| &switch.model_path);
            let result = Child::start(&self.config, model_path).await;
            switch = match (result, switch.take()) {
                (Ok(child), switch) => {
                    info!(model = child.info.name, "the inference process is ready");
                    if let Some(Switch { model_path, reply }) = switch {
                        self.config.model_path = model_path;
                        let _ = reply.send(Ok(child.info.clone()));
                    }
                    return child;
                }
                (Err(error), Some(Switch { reply, .. })) => {
                    // The old model is started next, at once.
                    let _ = reply.send(Err(error));
                    None
                }
                (Err(error), None) => {
                    warn!(%error, "the inference process can't be restarted");
                    self.set_delay(Duration::ZERO);
                    self.back_off().await
                }
            }
        }
    }

    /// The next delay: doubled after every worker that died young.
    fn set_delay(&mut self, lifetime: Duration) {
        self.delay = if lifetime >= HEALTHY_AFTER {
            FIRST_DELAY
        } else {
            (self.delay * 2).clamp(FIRST_DELAY, LONGEST_DELAY)
        };
    }

    /// Waits before the next start, and refuses meanwhile what doesn't want to wait. A wish for
    /// another model ends the wait.
    async fn back_off(&mut self) -> Option<Switch> {
        let until = Instant::now() + self.delay;
        loop {
            tokio::select! {
                () = sleep_until(until) => return None,
                Some(ask) = self.asks.recv() => match ask {
                    Ask::Load(switch) => return Some(switch),
                    Ask::Prepare { reply, .. } | Ask::Generate { accepted: reply, .. } => {
                        let _ = reply.send(Err(Error::EngineRestarted));
                    }
                    Ask::Activity { reply } => {
                        let _ = reply.send(Err(Error::EngineRestarted));
                    }
                },
            }
        }
    }
}
