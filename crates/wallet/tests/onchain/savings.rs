//! Sweeps to keys from elsewhere: they happen, and stop where they must.

use wallet::onchain::OnchainWallet;
use wallet::savings::{self, Attempt, Decision, Reason, Rule};

use crate::world::{World, read, xpub};

const RULE: Rule = Rule {
    above_sat: 200_000,
    fee_below_sat_per_vb: 5.0,
};

impl World {
    async fn saving(&self, amounts_sat: &[u64]) -> OnchainWallet {
        let wallet = self.funded(1, amounts_sat).await;
        savings::set(&wallet, &xpub(7), RULE, self.now_ms())
            .await
            .unwrap();
        wallet
    }

    async fn sweep(&self, wallet: &OnchainWallet, reserved_sat: u64) -> Attempt {
        self.sync(wallet).await;
        savings::run(wallet, reserved_sat, self.now_ms())
            .await
            .unwrap()
    }
}

fn reason(attempt: &Attempt) -> Reason {
    match attempt.decision {
        Decision::Wait(reason) => reason,
        Decision::Sweep { .. } => panic!("{attempt:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_above_the_limit_is_swept_to_a_fresh_address_each_time() {
    let world = World::new();
    let wallet = world.saving(&[300_000, 250_000]).await;
    let shown = savings::show(&wallet).await.unwrap().unwrap();
    let (first, index) = (shown.next_address, shown.next_index);
    let attempt = world.sweep(&wallet, 0).await;
    let Decision::Sweep { amount_sat } = attempt.decision else {
        panic!("{attempt:?}");
    };
    let sweep = wallet.spends(1).await.unwrap().remove(0);
    assert_eq!(attempt.spend_id.as_ref(), Some(&sweep.id));
    assert_eq!(world.paid_sat(&sweep.txid, &first), amount_sat);
    // While it waits, nothing else happens.
    assert_eq!(reason(&world.sweep(&wallet, 0).await), Reason::UnderWay);
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    let left_sat = wallet.balance().await.unwrap().confirmed_sat;
    assert_eq!(left_sat, 550_000 - amount_sat - sweep.fee_sat);
    assert!(
        (200_000..200_100).contains(&left_sat),
        "{left_sat} sat stay"
    );
    let wait = reason(&world.sweep(&wallet, 0).await);
    assert!(
        matches!(wait, Reason::NothingAbove { .. } | Reason::TooLittle { .. }),
        "{wait:?}"
    );

    let shown = savings::show(&wallet).await.unwrap().unwrap();
    assert_ne!(shown.next_address, first);
    assert_eq!(shown.next_index, index + 1);
    world.pay(&wallet, 100_000).await;
    world.chain.mine(1).unwrap();
    let attempt = world.sweep(&wallet, 0).await;
    let Decision::Sweep { amount_sat } = attempt.decision else {
        panic!("{attempt:?}");
    };
    let sweep = wallet.spends(1).await.unwrap().remove(0);
    assert_eq!(world.paid_sat(&sweep.txid, &shown.next_address), amount_sat);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_budgets_and_channels_need_is_never_touched() {
    let world = World::new();
    let wallet = world.saving(&[550_000]).await;
    let wait = reason(&world.sweep(&wallet, 600_000).await);
    assert!(
        matches!(
            wait,
            Reason::NothingAbove {
                keep_sat: 600_000,
                ..
            }
        ),
        "{wait:?}"
    );
    let wait = reason(&world.sweep(&wallet, 549_900).await);
    assert!(matches!(wait, Reason::TooLittle { .. }), "{wait:?}");
    assert!(world.chain.mempool_txids().is_empty());
    world.sweep(&wallet, 400_000).await;
    let sweep = wallet.spends(1).await.unwrap().remove(0);
    let left_sat = 550_000 - sweep.amount_sat - sweep.fee_sat;
    assert!(
        (400_000..400_100).contains(&left_sat),
        "{left_sat} sat stay"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_while_fees_are_high() {
    let world = World::new();
    let wallet = world.saving(&[550_000]).await;
    world.chain.set_fee_estimate_sat_per_vb(5.0);
    let wait = reason(&world.sweep(&wallet, 0).await);
    assert!(matches!(wait, Reason::FeesTooHigh { .. }), "{wait:?}");
    let last = savings::show(&wallet).await.unwrap().unwrap().last.unwrap();
    assert_eq!(reason(&last), wait, "the reason is shown");
    world.chain.set_fee_estimate_sat_per_vb(4.9);
    let attempt = world.sweep(&wallet, 0).await;
    assert!(
        matches!(attempt.decision, Decision::Sweep { .. }),
        "{attempt:?}"
    );
    let sweep = wallet.spends(1).await.unwrap().remove(0);
    assert!(sweep.fee_rate_sat_per_vb < 5.0, "{sweep:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_in_a_block_and_not_frozen_counts() {
    let world = World::new();
    let wallet = world.saving(&[250_000, 240_000]).await;
    let coins = wallet.coins().await.unwrap();
    let frozen = coins[0].outpoint.parse().unwrap();
    wallet.freeze(frozen, true).await.unwrap();
    world.pay(&wallet, 900_000).await;
    world.sweep(&wallet, 0).await;
    let sweep = wallet.spends(1).await.unwrap().remove(0);
    let left_sat = 240_000 - sweep.amount_sat - sweep.fee_sat;
    assert!(
        (200_000..200_100).contains(&left_sat),
        "{left_sat} sat stay"
    );
    let tx = world
        .chain
        .transaction(&sweep.txid.parse().unwrap())
        .unwrap();
    assert!(tx.input.iter().all(|input| input.previous_output != frozen));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_survives_a_restart_before_it_is_sent() {
    let world = World::new();
    let wallet = world.saving(&[550_000]).await;
    let first = savings::show(&wallet).await.unwrap().unwrap().next_address;
    world.sweep(&wallet, 0).await;
    let sweep = wallet.spends(1).await.unwrap().remove(0);
    assert!(world.chain.evict(&sweep.txid.parse().unwrap()));
    drop(wallet);
    let wallet = world.wallet(1).await;
    assert_eq!(reason(&world.sweep(&wallet, 0).await), Reason::UnderWay);
    assert_eq!(world.chain.mempool_txids(), [sweep.txid.parse().unwrap()]);
    assert_eq!(world.paid_sat(&sweep.txid, &first), sweep.amount_sat);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_this_machine_private_keys_and_single_addresses_are_refused() {
    let world = World::new();
    let wallet = world.funded(1, &[550_000]).await;
    let code = async |keys: &str, rule: Rule| {
        let set = savings::set(&wallet, keys, rule, world.now_ms()).await;
        set.unwrap_err().code()
    };
    assert_eq!(code(&xpub(1), RULE).await, "descriptor_keys_are_here");
    let private = format!("tr({}/0/*)", crate::world::master(7));
    assert_eq!(code(&private, RULE).await, "descriptor_has_private_keys");
    let fixed = format!("tr({}/0/5)", xpub(7));
    assert_eq!(code(&fixed, RULE).await, "descriptor_not_ranged");
    let no_rate = Rule {
        fee_below_sat_per_vb: f64::NAN,
        ..RULE
    };
    assert_eq!(code(&xpub(7), no_rate).await, "fee_rate_invalid");
    assert_eq!(savings::show(&wallet).await.unwrap(), None);
    let off = savings::run(&wallet, 0, world.now_ms()).await.unwrap_err();
    assert_eq!(off.code(), "savings_off");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_the_other_wallet_has_used_are_passed_over() {
    let world = World::new();
    let elsewhere = world.wallet(7).await;
    let used = world.pay(&elsewhere, 10_000).await;
    let wallet = world.saving(&[550_000]).await;
    let shown = savings::show(&wallet).await.unwrap().unwrap();
    assert_eq!(shown.next_index, 1);
    // The other wallet goes on meanwhile.
    world.pay(&elsewhere, 10_000).await;
    world.sweep(&wallet, 0).await;
    let sweep = wallet.spends(1).await.unwrap().remove(0);
    assert_ne!(sweep.address.as_deref(), Some(shown.next_address.as_str()));
    let paid = world.chain.transaction(&used).unwrap();
    let script = read(&sweep.address.unwrap()).script_pubkey();
    assert!(
        paid.output
            .iter()
            .all(|output| output.script_pubkey != script)
    );
    world.sync(&elsewhere).await;
    assert_eq!(
        elsewhere.balance().await.unwrap().pending_sat,
        10_000 + sweep.amount_sat
    );

    savings::off(&wallet).await.unwrap();
    assert_eq!(savings::show(&wallet).await.unwrap(), None);
    // Whoever comes back to the same keys goes on where it ended.
    let again = savings::set(&wallet, &xpub(7), RULE, world.now_ms())
        .await
        .unwrap();
    assert_eq!(again.next_index, 3);
}
