//! The site whose power this node plans.

use std::path::PathBuf;

use serde::Deserialize;

/// Fees in what a block pays, in percent, unless it is said.
const FEE_SHARE_PERCENT: f64 = 2.0;

/// The site whose power this node plans.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnergyConfig {
    /// The site's file. Without it nothing is steered.
    pub site: Option<PathBuf>,
    /// Which batch AI of that file the answers are that this node gives to others. They are told to come later while
    /// there is no power for them. The owner's questions are never held up.
    pub answers: Option<String>,
    /// Dollars a bitcoin: turns what answers earned, and what blocks pay, into dollars.
    pub bitcoin_usd: Option<f64>,
    /// The share of fees in what a block pays, in percent.
    pub fee_share_percent: f64,
}

impl Default for EnergyConfig {
    fn default() -> Self {
        Self {
            site: None,
            answers: None,
            bitcoin_usd: None,
            fee_share_percent: FEE_SHARE_PERCENT,
        }
    }
}
