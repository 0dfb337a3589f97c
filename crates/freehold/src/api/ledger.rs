//! The books.

use axum::Json;
use axum::extract::State;
use node::{Audit, Transfer};
use serde::Deserialize;

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::{Params, bounded, purse_name};

/// Which transfers.
#[derive(Deserialize)]
pub struct Filter {
    purse: Option<String>,
    limit: Option<u32>,
}

/// `GET /api/ledger?purse=…&limit=…`
pub async fn list(
    State(app): State<App>,
    _: Owner,
    Params(filter): Params<Filter>,
) -> Result<Json<Vec<Transfer>>, ApiError> {
    let purse = filter.purse.as_deref().map(purse_name).transpose()?;
    let limit = bounded(filter.limit);
    Ok(Json(app.node.ledger_list(purse, limit).await?))
}

/// `GET /api/ledger/check`
pub async fn check(State(app): State<App>, _: Owner) -> Result<Json<Audit>, ApiError> {
    Ok(Json(app.node.ledger_check().await?))
}
