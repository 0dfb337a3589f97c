//! The owner's word: approvals of payments, and disputes.

use axum::Json;
use axum::extract::{Path, State};
use node::{ApprovalView, PurseView};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::{Input, Params, bounded};

/// Which approvals are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Also those that are over.
    #[serde(default)]
    all: bool,
    limit: Option<u32>,
}

/// `GET /api/approvals?all=…&limit=…`, newest first
pub async fn list(
    State(app): State<App>,
    _: Owner,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Vec<ApprovalView>>, ApiError> {
    let limit = bounded(wanted.limit);
    Ok(Json(app.node.approvals(!wanted.all, limit).await?))
}

/// `POST /api/approvals/{id}/approve`
pub async fn approve(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<i64>,
) -> Result<Json<ApprovalView>, ApiError> {
    Ok(Json(app.node.approve(id).await?))
}

/// `POST /api/approvals/{id}/deny`
pub async fn deny(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<i64>,
) -> Result<Json<ApprovalView>, ApiError> {
    Ok(Json(app.node.deny(id).await?))
}

/// A payment that wasn't worth its money.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisputeInput {
    /// Its id, an invoice's payment hash, or an id in the ledger.
    pub payment: String,
    /// What was wrong with it.
    #[serde(default)]
    pub reason: String,
}

/// `POST /api/disputes`; answers with the purse as it is now
pub async fn dispute(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<DisputeInput>,
) -> Result<Json<PurseView>, ApiError> {
    let disputed = app.node.purse_dispute(&input.payment, &input.reason);
    Ok(Json(disputed.await?))
}
