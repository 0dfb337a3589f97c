//! What somebody changed on the way isn't signed.

use bitcoin::sighash::TapSighashType;
use bitcoin::{Amount, OutPoint, Psbt, ScriptBuf, TxOut, Txid};
use wallet::vault::{combine, proposal_id};

use crate::support::{World, code, key};

fn change_of(psbt: &Psbt) -> usize {
    let mut outputs = psbt.outputs.iter();
    outputs
        .position(|output| output.tap_internal_key.is_some())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_changed_after_the_first_signature() {
    let world = World::new().await;
    let psbt = world.propose("everyday", 10_000).unwrap();
    let signed = world.sign(psbt.clone(), &["alice"]);

    let mut dearer = signed.clone();
    dearer.unsigned_tx.output[0].value += Amount::from_sat(1);
    let mut elsewhere = signed.clone();
    let mallory = ScriptBuf::new_op_return([1; 4]);
    elsewhere.unsigned_tx.output[0].script_pubkey = mallory;
    let mut more = signed.clone();
    more.unsigned_tx
        .output
        .push(more.unsigned_tx.output[0].clone());
    more.unsigned_tx.output[0].value = Amount::from_sat(5_000);
    more.unsigned_tx.output[2].value = Amount::from_sat(5_000);
    more.outputs.push(more.outputs[0].clone());
    for changed in [dearer, elsewhere, more] {
        let refused = world.vault.review(changed.clone(), &world.view());
        assert_eq!(code(refused), "vault_changed_after_signature");
        assert_ne!(proposal_id(&changed), proposal_id(&signed));
        assert_eq!(
            code(combine(&mut psbt.clone(), &changed)),
            "vault_proposals_differ"
        );
    }
    // Untouched, it goes on.
    assert!(world.vault.review(signed, &world.view()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn change_that_isnt() {
    let world = World::new().await;
    let psbt = world.propose("everyday", 10_000).unwrap();
    let mut stolen = psbt.clone();
    let change = change_of(&stolen);
    stolen.unsigned_tx.output[change].script_pubkey = world.payee().script_pubkey();
    assert_eq!(
        code(world.vault.review(stolen, &world.view())),
        "vault_change_false"
    );
    // Without the pretence it is a payment like any other, and shown as one.
    let mut open = psbt.clone();
    open.outputs[change] = bitcoin::psbt::Output::default();
    let reviewed = world.vault.review(open, &world.view()).unwrap();
    assert_eq!((reviewed.paid().len(), reviewed.change_sat()), (2, 0));
    // An address of ours that nobody would look at is no change either.
    let mut lost = psbt;
    for (_, (_, path)) in lost.outputs[change].tap_key_origins.values_mut() {
        let mut steps: Vec<_> = path.into_iter().copied().collect();
        *steps.last_mut().unwrap() = bitcoin::bip32::ChildNumber::from(1_000_000);
        *path = steps.into();
    }
    let far = wallet::vault::Place {
        keychain: wallet::vault::Keychain::Change,
        index: 1_000_000,
    };
    lost.unsigned_tx.output[change].script_pubkey =
        world.vault.address(far).unwrap().script_pubkey();
    assert_eq!(
        code(world.vault.review(lost, &world.view())),
        "vault_change_false"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_arent() {
    let world = World::new().await;
    let psbt = world.propose("everyday", 10_000).unwrap();
    let refused = |change: &dyn Fn(&mut Psbt)| {
        let mut changed = psbt.clone();
        change(&mut changed);
        code(world.vault.review(changed, &world.view()))
    };
    let foreign = OutPoint::new(Txid::from_raw_hash(bitcoin::hashes::Hash::all_zeros()), 0);
    assert_eq!(
        refused(&|psbt| psbt.unsigned_tx.input[0].previous_output = foreign),
        "vault_input_unknown"
    );
    assert_eq!(
        refused(&|psbt| {
            let said = psbt.inputs[0].witness_utxo.as_mut().unwrap();
            said.value = Amount::from_sat(11_000);
        }),
        "vault_input_false"
    );
    assert_eq!(
        refused(&|psbt| {
            let output = &psbt.unsigned_tx.output[0];
            psbt.inputs[0].witness_utxo = Some(TxOut {
                value: Amount::from_sat(100_000),
                script_pubkey: output.script_pubkey.clone(),
            });
        }),
        "vault_input_false"
    );
    for kind in [
        TapSighashType::None,
        TapSighashType::Single,
        TapSighashType::AllPlusAnyoneCanPay,
    ] {
        assert_eq!(
            refused(&|psbt| psbt.inputs[0].sighash_type = Some(kind.into())),
            "vault_sighash"
        );
    }
    assert_eq!(
        refused(&|psbt| {
            for (script, _) in psbt.inputs[0].tap_scripts.values_mut() {
                *script = ScriptBuf::new_op_return([1; 3]);
            }
        }),
        "vault_input_false"
    );
    assert_eq!(
        refused(&|psbt| {
            psbt.unsigned_tx.input.clear();
            psbt.inputs.clear();
        }),
        "vault_proposal_malformed"
    );
    assert_eq!(
        refused(&|psbt| psbt.unsigned_tx.output[0].value = Amount::from_sat(100_000_000)),
        "vault_proposal_malformed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_arent() {
    let world = World::new().await;
    let psbt = world.propose("everyday", 10_000).unwrap();
    let signed = world.sign(psbt.clone(), &["alice"]);
    let (&place, &signature) = signed.inputs[0].tap_script_sigs.iter().next().unwrap();

    // Bob's place with Alice's signature.
    let bobs = world.sign(psbt.clone(), &["bob"]);
    let (&bobs_place, _) = bobs.inputs[0].tap_script_sigs.iter().next().unwrap();
    let mut forged = psbt.clone();
    forged.inputs[0]
        .tap_script_sigs
        .insert(bobs_place, signature);
    assert_eq!(
        code(world.vault.review(forged, &world.view())),
        "vault_changed_after_signature"
    );
    // A signature that covers less.
    let mut partial = psbt.clone();
    let mut less = signature;
    less.sighash_type = TapSighashType::AllPlusAnyoneCanPay;
    partial.inputs[0].tap_script_sigs.insert(place, less);
    assert_eq!(
        code(world.vault.review(partial, &world.view())),
        "vault_sighash"
    );
    // A signature of somebody who has no say.
    let mut stranger = psbt;
    let mallory = key("mallory").account_key().xpub.public_key;
    let place = (mallory.x_only_public_key().0, place.1);
    stranger.inputs[0].tap_script_sigs.insert(place, signature);
    assert_eq!(
        code(world.vault.review(stranger, &world.view())),
        "vault_input_false"
    );
}
