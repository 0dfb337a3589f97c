//! Who may sign what on which node: decided before a signature is made. Pure.

use super::definition::SpendPath;
use super::error::VaultError;
use super::musig::TogetherStep;
use super::policy::Allowance;
use super::review::Reviewed;

/// On whose word a node signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Its owner said so.
    ByHand,
    /// Nobody was asked: what came in is within an allowance, or isn't signed.
    ByItself,
}

/// Leave to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// What must be reserved from the allowance, durably, before the signature leaves. 0: nothing.
    pub reserve_sat: u64,
}

impl Reviewed<'_> {
    /// Whether a signer's node may sign now. `spent_sat` is what it reserved from the allowance in
    /// the last 24 hours for other proposals.
    ///
    /// # Errors
    /// `NotYourPath`, `Allowance` or `HumanFirst`.
    pub fn permit(&self, signer: usize, mode: Mode, spent_sat: u64) -> Result<Permit, VaultError> {
        let policy = self.vault.policy();
        if !self.vault.who(self.path()).contains(&signer) {
            return Err(VaultError::NotYourPath {
                signer: policy.name_of(signer).to_owned(),
                path: self.vault.path_name(self.path()).to_owned(),
            });
        }
        match (policy.is_agent(signer), mode) {
            (false, Mode::ByHand) => Ok(Permit { reserve_sat: 0 }),
            (false, Mode::ByItself) => self.permit_along(signer, spent_sat),
            (true, _) => self.permit_agent(signer, spent_sat),
        }
    }

    /// A human's node signs along with an agent that has signed, within the allowance.
    fn permit_along(&self, human: usize, spent_sat: u64) -> Result<Permit, VaultError> {
        let policy = self.vault.policy();
        let allowance = policy.allowance.filter(|allowance| allowance.with == human);
        let Some(allowance) = allowance else {
            let name = policy.name_of(human);
            return Err(VaultError::HumanFirst {
                agent: "of this node".into(),
                why: format!("there is no allowance for which {name}'s node signs by itself"),
            });
        };
        let is_open =
            matches!(self.path(), SpendPath::Rule(_)) && self.vault.delay_blocks(self.path()) == 0;
        let agent = policy.name_of(allowance.agent).to_owned();
        if !is_open || !self.signed().contains(&allowance.agent) {
            let why = "only what the agent has signed, on a path without delay, is signed along";
            let why = why.into();
            return Err(VaultError::HumanFirst { agent, why });
        }
        self.within(allowance, spent_sat)
    }

    /// An agent signs first only what its allowance covers; anything else only after a human.
    fn permit_agent(&self, agent: usize, spent_sat: u64) -> Result<Permit, VaultError> {
        let policy = self.vault.policy();
        if self.signed().iter().any(|&one| !policy.is_agent(one)) {
            return Ok(Permit { reserve_sat: 0 });
        }
        let allowance = policy
            .allowance
            .filter(|allowance| allowance.agent == agent);
        let within = match allowance {
            Some(allowance) => self.within(allowance, spent_sat),
            None => Err(VaultError::Payment("it has no allowance".into())),
        };
        within.map_err(|refusal| VaultError::HumanFirst {
            agent: policy.name_of(agent).to_owned(),
            why: refusal.to_string(),
        })
    }

    fn within(&self, allowance: Allowance, spent_sat: u64) -> Result<Permit, VaultError> {
        let amount_sat = self.outflow_sat();
        if spent_sat.saturating_add(amount_sat) > allowance.sat_per_day {
            return Err(VaultError::Allowance {
                sat_per_day: allowance.sat_per_day,
                spent_sat,
                amount_sat,
            });
        }
        let reserve_sat = amount_sat;
        Ok(Permit { reserve_sat })
    }

    /// Whether the next thing this signer does is a signature, which needs a [`Permit`].
    ///
    /// # Errors
    /// `NotYourPath`.
    pub fn would_sign(&self, signer: usize) -> Result<bool, VaultError> {
        match self.path() {
            SpendPath::Rule(_) => Ok(!self.signed().contains(&signer)),
            SpendPath::Together => Ok(self.together_step(signer)? == TogetherStep::Sign),
        }
    }
}
