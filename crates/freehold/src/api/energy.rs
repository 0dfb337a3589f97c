//! The site that the node steers: for the owner only.

use axum::Json;
use axum::extract::State;
use node::energy::SteeringView;

use super::App;
use super::auth::Owner;
use super::error::ApiError;

/// `GET /api/energy`
pub async fn show(State(app): State<App>, _: Owner) -> Result<Json<SteeringView>, ApiError> {
    Ok(Json(app.node.steering().await?))
}
