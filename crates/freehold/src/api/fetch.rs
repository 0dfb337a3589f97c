//! Buying: a request to another server that may cost something.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use node::{Agent, Bidding, FetchRequest, PaymentView, Protocol, Spender};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::{Account, Owner};
use super::error::ApiError;
use super::extract::{Input, Limit, Params, purse_name};

/// What to fetch, and who pays.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchInput {
    /// Idempotency key: the same one pays once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `GET` unless told.
    #[serde(default = "get")]
    pub method: String,
    /// Where to.
    pub url: String,
    /// Headers to send.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// The most that it may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sat: Option<u64>,
    /// Pay by one of these only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rails: Vec<Protocol>,
    /// How long to wait for one answer of the seller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// How to bid for a lower price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bidding: Option<Bidding>,
    /// The purse that pays; only the owner may name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purse: Option<String>,
}

fn get() -> String {
    "GET".into()
}

/// What came back.
#[derive(Debug, Serialize, Deserialize)]
pub struct FetchOutput {
    /// The final answer's status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body_base64: String,
    /// What was paid, if anything.
    pub payment: Option<PaymentView>,
}

/// `POST /api/fetch`
pub async fn fetch(
    State(app): State<App>,
    Account(agent): Account,
    Input(input): Input<FetchInput>,
) -> Result<Json<FetchOutput>, ApiError> {
    let spender = spender(agent, input.purse.as_deref())?;
    let body = input.body_base64.map(|body| STANDARD.decode(body));
    let body = body.transpose().map_err(|error| {
        let message = format!("`body_base64` can't be read: {error}");
        ApiError::bad_request(
            "malformed_request",
            message,
            "use standard base64 with padding",
        )
    })?;
    let request = FetchRequest {
        id: input.id,
        method: input.method,
        url: input.url,
        headers: input.headers,
        body,
        max_sat: input.max_sat,
        rails: input.rails,
        timeout_s: input.timeout_s,
        bidding: input.bidding,
    };
    let fetched = app.node.fetch(spender, request).await?;
    Ok(Json(FetchOutput {
        status: fetched.status,
        headers: fetched.headers,
        body_base64: STANDARD.encode(fetched.body),
        payment: fetched.payment,
    }))
}

/// A purse spends its own money only; the owner spends from any purse, or their own.
fn spender(caller: Option<Agent>, named: Option<&str>) -> Result<Spender, ApiError> {
    let named = named.map(purse_name).transpose()?;
    match (caller, named) {
        (None, None) => Ok(Spender::Owner),
        (None, Some(purse)) => Ok(Spender::Purse(purse.into())),
        (Some(own), Some(named)) if own.purse != named => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "not_your_purse",
            format!("this token is purse {}'s, not {named}'s", own.purse),
            "leave `purse` out",
        )),
        (Some(own), _) => Ok(Spender::Purse(own)),
    }
}

/// `GET /api/payments?limit=…`
pub async fn payments(
    State(app): State<App>,
    _: Owner,
    Params(limit): Params<Limit>,
) -> Result<Json<Vec<PaymentView>>, ApiError> {
    Ok(Json(app.node.payments(limit.get()).await?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_purse_spends_its_own_money_only() {
        let scout = Agent::from("scout".parse::<node::PurseName>().unwrap());
        let is_scouts = |spender| matches!(spender, Ok(Spender::Purse(agent)) if agent == scout);
        assert!(matches!(spender(None, None), Ok(Spender::Owner)));
        assert!(is_scouts(spender(None, Some("scout"))));
        assert!(is_scouts(spender(Some(scout.clone()), None)));
        assert!(is_scouts(spender(Some(scout.clone()), Some("scout"))));
        assert!(spender(Some(scout.clone()), Some("other")).is_err());
        assert!(spender(None, Some("No!")).is_err());
    }

    #[test]
    fn a_request_needs_no_more_than_a_url() {
        let input: FetchInput = serde_json::from_str(r#"{"url": "http://x"}"#).unwrap();
        assert_eq!((input.method.as_str(), input.max_sat), ("GET", None));
        assert!(serde_json::from_str::<FetchInput>(r#"{"url": "http://x", "maxsat": 1}"#).is_err());
    }
}
