//! The requests that the worker is busy with, and who waits for them.

use std::collections::{HashMap, VecDeque};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::GenerationEvent;
use crate::{
    Activity, Error, Prepared, Result,
    protocol::{Event, RequestId},
};

/// Who waits for what.
#[derive(Debug)]
pub(super) enum Waiter {
    Prepare(oneshot::Sender<Result<Prepared>>),
    Generate {
        /// Taken when the worker has taken the request on.
        accepted: Option<oneshot::Sender<Result<Prepared>>>,
        events: mpsc::Sender<Result<GenerationEvent>>,
    },
}

impl Waiter {
    /// Ends the wait with an error. If nobody waits any more, that's fine too.
    pub(super) fn fail(self, error: Error) {
        match self {
            Self::Prepare(reply)
            | Self::Generate {
                accepted: Some(reply),
                ..
            } => {
                let _ = reply.send(Err(error));
            }
            Self::Generate { events, .. } => {
                let _ = events.try_send(Err(error));
            }
        }
    }
}

/// All requests in flight.
#[derive(Debug, Default)]
pub(super) struct Flight {
    waiters: HashMap<RequestId, Waiter>,
    pings: VecDeque<(Instant, Option<oneshot::Sender<Result<Activity>>>)>,
}

impl Flight {
    pub(super) fn add(&mut self, id: RequestId, waiter: Waiter) {
        self.waiters.insert(id, waiter);
    }

    /// A ping was sent, maybe for somebody who wants to know how busy the worker is.
    pub(super) fn add_ping(&mut self, reply: Option<oneshot::Sender<Result<Activity>>>) {
        self.pings.push_back((Instant::now(), reply));
    }

    /// When the oldest unanswered ping was sent.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        self.pings.front().map(|(sent_at, _)| *sent_at)
    }

    /// Forgets a request. Returns whether the worker has to be told.
    pub(super) fn cancel(&mut self, id: RequestId) -> bool {
        self.waiters.remove(&id).is_some()
    }

    /// Passes an event on. Returns the request to cancel, if the event shows that nobody waits.
    pub(super) fn dispatch(&mut self, event: Event) -> Result<Option<RequestId>> {
        match event {
            Event::Prepared { id, prepared } => {
                if let Some(Waiter::Prepare(reply)) = self.waiters.remove(&id) {
                    let _ = reply.send(Ok(prepared));
                }
            }
            Event::Accepted { id, prepared } => {
                if let Some(Waiter::Generate { accepted, .. }) = self.waiters.get_mut(&id) {
                    let sent = accepted.take().map(|reply| reply.send(Ok(prepared)));
                    return Ok(sent.and_then(|sent| self.orphan(id, sent.is_err())));
                }
            }
            Event::Token { id, text } => {
                if let Some(Waiter::Generate { events, .. }) = self.waiters.get(&id) {
                    let sent = events.try_send(Ok(GenerationEvent::Token(text)));
                    return Ok(self.orphan(id, sent.is_err()));
                }
            }
            Event::Done { id, summary } => {
                if let Some(Waiter::Generate { events, .. }) = self.waiters.remove(&id) {
                    let _ = events.try_send(Ok(GenerationEvent::Done(summary)));
                }
            }
            Event::Failed { id, error } => {
                if let Some(waiter) = self.waiters.remove(&id) {
                    waiter.fail(error);
                }
            }
            Event::Pong(activity) => {
                if let Some((_, Some(reply))) = self.pings.pop_front() {
                    let _ = reply.send(Ok(activity));
                }
            }
            Event::Loaded(_) | Event::LoadFailed { .. } => {
                return Err(Error::protocol("it loaded a model again"));
            }
        }
        Ok(None)
    }

    fn orphan(&mut self, id: RequestId, is_orphan: bool) -> Option<RequestId> {
        (is_orphan && self.cancel(id)).then_some(id)
    }

    /// The worker is gone: nothing of this will be answered.
    pub(super) fn fail_all(&mut self, error: &Error) {
        for (_, waiter) in self.waiters.drain() {
            waiter.fail(error.clone());
        }
        for reply in self.pings.drain(..).filter_map(|(_, reply)| reply) {
            let _ = reply.send(Err(error.clone()));
        }
    }
}
