//! Vaults that people and agents share: the owner's routes, and the one for other signers' nodes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use node::{
    Description, NewProposal, PeerAnswer, PeerRequest, ProposalView, TokenRequestView, TokenView,
    VaultKeyView, VaultView, read_psbt,
};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::Owner;
use super::error::ApiError;
use super::extract::{Input, Params};

/// A policy to look at or to keep.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyInput {
    /// The policy file's text.
    pub policy: String,
    /// Only say what it means.
    #[serde(default)]
    pub preview: bool,
    /// For the fees that are shown.
    #[serde(default = "default_rate")]
    pub fee_rate_sat_per_vb: f64,
}

/// A PSBT that came by file or QR codes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PsbtInput {
    /// In base64.
    pub psbt: String,
    /// Which vault it is of, if it isn't to be found out.
    #[serde(default)]
    pub vault: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub memo: String,
}

/// Another signer's node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerInput {
    /// Where it is reached.
    pub peer: String,
}

/// Which vault's proposals.
#[derive(Debug, Deserialize)]
pub struct OfVault {
    vault: Option<String>,
}

/// At which fee rate.
#[derive(Debug, Deserialize)]
pub struct AtRate {
    #[serde(default = "default_rate")]
    fee_rate_sat_per_vb: f64,
}

fn default_rate() -> f64 {
    1.0
}

/// What `POST /api/vaults` answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Made {
    /// It was only looked at.
    Preview(Box<Description>),
    /// It was kept.
    Vault(Box<VaultView>),
}

/// `GET /api/vault-key`
pub async fn key(State(app): State<App>, _: Owner) -> Json<VaultKeyView> {
    Json(app.node.vault_key())
}

/// `GET /api/vaults`
pub async fn list(State(app): State<App>, _: Owner) -> Result<Json<Vec<VaultView>>, ApiError> {
    Ok(Json(app.node.vault_list().await?))
}

/// `POST /api/vaults`
pub async fn create(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PolicyInput>,
) -> Result<(StatusCode, Json<Made>), ApiError> {
    if input.preview {
        let words = app
            .node
            .vault_preview(&input.policy, input.fee_rate_sat_per_vb)?;
        return Ok((StatusCode::OK, Json(Made::Preview(Box::new(words)))));
    }
    let made = app.node.vault_new(&input.policy).await?;
    Ok((StatusCode::CREATED, Json(Made::Vault(Box::new(made)))))
}

/// `GET /api/vaults/{name}`
pub async fn show(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Params(at): Params<AtRate>,
) -> Result<Json<VaultView>, ApiError> {
    Ok(Json(
        app.node.vault_show(&name, at.fee_rate_sat_per_vb).await?,
    ))
}

/// An address.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddressView {
    /// To pay into.
    pub address: String,
}

/// `POST /api/vaults/{name}/address`
pub async fn address(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
) -> Result<Json<AddressView>, ApiError> {
    let address = app.node.vault_address(&name).await?;
    Ok(Json(AddressView { address }))
}

/// `POST /api/vaults/{name}/proposals`
pub async fn propose(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<NewProposal>,
) -> Result<(StatusCode, Json<ProposalView>), ApiError> {
    let made = app.node.vault_propose(&name, input).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /api/vault-proposals`
pub async fn proposals(
    State(app): State<App>,
    _: Owner,
    Params(of): Params<OfVault>,
) -> Result<Json<Vec<ProposalView>>, ApiError> {
    Ok(Json(app.node.vault_proposals(of.vault.as_deref()).await?))
}

/// `POST /api/vault-proposals`: one that came by file or QR codes.
pub async fn receive(
    State(app): State<App>,
    _: Owner,
    Input(input): Input<PsbtInput>,
) -> Result<Json<ProposalView>, ApiError> {
    let psbt = read_psbt(input.psbt.as_bytes()).map_err(node::NodeError::from)?;
    let vault = input.vault.as_deref();
    Ok(Json(app.node.vault_receive(vault, psbt, input.memo).await?))
}

/// `GET /api/vault-proposals/{id}`
pub async fn proposal(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
) -> Result<Json<ProposalView>, ApiError> {
    Ok(Json(app.node.vault_proposal(&id).await?))
}

/// `POST /api/vault-proposals/{id}/sign`
pub async fn sign(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
) -> Result<Json<ProposalView>, ApiError> {
    Ok(Json(app.node.vault_sign(&id).await?))
}

/// `POST /api/vault-proposals/{id}/broadcast`
pub async fn broadcast(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
) -> Result<Json<ProposalView>, ApiError> {
    Ok(Json(app.node.vault_broadcast(&id).await?))
}

/// `POST /api/vault-proposals/{id}/drop`
pub async fn give_up(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
) -> Result<Json<ProposalView>, ApiError> {
    Ok(Json(app.node.vault_drop(&id).await?))
}

/// `POST /api/vault-proposals/{id}/send`
pub async fn send(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<String>,
    Input(input): Input<PeerInput>,
) -> Result<Json<ProposalView>, ApiError> {
    Ok(Json(app.node.vault_send_to(&id, &input.peer).await?))
}

/// `POST /vault/{id}/proposals`: another signer's node, which proves that by its signature.
pub async fn from_peer(
    State(app): State<App>,
    Path(vault): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<PeerAnswer>, ApiError> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let request = PeerRequest {
        vault,
        path: uri.path().to_owned(),
        body: body.to_vec(),
        signer: header("freehold-signer"),
        time_unix_s: header("freehold-time").parse().unwrap_or_default(),
        signature: header("freehold-signature"),
    };
    Ok(Json(app.node.vault_peer(request).await?))
}

/// How much ecash is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequestInput {
    /// How much.
    pub amount_sat: u64,
}

/// A locked token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenInput {
    /// `cashuB…`
    pub token: String,
}

/// `POST /api/vaults/{name}/token-requests`
pub async fn token_request(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<TokenRequestInput>,
) -> Result<Json<TokenRequestView>, ApiError> {
    let made = app.node.vault_token_request(&name, input.amount_sat);
    Ok(Json(made.await?))
}

/// `POST /api/vaults/{name}/tokens/show`
pub async fn token_show(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<TokenInput>,
) -> Result<Json<TokenView>, ApiError> {
    Ok(Json(app.node.vault_token_show(&name, &input.token).await?))
}

/// `POST /api/vaults/{name}/tokens/sign`
pub async fn token_sign(
    State(app): State<App>,
    _: Owner,
    Path(name): Path<String>,
    Input(input): Input<TokenInput>,
) -> Result<Json<TokenView>, ApiError> {
    Ok(Json(app.node.vault_token_sign(&name, &input.token).await?))
}
