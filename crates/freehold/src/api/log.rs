//! The log of receipts as anyone may read it (C2SP `tlog-tiles`): its signed head, its tiles, and
//! its entries, which are digests and never content.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use node::TileAddress;

use super::App;
use super::error::ApiError;

/// What never changes may be kept for ever: a tile's address says how many hashes it has.
const FOR_EVER: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=31536000, immutable");
/// The head changes with every answer.
const NOT_FOR_LONG: (HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");

/// `GET /log/checkpoint`
pub async fn checkpoint(State(app): State<App>) -> Result<Response, ApiError> {
    let note = app.node.log_checkpoint().await?;
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    Ok(([kind, NOT_FOR_LONG], note).into_response())
}

/// `GET /log/tile/<L>/<N>[.p/<W>]` and `GET /log/tile/entries/<N>[.p/<W>]`
pub async fn tile(
    State(app): State<App>,
    Path(address): Path<String>,
) -> Result<Response, ApiError> {
    let address: TileAddress = address.parse().map_err(|_| {
        ApiError::bad_request(
            "malformed_address",
            "there can't be a tile with this address",
            "it is /log/tile/<L>/<N>, as in c2sp.org/tlog-tiles",
        )
    })?;
    let bytes = app.node.log_tile(&address).await?;
    let kind = (header::CONTENT_TYPE, "application/octet-stream");
    Ok(([kind, FOR_EVER], Body::from(bytes)).into_response())
}
