//! Bitcoin on the chain: for the owner only.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use node::{
    AddressView, BumpInput, CoinView, Descriptors, FeeChoice, FreezeInput, LabelInput,
    OnchainBalance, PsbtView, SendInput, Spend, TxView, WatchedWallet,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::{Input, Params, bounded};

type Answer<T> = Result<Json<T>, ApiError>;

/// Which wallet, and how much of a list.
#[derive(Debug, Default, Deserialize)]
pub struct Which {
    wallet: Option<String>,
    limit: Option<u32>,
}

/// Which wallet.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalletInput {
    /// Its name; the own one unless named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallet: Option<String>,
}

/// Keys to be watched.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchInput {
    /// The wallet's name.
    pub name: String,
    /// An xpub, or a descriptor of public keys.
    pub descriptor: String,
}

/// A partially signed transaction, in base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PsbtInput {
    /// It.
    pub psbt: String,
    /// The wallet that sees or sends it; the own one unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<String>,
    /// The payment's id, if it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it may cost.
    #[serde(default)]
    pub fee: FeeChoice,
}

/// Several of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PsbtsInput {
    /// In base64, of one transaction.
    pub psbts: Vec<String>,
}

/// `GET /api/onchain`
pub async fn balance(
    State(app): State<App>,
    _: Owner,
    Params(which): Params<Which>,
) -> Answer<OnchainBalance> {
    let name = which.wallet.as_deref();
    Ok(Json(app.node.onchain_balance(name).await?))
}

/// `POST /api/onchain/address`
pub async fn address(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<WalletInput>,
) -> Answer<AddressView> {
    let name = input.wallet.as_deref();
    Ok(Json(app.node.onchain_address(name).await?))
}

/// `GET /api/onchain/addresses`
pub async fn addresses(
    State(app): State<App>,
    _: Owner,
    Params(which): Params<Which>,
) -> Answer<Vec<AddressView>> {
    let (name, limit) = (which.wallet.as_deref(), bounded(which.limit));
    Ok(Json(app.node.onchain_addresses(name, limit).await?))
}

/// `GET /api/onchain/coins`
pub async fn coins(
    State(app): State<App>,
    _: Owner,
    Params(which): Params<Which>,
) -> Answer<Vec<CoinView>> {
    let name = which.wallet.as_deref();
    Ok(Json(app.node.onchain_coins(name).await?))
}

/// `GET /api/onchain/history`
pub async fn history(
    State(app): State<App>,
    _: Owner,
    Params(which): Params<Which>,
) -> Answer<Vec<TxView>> {
    let (name, limit) = (which.wallet.as_deref(), bounded(which.limit));
    Ok(Json(app.node.onchain_history(name, limit).await?))
}

/// `GET /api/onchain/spends`
pub async fn spends(
    State(app): State<App>,
    _: Owner,
    Params(which): Params<Which>,
) -> Answer<Vec<Spend>> {
    let (name, limit) = (which.wallet.as_deref(), bounded(which.limit));
    Ok(Json(app.node.onchain_spends(name, limit).await?))
}

/// `POST /api/onchain/send`
pub async fn send(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<SendInput>,
) -> Answer<Spend> {
    Ok(Json(app.node.onchain_send(input).await?))
}

/// `POST /api/onchain/bump`
pub async fn bump(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<BumpInput>,
) -> Answer<Spend> {
    Ok(Json(app.node.onchain_bump(input).await?))
}

/// `POST /api/onchain/freeze`
pub async fn freeze(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<FreezeInput>,
) -> Answer<Vec<CoinView>> {
    Ok(Json(app.node.onchain_freeze(&input).await?))
}

/// `POST /api/onchain/label`
pub async fn label(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<LabelInput>,
) -> Answer<Value> {
    app.node.onchain_label(&input).await?;
    Ok(Json(json!({"what": input.what, "label": input.label})))
}

/// `GET /api/onchain/descriptors`
pub async fn descriptors(
    State(app): State<App>,
    _: Owner,
    Params(which): Params<Which>,
) -> Answer<Descriptors> {
    let name = which.wallet.as_deref();
    Ok(Json(app.node.onchain_descriptors(name).await?))
}

/// `GET /api/onchain/watch`
pub async fn watched(State(app): State<App>, _: Owner) -> Answer<Vec<WatchedWallet>> {
    Ok(Json(app.node.onchain_watched().await?))
}

/// `POST /api/onchain/watch`
pub async fn watch(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<WatchInput>,
) -> Result<(StatusCode, Json<WatchedWallet>), ApiError> {
    let wallet = app.node.onchain_watch(&input.name, &input.descriptor).await;
    Ok((StatusCode::CREATED, Json(wallet?)))
}

/// `POST /api/onchain/psbt/create`
pub async fn psbt_create(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<SendInput>,
) -> Answer<PsbtView> {
    Ok(Json(app.node.onchain_psbt_create(&input).await?))
}

/// `POST /api/onchain/psbt/show`
pub async fn psbt_show(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PsbtInput>,
) -> Answer<PsbtView> {
    let name = input.wallet.as_deref();
    Ok(Json(app.node.onchain_psbt_show(name, &input.psbt).await?))
}

/// `POST /api/onchain/psbt/sign`
pub async fn psbt_sign(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PsbtInput>,
) -> Answer<PsbtView> {
    let signed = app.node.onchain_psbt_sign(&input.psbt, &input.fee);
    Ok(Json(signed.await?))
}

/// `POST /api/onchain/psbt/combine`
pub async fn psbt_combine(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PsbtsInput>,
) -> Answer<PsbtView> {
    Ok(Json(app.node.onchain_psbt_combine(&input.psbts).await?))
}

/// `POST /api/onchain/psbt/broadcast`
pub async fn psbt_broadcast(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PsbtInput>,
) -> Answer<Spend> {
    let PsbtInput {
        psbt,
        wallet,
        id,
        fee,
    } = input;
    let sent = app.node.onchain_psbt_broadcast(wallet, id, psbt, fee);
    Ok(Json(sent.await?))
}
