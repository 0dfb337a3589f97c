//! The chain and the neighbour of the network `sandbox`.

use axum::Json;
use axum::extract::State;
use node::SandboxView;
use node::lightning::InvoiceView;
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::Input;
use super::lightning::Sent;

/// Blocks to be mined, or to be abandoned.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlocksInput {
    /// How many.
    pub blocks: u32,
}

/// Coins to be given.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FundInput {
    /// To which address.
    pub address: String,
    /// How much.
    pub amount_sat: u64,
}

/// What the neighbour shall ask for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NeighbourInvoiceInput {
    /// How much; up to the payer if missing.
    pub amount_msat: Option<u64>,
    /// A BOLT 12 offer instead of a BOLT 11 invoice.
    pub is_offer: bool,
}

/// What the neighbour shall pay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighbourPayInput {
    /// An invoice or an offer.
    pub request: String,
    /// How much, if it doesn't say.
    #[serde(default)]
    pub amount_msat: Option<u64>,
}

/// What the neighbour paid.
#[derive(Debug, Serialize, Deserialize)]
pub struct NeighbourPaid {
    /// The proof of it, in hex, which only a payer learns.
    pub preimage: Option<String>,
}

/// `GET /api/sandbox`
pub async fn status(State(app): State<App>, _: Owner) -> Result<Json<SandboxView>, ApiError> {
    Ok(Json(app.node.sandbox_status().await?))
}

/// `POST /api/sandbox/mine`
pub async fn mine(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<BlocksInput>,
) -> Result<Json<SandboxView>, ApiError> {
    Ok(Json(app.node.sandbox_mine(input.blocks).await?))
}

/// `POST /api/sandbox/reorg`
pub async fn reorg(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<BlocksInput>,
) -> Result<Json<SandboxView>, ApiError> {
    Ok(Json(app.node.sandbox_reorg(input.blocks).await?))
}

/// `POST /api/sandbox/fund`
pub async fn fund(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<FundInput>,
) -> Result<Json<Sent>, ApiError> {
    let txid = app
        .node
        .sandbox_fund(&input.address, input.amount_sat)
        .await?;
    Ok(Json(Sent { txid }))
}

/// `POST /api/sandbox/invoice`
pub async fn invoice(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<NeighbourInvoiceInput>,
) -> Result<Json<InvoiceView>, ApiError> {
    let invoice = app.node.sandbox_invoice(input.amount_msat, input.is_offer);
    Ok(Json(invoice.await?))
}

/// `POST /api/sandbox/pay`
pub async fn pay(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<NeighbourPayInput>,
) -> Result<Json<NeighbourPaid>, ApiError> {
    let paid = app.node.sandbox_pay(&input.request, input.amount_msat);
    Ok(Json(NeighbourPaid {
        preimage: paid.await?,
    }))
}
