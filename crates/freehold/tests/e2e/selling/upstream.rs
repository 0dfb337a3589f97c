//! A service that knows nothing of payments.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// Pauses between the events of a stream.
pub const EVENT_PAUSE: Duration = Duration::from_millis(300);

/// A running service. It ends with the test.
pub struct Shop {
    pub url: String,
    hits: Arc<AtomicU32>,
}

impl Shop {
    pub async fn open() -> Self {
        let hits = Arc::new(AtomicU32::new(0));
        let router = Router::new()
            .route("/api/echo", any(echo))
            .route("/api/slow", any(slow))
            .route("/api/fail", any(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route("/api/missing", any(async || StatusCode::NOT_FOUND))
            .route("/api/events", any(events))
            .route("/api/bytes/{count}", any(bytes))
            .route("/api/drops/{count}", any(drops))
            .route("/api/socket", any(socket))
            .with_state(Arc::clone(&hits));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, hits }
    }

    /// How often it was asked for an echo.
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::SeqCst)
    }
}

async fn echo(
    State(hits): State<Arc<AtomicU32>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::Json<Value> {
    hits.fetch_add(1, Ordering::SeqCst);
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect();
    axum::Json(json!({
        "method": method.as_str(), "uri": uri.to_string(), "headers": headers,
        "body": String::from_utf8(body.to_vec()).unwrap(),
    }))
}

/// Thinks for so long that a node can die meanwhile.
async fn slow(State(hits): State<Arc<AtomicU32>>) -> &'static str {
    let is_first = hits.fetch_add(1, Ordering::SeqCst) == 0;
    if is_first {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    "done"
}

async fn events() -> Response {
    let pieces = futures::stream::iter(0..4).then(async |n| {
        if n > 0 {
            tokio::time::sleep(EVENT_PAUSE).await;
        }
        Ok::<_, Infallible>(format!("data: {n}\n\n"))
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(pieces),
    )
        .into_response()
}

/// So many bytes, in pieces.
async fn bytes(Path(count): Path<usize>) -> Body {
    const PIECE: usize = 64 << 10;
    let pieces = (0..count.div_ceil(PIECE)).map(move |n| {
        let length = PIECE.min(count - n * PIECE);
        Ok::<_, Infallible>(vec![b'x'; length])
    });
    Body::from_stream(futures::stream::iter(pieces))
}

/// A byte each seven seconds.
async fn drops(Path(count): Path<u32>) -> Body {
    let drops = futures::stream::iter(0..count).then(async |_| {
        tokio::time::sleep(Duration::from_secs(7)).await;
        Ok::<_, Infallible>("x")
    });
    Body::from_stream(drops)
}

/// Says back what it hears, after the handshake of a web socket.
async fn socket(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(connection) = upgrade.await else {
            return;
        };
        let (mut reads, mut writes) = tokio::io::split(TokioIo::new(connection));
        let _ = tokio::io::copy(&mut reads, &mut writes).await;
    });
    let headers = [
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "upgrade"),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
