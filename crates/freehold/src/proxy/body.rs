//! A buyer's body on its way to the upstream: as it comes, and not for ever.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, Stream};
use hyper::body::Body as _;

/// How long the buyer may send nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The body, which notes in `is_broken` if it doesn't come to its end.
pub fn bounded(body: Body, is_broken: Arc<AtomicBool>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::from_stream(pieces(body, is_broken))
}

fn pieces(body: Body, is_broken: Arc<AtomicBool>) -> impl Stream<Item = io::Result<Bytes>> {
    let state = (body.into_data_stream(), is_broken);
    stream::unfold(state, async |(mut pieces, is_broken)| {
        let piece = match tokio::time::timeout(SILENCE_MAX, pieces.next()).await {
            Ok(piece) => piece?.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if piece.is_err() {
            is_broken.store(true, Ordering::Relaxed);
        }
        Some((piece, (pieces, is_broken)))
    })
}
