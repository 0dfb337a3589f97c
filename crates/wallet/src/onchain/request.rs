//! What is asked of the wallet.

use std::str::FromStr as _;

use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Amount, FeeRate, Network, OutPoint, ScriptBuf};
use serde::{Deserialize, Serialize};

use super::OnchainError;

/// A rate above this is refused unless it is forced.
const FEE_RATE_SAT_PER_VB_MAX: f64 = 500.0;
/// A fee above this share of the amount is refused unless it is forced, if it isn't tiny.
const FEE_SHARE_PERCENT_MAX: u64 = 10;
/// A fee that is tiny.
const FEE_ALWAYS_FINE_SAT: u64 = 2_000;
/// Weight units of a thousand, which a rate of the library counts in, in a virtual byte.
const KWU_PER_VB: f64 = 250.0;

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowMuch {
    /// So much arrives.
    Sat(u64),
    /// All that can be spent, less the fee.
    All,
}

/// What the fee may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeeLimit {
    /// The most.
    pub max_fee_sat: Option<u64>,
    /// Whether the usual bounds are lifted.
    pub is_forced: bool,
}

/// A payment to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpendRequest {
    /// Where to.
    pub address: String,
    /// How much.
    pub amount: HowMuch,
    /// The coins to spend; none means any.
    pub coins: Vec<OutPoint>,
    /// What the fee may be.
    pub limit: FeeLimit,
}

impl SpendRequest {
    /// A payment from any coins, within the usual bounds.
    #[must_use]
    pub fn new(address: impl Into<String>, amount: HowMuch) -> Self {
        Self {
            address: address.into(),
            amount,
            coins: Vec::new(),
            limit: FeeLimit::default(),
        }
    }
}

/// Reads an address of a network.
///
/// # Errors
/// `Address` or `AddressNetwork`.
pub fn parse_address(text: &str, network: Network) -> Result<Address, OnchainError> {
    let text = text.trim();
    let unchecked: Address<NetworkUnchecked> = Address::from_str(text)
        .map_err(|_| OnchainError::Address(text.chars().take(120).collect()))?;
    unchecked
        .require_network(network)
        .map_err(|_| OnchainError::AddressNetwork { expected: network })
}

/// A rate as the library counts it, rounded up.
///
/// # Errors
/// `FeeRate` if it is no positive number.
pub(crate) fn fee_rate(sat_per_vb: f64) -> Result<FeeRate, OnchainError> {
    const SANE_MAX: f64 = 1.0e6;
    if !(sat_per_vb > 0.0 && sat_per_vb <= SANE_MAX) {
        return Err(OnchainError::FeeRate(sat_per_vb));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded just above"
    )]
    let per_kwu = (sat_per_vb * KWU_PER_VB).ceil() as u64;
    Ok(FeeRate::from_sat_per_kwu(per_kwu))
}

/// What a fee comes to for each byte.
#[expect(clippy::cast_precision_loss, reason = "fees and sizes are small")]
pub(crate) fn sat_per_vb(fee_sat: u64, vsize_vb: u64) -> f64 {
    fee_sat as f64 / vsize_vb.max(1) as f64
}

/// Checks that an output is large enough to be relayed.
pub(crate) fn check_dust(script: &ScriptBuf, amount_sat: u64) -> Result<(), OnchainError> {
    let least_sat = script.minimal_non_dust().to_sat();
    match amount_sat >= least_sat && amount_sat <= Amount::MAX_MONEY.to_sat() {
        true => Ok(()),
        false => Err(OnchainError::Dust {
            amount_sat,
            least_sat,
        }),
    }
}

/// Checks a fee before anything is signed away for it.
pub(crate) fn check_fee(
    limit: FeeLimit,
    amount_sat: u64,
    fee_sat: u64,
    vsize_vb: u64,
) -> Result<(), OnchainError> {
    let fee_rate_sat_per_vb = sat_per_vb(fee_sat, vsize_vb);
    let share_max_sat = amount_sat / 100 * FEE_SHARE_PERCENT_MAX;
    let too_high = |why: String| {
        Err(OnchainError::FeeTooHigh {
            fee_sat,
            fee_rate_sat_per_vb,
            why,
        })
    };
    match limit.max_fee_sat {
        Some(max) if fee_sat > max => return too_high(format!("at most {max} sat were allowed")),
        Some(_) => return Ok(()),
        None => {}
    }
    if limit.is_forced {
        return Ok(());
    }
    if fee_rate_sat_per_vb > FEE_RATE_SAT_PER_VB_MAX {
        return too_high(format!("that is above {FEE_RATE_SAT_PER_VB_MAX} sat/vB"));
    }
    if fee_sat > share_max_sat.max(FEE_ALWAYS_FINE_SAT) {
        return too_high(format!(
            "that is above {FEE_SHARE_PERCENT_MAX} % of the amount"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_bounded_by_what_was_said_or_by_what_is_usual() {
        let usual = FeeLimit::default();
        check_fee(usual, 1_000_000, 100_000, 1_000).unwrap();
        assert!(check_fee(usual, 1_000_000, 100_001, 1_000).is_err());
        // A little is fine whatever the amount.
        check_fee(usual, 600, 2_000, 150).unwrap();
        assert!(check_fee(usual, 100_000_000, 100_000, 150).is_err());
        let forced = FeeLimit {
            is_forced: true,
            ..usual
        };
        check_fee(forced, 600, 1_000_000, 150).unwrap();
        let said = FeeLimit {
            max_fee_sat: Some(300),
            ..forced
        };
        check_fee(said, 600, 300, 150).unwrap();
        let refusal = check_fee(said, 600, 301, 150).unwrap_err();
        assert_eq!(refusal.code(), "fee_too_high");
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!(fee_rate(1.0).unwrap(), FeeRate::from_sat_per_vb(1).unwrap());
        assert_eq!(fee_rate(1.001).unwrap().to_sat_per_kwu(), 251);
        for none in [0.0, -1.0, f64::NAN, f64::INFINITY, 1.0e7] {
            assert!(fee_rate(none).is_err(), "{none}");
        }
    }

    #[test]
    fn an_address_is_of_the_right_network_and_whole() {
        let main = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr";
        parse_address(main, Network::Bitcoin).unwrap();
        let other = parse_address(main, Network::Regtest).unwrap_err();
        assert_eq!(other.code(), "address_wrong_network");
        let cut = parse_address(&main[..main.len() - 1], Network::Bitcoin).unwrap_err();
        assert_eq!(cut.code(), "address_invalid");
    }
}
