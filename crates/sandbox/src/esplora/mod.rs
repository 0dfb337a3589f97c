//! The Esplora HTTP API: the paths, and how questions are read and refused.
//!
//! `blocks.rs`, `transactions.rs` and `scripts.rs` answer; `shapes.rs` has the JSON. After the API that Blockstream's
//! electrs serves, to the extent that wallets and Lightning nodes use it.

mod blocks;
mod scripts;
mod shapes;
mod transactions;

use std::str::FromStr;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::server::Shared;
use shapes::{MempoolShape, RecentShape};

/// How many transactions a page has.
const PAGE_TRANSACTIONS: usize = 25;

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/mempool", get(mempool))
        .route("/mempool/txids", get(mempool_txids))
        .route("/mempool/recent", get(mempool_recent))
        .route("/fee-estimates", get(fee_estimates))
        .merge(blocks::router())
        .merge(transactions::router())
        .nest(
            "/scripthash",
            scripts::router("scripthash", scripts::parse_script_hash),
        )
        .nest(
            "/address",
            scripts::router("address", scripts::parse_address),
        )
}

/// A refusal: a status and a plain reason.
#[derive(Debug)]
pub(crate) struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(reason: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.into())
    }

    fn missing(reason: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, reason.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

/// An answer, or the reason why there is none.
type Answer<T> = Result<T, Refusal>;

/// Reads one part of a path.
fn parse<T: FromStr>(text: &str, what: &'static str) -> Answer<T> {
    text.parse()
        .map_err(|_| Refusal::bad(format!("Invalid {what}")))
}

async fn mempool(State(shared): State<Shared>) -> Json<MempoolShape> {
    Json(MempoolShape::new(&shared.world().mempool))
}

async fn mempool_txids(State(shared): State<Shared>) -> Json<Vec<String>> {
    let world = shared.world();
    let arrivals = world.mempool.arrivals();
    Json(arrivals.iter().map(|(txid, _)| txid.to_string()).collect())
}

async fn mempool_recent(State(shared): State<Shared>) -> Json<Vec<RecentShape>> {
    Json(RecentShape::newest(&shared.world().mempool))
}

async fn fee_estimates(State(shared): State<Shared>) -> Response {
    Json(shared.world().fee_estimates_sat_per_vb()).into_response()
}
