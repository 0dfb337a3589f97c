//! Agents' purses.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use node::{NewPurse, PolicySat, PurseView, Revoked};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::{Account, Owner};
use super::error::ApiError;
use super::extract::{Input, purse_name};

/// A new purse.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurseInput {
    /// Its name.
    pub name: String,
    /// What it may spend; what is left out takes its default.
    #[serde(default)]
    pub policy: PolicySat,
}

/// Another policy for a purse.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyInput {
    /// Which one it replaces.
    pub version: u32,
    /// All of it; what is left out takes its default.
    pub policy: PolicySat,
}

/// An amount.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountInput {
    /// How much.
    pub amount_sat: u64,
}

/// `GET /api/purses`
pub async fn list(State(app): State<App>, _: Owner) -> Result<Json<Vec<PurseView>>, ApiError> {
    Ok(Json(app.node.purse_list().await?))
}

/// `POST /api/purses`; the only answer that has the purse's token.
pub async fn create(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PurseInput>,
) -> Result<(StatusCode, Json<NewPurse>), ApiError> {
    let name = purse_name(&input.name)?;
    let purse = app.node.purse_new(name, input.policy).await?;
    Ok((StatusCode::CREATED, Json(purse)))
}

/// `GET /api/purses/{name}`
pub async fn show(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
) -> Result<Json<PurseView>, ApiError> {
    Ok(Json(app.node.purse_show(&purse_name(&name)?).await?))
}

/// `POST /api/purses/{name}/policy`
pub async fn policy(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<PolicyInput>,
) -> Result<Json<PurseView>, ApiError> {
    let name = purse_name(&name)?;
    let changed = app
        .node
        .purse_set_policy(&name, input.version, input.policy);
    Ok(Json(changed.await?))
}

/// `POST /api/purses/{name}/fund`
pub async fn fund(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<AmountInput>,
) -> Result<Json<PurseView>, ApiError> {
    let name = purse_name(&name)?;
    Ok(Json(app.node.purse_fund(&name, input.amount_sat).await?))
}

/// `POST /api/purses/{name}/revoke`
pub async fn revoke(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
) -> Result<Json<Revoked>, ApiError> {
    Ok(Json(app.node.purse_revoke(&purse_name(&name)?).await?))
}

/// `GET /api/purse`: an agent looks at its own.
pub async fn own(
    State(app): State<App>,
    Account(agent): Account,
) -> Result<Json<PurseView>, ApiError> {
    let agent = agent.ok_or_else(|| {
        let hint = "the owner uses /api/purses";
        ApiError::bad_request("no_own_purse", "this token isn't a purse's", hint)
    })?;
    Ok(Json(app.node.purse_show(&agent.purse).await?))
}
