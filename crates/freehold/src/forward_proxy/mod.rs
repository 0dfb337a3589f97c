//! A forward proxy for programs that know nothing of 402: their requests are made by the node, which pays.
//!
//! Requests come in absolute form (RFC 9112, section 3.2.2). Bodies are bounded on both sides, and an answer is passed on
//! when it is whole: until then it isn't known what it cost. `CONNECT` is passed through; what is in it is encrypted, so
//! it can't be paid for.

mod headers;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use node::Protocol;
use serde_json::json;

use crate::api::error::ApiError;
use crate::api::fetch::{FetchInput, FetchOutput};
use crate::api::guard::{self, Bounds};
use crate::client::Client;
use crate::failure::{Exit, Failure};

/// The body of a request.
const BODY: Bounds = Bounds {
    bytes_max: 1 << 20,
    time_max: Duration::from_secs(30),
};
/// The name by which a client repeats a request without paying again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What each request may cost, and who pays.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The purse that pays.
    pub purse: String,
    /// The most for one request, fees included.
    pub max_sat: u64,
    /// By what it may be paid; all if empty.
    pub rails: Vec<Protocol>,
}

struct Buyer {
    client: Arc<Client>,
    terms: Terms,
}

/// The proxy as a service.
pub fn router(client: Arc<Client>, terms: Terms) -> Router {
    let buyer = Arc::new(Buyer { client, terms });
    Router::new().fallback(answer).with_state(buyer)
}

async fn answer(State(buyer): State<Arc<Buyer>>, request: Request) -> Response {
    if request.method() == Method::CONNECT {
        return match tunnel::open(request).await {
            Ok(response) => response,
            Err(failure) => problem(StatusCode::BAD_GATEWAY, &failure),
        };
    }
    match buyer.fetch(request).await {
        Ok(response) => response,
        Err((status, failure)) => problem(status, &failure),
    }
}

impl Buyer {
    async fn fetch(&self, request: Request) -> Result<Response, (StatusCode, Failure)> {
        let input = self.input(request).await?;
        let reply = self.client.post("/api/fetch", &input).await;
        let reply = reply.map_err(|failure| (status_of(&failure), failure))?;
        let fetched: FetchOutput = serde_json::from_value(reply).map_err(unreadable)?;
        let body = STANDARD.decode(&fetched.body_base64).map_err(unreadable)?;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(fetched.status).map_err(unreadable)?;
        *response.headers_mut() = headers::of_answer(&fetched.headers);
        if let Some(payment) = &fetched.payment {
            let mut note = |name: &'static str, text: &str| {
                if let Ok(value) = HeaderValue::from_str(text) {
                    response.headers_mut().insert(name, value);
                }
            };
            note("freehold-payment", &payment.id);
            if let Some(spent_sat) = payment.spent_sat {
                note("freehold-spent-sat", &spent_sat.to_string());
            }
        }
        Ok(response)
    }

    async fn input(&self, request: Request) -> Result<FetchInput, (StatusCode, Failure)> {
        let (head, body) = request.into_parts();
        if head.uri.scheme_str() != Some("http") || head.uri.authority().is_none() {
            return Err((StatusCode::BAD_REQUEST, not_for_a_proxy()));
        }
        let body = guard::read(&head.headers, body, &BODY).await;
        let body = body.map_err(|error| (error.status(), not_read(&error)))?;
        let key = head.headers.get(IDEMPOTENCY_KEY).map(HeaderValue::to_str);
        let id = key.and_then(Result::ok).map(str::to_owned);
        Ok(FetchInput {
            id,
            method: head.method.to_string(),
            url: head.uri.to_string(),
            headers: headers::of_request(&head.headers),
            body_base64: (!body.is_empty()).then(|| STANDARD.encode(&body)),
            max_sat: Some(self.terms.max_sat),
            rails: self.terms.rails.clone(),
            timeout_s: None,
            bidding: None,
            purse: Some(self.terms.purse.clone()),
        })
    }
}

fn unreadable(error: impl std::fmt::Display) -> (StatusCode, Failure) {
    let failure = Failure::ours("answer_unreadable", format!("the node's answer: {error}"));
    (StatusCode::BAD_GATEWAY, failure)
}

fn not_for_a_proxy() -> Failure {
    Failure::user(
        "not_a_proxy_request",
        "this is a proxy: it wants requests with a whole http:// address",
        "set http_proxy to this address in the program that asks",
    )
}

fn not_read(error: &ApiError) -> Failure {
    Failure::user(error.code().to_owned(), error.message(), error.hint())
}

/// What a failure of the node's is to a program that knows nothing of it: a limit forbids it, or the way behind this
/// proxy is broken. Never 402, which would have the program pay by itself.
fn status_of(failure: &Failure) -> StatusCode {
    match (failure.code.as_ref(), failure.exit) {
        ("payment_pending" | "lightning_outcome_unknown", _) => StatusCode::GATEWAY_TIMEOUT,
        ("idempotency_conflict", _) => StatusCode::CONFLICT,
        ("fetch_invalid", _) => StatusCode::BAD_REQUEST,
        (code, _) if code.starts_with("budget_") || code.starts_with("policy_") => {
            StatusCode::FORBIDDEN
        }
        (code, _) if code.starts_with("approval") => StatusCode::FORBIDDEN,
        ("price_above_limit" | "insufficient_funds" | "purse_revoked", _) => StatusCode::FORBIDDEN,
        (_, Exit::Ours) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// The failure as problem details (RFC 9457).
fn problem(status: StatusCode, failure: &Failure) -> Response {
    let mut body = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": failure.message,
        "code": failure.code,
        "hint": failure.hint,
    });
    if let Some(approval) = &failure.approval {
        body["approval"] = (**approval).clone();
    }
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, kind);
    (status, headers, body.to_string()).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_never_told_as_a_price() {
        for (code, status) in [
            ("payment_pending", 504),
            ("budget_per_day", 403),
            ("policy_host", 403),
            ("approval_needed", 403),
            ("price_above_limit", 403),
            ("idempotency_conflict", 409),
            ("paid_and_refused", 502),
        ] {
            let failure = Failure::user(code, "what", "hint");
            assert_eq!(status_of(&failure).as_u16(), status, "{code}");
        }
        assert_eq!(status_of(&Failure::ours("x", "y")).as_u16(), 500);
    }
}
