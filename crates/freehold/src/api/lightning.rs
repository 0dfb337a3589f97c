//! Lightning: the owner's, and what purses pay by it.

use axum::Json;
use axum::extract::{Path, State};
use node::Agent;
use node::lightning::{
    BookedInvoice, BookedPayment, ChannelView, InvoiceInput, InvoiceView, LightningView,
    OpenRequest, PayInput, PeerView, PursePayment,
};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::{Account, Owner};
use super::error::ApiError;
use super::extract::{Input, purse_name};

/// As many as are listed.
const LISTED: u32 = 100;

/// Coins to be sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendInput {
    /// Where to.
    pub address: String,
    /// How much; all that no channel needs, if missing.
    pub amount_sat: Option<u64>,
    /// What it pays to be in a block.
    pub fee_rate_sat_per_vb: Option<u64>,
}

/// A channel to be closed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloseInput {
    /// Without the peer: our part waits for some blocks then.
    pub is_forced: bool,
}

/// A held payment to be claimed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimInput {
    /// The secret, in hex.
    pub preimage: String,
    /// What came.
    pub amount_msat: u64,
}

/// A held payment to be sent back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailInput {
    /// Its hash, in hex.
    pub payment_hash: String,
}

/// A payment to a node that didn't ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysendInput {
    /// Which node.
    pub node_id: String,
    /// How much.
    pub amount_msat: u64,
}

/// An invoice to be paid from a purse.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PursePayInput {
    /// The BOLT 11 invoice.
    pub invoice: String,
    /// What the way may cost.
    #[serde(default)]
    pub fee_max_sat: Option<u64>,
}

/// A transaction that was sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    pub txid: String,
}

/// An address.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddressView {
    /// The address.
    pub address: String,
}

/// A channel that is being opened.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opening {
    /// Its name here.
    pub channel: String,
}

/// It was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    /// Always true.
    pub done: bool,
}

/// What to say when there is nothing else to say.
pub const DONE: Done = Done { done: true };

/// `GET /api/lightning`
pub async fn status(State(app): State<App>, _: Owner) -> Result<Json<LightningView>, ApiError> {
    Ok(Json(app.node.lightning_status().await?))
}

/// `POST /api/lightning/sync`
pub async fn sync(State(app): State<App>, _: Owner) -> Result<Json<LightningView>, ApiError> {
    app.node.lightning_sync().await?;
    Ok(Json(app.node.lightning_status().await?))
}

/// `POST /api/lightning/addresses`
pub async fn address(State(app): State<App>, _: Owner) -> Result<Json<AddressView>, ApiError> {
    let address = app.node.lightning_address().await?;
    Ok(Json(AddressView { address }))
}

/// `POST /api/lightning/send`
pub async fn send(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<SendInput>,
) -> Result<Json<Sent>, ApiError> {
    let sent = app.node.lightning_send_onchain(
        &input.address,
        input.amount_sat,
        input.fee_rate_sat_per_vb,
    );
    Ok(Json(Sent { txid: sent.await? }))
}

/// `GET /api/lightning/channels`
pub async fn channels(
    State(app): State<App>,
    _: Owner,
) -> Result<Json<Vec<ChannelView>>, ApiError> {
    Ok(Json(app.node.lightning_channels().await?))
}

/// `POST /api/lightning/channels`
pub async fn open(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<OpenRequest>,
) -> Result<Json<Opening>, ApiError> {
    let channel = app.node.lightning_open(input).await?;
    Ok(Json(Opening { channel }))
}

/// `POST /api/lightning/channels/{id}/close`
pub async fn close(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
    Input(input): Input<CloseInput>,
) -> Result<Json<Done>, ApiError> {
    app.node.lightning_close(&id, input.is_forced).await?;
    Ok(Json(DONE))
}

/// `GET /api/lightning/peers`
pub async fn peers(State(app): State<App>, _: Owner) -> Result<Json<Vec<PeerView>>, ApiError> {
    Ok(Json(app.node.lightning_peers().await?))
}

/// `GET /api/lightning/invoices`
pub async fn invoices(
    State(app): State<App>,
    _: Owner,
) -> Result<Json<Vec<BookedInvoice>>, ApiError> {
    Ok(Json(app.node.lightning_invoices(LISTED).await?))
}

/// `POST /api/lightning/invoices`
pub async fn invoice(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<InvoiceInput>,
) -> Result<Json<InvoiceView>, ApiError> {
    Ok(Json(app.node.lightning_invoice(input).await?))
}

/// `POST /api/lightning/offers`
pub async fn offer(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<InvoiceInput>,
) -> Result<Json<InvoiceView>, ApiError> {
    Ok(Json(app.node.lightning_offer(input).await?))
}

/// `POST /api/lightning/claim`
pub async fn claim(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<ClaimInput>,
) -> Result<Json<Done>, ApiError> {
    let (preimage, amount_msat) = (&input.preimage, input.amount_msat);
    app.node.lightning_claim(preimage, amount_msat).await?;
    Ok(Json(DONE))
}

/// `POST /api/lightning/fail`
pub async fn fail(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<FailInput>,
) -> Result<Json<Done>, ApiError> {
    app.node.lightning_fail(&input.payment_hash).await?;
    Ok(Json(DONE))
}

/// `GET /api/lightning/payments`
pub async fn payments(
    State(app): State<App>,
    _: Owner,
) -> Result<Json<Vec<BookedPayment>>, ApiError> {
    Ok(Json(app.node.lightning_payments(LISTED).await?))
}

/// `POST /api/lightning/payments`
pub async fn pay(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PayInput>,
) -> Result<Json<BookedPayment>, ApiError> {
    Ok(Json(app.node.lightning_pay(input).await?))
}

/// `POST /api/lightning/keysends`
pub async fn keysend(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<KeysendInput>,
) -> Result<Json<BookedPayment>, ApiError> {
    let sent = app
        .node
        .lightning_keysend(&input.node_id, input.amount_msat);
    Ok(Json(sent.await?))
}

/// `POST /api/purses/{name}/pay`: the owner pays from a purse.
pub async fn purse_pay(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<PursePayInput>,
) -> Result<Json<PursePayment>, ApiError> {
    pay_from(&app, purse_name(&name)?.into(), input).await
}

/// `POST /api/purse/pay`: an agent pays from its own.
pub async fn own_purse_pay(
    State(app): State<App>,
    Account(agent): Account,
    Input(input): Input<PursePayInput>,
) -> Result<Json<PursePayment>, ApiError> {
    let agent = agent.ok_or_else(|| {
        let hint = "the owner uses /api/purses/NAME/pay, or /api/lightning/payments";
        ApiError::bad_request("no_own_purse", "this token isn't a purse's", hint)
    })?;
    pay_from(&app, agent, input).await
}

async fn pay_from(
    app: &App,
    agent: Agent,
    input: PursePayInput,
) -> Result<Json<PursePayment>, ApiError> {
    let paid = app
        .node
        .purse_pay(&agent, &input.invoice, input.fee_max_sat);
    Ok(Json(paid.await?))
}
