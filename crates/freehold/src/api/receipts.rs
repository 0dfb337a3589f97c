//! Receipts, issued and received.

use axum::Json;
use axum::extract::{Path, State};
use node::{ReceiptProof, ReceiptView};
use serde_json::{Value, json};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::{Limit, Params};

/// `GET /api/receipts?limit=…`
pub async fn list(
    State(app): State<App>,
    _: Owner,
    Params(limit): Params<Limit>,
) -> Result<Json<Vec<ReceiptView>>, ApiError> {
    Ok(Json(app.node.receipts(limit.get()).await?))
}

/// `GET /api/receipts/{id}`: the proof, as it is kept in a file.
pub async fn show(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
) -> Result<Json<ReceiptProof>, ApiError> {
    Ok(Json(app.node.receipt(&id).await?))
}

/// `GET /api/receipt-key`: what our receipts are checked against. Anyone may know it.
pub async fn key(State(app): State<App>) -> Json<Value> {
    Json(json!({"key": app.node.receipt_key()}))
}
