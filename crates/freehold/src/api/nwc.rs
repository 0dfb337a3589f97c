//! Nostr Wallet Connect: connections to purses, and wallets that back purses.

use std::fmt;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use node::{BackingView, NewNwc, NewNwcConnection, NwcConnectionView, PurseView};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::{Input, purse_name};

/// A new connection.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NwcInput {
    /// The purse that it spends from.
    pub purse: String,
    /// Where both meet; left out, the configured relays.
    #[serde(default)]
    pub relays: Vec<String>,
    /// How long it lives; left out, until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<u64>,
    /// True if it may look but not pay.
    #[serde(default)]
    pub read_only: bool,
}

/// A wallet that is to back a purse.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackingInput {
    /// The connection URI that the other wallet made; a secret.
    pub uri: String,
}

impl fmt::Debug for BackingInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackingInput(redacted)")
    }
}

/// `GET /api/nwc`
pub async fn list(
    State(app): State<App>,
    _: Owner,
) -> Result<Json<Vec<NwcConnectionView>>, ApiError> {
    Ok(Json(app.node.nwc_list().await?))
}

/// `POST /api/nwc`; the only answer that has the connection's URI.
pub async fn create(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<NwcInput>,
) -> Result<(StatusCode, Json<NewNwcConnection>), ApiError> {
    let wanted = NewNwc {
        purse: purse_name(&input.purse)?,
        relays: input.relays,
        expires_s: input.expires_s,
        read_only: input.read_only,
    };
    Ok((StatusCode::CREATED, Json(app.node.nwc_new(wanted).await?)))
}

/// `POST /api/nwc/{id}/revoke`
pub async fn revoke(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
) -> Result<Json<NwcConnectionView>, ApiError> {
    Ok(Json(app.node.nwc_revoke(&id).await?))
}

/// `POST /api/purses/{name}/back`
pub async fn back(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<BackingInput>,
) -> Result<Json<BackingView>, ApiError> {
    let name = purse_name(&name)?;
    Ok(Json(app.node.purse_back(&name, &input.uri).await?))
}

/// `POST /api/purses/{name}/unback`
pub async fn unback(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
) -> Result<Json<PurseView>, ApiError> {
    let name = purse_name(&name)?;
    app.node.purse_unback(&name).await?;
    Ok(Json(app.node.purse_show(&name).await?))
}
