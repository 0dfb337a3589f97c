//! A vault in plain words: each way to spend, and what it costs.

use serde::{Deserialize, Serialize};

use super::definition::{SpendPath, Vault};
use super::error::VaultError;

/// What a vault means.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its id: the same for everybody who has the same policy.
    pub id: String,
    /// Whose coins.
    pub network: String,
    /// For other wallets (BIP-389).
    pub descriptor: String,
    /// Who signs.
    pub signers: Vec<SignerWords>,
    /// The ways to spend, the cheapest first.
    pub paths: Vec<PathWords>,
    /// What else one should know.
    pub notes: Vec<String>,
}

/// A signer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignerWords {
    /// What the policy calls it.
    pub name: String,
    /// `human` or `agent`.
    pub kind: super::policy::SignerKind,
    /// Its account key.
    pub key: String,
}

/// A way to spend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathWords {
    /// What the policy calls it.
    pub name: String,
    /// Who, and when.
    pub words: String,
    /// How many must sign.
    pub needs: usize,
    /// How old a coin must be.
    pub delay_blocks: u32,
    /// What one input of this path adds to a transaction.
    pub input_vb: f64,
    /// What that costs at the fee rate of the description.
    pub input_fee_sat: u64,
}

impl Vault {
    /// Says what the policy means, with fees at this rate.
    ///
    /// # Errors
    /// If miniscript can't plan a path, which its compiler excludes.
    pub fn describe(&self, fee_rate_sat_per_vb: f64) -> Result<Description, VaultError> {
        let policy = self.policy();
        let paths: Result<Vec<_>, _> = self
            .paths()
            .into_iter()
            .map(|path| self.path_words(path, fee_rate_sat_per_vb))
            .collect();
        let signers = policy.signers.iter().map(|signer| SignerWords {
            name: signer.name.clone(),
            kind: signer.kind,
            key: signer.key.to_string(),
        });
        Ok(Description {
            name: policy.name.clone(),
            id: self.id(),
            network: policy.network.to_string(),
            descriptor: self.descriptor(),
            signers: signers.collect(),
            paths: paths?,
            notes: self.notes(),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "weights are small")]
    fn path_words(&self, path: SpendPath, rate: f64) -> Result<PathWords, VaultError> {
        let input_vb = self.input_weight_wu(path)? as f64 / 4.0;
        Ok(PathWords {
            name: self.path_name(path).to_owned(),
            words: self.words(path),
            needs: self.needs(path),
            delay_blocks: self.delay_blocks(path),
            input_vb,
            input_fee_sat: super::propose::fee_sat(rate, input_vb),
        })
    }

    fn words(&self, path: SpendPath) -> String {
        let policy = self.policy();
        let who = self.who(path);
        let names = policy.names(&who);
        let signers = match (self.needs(path), who.len()) {
            _ if path == SpendPath::Together => {
                return format!(
                    "{names} together, at once: with one signature, so that it looks like any payment"
                );
            }
            (1, 1) => format!("{names} alone"),
            (needs, count) if needs == count => format!("{names} together"),
            (1, _) => format!("any one of {names}"),
            (needs, _) => format!("any {needs} of {names}"),
        };
        let delay = match path {
            SpendPath::Rule(place) => self.rule(place).and_then(|rule| rule.after),
            SpendPath::Together => None,
        };
        match delay {
            None => format!("{signers}, at once"),
            Some(delay) => format!("{signers}, once a coin is {delay} old"),
        }
    }

    fn notes(&self) -> Vec<String> {
        let policy = self.policy();
        let mut notes = Vec::new();
        if let Some(allowance) = policy.allowance {
            let agent = policy.name_of(allowance.agent);
            let human = policy.name_of(allowance.with);
            notes.push(format!(
                "{human}'s node signs along with {agent} by itself for up to {} sat in any 24 hours, fees \
                 included. The chain can't limit amounts: {human}'s node does, so {human}'s key alone keeps the limit.",
                allowance.sat_per_day
            ));
        }
        if self.group().is_none() {
            notes.push(
                "Nobody can spend by the key in front of the scripts: it is a point whose secret nobody knows \
                 (BIP-341), made different for each vault by the digest of its keys."
                    .into(),
            );
        }
        if self.paths().iter().any(|&path| self.delay_blocks(path) > 0) {
            notes.push(
                "A delay runs for each coin from the block that it came in. Coins that are moved begin anew."
                    .into(),
            );
        }
        notes.push(
            "Whoever loses this policy loses the coins, even with all keys: keep a copy of it with every key."
                .into(),
        );
        notes
    }
}
