//! Answers that are sold by the minute or by the MiB: what comes is counted, and paid for as it comes.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, Stream};
use node::sell::{Pass, Unit};
use tokio::time::{Instant, sleep, sleep_until};

const MINUTE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;
/// How long an answer waits for its session to be topped up.
const TOP_UP_WITHIN: Duration = Duration::from_secs(30);
const TOP_UP_PAUSE: Duration = Duration::from_millis(500);

/// Counts what one answer delivers. The first unit is paid with the call.
pub struct Meter {
    pass: Pass,
    bytes: u64,
    bytes_paid: u64,
    paid_until: Instant,
}

impl Meter {
    /// A meter that begins now.
    pub fn new(pass: Pass) -> Self {
        Self {
            pass,
            bytes: 0,
            bytes_paid: MIB,
            paid_until: Instant::now() + MINUTE,
        }
    }

    /// Pays for bytes that are about to be delivered; false if there's nothing left to pay with.
    pub async fn pay_for(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        while self.pass.offer().unit == Unit::MiB && self.bytes > self.bytes_paid {
            if !self.take_unit().await {
                return false;
            }
            self.bytes_paid += MIB;
        }
        true
    }

    /// Waits until a minute is over and pays for the next; returns only if that can't be paid.
    pub async fn minutes(&mut self) {
        if self.pass.offer().unit != Unit::Minute {
            return std::future::pending().await;
        }
        loop {
            sleep_until(self.paid_until).await;
            if !self.take_unit().await {
                return;
            }
            self.paid_until += MINUTE;
        }
    }

    async fn take_unit(&self) -> bool {
        let deadline = Instant::now() + TOP_UP_WITHIN;
        while !self.pass.take_unit() {
            if !self.pass.may_be_topped_up() || Instant::now() > deadline {
                return false;
            }
            sleep(TOP_UP_PAUSE).await;
        }
        true
    }
}

/// An answer's pieces, as long as they are paid for. Then it breaks off, so that nobody takes it for whole; a stream of
/// events says why first.
pub fn metered(body: Body, meter: Meter, is_sse: bool) -> impl Stream<Item = io::Result<Bytes>> {
    let state = (body.into_data_stream(), meter, is_sse, false);
    stream::unfold(state, async |(mut pieces, mut meter, is_sse, is_over)| {
        if is_over {
            return None;
        }
        let piece = tokio::select! {
            piece = pieces.next() => Some(piece?),
            () = meter.minutes() => None,
        };
        let paid = match piece {
            Some(Ok(piece)) if meter.pay_for(piece.len()).await => Some(Ok(piece)),
            Some(Err(error)) => Some(Err(io::Error::other(error))),
            _ => None,
        };
        match paid {
            Some(piece) => Some((piece, (pieces, meter, is_sse, false))),
            None if is_sse => {
                let event = Bytes::from_static(b"event: session-timeout\ndata: {}\n\n");
                Some((Ok(event), (pieces, meter, is_sse, true)))
            }
            None => Some((
                Err(io::ErrorKind::UnexpectedEof.into()),
                (pieces, meter, is_sse, true),
            )),
        }
    })
}
