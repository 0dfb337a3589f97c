//! What the owner sells.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use node::sell::{NewOffer, Offer, SessionView};
use serde_json::Value;

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::{Input, Limit, Params};
use super::lightning::{DONE, Done};

/// How long what is said of what is sold may be kept.
const KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "max-age=300")];

/// `GET /openapi.json`
pub async fn openapi(State(app): State<App>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    (KEPT, Json(app.node.openapi()))
}

/// `GET /.well-known/payment`
pub async fn well_known(State(app): State<App>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    (KEPT, Json(app.node.well_known_payment()))
}

/// `GET /api/offers`
pub async fn list(State(app): State<App>, _: Owner) -> Json<Vec<Offer>> {
    Json(app.node.offers())
}

/// `POST /api/offers`; the same method and path again changes the offer.
pub async fn sell(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<NewOffer>,
) -> Result<(StatusCode, Json<Offer>), ApiError> {
    Ok((StatusCode::CREATED, Json(app.node.sell_new(input).await?)))
}

/// `POST /api/offers/{id}/remove`
pub async fn remove(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
) -> Result<Json<Done>, ApiError> {
    app.node.sell_remove(&id).await?;
    Ok(Json(DONE))
}

/// `GET /api/sessions`
pub async fn sessions(
    State(app): State<App>,
    _: Owner,
    Params(limit): Params<Limit>,
) -> Result<Json<Vec<SessionView>>, ApiError> {
    Ok(Json(app.node.sessions(limit.get()).await?))
}
