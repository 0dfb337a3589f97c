//! Who asks: the owner, a purse or a visitor.

use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use node::{Agent, Caller};

use super::App;
use super::error::ApiError;
use super::hosts::check_origin;
use crate::proxy::is_payment;

/// The cookie of the home page's session.
pub const COOKIE: &str = "freehold_session";

/// Whoever asks.
pub struct Anyone(pub Caller);

/// The header with a payment.
pub const X_CASHU: &str = "x-cashu";

impl FromRequestParts<App> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let Some(token) = bearer(&parts.headers)? {
            return match app.node.authenticate(Some(token)).await {
                // OpenAI's clients always send a key. Whoever brings the money along means
                // to pay, whatever the key.
                Err(error)
                    if error.code() == "token_invalid" && parts.headers.contains_key(X_CASHU) =>
                {
                    Ok(Self(Caller::Visitor))
                }
                caller => Ok(Self(caller?)),
            };
        }
        if session(app, &parts.headers).is_none() {
            return Ok(Self(Caller::Visitor));
        }
        if !is_safe(&parts.method) {
            check_origin(&parts.headers)?;
        }
        Ok(Self(Caller::Owner))
    }
}

/// The owner, and nobody else.
pub struct Owner;

impl FromRequestParts<App> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Anyone::from_request_parts(parts, app).await?.0 {
            Caller::Owner => Ok(Self),
            Caller::Purse(_) => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "owner_only",
                "a purse's token can't do this",
                "a purse can use /api/fetch, /api/purse and /v1; the rest is its owner's",
            )),
            Caller::Visitor => Err(token_missing()),
        }
    }
}

/// The owner (`None`) or a purse.
pub struct Account(pub Option<Agent>);

impl FromRequestParts<App> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Anyone::from_request_parts(parts, app).await?.0 {
            Caller::Owner => Ok(Self(None)),
            Caller::Purse(agent) => Ok(Self(Some(agent))),
            Caller::Visitor => Err(token_missing()),
        }
    }
}

/// The session's token in the cookie, if it is valid.
pub fn session<'h>(app: &App, headers: &'h HeaderMap) -> Option<&'h str> {
    cookie(headers).filter(|token| app.sessions.is_open(token, Instant::now()))
}

fn token_missing() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "token_missing",
        "this needs the owner's token",
        "send `Authorization: Bearer …`; the freehold command does this by itself",
    )
}

/// Methods that change nothing (RFC 9110, 9.2.1).
fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// The token in the `Authorization` header. Empty means none: some clients insist on sending one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().unwrap_or_default().trim();
    if is_payment(value) {
        // Whoever pays is a visitor.
        return Ok(None);
    }
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "token_invalid",
            "the Authorization header can't be read",
            "it must be `Bearer` and a token",
        ));
    }
    Ok(Some(token.trim()).filter(|token| !token.is_empty()))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
    }

    #[test]
    fn the_token_is_found() {
        let token = |value| bearer(&headers("authorization", value)).map(|t| t.map(str::to_owned));
        assert_eq!(token("Bearer abc").unwrap().unwrap(), "abc");
        assert_eq!(token("bearer  abc ").unwrap().unwrap(), "abc");
        assert_eq!(token("Bearer ").unwrap(), None);
        assert_eq!(token("Bearer").unwrap(), None);
        assert_eq!(token("L402 abc:def").unwrap(), None);
        assert!(token("Basic abc").is_err());
        assert!(token("abc").is_err());
        assert_eq!(bearer(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = headers("cookie", "a=b; freehold_session=xyz; c=d");
        assert_eq!(cookie(&found), Some("xyz"));
        assert_eq!(cookie(&headers("cookie", "xfreehold_session=xyz")), None);
    }
}
