//! Vaults and proposals as the doors show them.

use serde::{Deserialize, Serialize};
use wallet::vault::{
    ChainView, Description, Paid, Proposal, ProposalState, Reviewed, SpendPath, TogetherStep,
    VaultError,
};

use super::OpenVault;
use crate::error::Result;
use crate::node::Node;

/// The line that names a node in a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VaultKeyView {
    /// `[fingerprint/path]xpub…`
    pub key: String,
}

/// What a vault has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultBalance {
    /// In blocks.
    pub confirmed_sat: u64,
    /// On its way.
    pub pending_sat: u64,
    /// How many coins.
    pub coins: usize,
    /// The height of the chain that this was seen at.
    pub height: u32,
}

/// A vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VaultView {
    /// What it means.
    #[serde(flatten)]
    pub description: Description,
    /// Which of the signers this node is.
    pub me: Option<String>,
    /// What it has, if the chain was asked.
    pub balance: Option<VaultBalance>,
}

/// A proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposalView {
    /// The transaction's id.
    pub id: String,
    /// The vault's name.
    pub vault: String,
    /// What it is for.
    pub memo: String,
    /// `open`, `sent` or `dropped`.
    pub state: ProposalState,
    /// When it came here, Unix milliseconds.
    pub created_ms: i64,
    /// The PSBT in base64.
    pub psbt: String,
    /// What it does, as far as this node could check it.
    pub checked: Option<CheckedView>,
    /// Why it couldn't be checked.
    pub problem: Option<String>,
}

/// What a proposal does, checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckedView {
    /// The path that it takes.
    pub path: String,
    /// Who gets what.
    pub paid: Vec<Paid>,
    /// What comes back.
    pub change_sat: u64,
    /// What the miners get.
    pub fee_sat: u64,
    /// Who has signed.
    pub signed: Vec<String>,
    /// Whether that is enough.
    pub is_complete: bool,
    /// What comes next, in words.
    pub next: String,
}

impl Node {
    pub(super) fn vault_view(
        &self,
        open: &OpenVault,
        view: Option<&ChainView>,
        fee_rate_sat_per_vb: f64,
    ) -> Result<VaultView> {
        let policy = open.vault.policy();
        let me = self.inner.vaults.key.place_in(policy).ok();
        Ok(VaultView {
            description: open.vault.describe(fee_rate_sat_per_vb)?,
            me: me.map(|place| policy.name_of(place).to_owned()),
            balance: view.map(balance),
        })
    }

    pub(super) fn proposal_view(
        &self,
        open: &OpenVault,
        proposal: &Proposal,
        view: &ChainView,
    ) -> ProposalView {
        let checked = match proposal.state {
            // Its coins are spent, or nobody cares.
            ProposalState::Sent | ProposalState::Dropped => Ok(None),
            ProposalState::Open => open
                .vault
                .review(proposal.psbt.clone(), view)
                .and_then(|reviewed| self.checked_view(open, &reviewed).map(Some)),
        };
        let (checked, problem) = match checked {
            Ok(checked) => (checked, None),
            Err(error) => (None, Some(error.to_string())),
        };
        ProposalView {
            id: proposal.id.clone(),
            vault: proposal.vault.clone(),
            memo: proposal.memo.clone(),
            state: proposal.state,
            created_ms: proposal.created_ms,
            psbt: proposal.psbt.to_string(),
            checked,
            problem,
        }
    }

    fn checked_view(
        &self,
        open: &OpenVault,
        reviewed: &Reviewed<'_>,
    ) -> std::result::Result<CheckedView, VaultError> {
        let policy = open.vault.policy();
        let signed = reviewed.signed().iter();
        Ok(CheckedView {
            path: open.vault.path_name(reviewed.path()).to_owned(),
            paid: reviewed.paid().to_vec(),
            change_sat: reviewed.change_sat(),
            fee_sat: reviewed.fee_sat(),
            signed: signed.map(|&one| policy.name_of(one).to_owned()).collect(),
            is_complete: reviewed.is_complete(),
            next: self.next_words(open, reviewed)?,
        })
    }

    fn next_words(
        &self,
        open: &OpenVault,
        reviewed: &Reviewed<'_>,
    ) -> std::result::Result<String, VaultError> {
        if reviewed.is_complete() {
            return Ok("it can be broadcast".into());
        }
        let policy = open.vault.policy();
        let me = self.inner.vaults.key.place_in(policy).ok();
        let me = me.filter(|me| open.vault.who(reviewed.path()).contains(me));
        if let (Some(me), SpendPath::Together) = (me, reviewed.path()) {
            match reviewed.together_step(me)? {
                TogetherStep::AwaitNonces(missing) => {
                    return Ok(format!(
                        "the nonces of {} are missing",
                        policy.names(&missing)
                    ));
                }
                TogetherStep::GiveNonce | TogetherStep::Sign => {
                    return Ok("it waits for this node's signature too".into());
                }
                TogetherStep::Done => {}
            }
        }
        Ok(format!("it needs {}", reviewed.missing()))
    }
}

fn balance(view: &ChainView) -> VaultBalance {
    let sum = |is_confirmed: bool| {
        let coins = view.coins.iter();
        coins
            .filter(|coin| coin.height.is_some() == is_confirmed)
            .map(|coin| coin.output.value.to_sat())
            .sum()
    };
    VaultBalance {
        confirmed_sat: sum(true),
        pending_sat: sum(false),
        coins: view.coins.len(),
        height: view.height,
    }
}
