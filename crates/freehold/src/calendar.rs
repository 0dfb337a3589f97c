//! The calendar's own HTTP server: the public protocol of OpenTimestamps, and a page for people.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};
use node::NodeError;
use node::calendar::{Calendar, KnownCommitment};

/// The longest digest, and so the longest body that is read.
const DIGEST_BYTES_MAX: usize = 64;
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.opentimestamps.v1");
/// A complete timestamp never changes.
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000");
const FOR_A_MINUTE: HeaderValue = HeaderValue::from_static("public, max-age=60");
const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// All routes of a calendar.
pub fn router(calendar: Arc<Calendar>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/digest", post(digest))
        .route("/timestamp/{commitment}", get(timestamp))
        .route("/tip", get(tip))
        .route("/status", get(status))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "there is nothing here", NEVER) })
        .with_state(calendar)
}

async fn digest(State(calendar): State<Arc<Calendar>>, body: Body) -> Response {
    let Ok(digest) = to_bytes(body, DIGEST_BYTES_MAX).await else {
        let why = "a digest has 1 to 64 bytes; send the bytes themselves";
        return refusal(StatusCode::BAD_REQUEST, why, NEVER);
    };
    match calendar.submit(&digest).await {
        Ok(promise) => proof(promise, NEVER),
        Err(error) => failure(&error),
    }
}

async fn timestamp(
    State(calendar): State<Arc<Calendar>>,
    Path(commitment): Path<String>,
) -> Response {
    match calendar.timestamp(&commitment) {
        Ok(KnownCommitment::Complete(timestamp)) => proof(timestamp, FOR_A_YEAR),
        Ok(KnownCommitment::Pending { is_under_way: true }) => {
            let why = "Pending confirmation in Bitcoin blockchain";
            refusal(StatusCode::NOT_FOUND, why, FOR_A_MINUTE)
        }
        Ok(KnownCommitment::Pending { .. }) => refusal(
            StatusCode::NOT_FOUND,
            "Pending; an anchor will be made",
            FOR_A_MINUTE,
        ),
        Ok(KnownCommitment::Nothing) => {
            refusal(StatusCode::NOT_FOUND, "Commitment not found", FOR_A_MINUTE)
        }
        Err(error) => failure(&error),
    }
}

/// The tip that is on its way into the chain, if one is.
async fn tip(State(calendar): State<Arc<Calendar>>) -> Response {
    match calendar.tip() {
        Some(tip) => with_headers(
            StatusCode::OK,
            "application/octet-stream",
            NEVER,
            tip.to_vec(),
        ),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn status(State(calendar): State<Arc<Calendar>>) -> Response {
    let body = serde_json::to_vec_pretty(&calendar.status()).unwrap_or_default();
    with_headers(StatusCode::OK, "application/json", NEVER, body)
}

async fn home(State(calendar): State<Arc<Calendar>>) -> Markup {
    let status = calendar.status();
    let rows = [
        ("Anchored in", status.anchor),
        ("Rounds promised", status.commitments.to_string()),
        ("Waiting for an anchor", status.pending.to_string()),
        ("Anchors that hold", status.anchors.to_string()),
        ("Anchors under way", status.under_way.to_string()),
        (
            "Fees are paid from",
            status.address.unwrap_or_else(|| "no wallet".to_owned()),
        ),
        (
            "Trouble",
            status.trouble.unwrap_or_else(|| "none".to_owned()),
        ),
    ];
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "OpenTimestamps calendar" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "OpenTimestamps calendar" }
                @if status.is_stand_in {
                    p.warning { "This calendar is for trying things out: its proofs prove nothing." }
                }
                p { "Stamp a file here with " code { "freehold stamp -c URL FILE" } " or "
                    code { "ots stamp -c URL FILE" } ", URL being this page's address." }
                table { @for (name, value) in rows { tr { th { (name) } td { (value) } } } }
            }
        }
    }
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .6rem; border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); overflow-wrap: anywhere; }
th { font-weight: 500; width: 14rem; }
.warning { padding: .6rem .8rem; border-left: 4px solid #d97706; background: color-mix(in srgb, #d97706 12%, transparent); }
";

fn proof(bytes: Vec<u8>, cache: HeaderValue) -> Response {
    let mut response = with_headers(StatusCode::OK, "", cache, bytes);
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    response
}

fn refusal(status: StatusCode, why: &str, cache: HeaderValue) -> Response {
    with_headers(status, "text/plain", cache, format!("{why}\n").into_bytes())
}

fn failure(error: &NodeError) -> Response {
    let status = StatusCode::from_u16(error.http_status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::warn!(%error, code = error.code(), "a client of the calendar got no answer");
    }
    refusal(status, &error.to_string(), NEVER)
}

/// Anyone's page may use a calendar, as it may use the public ones.
fn with_headers(
    status: StatusCode,
    kind: &'static str,
    cache: HeaderValue,
    body: Vec<u8>,
) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, cache),
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (status, HeaderMap::from_iter(headers), body).into_response()
}
