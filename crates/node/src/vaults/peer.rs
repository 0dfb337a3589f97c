//! Proposals between signers' nodes: one request, signed by a signer, brings a PSBT and takes the
//! answer's signatures home.

use std::sync::Arc;

use bitcoin::hex::DisplayHex as _;
use serde::{Deserialize, Serialize};
use wallet::vault::{Mode, PSBT_BYTES_MAX, ProposalState, Request, VaultError, read_psbt};

use super::OpenVault;
use super::views::ProposalView;
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_s};

/// An answer of another node is at most this long.
const ANSWER_BYTES_MAX: usize = 2 * PSBT_BYTES_MAX;
/// The header that says which signer of the policy asks.
const SIGNER: &str = "freehold-signer";
/// The header that says when.
const TIME: &str = "freehold-time";
/// The header with the signature.
const SIGNATURE: &str = "freehold-signature";

/// What one node brings to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerOffer {
    /// The PSBT in base64.
    pub psbt: String,
    /// What it is for.
    #[serde(default)]
    pub memo: String,
}

/// What it takes home.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerAnswer {
    /// The PSBT in base64, with what the other node added.
    pub psbt: String,
    /// What became of the proposal there.
    pub state: ProposalState,
}

/// A request of another signer's node, as it came.
#[derive(Clone, Debug)]
pub struct PeerRequest {
    /// The id of the vault, from the path.
    pub vault: String,
    /// The path.
    pub path: String,
    /// The body.
    pub body: Vec<u8>,
    /// The header `Freehold-Signer`.
    pub signer: String,
    /// The header `Freehold-Time`.
    pub time_unix_s: u64,
    /// The header `Freehold-Signature`.
    pub signature: String,
}

impl Node {
    /// Takes a proposal of another signer's node in, and does by itself what this node may do
    /// by itself: give a nonce, sign along within an allowance, and as an agent sign after a human.
    ///
    /// # Errors
    /// `vault_request_unsigned`; `vault_missing`; whatever the check of the PSBT finds.
    #[boxed]
    pub async fn vault_peer(&self, request: PeerRequest) -> Result<PeerAnswer> {
        let open = self.find_vault(&request.vault).await?;
        let signed = Request {
            method: "POST",
            path: &request.path,
            body: &request.body,
            time_unix_s: request.time_unix_s,
        };
        let policy = open.vault.policy();
        let from = signed.verify(policy, &request.signer, &request.signature, now_s())?;
        let offer: PeerOffer = serde_json::from_slice(&request.body)
            .map_err(|error| VaultError::Malformed(error.to_string()))?;
        let psbt = read_psbt(offer.psbt.as_bytes())?;
        tracing::info!(vault = %open.record.name, from = policy.name_of(from), "a proposal came");
        let node = self.clone();
        self.uninterrupted(async move {
            let _guard = node.inner.vaults.locks.lock(&open.record.id).await;
            let received = node.receive_locked(&open, psbt, offer.memo).await?;
            let answered = node.try_by_itself(&open, received).await?;
            Ok(PeerAnswer {
                psbt: answered.psbt,
                state: answered.state,
            })
        })
        .await
    }

    async fn try_by_itself(
        &self,
        open: &Arc<OpenVault>,
        received: ProposalView,
    ) -> Result<ProposalView> {
        let proposal = self.load_proposal(open, &received.id).await?;
        let Some(proposal) = proposal.filter(|known| known.state == ProposalState::Open) else {
            return Ok(received);
        };
        let view = open.watch.lock().await.view();
        match self
            .sign_locked(open, proposal, &view, Mode::ByItself)
            .await
        {
            Ok(signed) => Ok(signed),
            // What isn't signed unasked waits for the owner.
            Err(NodeError::Vault(refusal)) => {
                tracing::info!(code = refusal.code(), %refusal, "not signed unasked");
                Ok(received)
            }
            Err(error) => Err(error),
        }
    }

    /// Brings a proposal to another signer's node, and takes home what that added.
    ///
    /// # Errors
    /// `upstream_failed` if the node can't be reached or refuses; whatever the check of its
    /// answer finds.
    #[boxed]
    pub async fn vault_send_to(&self, id: &str, peer_url: &str) -> Result<ProposalView> {
        let (open, proposal) = self.find_proposal(id).await?;
        let offer = PeerOffer {
            psbt: proposal.psbt.to_string(),
            memo: proposal.memo.clone(),
        };
        let answer = self.ask_peer(&open, peer_url, &offer).await?;
        let psbt = read_psbt(answer.psbt.as_bytes())?;
        self.vault_receive(Some(&open.record.id), psbt, proposal.memo)
            .await
    }

    async fn ask_peer(
        &self,
        open: &OpenVault,
        peer_url: &str,
        offer: &PeerOffer,
    ) -> Result<PeerAnswer> {
        let key = &self.inner.vaults.key;
        let policy = open.vault.policy();
        let me = policy.name_of(key.place_in(policy)?).to_owned();
        let body = serde_json::to_vec(offer).unwrap_or_default();
        let path = format!("/vault/{}/proposals", open.record.id);
        let time_unix_s = now_s();
        let request = Request {
            method: "POST",
            path: &path,
            body: &body,
            time_unix_s,
        };
        let signature = request.sign(key, &rand::random())?;
        let url = format!("{}{path}", peer_url.trim_end_matches('/'));
        let request = self.inner.http.post(&url).body(body.clone());
        let request = request
            .header("content-type", "application/json")
            .header(SIGNER, me)
            .header(TIME, time_unix_s)
            .header(SIGNATURE, signature);
        let answer = sent(request).await;
        answer.map_err(|reason| NodeError::Upstream { url, reason })
    }
}

/// Sends a request, and reads the answer or the refusal.
async fn sent(request: reqwest::RequestBuilder) -> std::result::Result<PeerAnswer, String> {
    let response = request.send().await.map_err(|error| error.to_string())?;
    let is_success = response.status().is_success();
    let answer = read(response).await?;
    if !is_success {
        return Err(refusal(&answer));
    }
    serde_json::from_slice(&answer).map_err(|error| error.to_string())
}

async fn read(mut response: reqwest::Response) -> std::result::Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.to_string())? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!(
                "the answer is longer than {ANSWER_BYTES_MAX} bytes"
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What the other node says about its refusal: its code and message, or its bytes.
fn refusal(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| json["error"][name].as_str().map(str::to_owned);
    match text("code").zip(text("message")) {
        Some((code, message)) => {
            let message: String = message.chars().take(300).collect();
            format!("it refuses ({code}): {message}")
        }
        None => {
            let start = body.get(..100).unwrap_or(body);
            format!("it refuses: {}", start.to_lower_hex_string())
        }
    }
}
