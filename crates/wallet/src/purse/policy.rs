//! Policies: pure decisions, no clock and no database.

use serde::{Deserialize, Serialize};

use super::{HostRule, Intent, Mode, Per, PolicyError, Promotion, Rate};

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * 1_000;
/// Milliseconds in the window that `per_hour_msat` speaks of.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in the window that `per_day_msat` speaks of.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The most entries in a list of hosts, methods or payees.
pub const LIST_MAX: usize = 32;
/// The longest method or payee.
const TEXT_BYTES_MAX: usize = 256;

/// What a purse may spend, on what, and with how much say of a human. Fees count, and so does what is only reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// At most this much in one payment.
    pub per_payment_msat: u64,
    /// At most this much in any 60 minutes.
    pub per_hour_msat: Option<u64>,
    /// At most this much in any 24 hours (a sliding window: no double helping at midnight).
    pub per_day_msat: u64,
    /// At most this much ever.
    pub total_msat: u64,
    /// At most so many payments.
    pub rate: Option<Rate>,
    /// Where paid requests may go; empty for anywhere. If it isn't, money that goes to no host isn't allowed.
    pub hosts: Vec<HostRule>,
    /// With which HTTP methods; empty for any.
    pub methods: Vec<String>,
    /// Who may get the money; empty for anyone.
    pub payees: Vec<String>,
    /// From this time on nothing is allowed, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// How much goes without a human.
    pub mode: Mode,
    /// How the mode may rise and fall by itself.
    pub promotion: Option<Promotion>,
}

/// What a purse has spent or reserved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// In the last 60 minutes.
    pub hour_msat: u64,
    /// In the last 24 hours.
    pub day_msat: u64,
    /// Ever.
    pub total_msat: u64,
    /// Payments begun in the last 60 seconds, failed ones included.
    pub minute_payments: u32,
    /// Payments begun in the last 60 minutes, failed ones included.
    pub hour_payments: u32,
}

/// Why a human is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The mode wants it for each payment.
    #[error("the purse is supervised: each payment needs approval")]
    Supervised,
    /// A limit is exceeded that a human may lift for once.
    #[error("{0}")]
    Exceeds(PolicyError),
}

/// What a policy says to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be made.
    Allow,
    /// It may be made once a human has approved it.
    NeedsApproval(Cause),
    /// It may not be made, whoever approves.
    Refuse(PolicyError),
}

impl Policy {
    /// A policy with nothing but these three limits, in the mode in which no human is asked.
    #[must_use]
    pub const fn autonomous(per_payment_msat: u64, per_day_msat: u64, total_msat: u64) -> Self {
        Self {
            per_payment_msat,
            per_hour_msat: None,
            per_day_msat,
            total_msat,
            rate: None,
            hosts: Vec::new(),
            methods: Vec::new(),
            payees: Vec::new(),
            expires_ms: None,
            mode: Mode::Autonomous,
            promotion: None,
        }
    }

    /// Whether the policy makes sense and is within bounds.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn check(&self) -> Result<(), String> {
        let is_zero = [self.per_payment_msat, self.per_day_msat, self.total_msat].contains(&0);
        if is_zero || self.per_hour_msat == Some(0) {
            return Err("a limit of zero allows nothing".into());
        }
        if self.rate.is_some_and(|rate| rate.payments == 0)
            || (self.promotion).is_some_and(|rule| rule.settled_payments == 0)
        {
            return Err("a rate, or a number of payments, is at least 1".into());
        }
        for list in [&self.methods, &self.payees] {
            let is_text = |text: &String| {
                (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_whitespace)
            };
            if !list.iter().all(is_text) {
                return Err(format!(
                    "a method or payee has 1 to {TEXT_BYTES_MAX} characters, none of them a space"
                ));
            }
        }
        if self
            .methods
            .iter()
            .any(|method| !method.bytes().all(|b| b.is_ascii_uppercase()))
        {
            return Err("methods are written in capitals, such as GET".into());
        }
        if [self.hosts.len(), self.methods.len(), self.payees.len()]
            .iter()
            .any(|len| *len > LIST_MAX)
        {
            return Err(format!("a list has at most {LIST_MAX} entries"));
        }
        Ok(())
    }

    /// May `intent` be paid, after what was `spent`?
    ///
    /// A human can lift the limits for a payment, an hour and a day, for one payment at a time. Nobody lifts the total,
    /// the expiry, the rate, or the lists of hosts, methods and payees: for those the owner changes the policy.
    #[must_use]
    pub fn decides(&self, spent: &Spent, intent: &Intent, now_ms: i64) -> Verdict {
        if let Err(reason) = self.forbids(spent, intent, now_ms) {
            return Verdict::Refuse(reason);
        }
        let exceeded = self.exceeds(spent, intent.amount_msat).err();
        if let (Mode::Autonomous, Some(reason)) = (self.mode, exceeded) {
            return Verdict::Refuse(reason);
        }
        if let Err(reason) = total(self.total_msat, spent.total_msat, intent.amount_msat) {
            return Verdict::Refuse(reason);
        }
        match (self.mode, exceeded) {
            (_, Some(reason)) => Verdict::NeedsApproval(Cause::Exceeds(reason)),
            (Mode::Supervised, None) => Verdict::NeedsApproval(Cause::Supervised),
            (Mode::Budgeted | Mode::Autonomous, None) => Verdict::Allow,
        }
    }

    /// What is forbidden whatever the amount, and whoever approves.
    fn forbids(&self, spent: &Spent, intent: &Intent, now_ms: i64) -> Result<(), PolicyError> {
        expiry(self.expires_ms, now_ms)?;
        host(&self.hosts, intent)?;
        method(&self.methods, intent)?;
        let is_payee = |payee: &String| self.payees.contains(payee);
        if !self.payees.is_empty() && !intent.payee.as_ref().is_some_and(is_payee) {
            return Err(PolicyError::Payee);
        }
        if let Some(rate) = self.rate {
            let begun = match rate.per {
                Per::Minute => spent.minute_payments,
                Per::Hour => spent.hour_payments,
            };
            if begun >= rate.payments {
                return Err(PolicyError::Rate(rate));
            }
        }
        Ok(())
    }

    /// What a human can approve for once.
    fn exceeds(&self, spent: &Spent, wanted_msat: u64) -> Result<(), PolicyError> {
        per_payment(self.per_payment_msat, wanted_msat)?;
        if let Some(limit_msat) = self.per_hour_msat {
            let left_msat = limit_msat.saturating_sub(spent.hour_msat);
            if wanted_msat > left_msat {
                return Err(PolicyError::PerHour {
                    wanted_msat,
                    left_msat,
                    limit_msat,
                });
            }
        }
        let left_msat = self.per_day_msat.saturating_sub(spent.day_msat);
        if wanted_msat > left_msat {
            return Err(PolicyError::PerDay {
                wanted_msat,
                left_msat,
                limit_msat: self.per_day_msat,
            });
        }
        Ok(())
    }

    /// What an audit finds: the amounts only, since the rest of a payment isn't in the ledger.
    pub(crate) fn audits(
        &self,
        spent: &Spent,
        amount_msat: u64,
        is_approved: bool,
    ) -> Option<String> {
        let lasting = total(self.total_msat, spent.total_msat, amount_msat);
        let liftable = || match is_approved {
            true => Ok(()),
            false => self.exceeds(spent, amount_msat),
        };
        let found = lasting.and_then(|()| liftable());
        found.err().map(|reason| reason.to_string())
    }
}

// The limits that a narrowed token can set too: each is decided here, and nowhere else.

pub(super) fn per_payment(limit_msat: u64, wanted_msat: u64) -> Result<(), PolicyError> {
    if wanted_msat > limit_msat {
        return Err(PolicyError::PerPayment {
            wanted_msat,
            limit_msat,
        });
    }
    Ok(())
}

pub(super) fn total(limit_msat: u64, spent_msat: u64, wanted_msat: u64) -> Result<(), PolicyError> {
    let left_msat = limit_msat.saturating_sub(spent_msat);
    if wanted_msat > left_msat {
        return Err(PolicyError::Total {
            wanted_msat,
            left_msat,
            limit_msat,
        });
    }
    Ok(())
}

pub(super) fn expiry(expires_ms: Option<i64>, now_ms: i64) -> Result<(), PolicyError> {
    match expires_ms {
        Some(expires_ms) if now_ms >= expires_ms => Err(PolicyError::Expired),
        _ => Ok(()),
    }
}

/// Empty allows anything.
pub(super) fn host(rules: &[HostRule], intent: &Intent) -> Result<(), PolicyError> {
    let is_allowed = |host| rules.iter().any(|rule| rule.allows(host));
    if rules.is_empty() || intent.host.as_ref().is_some_and(is_allowed) {
        return Ok(());
    }
    Err(PolicyError::Host)
}

/// Empty allows anything.
pub(super) fn method(allowed: &[String], intent: &Intent) -> Result<(), PolicyError> {
    let is_allowed = |method: &String| allowed.contains(method);
    if allowed.is_empty() || intent.method.as_ref().is_some_and(is_allowed) {
        return Ok(());
    }
    Err(PolicyError::Method)
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
