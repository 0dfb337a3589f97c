//! Receipts, issued and received.

use axum::Json;
use axum::extract::{Path, State};
use node::{Hash, ReceiptKeys, ReceiptProof, ReceiptView};

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

/// `GET /api/receipts/by-answer/{sha256}`: the receipt about the answer with this digest.
pub async fn by_answer(
    State(app): State<App>,
    _: Owner,
    Path(sha256): Path<String>,
) -> Result<Json<ReceiptProof>, ApiError> {
    let digest: Hash = sha256.parse().map_err(|_| {
        let message = "the answer's digest can't be read";
        ApiError::bad_request("malformed_digest", message, "it is 64 lowercase hex digits")
    })?;
    Ok(Json(app.node.receipt_by_answer(digest).await?))
}

/// `GET /api/receipt-key`: what our receipts are checked against. Anyone may know it.
pub async fn key(State(app): State<App>) -> Json<ReceiptKeys> {
    Json(app.node.receipt_keys().await)
}
