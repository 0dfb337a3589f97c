//! What policies decide.

use super::*;

fn policy() -> Policy {
    Policy {
        per_hour_msat: Some(15),
        ..Policy::autonomous(10, 25, 40)
    }
}

fn paying(amount_msat: u64) -> Intent {
    Intent {
        amount_msat,
        host: Some(super::super::Host::new("api.example.com", 443)),
        method: Some("GET".into()),
        payee: Some("mint".into()),
        ..Intent::default()
    }
}

fn spent(hour_msat: u64, day_msat: u64, total_msat: u64) -> Spent {
    Spent {
        hour_msat,
        day_msat,
        total_msat,
        ..Spent::default()
    }
}

#[track_caller]
fn check(policy: &Policy, spent: Spent, intent: &Intent, wanted: &str) {
    let code = match policy.decides(&spent, intent, 100) {
        Verdict::Allow => "allow",
        Verdict::NeedsApproval(Cause::Supervised) => "supervised",
        Verdict::NeedsApproval(Cause::Exceeds(_)) => "approval",
        Verdict::Refuse(reason) => reason.code(),
    };
    assert_eq!(code, wanted);
}

#[test]
fn each_limit_is_inclusive() {
    let policy = policy();
    check(&policy, spent(0, 0, 0), &paying(10), "allow");
    check(&policy, spent(0, 0, 0), &paying(11), "budget_per_payment");
    check(&policy, spent(5, 15, 15), &paying(10), "allow");
    check(&policy, spent(6, 15, 15), &paying(10), "budget_per_hour");
    check(&policy, spent(0, 16, 16), &paying(10), "budget_per_day");
    check(&policy, spent(0, 0, 31), &paying(10), "budget_total");
    check(&policy, spent(0, 0, u64::MAX), &paying(1), "budget_total");
}

#[test]
fn a_human_can_lift_what_comes_again_and_nothing_else() {
    let budgeted = Policy {
        mode: Mode::Budgeted,
        ..policy()
    };
    check(&budgeted, spent(0, 0, 0), &paying(10), "allow");
    check(&budgeted, spent(0, 0, 0), &paying(40), "approval");
    check(&budgeted, spent(15, 15, 15), &paying(1), "approval");
    check(&budgeted, spent(0, 25, 25), &paying(1), "approval");
    check(&budgeted, spent(0, 0, 0), &paying(41), "budget_total");
    let supervised = Policy {
        mode: Mode::Supervised,
        ..policy()
    };
    check(&supervised, spent(0, 0, 0), &paying(1), "supervised");
    check(&supervised, spent(0, 0, 0), &paying(11), "approval");
    check(&supervised, spent(0, 0, 0), &paying(41), "budget_total");
}

#[test]
fn lists_expiry_and_rate_are_for_all_modes() {
    for mode in [Mode::Supervised, Mode::Budgeted, Mode::Autonomous] {
        let refused = |change: fn(&mut Policy), code: &str| {
            let mut policy = Policy { mode, ..policy() };
            change(&mut policy);
            policy.check().unwrap();
            let seen = Spent {
                minute_payments: 1,
                hour_payments: 2,
                ..Spent::default()
            };
            check(&policy, seen, &paying(1), code);
        };
        refused(|p| p.expires_ms = Some(100), "policy_expired");
        refused(
            |p| p.hosts = vec!["example.com".parse().unwrap()],
            "policy_host",
        );
        refused(|p| p.methods = vec!["POST".into()], "policy_method");
        refused(|p| p.payees = vec!["other".into()], "policy_payee");
        refused(
            |p| p.rate = Some("1/minute".parse().unwrap()),
            "policy_rate",
        );
        refused(|p| p.rate = Some("2/hour".parse().unwrap()), "policy_rate");
    }
    let open = Policy {
        expires_ms: Some(101),
        hosts: vec!["*.example.com".parse().unwrap()],
        methods: vec!["GET".into()],
        payees: vec!["mint".into()],
        rate: Some("2/minute".parse().unwrap()),
        ..policy()
    };
    check(&open, Spent::default(), &paying(1), "allow");
    // An invoice goes to no host: a list of hosts would be worth nothing if it let that pass.
    let invoice = Intent {
        host: None,
        ..paying(1)
    };
    check(&open, Spent::default(), &invoice, "policy_host");
}

#[test]
fn what_makes_no_sense_is_no_policy() {
    let wrong = |change: fn(&mut Policy)| {
        let mut policy = policy();
        change(&mut policy);
        policy.check().is_err()
    };
    assert!(wrong(|p| p.per_payment_msat = 0));
    assert!(wrong(|p| p.per_hour_msat = Some(0)));
    assert!(wrong(|p| p.promotion = Some(Promotion {
        settled_payments: 0
    })));
    assert!(wrong(|p| p.methods = vec!["get".into()]));
    assert!(wrong(|p| p.payees = vec!["a b".into()]));
    assert!(wrong(|p| p.payees = vec!["a".into(); LIST_MAX + 1]));
    assert!(!wrong(|_| {}));
}

#[test]
fn a_policy_that_a_newer_program_wrote_is_not_half_read() {
    let mut json = serde_json::to_value(policy()).unwrap();
    assert!(serde_json::from_value::<Policy>(json.clone()).is_ok());
    json["per_week_msat"] = 1.into();
    assert!(serde_json::from_value::<Policy>(json).is_err());
}
