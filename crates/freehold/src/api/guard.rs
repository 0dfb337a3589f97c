//! What every request passes through: its host is checked, and a panic becomes an answer. The bodies of those for
//! this node are read within bounds of size and time; those for what is sold pass as they come.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _};

use super::App;
use super::error::ApiError;

/// The largest body.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// How much of a body that is too large is read and thrown away. Most clients only look for the
/// answer after they have sent everything, and would otherwise see a broken connection.
const DRAIN_BYTES_MAX: usize = 128 << 20;

/// What a body is bounded by.
pub struct Bounds {
    /// The largest.
    pub bytes_max: usize,
    /// How long it may take to arrive.
    pub time_max: Duration,
}

/// Of requests for this node itself.
const OWN: Bounds = Bounds {
    bytes_max: BODY_BYTES_MAX,
    time_max: Duration::from_secs(30),
};

const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: with that, browsers also hide the origin of our own forms from us.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The outermost layer.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(guarded(&app, request, next)).catch_unwind();
    let mut response = answer.await.unwrap_or_else(|_| {
        // The panic hook has logged it already.
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the node failed at this request",
            "this is a bug: please report it with the node's log",
        )
        .into_response()
    });
    for (name, value) in HEADERS {
        let entry = response.headers_mut().entry(name);
        entry.or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn guarded(app: &App, request: Request, next: Next) -> Response {
    match app.hosts.check(host(&request)) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// The layer of the node's own routes: their bodies are read before anything is done.
pub async fn read_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match read(&parts.headers, body, &OWN).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => error.into_response(),
    }
}

/// The `Host` header, or the authority of a request line in absolute form, which wins.
fn host(request: &Request) -> Option<&str> {
    let authority = request.uri().authority();
    authority.map(|authority| authority.as_str()).or_else(|| {
        let value = request.headers().get(header::HOST)?;
        value.to_str().ok()
    })
}

/// Reads a body whole.
///
/// # Errors
/// `request_too_large`, `request_timeout`, or `malformed_request` if it breaks off.
pub async fn read(headers: &HeaderMap, body: Body, bounds: &Bounds) -> Result<Bytes, ApiError> {
    let &Bounds {
        bytes_max,
        time_max,
    } = bounds;
    // Who waits for our go-ahead sends nothing that would have to be drained.
    let waits = headers.contains_key(header::EXPECT);
    if waits && announced_bytes(headers) > bytes_max {
        return Err(too_large(bytes_max));
    }
    match tokio::time::timeout(time_max, collect(body, bytes_max)).await {
        Ok(body) => body,
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            format!("the body took longer than {} s", time_max.as_secs()),
            "send it again",
        )),
    }
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let (mut kept, mut count) = (BytesMut::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            let message = format!("the body can't be read: {error}");
            ApiError::bad_request("malformed_request", message, "send it again")
        })?;
        count += piece.len();
        if count > DRAIN_BYTES_MAX {
            break;
        }
        if count <= bytes_max {
            kept.extend_from_slice(&piece);
        } else {
            kept = BytesMut::new();
        }
    }
    if count > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(kept.freeze())
}

fn announced_bytes(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH);
    length
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or_default()
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request_too_large",
        format!("the body has more than {bytes_max} bytes"),
        "send less at a time",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    async fn status(bytes: usize, expect: bool) -> Result<usize, StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, bytes.into());
        if expect {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        let whole = (0..bytes >> 20).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
        let body = Body::from_stream(futures::stream::iter(whole));
        let read = read(&headers, body, &OWN).await;
        read.map(|body| body.len()).map_err(|error| error.status())
    }

    #[tokio::test]
    async fn bodies_are_bounded() {
        assert_eq!(status(BODY_BYTES_MAX, false).await, Ok(BODY_BYTES_MAX));
        let refused = Err(StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status(BODY_BYTES_MAX + (1 << 20), false).await, refused);
        assert_eq!(status(BODY_BYTES_MAX + (1 << 20), true).await, refused);
        assert_eq!(status(DRAIN_BYTES_MAX * 2, false).await, refused);
    }
}
