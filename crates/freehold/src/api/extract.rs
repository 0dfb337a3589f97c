//! Reading a request, with our own errors instead of the framework's.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use node::PurseName;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::App;
use super::error::ApiError;

/// A JSON body.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let malformed = |message: String| {
            let hint = "the body must be a JSON object; see the API's documentation";
            ApiError::bad_request("malformed_request", message, hint)
        };
        let body = Bytes::from_request(request, app)
            .await
            .map_err(|error| malformed(error.to_string()))?;
        let value = serde_json::from_slice(&body)
            .map_err(|error| malformed(format!("the request can't be read: {error}")))?;
        Ok(Self(value))
    }
}

/// A query string.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let Query(value) = Query::try_from_uri(&parts.uri).map_err(|error| {
            let message = format!("the query can't be read: {error}");
            ApiError::bad_request("malformed_query", message, "check the part after the `?`")
        })?;
        Ok(Self(value))
    }
}

/// How many entries of a list are wanted.
#[derive(Debug, Deserialize)]
pub struct Limit {
    limit: Option<u32>,
}

impl Limit {
    /// What is wanted, within bounds.
    pub fn get(&self) -> u32 {
        bounded(self.limit)
    }
}

/// A list's length: 50 unless told, 1000 at most.
pub fn bounded(limit: Option<u32>) -> u32 {
    limit.unwrap_or(50).clamp(1, 1000)
}

/// Reads a purse's name.
pub fn purse_name(name: &str) -> Result<PurseName, ApiError> {
    PurseName::from_str(name).map_err(|error| {
        let hint = "a name is 1 to 32 of a-z, 0-9 and `-`, and begins with a letter";
        ApiError::bad_request("invalid_name", error.to_string(), hint)
    })
}
