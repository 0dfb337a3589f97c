//! Each path spends when it is due, and not before: neither our signers nor the chain let it.

use bitcoin::Sequence;
use wallet::vault::{Payment, propose};

use crate::support::{World, code, key};

#[tokio::test(flavor = "multi_thread")]
async fn any_two_spend_at_once() {
    let mut world = World::new().await;
    for pair in [["alice", "bob"], ["bob", "scout"], ["scout", "alice"]] {
        let psbt = world.propose("everyday", 10_000).unwrap();
        let one = world.sign(psbt, &pair[..1]);
        assert_eq!(
            code(world.finish(one.clone())),
            "vault_signatures_missing",
            "{pair:?}"
        );
        let both = world.sign(one, &pair[1..]);
        let tx = world.finish(both).unwrap();
        assert_eq!(world.send(&tx).await, 10_000);
    }
    // What was left came back each time.
    let left: u64 = world
        .view()
        .coins
        .iter()
        .map(|coin| coin.output.value.to_sat())
        .sum();
    assert!((125_000..130_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_path_opens_with_the_block_it_names() {
    let mut world = World::new().await;
    for (path, signer, delay) in [("alone", "alice", 10_u32), ("recovery", "bob", 30)] {
        // The youngest coins are one block old now.
        world.mine(1).await;
        let tip = world.sandbox.tip().height;
        let age = tip
            - world
                .view()
                .coins
                .iter()
                .filter_map(|coin| coin.height)
                .max()
                .unwrap();
        world.mine(delay - age - 2).await;

        // What only the youngest coin has room for. One block too early: no proposal is made of it,
        let amount_sat = if path == "alone" { 10_000 } else { 80_000 };
        assert_eq!(code(world.propose(path, amount_sat)), "vault_path_not_due");
        // one that somebody made all the same isn't signed,
        let mut later = world.view();
        later.height += 1;
        let payment = Payment {
            to: world.payee(),
            amount_sat: Some(amount_sat),
        };
        let mut early = propose(&world.vault, &later, world.path(path), &payment, 2.0).unwrap();
        early.unsigned_tx.lock_time = bitcoin::absolute::LockTime::ZERO;
        let refused = world.vault.review(early.clone(), &world.view());
        assert_eq!(code(refused), "vault_path_not_due");
        // nor with another sequence,
        let mut hasty = early.clone();
        for input in &mut hasty.unsigned_tx.input {
            input.sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
        }
        assert_eq!(
            code(world.vault.review(hasty, &world.view())),
            "vault_input_false"
        );
        // and signed by a machine that believes in another height, the chain doesn't take it.
        let mut reviewed = world.vault.review(early, &later).unwrap();
        reviewed.sign(&key(signer), &[1; 32]).unwrap();
        let tx = reviewed.finish().unwrap();
        let refusal = world.sandbox.submit(tx).unwrap_err();
        assert!(
            refusal.to_string().contains("BIP68") || format!("{refusal:?}").contains("Bip68"),
            "{refusal}"
        );

        world.mine(1).await;
        let psbt = world.propose(path, amount_sat).unwrap();
        let tx = world.finish(world.sign(psbt, &[signer])).unwrap();
        assert_eq!(world.send(&tx).await, amount_sat);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_in_a_path_sign_it() {
    let mut world = World::new().await;
    world.mine(40).await;
    let psbt = world.propose("alone", 10_000).unwrap();
    let mut reviewed = world.vault.review(psbt, &world.view()).unwrap();
    assert_eq!(
        code(reviewed.sign(&key("bob"), &[1; 32])),
        "vault_path_not_yours"
    );
    assert_eq!(
        code(reviewed.sign(&key("mallory"), &[1; 32])),
        "vault_not_a_signer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_are_what_was_asked_for() {
    let mut world = World::new().await;
    world.mine(40).await;
    for path in ["everyday", "alone", "recovery"] {
        let payment = Payment {
            to: world.payee(),
            amount_sat: Some(110_000),
        };
        for rate in [1.0, 7.5, 40.0] {
            let psbt = propose(
                &world.vault,
                &world.view(),
                world.path(path),
                &payment,
                rate,
            )
            .unwrap();
            let names: &[&str] = match path {
                "everyday" => &["bob", "scout"],
                "alone" => &["alice"],
                _ => &["bob"],
            };
            let signed = world.sign(psbt, names);
            let reviewed = world.vault.review(signed, &world.view()).unwrap();
            let tx = reviewed.finish().unwrap();
            assert_eq!(tx.input.len(), 2);
            let paid = reviewed.fee_sat() as f64 / tx.vsize() as f64;
            assert!(
                paid >= rate && paid < rate * 1.01 + 0.02,
                "{path}: {paid} for {rate}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_moved_at_once() {
    let mut world = World::new().await;
    world.mine(30).await;
    let payment = Payment {
        to: world.payee(),
        amount_sat: None,
    };
    let psbt = propose(
        &world.vault,
        &world.view(),
        world.path("recovery"),
        &payment,
        3.0,
    )
    .unwrap();
    let reviewed = world.vault.review(psbt.clone(), &world.view()).unwrap();
    assert_eq!((reviewed.change_sat(), reviewed.paid().len()), (0, 1));
    assert_eq!(reviewed.outflow_sat(), 160_000);
    let tx = world.finish(world.sign(psbt, &["bob"])).unwrap();
    let got = world.send(&tx).await;
    assert!(got > 159_000, "{got}");
    assert!(world.view().coins.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_payments_are_refused() {
    let world = World::new().await;
    assert_eq!(
        code(world.propose("everyday", 200)),
        "vault_payment_invalid"
    );
    assert_eq!(
        code(world.propose("everyday", 160_000)),
        "vault_insufficient"
    );
    assert_eq!(code(world.vault.path("nobody")), "vault_path_unknown");
    assert_eq!(
        code(
            world
                .vault
                .payee("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")
        ),
        "vault_payment_invalid"
    );
    let payment = Payment {
        to: world.payee(),
        amount_sat: Some(10_000),
    };
    for rate in [0.5, f64::NAN, f64::INFINITY, -3.0] {
        let refused = propose(
            &world.vault,
            &world.view(),
            world.path("everyday"),
            &payment,
            rate,
        );
        assert_eq!(code(refused), "vault_payment_invalid");
    }
    let dear = propose(
        &world.vault,
        &world.view(),
        world.path("everyday"),
        &payment,
        400.0,
    );
    assert_eq!(
        code(world.vault.review(dear.unwrap(), &world.view())),
        "vault_fee_too_high"
    );
}
