//! How the node is doing, and which model it uses.

use axum::Json;
use axum::extract::State;
use node::{Finding, InstalledModel, Status};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::Input;

/// `GET /healthz`: that we are here, and nothing more.
pub async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok", "program": "freehold"}))
}

/// `GET /api/status`
pub async fn status(State(app): State<App>, _: Owner) -> Result<Json<Status>, ApiError> {
    Ok(Json(app.node.status().await?))
}

/// `GET /api/doctor`
pub async fn doctor(State(app): State<App>, _: Owner) -> Result<Json<Vec<Finding>>, ApiError> {
    Ok(Json(app.node.doctor().await?))
}

/// Which model.
#[derive(Deserialize)]
pub struct ModelName {
    name: String,
}

/// `POST /api/models/use`
pub async fn use_model(
    State(app): State<App>,
    _: Owner,
    Input(model): Input<ModelName>,
) -> Result<Json<InstalledModel>, ApiError> {
    Ok(Json(app.node.use_model(&model.name).await?))
}
