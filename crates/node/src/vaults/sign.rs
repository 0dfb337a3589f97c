//! This node's own signature: decided and reserved in one transaction, then made, then kept.

use std::sync::Arc;

use bitcoin::Psbt;
use wallet::vault::{
    ChainView, Mode, Proposal, ProposalState, Reviewed, SpendPath, TogetherStep, VaultError,
    proposal_id, store,
};

use super::OpenVault;
use super::views::ProposalView;
use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_ms};

impl Node {
    /// Signs a proposal because the owner said so.
    ///
    /// # Errors
    /// What the check finds, or what the policy doesn't allow this node.
    #[boxed]
    pub async fn vault_sign(&self, id: &str) -> Result<ProposalView> {
        let (open, proposal) = self.find_proposal(id).await?;
        let node = self.clone();
        self.uninterrupted(async move {
            let _guard = node.inner.vaults.locks.lock(&open.record.id).await;
            // As it is now that nobody else works on it.
            let id = proposal.id.clone();
            let proposal = node.load_proposal(&open, &id).await?.unwrap_or(proposal);
            let view = open.sync(node.inner.vaults.chain()?).await?;
            node.sign_locked(&open, proposal, &view, Mode::ByHand).await
        })
        .await
    }

    /// Does what this node's signer can do now. The vault's lock must be held.
    pub(super) async fn sign_locked(
        &self,
        open: &Arc<OpenVault>,
        mut proposal: Proposal,
        view: &ChainView,
        mode: Mode,
    ) -> Result<ProposalView> {
        if proposal.state != ProposalState::Open {
            let id = &proposal.id;
            let what = format!("open proposal {id}: this one was sent or dropped");
            return Err(VaultError::Missing(what).into());
        }
        let reviewed = open.vault.review(proposal.psbt.clone(), view)?;
        let path = reviewed.path();
        drop(reviewed);
        proposal.psbt = match path {
            SpendPath::Rule(_) => self.sign_rule(open, proposal.psbt, view, mode).await?,
            SpendPath::Together => self.sign_together(open, proposal.psbt, view, mode).await?,
        };
        self.keep_proposal(open, view, proposal).await
    }

    async fn sign_rule(
        &self,
        open: &Arc<OpenVault>,
        psbt: Psbt,
        view: &ChainView,
        mode: Mode,
    ) -> Result<Psbt> {
        let vaults = &self.inner.vaults;
        let signer = vaults.key.place_in(open.vault.policy())?;
        let mut reviewed = open.vault.review(psbt, view)?;
        if reviewed.signed().contains(&signer) {
            return Ok(reviewed.into_psbt());
        }
        self.permit(open, reviewed.psbt().clone(), view, mode)
            .await?;
        reviewed.sign(&vaults.key, &rand::random())?;
        Ok(reviewed.into_psbt())
    }

    /// As far as it goes now: the nonce, and once all nonces are there the signature.
    async fn sign_together(
        &self,
        open: &Arc<OpenVault>,
        psbt: Psbt,
        view: &ChainView,
        mode: Mode,
    ) -> Result<Psbt> {
        let vaults = &self.inner.vaults;
        let signer = vaults.key.place_in(open.vault.policy())?;
        let id = proposal_id(&psbt).to_string();
        let mut reviewed = open.vault.review(psbt, view)?;
        if reviewed.together_step(signer)? == TogetherStep::GiveNonce {
            let seed = vaults.nonces.make(&id, reviewed.round())?;
            reviewed.give_nonces(&vaults.key, &seed)?;
        }
        if reviewed.together_step(signer)? != TogetherStep::Sign {
            return Ok(reviewed.into_psbt());
        }
        match self.permit(open, reviewed.psbt().clone(), view, mode).await {
            Ok(()) => {}
            // The nonce is given all the same; a human signs first.
            Err(refusal) if mode == Mode::ByItself => {
                tracing::debug!(%refusal, "not signed unasked");
                return Ok(reviewed.into_psbt());
            }
            Err(refusal) => return Err(refusal),
        }
        self.second_round(&mut reviewed, &id)?;
        Ok(reviewed.into_psbt())
    }

    /// Uses the nonce up. If its secret is gone, everybody begins anew.
    fn second_round(&self, reviewed: &mut Reviewed<'_>, id: &str) -> Result<()> {
        let vaults = &self.inner.vaults;
        let signed = match vaults.nonces.take(id, reviewed.round())? {
            Some(seed) => reviewed.sign_together(&vaults.key, seed),
            None => Err(VaultError::NonceLost),
        };
        match signed {
            // A crash, or somebody else's value under our name.
            Err(VaultError::NonceLost) => {
                reviewed.restart()?;
                let seed = vaults.nonces.make(id, reviewed.round())?;
                Ok(reviewed.give_nonces(&vaults.key, &seed)?)
            }
            signed => Ok(signed?),
        }
    }

    /// Decides, and reserves what the decision takes from the allowance, in one transaction.
    async fn permit(
        &self,
        open: &Arc<OpenVault>,
        psbt: Psbt,
        view: &ChainView,
        mode: Mode,
    ) -> Result<()> {
        let signer = self.inner.vaults.key.place_in(open.vault.policy())?;
        let (open, view) = (Arc::clone(open), view.clone());
        self.inner
            .db
            .write(move |tx| -> std::result::Result<(), VaultError> {
                let id = proposal_id(&psbt).to_string();
                let name = &open.record.name;
                let now_ms = now_ms();
                let spent_sat = store::spent_sat(tx, name, &id, now_ms)?;
                let reviewed = open.vault.review(psbt, &view)?;
                let permit = reviewed.permit(signer, mode, spent_sat)?;
                if permit.reserve_sat > 0 {
                    store::reserve(tx, name, &id, permit.reserve_sat, now_ms)?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }
}
