//! A purse's policy as people write it: in satoshi.

use serde::{Deserialize, Serialize};
use wallet::purse::{HostRule, Mode, Policy, Promotion, Rate};
use wallet::{MSAT_PER_SAT, sat_to_msat};

/// What a purse may spend, fees included. What is left out when one is read takes its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySat {
    /// In one payment.
    pub per_payment_sat: u64,
    /// In any 60 minutes.
    pub per_hour_sat: Option<u64>,
    /// In any 24 hours.
    pub per_day_sat: u64,
    /// Ever.
    pub total_sat: u64,
    /// So many payments, such as `10/minute`.
    pub rate: Option<Rate>,
    /// Hosts that may be paid, such as `api.example.com`, `*.example.com` or `localhost:8402`; empty for all.
    pub hosts: Vec<HostRule>,
    /// HTTP methods that may be paid for; empty for all.
    pub methods: Vec<String>,
    /// Who may be paid: keys of Lightning nodes, URLs of mints; empty for all.
    pub payees: Vec<String>,
    /// When the permission ends, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// How much goes without a human.
    pub mode: Mode,
    /// After so many settled payments without a dispute the mode rises; on the first dispute it falls.
    pub earn: Option<u32>,
}

impl Default for PolicySat {
    fn default() -> Self {
        Self {
            per_payment_sat: 100,
            per_hour_sat: None,
            per_day_sat: 1_000,
            total_sat: 10_000,
            rate: None,
            hosts: Vec::new(),
            methods: Vec::new(),
            payees: Vec::new(),
            expires_ms: None,
            mode: Mode::default(),
            earn: None,
        }
    }
}

impl From<PolicySat> for Policy {
    fn from(policy: PolicySat) -> Self {
        Self {
            per_payment_msat: sat_to_msat(policy.per_payment_sat),
            per_hour_msat: policy.per_hour_sat.map(sat_to_msat),
            per_day_msat: sat_to_msat(policy.per_day_sat),
            total_msat: sat_to_msat(policy.total_sat),
            rate: policy.rate,
            hosts: policy.hosts,
            methods: policy.methods,
            payees: policy.payees,
            expires_ms: policy.expires_ms,
            mode: policy.mode,
            promotion: policy
                .earn
                .map(|settled_payments| Promotion { settled_payments }),
        }
    }
}

impl From<&Policy> for PolicySat {
    fn from(policy: &Policy) -> Self {
        Self {
            per_payment_sat: policy.per_payment_msat / MSAT_PER_SAT,
            per_hour_sat: policy.per_hour_msat.map(|msat| msat / MSAT_PER_SAT),
            per_day_sat: policy.per_day_msat / MSAT_PER_SAT,
            total_sat: policy.total_msat / MSAT_PER_SAT,
            rate: policy.rate,
            hosts: policy.hosts.clone(),
            methods: policy.methods.clone(),
            payees: policy.payees.clone(),
            expires_ms: policy.expires_ms,
            mode: policy.mode,
            earn: policy.promotion.map(|rule| rule.settled_payments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_comes_back_as_it_was_written() {
        let text = r#"{"per_payment_sat": 7, "per_hour_sat": 8, "rate": "10/minute", "hosts": ["*.example.com"],
            "methods": ["GET"], "payees": ["02ab"], "expires_ms": 9, "mode": "supervised", "earn": 3}"#;
        let policy: PolicySat = serde_json::from_str(text).unwrap();
        assert_eq!(PolicySat::from(&Policy::from(policy.clone())), policy);
        assert_eq!((policy.per_day_sat, policy.mode), (1_000, Mode::Supervised));
        for wrong in [
            r#"{"per_week_sat": 1}"#,
            r#"{"hosts": ["a/b"]}"#,
            r#"{"rate": "0/minute"}"#,
        ] {
            assert!(serde_json::from_str::<PolicySat>(wrong).is_err(), "{wrong}");
        }
    }
}
