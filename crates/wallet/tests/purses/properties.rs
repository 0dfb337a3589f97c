//! Whatever happens in whatever order: no limit is exceeded, and nothing is paid without the word it needs.

use std::collections::HashMap;

use proptest::prelude::*;
use wallet::ledger::{self, TransferState};
use wallet::purse::{self, Agent, DAY_MS, Delegation, HOUR_MS, Mode, Policy, Reserved};
use wallet::{Db, WalletError};

use crate::world::{found, intent, run, scout, spend};

const PER_PAYMENT: u64 = 10_000;
const TOTAL: u64 = 70_000;
const TOKEN_TOTAL: u64 = 20_000;
const CHILD_TOTAL: u64 = 9_000;

#[derive(Clone, Debug)]
enum Step {
    /// Who (0 the purse, 1 its token, 2 the token's child), what, how much.
    Reserve(u8, u8, u64),
    Post(usize, u64),
    Void(usize),
    Approve(usize),
    Deny(usize),
    Dispute(usize),
    Jump(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_u8, 0..6_u8, 0..12_000_u64).prop_map(|(who, what, msat)| Step::Reserve(who, what, msat)),
        3 => (0..60_usize, 0..12_000_u64).prop_map(|(n, cost)| Step::Post(n, cost)),
        1 => (0..60_usize).prop_map(Step::Void),
        3 => (0..12_usize).prop_map(Step::Approve),
        1 => (0..12_usize).prop_map(Step::Deny),
        1 => (0..60_usize).prop_map(Step::Dispute),
        2 => (-DAY_MS..DAY_MS).prop_map(Step::Jump),
    ];
    prop::collection::vec(step, 1..80)
}

fn agent(who: u8) -> Agent {
    let caveats = ["total_msat=20000", "nonce=1", "total_msat=9000"];
    let chain = &caveats[..match who {
        0 => 0,
        1 => 1,
        _ => 3,
    }];
    Agent {
        purse: scout(),
        delegation: Delegation::new(b"r", chain).unwrap(),
    }
}

/// What the test itself remembers, apart from the program under test.
#[derive(Default)]
struct Memory {
    who: HashMap<String, u8>,
    approved: HashMap<i64, u64>,
}

struct Run {
    db: Db,
    now_ms: i64,
    memory: Memory,
}

impl Run {
    fn step(&mut self, n: usize, step: Step) -> Result<(), WalletError> {
        let now_ms = self.now_ms;
        match step {
            Step::Reserve(who, what, msat) => {
                let (id, intent) = (n.to_string(), intent(&what.to_string(), msat));
                let key = id.clone();
                let reserved = run(&self.db, move |tx| {
                    spend(tx, &agent(who), &key, &intent, now_ms)
                })?;
                if reserved == Reserved::Now {
                    self.memory.who.insert(id, who);
                }
                Ok(())
            }
            Step::Post(n, cost) => run(&self.db, move |tx| {
                ledger::post(tx, &n.to_string(), cost, now_ms)
            }),
            Step::Void(n) => run(&self.db, move |tx| ledger::void(tx, &n.to_string(), now_ms)),
            Step::Approve(n) => {
                let id = i64::try_from(n).unwrap();
                let approval = run(&self.db, move |tx| purse::approve(tx, id, now_ms))?;
                self.memory.approved.insert(id, approval.amount_msat);
                Ok(())
            }
            Step::Deny(n) => {
                let id = i64::try_from(n).unwrap();
                run(&self.db, move |tx| purse::deny(tx, id, now_ms))?;
                self.memory.approved.remove(&id);
                Ok(())
            }
            Step::Dispute(n) => run(&self.db, move |tx| {
                let by = purse::Disputant::Owner;
                purse::dispute(tx, &n.to_string(), by, "", now_ms).map(|_| ())
            }),
            Step::Jump(ms) => {
                self.now_ms = self.now_ms.saturating_add(ms);
                Ok(())
            }
        }
    }

    /// The limits, counted anew by a few plain lines.
    fn check(&self, mode: Mode) {
        let (db, now_ms) = (&self.db, self.now_ms);
        let report = run(db, |tx| ledger::check(tx)).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
        let transfers = run(db, |tx| ledger::list(tx, None, u32::MAX)).unwrap();
        let approvals = run(db, move |tx| purse::approvals(tx, false, 1_000, now_ms)).unwrap();
        let mut used: HashMap<&str, &purse::Approval> = HashMap::new();
        for approval in &approvals {
            if let Some(id) = &approval.transfer_id {
                let yes = self.memory.approved.get(&approval.id);
                assert_eq!(yes, Some(&approval.amount_msat), "nobody said yes");
                assert!(used.insert(id, approval).is_none(), "used twice");
            }
        }
        let (mut total, mut token, mut child) = (0, 0, 0);
        for transfer in &transfers {
            let Some(who) = self.memory.who.get(&transfer.id) else {
                assert!(transfer.id == "fund", "{transfer:?} was never granted");
                continue;
            };
            match used.get(transfer.id.as_str()) {
                Some(approval) => assert!(transfer.amount_msat <= approval.amount_msat),
                None => {
                    assert!(mode != Mode::Supervised, "{transfer:?} without a word");
                    assert!(transfer.amount_msat <= PER_PAYMENT);
                }
            }
            if transfer.state != TransferState::Voided {
                let msat = transfer.posted_msat.unwrap_or(transfer.amount_msat);
                total += msat;
                token += if *who >= 1 { msat } else { 0 };
                child += if *who >= 2 { msat } else { 0 };
            }
        }
        assert!(total <= TOTAL && token <= TOKEN_TOTAL && child <= CHILD_TOTAL);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_order_of_events_exceeds_a_limit(
        steps in steps(),
        mode in prop::sample::select(vec![Mode::Supervised, Mode::Budgeted, Mode::Autonomous]),
        per_hour_msat in prop::option::of(Just(15_000_u64)),
    ) {
        let policy = Policy {
            per_hour_msat,
            mode,
            ..Policy::autonomous(PER_PAYMENT, 30_000, TOTAL)
        };
        let db = Db::in_memory().unwrap();
        run(&db, move |tx| found(tx, &policy)).unwrap();
        let mut run = Run { db, now_ms: 10 * DAY_MS, memory: Memory::default() };
        for (n, step) in steps.into_iter().enumerate() {
            // Refusals are fine; what must hold is checked below.
            let _ = run.step(n, step);
            run.check(mode);
        }
    }

    /// A clock that is set back in between opens no window again: at no time does an hour or a day, as any clock
    /// reading may see it, hold more than the limit.
    #[test]
    fn no_clock_opens_a_window_twice(jumps in prop::collection::vec((-HOUR_MS..HOUR_MS, 0..6_000_u64), 1..40)) {
        let policy = Policy {
            per_hour_msat: Some(15_000),
            ..Policy::autonomous(PER_PAYMENT, 30_000, TOTAL)
        };
        let db = Db::in_memory().unwrap();
        run(&db, move |tx| found(tx, &policy)).unwrap();
        let (mut now_ms, mut granted) = (10 * DAY_MS, Vec::new());
        for (n, (jump, msat)) in jumps.into_iter().enumerate() {
            now_ms += jump;
            let (id, intent) = (n.to_string(), intent(&n.to_string(), msat));
            let reserved = run(&db, move |tx| spend(tx, &agent(0), &id, &intent, now_ms));
            if reserved.is_ok() {
                granted.push((now_ms, msat));
                let since = |window_ms| -> u64 {
                    let recent = granted.iter().filter(|(at_ms, _)| *at_ms > now_ms - window_ms);
                    recent.map(|(_, msat)| msat).sum()
                };
                prop_assert!(since(HOUR_MS) <= 15_000 && since(DAY_MS) <= 30_000);
            }
        }
    }
}
