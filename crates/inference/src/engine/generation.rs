//! An answer, as it is written.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

use crate::{Error, Prepared, Result, Summary, protocol::RequestId};

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GenerationEvent {
    /// A piece of text, whole characters only.
    Token(String),
    /// The end.
    Done(Summary),
}

/// A stream of [`GenerationEvent`]s: tokens, and then either [`GenerationEvent::Done`] or an error.
///
/// Dropping it stops the work.
#[derive(Debug)]
pub struct Generation {
    id: RequestId,
    prepared: Prepared,
    events: mpsc::Receiver<Result<GenerationEvent>>,
    cancels: mpsc::UnboundedSender<RequestId>,
    has_ended: bool,
}

impl Generation {
    pub(super) fn new(
        id: RequestId,
        events: mpsc::Receiver<Result<GenerationEvent>>,
        cancels: mpsc::UnboundedSender<RequestId>,
    ) -> Self {
        Self {
            id,
            prepared: Prepared::default(),
            events,
            cancels,
            has_ended: false,
        }
    }

    pub(super) fn accepted(mut self, prepared: Prepared) -> Self {
        self.prepared = prepared;
        self
    }

    /// The size of the request, with the limit that is applied to the answer.
    pub fn prepared(&self) -> Prepared {
        self.prepared
    }

    /// Waits for the whole answer.
    ///
    /// # Errors
    /// If the answer ends with one.
    pub async fn collect_text(mut self) -> Result<(String, Summary)> {
        let mut text = String::new();
        while let Some(event) = self.next().await {
            match event? {
                GenerationEvent::Token(piece) => text.push_str(&piece),
                GenerationEvent::Done(summary) => return Ok((text, summary)),
            }
        }
        Err(Error::EngineStopped)
    }
}

impl Stream for Generation {
    type Item = Result<GenerationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.events.poll_recv(context).map(|event| {
            // Without a last word the supervisor is gone, and the engine with it.
            let event = event.unwrap_or(Err(Error::EngineStopped));
            self.has_ended = !matches!(event, Ok(GenerationEvent::Token(_)));
            Some(event)
        })
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if !self.has_ended {
            // If nobody listens any more, there is nothing left to stop.
            let _ = self.cancels.send(self.id);
        }
    }
}
