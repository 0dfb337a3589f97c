//! Narrowed tokens, whose totals are counted for each token of the chain.

use wallet::purse::{Agent, Delegation, Host, Intent, Policy, Reserved};
use wallet::{Db, WalletError, ledger};

use crate::world::{assert_sound, code, intent, pay, run, scout, spend, with_purse};

fn agent(caveats: &[&str]) -> Agent {
    Agent {
        purse: scout(),
        delegation: Delegation::new(b"root", caveats).unwrap(),
    }
}

fn pay_by(db: &Db, caveats: &[&str], id: &str, amount_msat: u64) -> Result<Reserved, WalletError> {
    let (agent, id, intent) = (agent(caveats), id.to_owned(), intent(id, amount_msat));
    run(db, move |tx| spend(tx, &agent, &id, &intent, 1))
}

const PARENT: [&str; 2] = ["nonce=1", "total_msat=10000"];
const CHILD: [&str; 4] = ["nonce=1", "total_msat=10000", "nonce=2", "total_msat=6000"];
/// It claims more than its parent has.
const GREEDY: [&str; 4] = ["nonce=1", "total_msat=10000", "nonce=3", "total_msat=99000"];

#[test]
fn what_a_child_spends_counts_for_its_parents_too() {
    let db = with_purse(Policy::autonomous(20_000, 100_000, 100_000));
    let _ = pay_by(&db, &CHILD, "a", 5_000).unwrap();
    assert_eq!(code(pay_by(&db, &CHILD, "b", 1_001)), "budget_total");
    let _ = pay_by(&db, &GREEDY, "c", 4_000).unwrap();
    // 9,000 of the parent's 10,000 are gone, though it has spent nothing itself.
    assert_eq!(code(pay_by(&db, &PARENT, "d", 1_001)), "budget_total");
    assert_eq!(code(pay_by(&db, &GREEDY, "d", 1_001)), "budget_total");
    assert_eq!(code(pay_by(&db, &CHILD, "d", 1_001)), "budget_total");
    let _ = pay_by(&db, &CHILD, "e", 1_000).unwrap();
    // The purse itself is not narrowed, and another token of it has a total of its own.
    let _ = pay(&db, "f", "f", 20_000, 1).unwrap();
    let _ = pay_by(&db, &["nonce=9", "total_msat=10000"], "g", 10_000).unwrap();
    assert_sound(&db);
}

#[test]
fn what_was_not_spent_comes_back() {
    let db = with_purse(Policy::autonomous(20_000, 100_000, 100_000));
    let _ = pay_by(&db, &PARENT, "a", 10_000).unwrap();
    assert_eq!(code(pay_by(&db, &PARENT, "b", 1)), "budget_total");
    run(&db, |tx| ledger::post(tx, "a", 4_000, 2)).unwrap();
    let _ = pay_by(&db, &PARENT, "b", 6_000).unwrap();
    run(&db, |tx| ledger::void(tx, "b", 3)).unwrap();
    let _ = pay_by(&db, &PARENT, "c", 6_000).unwrap();
    // A repeat of what is reserved isn't counted twice, and isn't refused.
    let _ = pay_by(&db, &PARENT, "c", 6_000).unwrap();
}

#[test]
fn a_narrowed_token_pays_only_what_it_says() {
    let db = with_purse(Policy::autonomous(20_000, 100_000, 100_000));
    let caveats = [
        "host=api.example.com,*.example.org",
        "method=GET",
        "per_payment_msat=500",
        "expires_ms=1000",
    ];
    let good = Intent {
        amount_msat: 500,
        host: Some(Host::new("api.example.com", 443)),
        method: Some("GET".into()),
        ..Intent::default()
    };
    let check = |id: &'static str, now_ms, change: fn(&mut Intent), wanted: &str| {
        let (agent, mut intent) = (agent(&caveats), good.clone());
        change(&mut intent);
        let found = run(&db, move |tx| spend(tx, &agent, id, &intent, now_ms));
        assert_eq!(found.map_or_else(|error| error.code(), |_| "ok"), wanted);
    };
    check("a", 1, |_| {}, "ok");
    check("b", 1, |i| i.amount_msat = 501, "budget_per_payment");
    check(
        "b",
        1,
        |i| i.host = Some(Host::new("example.org", 443)),
        "policy_host",
    );
    check("b", 1, |i| i.host = None, "policy_host");
    check("b", 1, |i| i.method = Some("POST".into()), "policy_method");
    check("b", 1_000, |_| {}, "policy_expired");
}

#[test]
fn sixty_four_at_once_stay_within_every_total() {
    let db = with_purse(Policy::autonomous(1_000, 100_000, 100_000));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    let granted = runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    let agent = agent(if n % 2 == 0 { &CHILD } else { &GREEDY });
                    let (id, intent) = (format!("p{n}"), intent(&n.to_string(), 1_000));
                    let reserved = db.write(move |tx| spend(tx, &agent, &id, &intent, n)).await;
                    (n % 2 == 0, reserved.is_ok())
                })
            })
            .collect();
        let mut granted = (0, 0);
        for task in tasks {
            let (is_child, is_ok) = task.await.unwrap();
            granted.0 += u32::from(is_ok);
            granted.1 += u32::from(is_ok && is_child);
        }
        granted
    });
    assert_eq!(granted.0, 10, "all that the parent has, and no more");
    assert!(granted.1 <= 6, "{granted:?}");
    assert_sound(&db);
}
