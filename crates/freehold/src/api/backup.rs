//! Backups, and the way back from one.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use node::NodeError;
use node::backup::{BackupError, BackupView, ReturnView, Written};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::Input;

/// Where to.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupInput {
    /// A file; where backups are kept current, if missing.
    pub path: Option<PathBuf>,
}

/// `GET /api/backup`
pub async fn status(State(app): State<App>, _: Owner) -> Json<BackupView> {
    Json(app.node.backup_view())
}

/// `POST /api/backup`
pub async fn write(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<BackupInput>,
) -> Result<Json<Written>, ApiError> {
    Ok(Json(app.node.write_backup(input.path).await?))
}

/// `GET /api/restore`
pub async fn returning(State(app): State<App>, _: Owner) -> Json<ReturnView> {
    Json(app.node.return_view())
}

/// `POST /api/restore/open-mint`
pub async fn open_mint(State(app): State<App>, _: Owner) -> Result<Json<ReturnView>, ApiError> {
    Ok(Json(app.node.open_mint().await?))
}

/// Stands before the mint: one that was restored from a backup may have forgotten what was spent, and deals with
/// nobody until its owner says so.
pub async fn mint_door(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.node.is_mint_closed() {
        return ApiError::from(NodeError::from(BackupError::MintClosed)).into_response();
    }
    next.run(request).await
}
