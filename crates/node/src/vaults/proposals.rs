//! Proposals: made, taken in from others, listed, sent to the network.

use std::sync::Arc;

use bitcoin::Psbt;
use serde::{Deserialize, Serialize};
use wallet::onchain::TxState;
use wallet::vault::{
    ChainView, Payment, Proposal, ProposalState, VaultError, combine, proposal_id, propose, store,
};

use super::OpenVault;
use super::views::ProposalView;
use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_ms};

/// How soon a transaction is to be in a block, unless a fee rate is given: about an hour.
const TARGET_BLOCKS: u16 = 6;

/// What is to be paid from a vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewProposal {
    /// To which address.
    pub to: String,
    /// How much. Left out: everything that the path can spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_sat: Option<u64>,
    /// By which path. Left out: the first one that can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Left out: what gets it into a block within the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_rate_sat_per_vb: Option<f64>,
    /// What it is for.
    #[serde(default)]
    pub memo: String,
}

impl Node {
    /// Proposes a payment from a vault. Nothing is signed yet.
    ///
    /// # Errors
    /// `vault_insufficient`, `vault_path_not_due`, `vault_payment_invalid`, `chain_unreachable`.
    #[boxed]
    pub async fn vault_propose(&self, name: &str, wanted: NewProposal) -> Result<ProposalView> {
        let open = self.find_vault(name).await?;
        let _guard = self.inner.vaults.locks.lock(&open.record.id).await;
        let chain = self.inner.vaults.chain()?;
        let view = open.sync(chain).await?;
        let rate = match wanted.fee_rate_sat_per_vb {
            Some(rate) => rate,
            None => {
                let rates = chain.fee_rates().await.map_err(VaultError::from)?;
                rates.sat_per_vb(TARGET_BLOCKS)
            }
        };
        let payment = Payment {
            to: open.vault.payee(&wanted.to)?,
            amount_sat: wanted.amount_sat,
        };
        let path = match &wanted.path {
            Some(path) => open.vault.path(path)?,
            // The first is the cheapest, and its delay is none if any path has none.
            None => self.first_open_path(&open)?,
        };
        let psbt = propose(&open.vault, &view, path, &payment, rate)?;
        let proposal = new_proposal(&open, psbt, wanted.memo);
        self.keep_proposal(&open, &view, proposal).await
    }

    /// The cheapest path that is open at once and that this node has a part in.
    fn first_open_path(&self, open: &OpenVault) -> Result<wallet::vault::SpendPath> {
        let me = self.inner.vaults.key.place_in(open.vault.policy()).ok();
        let mut paths = open.vault.paths().into_iter();
        let path = paths.find(|&path| {
            open.vault.delay_blocks(path) == 0
                && me.is_none_or(|me| open.vault.who(path).contains(&me))
        });
        Ok(path.ok_or_else(|| VaultError::UnknownPath("open at once".into()))?)
    }

    /// Takes a PSBT in that came by file, by QR codes or from another node: a new proposal, or
    /// more signatures for one that is known. `vault` may be left out for one that is known, or
    /// whose coins are.
    ///
    /// # Errors
    /// Whatever the check of it finds; then nothing of it is kept.
    #[boxed]
    pub async fn vault_receive(
        &self,
        vault: Option<&str>,
        psbt: Psbt,
        memo: String,
    ) -> Result<ProposalView> {
        let open = match vault {
            Some(name) => self.find_vault(name).await?,
            None => self.vault_of(&psbt).await?,
        };
        let _guard = self.inner.vaults.locks.lock(&open.record.id).await;
        self.receive_locked(&open, psbt, memo).await
    }

    pub(super) async fn receive_locked(
        &self,
        open: &Arc<OpenVault>,
        psbt: Psbt,
        memo: String,
    ) -> Result<ProposalView> {
        let id = proposal_id(&psbt).to_string();
        let known = self.load_proposal(open, &id).await?;
        let view = open.sync(self.inner.vaults.chain()?).await?;
        let proposal = match known {
            Some(known) if known.state != ProposalState::Open => {
                return Ok(self.proposal_view(open, &known, &view));
            }
            Some(mut known) => {
                combine(&mut known.psbt, &psbt)?;
                known
            }
            None => new_proposal(open, psbt, memo),
        };
        self.keep_proposal(open, &view, proposal).await
    }

    /// The vault whose coins a PSBT spends.
    async fn vault_of(&self, psbt: &Psbt) -> Result<Arc<OpenVault>> {
        let id = proposal_id(psbt).to_string();
        let first = psbt.unsigned_tx.input.first();
        let first = first.map(|input| input.previous_output).unwrap_or_default();
        for record in self.inner.db.write(|tx| store::vaults(tx)).await? {
            let open = self.inner.vaults.open(record).await?;
            if self.load_proposal(&open, &id).await?.is_some() {
                return Ok(open);
            }
            let view = open.sync(self.inner.vaults.chain()?).await?;
            if view.coin(&first).is_some() {
                return Ok(open);
            }
        }
        Err(VaultError::UnknownInput { input: 0 }.into())
    }

    /// Checks a proposal, keeps it, and shows it.
    pub(super) async fn keep_proposal(
        &self,
        open: &OpenVault,
        view: &ChainView,
        mut proposal: Proposal,
    ) -> Result<ProposalView> {
        open.vault.review(proposal.psbt.clone(), view)?;
        proposal.updated_ms = now_ms();
        let kept = proposal.clone();
        self.inner
            .db
            .write(move |tx| store::save_proposal(tx, &kept))
            .await?;
        Ok(self.proposal_view(open, &proposal, view))
    }

    pub(super) async fn load_proposal(
        &self,
        open: &OpenVault,
        id: &str,
    ) -> Result<Option<Proposal>> {
        let (name, id) = (open.record.name.clone(), id.to_owned());
        let load = move |tx: &rusqlite::Transaction<'_>| store::find_proposal(tx, &name, &id);
        Ok(self.inner.db.write(load).await?)
    }

    /// The proposal whose id begins like this, and its vault.
    pub(super) async fn find_proposal(&self, id: &str) -> Result<(Arc<OpenVault>, Proposal)> {
        let all = self.inner.db.write(|tx| store::proposals(tx, None)).await?;
        let mut fitting = all
            .into_iter()
            .filter(|proposal| id.len() >= 4 && proposal.id.starts_with(id));
        let (Some(found), None) = (fitting.next(), fitting.next()) else {
            let id: String = id.chars().take(64).collect();
            return Err(VaultError::Missing(format!("one proposal {id:?}")).into());
        };
        let open = self.find_vault(&found.vault).await?;
        Ok((open, found))
    }

    /// All proposals, of one vault or of all, as far as is known without asking the chain.
    ///
    /// # Errors
    /// `vault_missing` or `vault_storage`.
    #[boxed]
    pub async fn vault_proposals(&self, vault: Option<&str>) -> Result<Vec<ProposalView>> {
        let name = match vault {
            Some(vault) => Some(self.find_vault(vault).await?.record.name.clone()),
            None => None,
        };
        let list = move |tx: &rusqlite::Transaction<'_>| store::proposals(tx, name.as_deref());
        let proposals = self.inner.db.write(list).await?;
        let mut views = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            let open = self.find_vault(&proposal.vault).await?;
            let view = open.watch.lock().await.view();
            views.push(self.proposal_view(&open, &proposal, &view));
        }
        Ok(views)
    }

    /// One proposal; the chain is asked, so that it is checked against what is true now.
    ///
    /// # Errors
    /// `vault_missing`.
    #[boxed]
    pub async fn vault_proposal(&self, id: &str) -> Result<ProposalView> {
        let (open, proposal) = self.find_proposal(id).await?;
        let view = open.sync(self.inner.vaults.chain()?).await?;
        Ok(self.proposal_view(&open, &proposal, &view))
    }

    /// Sends a proposal to the network.
    ///
    /// # Errors
    /// `vault_signatures_missing`, `transaction_refused` or `chain_unreachable`; it can be tried again.
    #[boxed]
    pub async fn vault_broadcast(&self, id: &str) -> Result<ProposalView> {
        let (open, mut proposal) = self.find_proposal(id).await?;
        let _guard = self.inner.vaults.locks.lock(&open.record.id).await;
        let chain = self.inner.vaults.chain()?;
        let view = open.sync(chain).await?;
        // Its id is the same without the witnesses.
        let unsigned = &proposal.psbt.unsigned_tx;
        let state = chain.tx_state(unsigned, None).await;
        if state.map_err(VaultError::from)? == TxState::Unknown {
            let reviewed = open.vault.review(proposal.psbt.clone(), &view)?;
            let sent = chain.broadcast(&reviewed.finish()?).await;
            sent.map_err(VaultError::from)?;
        }
        proposal.state = ProposalState::Sent;
        self.end_proposal(&open, proposal, &view).await
    }

    /// Gives a proposal up. What was reserved for it from an allowance stays reserved: its
    /// signature may be with others.
    ///
    /// # Errors
    /// `vault_missing` or `vault_storage`.
    #[boxed]
    pub async fn vault_drop(&self, id: &str) -> Result<ProposalView> {
        let (open, mut proposal) = self.find_proposal(id).await?;
        let _guard = self.inner.vaults.locks.lock(&open.record.id).await;
        let view = open.watch.lock().await.view();
        if proposal.state == ProposalState::Open {
            proposal.state = ProposalState::Dropped;
        }
        self.end_proposal(&open, proposal, &view).await
    }

    async fn end_proposal(
        &self,
        open: &OpenVault,
        mut proposal: Proposal,
        view: &ChainView,
    ) -> Result<ProposalView> {
        proposal.updated_ms = now_ms();
        let kept = proposal.clone();
        self.inner
            .db
            .write(move |tx| store::save_proposal(tx, &kept))
            .await?;
        self.inner.vaults.nonces.forget(&proposal.id)?;
        Ok(self.proposal_view(open, &proposal, view))
    }
}

fn new_proposal(open: &OpenVault, psbt: Psbt, memo: String) -> Proposal {
    Proposal {
        id: proposal_id(&psbt).to_string(),
        vault: open.record.name.clone(),
        psbt,
        memo,
        state: ProposalState::Open,
        created_ms: now_ms(),
        updated_ms: now_ms(),
    }
}
