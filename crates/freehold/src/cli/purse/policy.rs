//! The flags of a purse's policy, and of what a token may do less than it.

use std::fmt::Display;
use std::str::FromStr;

use clap::Args;
use node::{HostRule, Mode, Narrowed, PolicySat, PurseView, Rate};

use crate::cli::lifetime::{end_ms, lifetime_s};
use crate::when;

/// Stands for "no limit", "no rule" and so on.
const NONE: &str = "none";
/// Stands for everything in a list.
const ALL: &str = "*";

/// What a policy and a narrowed token have in common.
#[derive(Debug, Args)]
pub struct NarrowFlags {
    /// The most in one payment, fees included
    #[arg(long, env = "FREEHOLD_PURSE_PER_PAYMENT_SAT", hide_env = true)]
    #[arg(value_name = "SAT")]
    per_payment_sat: Option<u64>,
    /// The most ever
    #[arg(long, env = "FREEHOLD_PURSE_TOTAL_SAT", hide_env = true)]
    #[arg(value_name = "SAT")]
    total_sat: Option<u64>,
    /// A host that may be paid: api.example.com, *.example.com or localhost:8402; `*` for all; several times for several
    #[arg(long = "host", env = "FREEHOLD_PURSE_HOST", hide_env = true)]
    #[arg(value_name = "HOST", value_parser = host, value_delimiter = ',')]
    hosts: Vec<String>,
    /// An HTTP method that may be paid for; `*` for all; several times for several
    #[arg(long = "method", env = "FREEHOLD_PURSE_METHOD", hide_env = true)]
    #[arg(value_name = "METHOD", value_delimiter = ',')]
    methods: Vec<String>,
    /// When the permission ends: 30m, 12h or 7d from now; `none` for never
    #[arg(long, env = "FREEHOLD_PURSE_EXPIRES", hide_env = true)]
    #[arg(value_name = "TIME", value_parser = expires)]
    expires: Option<Optional<u64>>,
}

/// What a purse may do, whatever the agent does.
#[derive(Debug, Args)]
pub struct PolicyFlags {
    #[command(flatten)]
    common: NarrowFlags,
    /// The most in any 60 minutes; `none` for no such limit
    #[arg(long, env = "FREEHOLD_PURSE_PER_HOUR_SAT", hide_env = true)]
    #[arg(value_name = "SAT", value_parser = optional::<u64>)]
    per_hour_sat: Option<Optional<u64>>,
    /// The most in any 24 hours
    #[arg(long, env = "FREEHOLD_PURSE_PER_DAY_SAT", hide_env = true)]
    #[arg(value_name = "SAT")]
    per_day_sat: Option<u64>,
    /// The most payments: 10/minute or 60/hour; `none` for no such limit
    #[arg(long, env = "FREEHOLD_PURSE_RATE", hide_env = true)]
    #[arg(value_name = "RATE", value_parser = optional::<Rate>)]
    rate: Option<Optional<Rate>>,
    /// Who may be paid: a Lightning node's key or a mint's URL; `*` for all; several times for several
    #[arg(long = "payee", env = "FREEHOLD_PURSE_PAYEE", hide_env = true)]
    #[arg(value_name = "PAYEE", value_delimiter = ',')]
    payees: Vec<String>,
    /// supervised: you approve each payment; budgeted: you approve what exceeds the limits; autonomous: nobody is asked
    #[arg(long, env = "FREEHOLD_PURSE_MODE", hide_env = true)]
    mode: Option<Mode>,
    /// Raise the mode after so many settled payments, and lower it on the first dispute; `none` for no such rule
    #[arg(long, env = "FREEHOLD_PURSE_EARN", hide_env = true)]
    #[arg(value_name = "PAYMENTS", value_parser = optional::<u32>)]
    earn: Option<Optional<u32>>,
}

/// A value, or that there is to be none.
#[derive(Clone, Copy, Debug)]
struct Optional<T>(Option<T>);

fn optional<T: FromStr<Err: Display>>(text: &str) -> Result<Optional<T>, String> {
    if text == NONE {
        return Ok(Optional(None));
    }
    let value = text.parse().map_err(|error: T::Err| error.to_string())?;
    Ok(Optional(Some(value)))
}

fn expires(text: &str) -> Result<Optional<u64>, String> {
    match text {
        NONE => Ok(Optional(None)),
        text => lifetime_s(text).map(|lifetime_s| Optional(Some(lifetime_s))),
    }
}

fn host(text: &str) -> Result<String, String> {
    if text != ALL {
        HostRule::from_str(text).map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

/// What a list is set to; none if nothing was said.
fn listed<T>(given: &[String], read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let entries = given.iter().filter(|text| *text != ALL);
    (!given.is_empty()).then(|| entries.filter_map(|text| read(text)).collect())
}

fn rule(text: &str) -> Option<HostRule> {
    text.parse().ok()
}

fn method(text: &str) -> Option<String> {
    Some(text.to_ascii_uppercase())
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

impl PolicyFlags {
    /// Changes what was said, and nothing else.
    pub fn apply(&self, policy: &mut PolicySat) {
        let common = &self.common;
        set(&mut policy.per_payment_sat, common.per_payment_sat);
        set(
            &mut policy.per_hour_sat,
            self.per_hour_sat.map(|value| value.0),
        );
        set(&mut policy.per_day_sat, self.per_day_sat);
        set(&mut policy.total_sat, common.total_sat);
        set(&mut policy.rate, self.rate.map(|value| value.0));
        set(&mut policy.hosts, listed(&common.hosts, rule));
        set(&mut policy.methods, listed(&common.methods, method));
        set(
            &mut policy.payees,
            listed(&self.payees, |text| Some(text.to_owned())),
        );
        let expires_ms = common.expires.map(|time| time.0.map(end_ms));
        set(&mut policy.expires_ms, expires_ms);
        set(&mut policy.mode, self.mode);
        set(&mut policy.earn, self.earn.map(|value| value.0));
    }
}

impl NarrowFlags {
    /// What is to be taken away.
    pub fn narrowed(&self) -> Narrowed {
        Narrowed {
            per_payment_sat: self.per_payment_sat,
            total_sat: self.total_sat,
            hosts: listed(&self.hosts, rule).unwrap_or_default(),
            methods: listed(&self.methods, method).unwrap_or_default(),
            expires_ms: self.expires.and_then(|time| time.0).map(end_ms),
        }
    }
}

/// A policy in words, with what was spent of it.
pub fn lines(purse: &PurseView) -> Vec<(&'static str, String)> {
    let policy = &purse.policy;
    let of = |spent_sat: u64, limit_sat: u64| format!("{spent_sat} of {limit_sat} sat spent");
    let mut lines = vec![(
        "per payment",
        format!("at most {} sat", policy.per_payment_sat),
    )];
    lines.extend(
        policy
            .per_hour_sat
            .map(|limit| ("60 minutes", of(purse.spent_hour_sat, limit))),
    );
    lines.push(("24 hours", of(purse.spent_day_sat, policy.per_day_sat)));
    lines.push(("in total", of(purse.spent_total_sat, policy.total_sat)));
    lines.extend(policy.rate.map(|rate| ("rate", format!("at most {rate}"))));
    let hosts: Vec<String> = policy.hosts.iter().map(ToString::to_string).collect();
    for (name, list) in [
        ("hosts", &hosts),
        ("methods", &policy.methods),
        ("payees", &policy.payees),
    ] {
        if !list.is_empty() {
            lines.push((name, format!("only {}", list.join(", "))));
        }
    }
    lines.extend(policy.expires_ms.map(|ms| ("expires", when::utc(ms))));
    let earned = match (policy.earn, purse.settled_payments) {
        (Some(needed), Some(settled)) if policy.mode != Mode::Autonomous => {
            format!(", {settled} of {needed} payments towards the next")
        }
        _ => String::new(),
    };
    lines.push(("mode", format!("{}{earned}", policy.mode)));
    lines
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: PolicyFlags,
    }

    fn apply(policy: &mut PolicySat, line: &str) {
        let line = std::iter::once("x").chain(line.split_whitespace());
        Line::try_parse_from(line).unwrap().flags.apply(policy);
    }

    #[test]
    fn a_change_changes_what_it_says() {
        let mut policy = PolicySat::default();
        apply(
            &mut policy,
            "--per-hour-sat 5 --rate 10/minute --host a.example.com --host *.example.org:8443 \
             --method get --payee 02ab --expires 12h --mode supervised --earn 3",
        );
        assert_eq!((policy.per_hour_sat, policy.earn), (Some(5), Some(3)));
        assert_eq!((policy.hosts.len(), policy.mode), (2, Mode::Supervised));
        assert_eq!(policy.methods, ["GET"]);
        assert!(policy.expires_ms.is_some());
        let before = policy.clone();
        apply(&mut policy, "");
        assert_eq!(policy, before);
        apply(
            &mut policy,
            "--per-hour-sat none --rate none --host * --method * --payee * --expires none --earn none \
             --mode autonomous",
        );
        assert_eq!(policy, PolicySat::default());
    }

    #[test]
    fn nonsense_is_refused_at_once() {
        for line in [
            "--host a/b",
            "--rate 10/day",
            "--expires soon",
            "--expires 7",
            "--mode free",
            "--earn many",
        ] {
            let line = std::iter::once("x").chain(line.split_whitespace());
            assert!(Line::try_parse_from(line).is_err());
        }
    }
}
