//! Savings: for the owner only.

use axum::Json;
use axum::extract::State;
use node::{Attempt, Savings, SavingsInput};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::Input;

/// `GET /api/savings`: `null` if there are none.
pub async fn show(State(app): State<App>, _: Owner) -> Result<Json<Option<Savings>>, ApiError> {
    Ok(Json(app.node.savings_show().await?))
}

/// `POST /api/savings`
pub async fn set(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<SavingsInput>,
) -> Result<Json<Savings>, ApiError> {
    Ok(Json(app.node.savings_set(&input).await?))
}

/// `POST /api/savings/off`
pub async fn off(State(app): State<App>, _: Owner) -> Result<Json<Option<Savings>>, ApiError> {
    app.node.savings_off().await?;
    Ok(Json(None))
}

/// `POST /api/savings/now`
pub async fn now(State(app): State<App>, _: Owner) -> Result<Json<Attempt>, ApiError> {
    Ok(Json(app.node.savings_now().await?))
}
