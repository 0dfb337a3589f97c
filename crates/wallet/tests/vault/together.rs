//! All who cooperate, with MuSig2: one signature, like any payment.

use bitcoin::Psbt;
use wallet::vault::{NonceSeed, TogetherStep, Vault, combine};
use zeroize::Zeroizing;

use crate::support::{NAMES, World, code, key};

fn seed(byte: u8) -> NonceSeed {
    NonceSeed::new(Zeroizing::new([byte; 32]))
}

fn give(world: &World, psbt: Psbt, name: &str, byte: u8) -> Psbt {
    let mut reviewed = world.vault.review(psbt, &world.view()).unwrap();
    reviewed.give_nonces(&key(name), &seed(byte)).unwrap();
    reviewed.into_psbt()
}

fn sign(world: &World, psbt: Psbt, name: &str, byte: u8) -> Psbt {
    let mut reviewed = world.vault.review(psbt, &world.view()).unwrap();
    reviewed.sign_together(&key(name), seed(byte)).unwrap();
    reviewed.into_psbt()
}

fn all_nonces(world: &World, psbt: &Psbt) -> Psbt {
    // Each machine gives its own to the bare proposal; somebody combines them.
    let mut whole = psbt.clone();
    for (name, byte) in NAMES.iter().zip(1..) {
        combine(&mut whole, &give(world, psbt.clone(), name, byte)).unwrap();
    }
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_one_signature_and_the_cheapest_way() {
    let mut world = World::new().await;
    let psbt = world.propose("together", 120_000).unwrap();
    let psbt = all_nonces(&world, &psbt);
    let mut whole = psbt.clone();
    for (name, byte) in NAMES.iter().zip(1..) {
        let bytes = sign(&world, psbt.clone(), name, byte).serialize();
        combine(&mut whole, &Psbt::deserialize(&bytes).unwrap()).unwrap();
    }
    let tx = world.finish(whole).unwrap();
    assert_eq!(tx.input.len(), 2);
    for input in &tx.input {
        assert_eq!(input.witness.len(), 1);
        assert_eq!(input.witness.nth(0).unwrap().len(), 64);
    }
    let inputs_wu = world.vault.input_weight_wu(world.path("together")).unwrap();
    assert_eq!(inputs_wu, 230, "57.5 vB");
    let others = ["everyday", "alone", "recovery"];
    for path in others {
        assert!(world.vault.input_weight_wu(world.path(path)).unwrap() > inputs_wu + 100);
    }
    assert_eq!(world.send(&tx).await, 120_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_of_them_it_doesnt_happen() {
    let world = World::new().await;
    let psbt = world.propose("together", 10_000).unwrap();
    let some = give(&world, give(&world, psbt, "alice", 1), "bob", 2);
    let reviewed = world.vault.review(some.clone(), &world.view()).unwrap();
    let step = reviewed.together_step(0).unwrap();
    assert_eq!(step, TogetherStep::AwaitNonces(vec![2]));
    assert_eq!(reviewed.together_step(2).unwrap(), TogetherStep::GiveNonce);
    let mut early = reviewed.clone();
    assert_eq!(
        code(early.sign_together(&key("alice"), seed(1))),
        "vault_signatures_missing"
    );
    let all = give(&world, some, "scout", 3);
    let two = sign(&world, sign(&world, all, "alice", 1), "bob", 2);
    assert_eq!(code(world.finish(two)), "vault_signatures_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_bound_to_its_seed_round_and_transaction() {
    let world = World::new().await;
    let first = world.propose("together", 10_000).unwrap();
    let other = world.propose("together", 20_000).unwrap();
    let all = all_nonces(&world, &first);
    // Another seed than the one whose nonce was given.
    let mut reviewed = world.vault.review(all.clone(), &world.view()).unwrap();
    assert_eq!(
        code(reviewed.sign_together(&key("alice"), seed(9))),
        "vault_nonce_lost"
    );
    // The same seed gives another nonce for another transaction and for another round.
    let nonce = |psbt: &Psbt| -> Vec<Vec<u8>> {
        let given = psbt.inputs[0].unknown.iter();
        let given = given.filter(|(key, _)| key.type_value == 0x1b);
        given.map(|(_, value)| value.clone()).collect()
    };
    let one = nonce(&give(&world, first.clone(), "alice", 1));
    assert_eq!(one.len(), 1);
    assert_ne!(one, nonce(&give(&world, other, "alice", 1)));
    let mut next = world.vault.review(first, &world.view()).unwrap();
    next.restart().unwrap();
    assert_eq!(next.round(), 1);
    let next = give(&world, next.into_psbt(), "alice", 1);
    assert_ne!(one, nonce(&next));
    // In each input too.
    let two = give(
        &world,
        world.propose("together", 120_000).unwrap(),
        "alice",
        1,
    );
    assert_ne!(two.inputs[0].unknown, two.inputs[1].unknown);
    // What is left of an old round doesn't come back.
    let mut merged = next.clone();
    combine(&mut merged, &all).unwrap();
    assert_eq!(merged, next);
    let mut old = all;
    combine(&mut old, &next).unwrap();
    assert_eq!(nonce(&old), nonce(&next));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nonces_of_one_signer_are_a_contradiction() {
    let world = World::new().await;
    let psbt = world.propose("together", 10_000).unwrap();
    let mut first = give(&world, psbt.clone(), "alice", 1);
    let second = give(&world, psbt, "alice", 2);
    assert_eq!(code(combine(&mut first, &second)), "vault_contradiction");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_fields_are_refused() {
    let world = World::new().await;
    let all = all_nonces(&world, &world.propose("together", 10_000).unwrap());
    let signed = sign(&world, all, "alice", 1);
    let fields: Vec<_> = signed.inputs[0].unknown.keys().cloned().collect();
    for field in fields.iter().filter(|key| key.type_value != 0x1a) {
        let mut longer = signed.clone();
        longer.inputs[0].unknown.get_mut(field).unwrap().push(0);
        let refused = world.vault.review(longer, &world.view());
        assert_eq!(code(refused), "vault_proposal_malformed");
        let mut foreign = signed.clone();
        let value = foreign.inputs[0].unknown.remove(field).unwrap();
        let mut key = field.clone();
        key.key[5] ^= 1;
        foreign.inputs[0].unknown.insert(key, value);
        let refused = world.vault.review(foreign, &world.view());
        assert_eq!(code(refused), "vault_proposal_malformed");
    }
    // A signature of the group after the transaction changed.
    let mut changed = signed;
    changed.unsigned_tx.output[0].value -= bitcoin::Amount::from_sat(1);
    assert_eq!(
        code(world.vault.review(changed, &world.view())),
        "vault_changed_after_signature"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_may_spend_anyway_can_be_the_group() {
    let toml = crate::support::policy_with("cooperate = [\"alice\", \"bob\"]");
    let mut world = World::with(Vault::from_toml(&toml).unwrap()).await;
    let psbt = world.propose("together", 10_000).unwrap();
    let psbt = give(&world, give(&world, psbt, "alice", 1), "bob", 2);
    let psbt = sign(&world, sign(&world, psbt, "bob", 2), "alice", 1);
    let tx = world.finish(psbt).unwrap();
    assert_eq!(world.send(&tx).await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_spends_by_a_key_that_nobody_has() {
    let toml = crate::support::policy_with("cooperate = false");
    let world = World::with(Vault::from_toml(&toml).unwrap()).await;
    assert_eq!(code(world.vault.path("together")), "vault_path_unknown");
    let mut psbt = world.propose("everyday", 10_000).unwrap();
    for input in &mut psbt.inputs {
        input.tap_scripts.clear();
    }
    assert_eq!(
        code(world.vault.review(psbt, &world.view())),
        "vault_path_unknown"
    );
}
