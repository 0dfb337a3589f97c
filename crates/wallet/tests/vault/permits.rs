//! What a node signs by itself, what an agent may sign first, and what counts against an allowance.

use wallet::Db;
use wallet::vault::{Mode, VaultError, VaultRecord, store};

use crate::support::{World, code};

const ALICE: usize = 0;
const BOB: usize = 1;
const SCOUT: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn within_the_allowance_a_humans_node_signs_along() {
    let mut world = World::new().await;
    let psbt = world.propose("everyday", 30_000).unwrap();
    // Not before the agent has signed.
    let bare = world.vault.review(psbt.clone(), &world.view()).unwrap();
    assert_eq!(
        code(bare.permit(ALICE, Mode::ByItself, 0)),
        "vault_human_first"
    );
    let first = bare.permit(SCOUT, Mode::ByHand, 0).unwrap();
    assert!((30_001..31_000).contains(&first.reserve_sat));
    let signed = world.sign(psbt, &["scout"]);
    let reviewed = world.vault.review(signed.clone(), &world.view()).unwrap();
    let permit = reviewed.permit(ALICE, Mode::ByItself, 0).unwrap();
    assert_eq!(permit.reserve_sat, reviewed.outflow_sat());
    // Bob's node doesn't: the allowance isn't his.
    assert_eq!(
        code(reviewed.permit(BOB, Mode::ByItself, 0)),
        "vault_human_first"
    );
    let tx = world.finish(world.sign(signed, &["alice"])).unwrap();
    assert_eq!(world.send(&tx).await, 30_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn above_it_a_human_decides_first() {
    let world = World::new().await;
    let psbt = world.propose("everyday", 50_000).unwrap();
    let bare = world.vault.review(psbt.clone(), &world.view()).unwrap();
    // The amount alone would fit; with the fee it doesn't.
    for mode in [Mode::ByHand, Mode::ByItself] {
        assert_eq!(code(bare.permit(SCOUT, mode, 0)), "vault_human_first");
    }
    let rogue = world.sign(psbt.clone(), &["scout"]);
    let rogue = world.vault.review(rogue, &world.view()).unwrap();
    let refused = rogue.permit(ALICE, Mode::ByItself, 0).unwrap_err();
    assert!(
        matches!(refused, VaultError::Allowance { sat_per_day: 50_000, spent_sat: 0, amount_sat } if amount_sat > 50_000),
        "{refused}"
    );
    // By hand she may, and after a human the agent may.
    assert_eq!(rogue.permit(ALICE, Mode::ByHand, 0).unwrap().reserve_sat, 0);
    let human = world.sign(psbt, &["bob"]);
    let human = world.vault.review(human, &world.view()).unwrap();
    assert_eq!(
        human.permit(SCOUT, Mode::ByItself, 0).unwrap().reserve_sat,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_today_counts() {
    let world = World::new().await;
    let psbt = world.sign(world.propose("everyday", 20_000).unwrap(), &["scout"]);
    let reviewed = world.vault.review(psbt, &world.view()).unwrap();
    let left = 50_000 - reviewed.outflow_sat();
    assert!(reviewed.permit(ALICE, Mode::ByItself, left).is_ok());
    assert_eq!(
        code(reviewed.permit(ALICE, Mode::ByItself, left + 1)),
        "vault_allowance_exceeded"
    );
    assert_eq!(
        code(reviewed.permit(ALICE, Mode::ByItself, u64::MAX)),
        "vault_allowance_exceeded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_a_delay_is_never_signed_unasked() {
    let mut world = World::new().await;
    world.mine(40).await;
    let psbt = world.propose("alone", 1_000).unwrap();
    let reviewed = world.vault.review(psbt, &world.view()).unwrap();
    assert_eq!(
        code(reviewed.permit(ALICE, Mode::ByItself, 0)),
        "vault_human_first"
    );
    assert_eq!(
        code(reviewed.permit(SCOUT, Mode::ByHand, 0)),
        "vault_path_not_yours"
    );
}

#[tokio::test]
async fn reservations_of_any_24_hours_are_added_up() {
    let db = Db::in_memory().unwrap();
    const HOUR_MS: i64 = 60 * 60 * 1_000;
    db.write(|tx| -> Result<(), VaultError> {
        let record = VaultRecord {
            name: "family".into(),
            id: "abcd".into(),
            policy: String::new(),
            created_ms: 0,
        };
        store::add_vault(tx, &record)?;
        store::add_vault(tx, &record)?;
        let other = VaultRecord {
            id: "ef01".into(),
            ..record.clone()
        };
        assert_eq!(code(store::add_vault(tx, &other)), "vault_exists");
        let other = VaultRecord {
            name: "other".into(),
            ..record
        };
        assert_eq!(code(store::add_vault(tx, &other)), "vault_exists");

        let now_ms = 1_000 * HOUR_MS;
        store::reserve(tx, "family", "one", 10_000, now_ms - 25 * HOUR_MS)?;
        store::reserve(tx, "family", "two", 7_000, now_ms - 23 * HOUR_MS)?;
        store::reserve(tx, "family", "three", 500, now_ms)?;
        let spent = |id: &str, at_ms| store::spent_sat(tx, "family", id, at_ms).unwrap();
        assert_eq!(spent("four", now_ms), 7_500);
        // A proposal's own part isn't counted twice,
        assert_eq!(spent("two", now_ms), 500);
        // and a clock that goes back frees nothing.
        assert_eq!(spent("four", now_ms - 2 * HOUR_MS), 17_500);
        store::reserve(tx, "family", "one", 10_000, now_ms)?;
        assert_eq!(spent("four", now_ms), 17_500);
        Ok(())
    })
    .await
    .unwrap();
}
