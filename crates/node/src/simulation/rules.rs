//! What purses and tokens may spend, as their owners say it.

use wallet::purse::{Mode, Per, Policy, Promotion, Rate};

/// What a purse's owner says.
#[derive(Clone)]
pub(crate) struct Rules {
    pub per_payment_sat: u64,
    pub per_hour_sat: Option<u64>,
    pub per_day_sat: u64,
    pub total_sat: u64,
    pub per_minute: Option<u32>,
    pub hosts: Vec<&'static str>,
    pub expires_ms: Option<i64>,
    pub mode: Mode,
    pub earn: Option<u32>,
}

impl Rules {
    pub fn policy(&self) -> Policy {
        Policy {
            per_hour_msat: self.per_hour_sat.map(|sat| sat * 1_000),
            rate: self.per_minute.map(|payments| Rate {
                payments,
                per: Per::Minute,
            }),
            hosts: self
                .hosts
                .iter()
                .map(|host| host.parse().unwrap())
                .collect(),
            expires_ms: self.expires_ms,
            mode: self.mode,
            promotion: self
                .earn
                .map(|settled_payments| Promotion { settled_payments }),
            ..Policy::autonomous(
                self.per_payment_sat * 1_000,
                self.per_day_sat * 1_000,
                self.total_sat * 1_000,
            )
        }
    }
}

/// One narrowing of a token.
#[derive(Clone, Default)]
pub(crate) struct Narrowed {
    /// Names the token that begins here.
    pub name: String,
    pub per_payment_sat: Option<u64>,
    pub total_sat: Option<u64>,
    pub host: Option<&'static str>,
    pub expires_ms: Option<i64>,
}

impl Narrowed {
    pub fn caveats(&self) -> Vec<String> {
        let mut caveats = vec![format!("nonce={}", self.name)];
        caveats.extend(
            self.per_payment_sat
                .map(|sat| format!("per_payment_msat={}", sat * 1_000)),
        );
        caveats.extend(
            self.total_sat
                .map(|sat| format!("total_msat={}", sat * 1_000)),
        );
        caveats.extend(self.host.map(|host| format!("host={host}")));
        caveats.extend(self.expires_ms.map(|ms| format!("expires_ms={ms}")));
        caveats
    }
}
