//! How a proposal travels: as a file, as text, in QR codes, and between nodes; and how it is kept.

use wallet::Db;
use wallet::vault::{
    Proposal, ProposalState, Request, VaultError, VaultRecord, Watch, join_qr, proposal_id,
    read_psbt, split_qr, store,
};

use crate::support::{AUX, World, code, key, vault};

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_every_way_of_travelling() {
    let world = World::new().await;
    let psbt = world.sign(world.propose("everyday", 10_000).unwrap(), &["bob"]);
    let bytes = psbt.serialize();
    assert_eq!(read_psbt(&bytes).unwrap(), psbt);
    assert_eq!(read_psbt(psbt.to_string().as_bytes()).unwrap(), psbt);
    let wrapped = format!("\n{}\n", psbt.to_string().replace("AA", "AA\n "));
    assert_eq!(read_psbt(wrapped.as_bytes()).unwrap(), psbt);
    let parts = split_qr(&bytes, 400).unwrap();
    assert!(parts.len() > 1 && parts.iter().all(|part| part.starts_with("B$2P")));
    let parts: Vec<&str> = parts.iter().rev().map(String::as_str).collect();
    assert_eq!(read_psbt(&join_qr(&parts).unwrap()).unwrap(), psbt);
    assert_eq!(code(join_qr(&parts[1..])), "vault_proposal_malformed");
    assert_eq!(code(join_qr(&[])), "vault_proposal_malformed");
    for bad in [
        &b"psbt\xff"[..],
        b"cHNidP8=",
        b"",
        b"\xff\xfe",
        &vec![b'A'; 600_000],
    ] {
        assert_eq!(code(read_psbt(bad)), "vault_proposal_malformed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hardware_finds_all_that_it_needs() {
    let world = World::new().await;
    let psbt = world.propose("everyday", 120_000).unwrap();
    for name in crate::support::NAMES {
        let account = key(name).account_key();
        let (fingerprint, path) = psbt.xpub.get(&account.xpub).unwrap();
        assert_eq!((*fingerprint, path), (account.fingerprint, &account.path));
    }
    assert_eq!(psbt.inputs.len(), 2);
    for input in &psbt.inputs {
        assert_eq!(input.tap_scripts.len(), 1);
        assert!(input.witness_utxo.is_some() && input.tap_merkle_root.is_some());
        assert!(input.tap_internal_key.is_some());
        let (script, version) = input.tap_scripts.values().next().unwrap();
        let leaf = bitcoin::TapLeafHash::from_script(script, *version);
        let in_leaf = input.tap_key_origins.values();
        let in_leaf = in_leaf.filter(|(leaves, _)| leaves.contains(&leaf));
        // Each with the whole way from its master key: 48h/1h/0h/3h/0/index.
        let ways: Vec<_> = in_leaf.map(|(_, (_, path))| path.len()).collect();
        assert_eq!(ways, [6, 6, 6]);
    }
    let change = psbt
        .outputs
        .iter()
        .find(|output| output.tap_internal_key.is_some());
    assert!(change.unwrap().tap_tree.is_some());
}

#[test]
fn requests_between_nodes_are_signed_by_a_signer() {
    let vault = vault();
    let request = Request {
        method: "POST",
        path: "/vault/abc/proposals",
        body: b"psbt",
        time_unix_s: 1_000_000,
    };
    let signature = request.sign(&key("bob"), &AUX).unwrap();
    let policy = vault.policy();
    assert_eq!(
        request
            .verify(policy, "bob", &signature, 1_000_100)
            .unwrap(),
        1
    );
    let refused = |request: Request<'_>, name: &str, signature: &str, now_s| {
        assert_eq!(
            code(request.verify(policy, name, signature, now_s)),
            "vault_request_unsigned"
        );
    };
    refused(request, "alice", &signature, 1_000_000);
    refused(request, "mallory", &signature, 1_000_000);
    refused(request, "bob", "", 1_000_000);
    refused(request, "bob", &signature, 1_000_301);
    refused(request, "bob", &signature, 999_000);
    refused(
        Request {
            method: "GET",
            ..request
        },
        "bob",
        &signature,
        1_000_000,
    );
    refused(
        Request {
            path: "/vault/abc/proposal",
            ..request
        },
        "bob",
        &signature,
        1_000_000,
    );
    refused(
        Request {
            body: b"psbt2",
            ..request
        },
        "bob",
        &signature,
        1_000_000,
    );
    refused(
        Request {
            time_unix_s: 1_000_001,
            ..request
        },
        "bob",
        &signature,
        1_000_000,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_are_kept_as_they_are() {
    let world = World::new().await;
    let psbt = world.propose("everyday", 10_000).unwrap();
    let signed = world.sign(psbt.clone(), &["alice"]);
    let db = Db::in_memory().unwrap();
    db.write(move |tx| -> Result<(), VaultError> {
        let record = VaultRecord {
            name: "family".into(),
            id: "abcd".into(),
            policy: crate::support::policy(),
            created_ms: 1,
        };
        store::add_vault(tx, &record)?;
        assert_eq!(
            store::find_vault(tx, "abcd")?.unwrap().policy,
            record.policy
        );
        let mut proposal = Proposal {
            id: proposal_id(&psbt).to_string(),
            vault: "family".into(),
            psbt,
            memo: "rent".repeat(100),
            state: ProposalState::Open,
            created_ms: 2,
            updated_ms: 2,
        };
        store::save_proposal(tx, &proposal)?;
        proposal.psbt = signed;
        proposal.updated_ms = 3;
        store::save_proposal(tx, &proposal)?;
        let kept = store::proposals(tx, Some("family"))?;
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].psbt, proposal.psbt);
        assert_eq!((kept[0].updated_ms, kept[0].memo.len()), (3, 200));
        assert!(store::proposals(tx, Some("other"))?.is_empty());
        for number in 1..store::OPEN_MAX {
            let id = number.to_string();
            store::save_proposal(
                tx,
                &Proposal {
                    id,
                    ..proposal.clone()
                },
            )?;
        }
        let more = Proposal {
            id: "more".into(),
            ..proposal.clone()
        };
        assert_eq!(
            code(store::save_proposal(tx, &more)),
            "vault_too_many_proposals"
        );
        proposal.state = ProposalState::Sent;
        store::save_proposal(tx, &proposal)?;
        store::save_proposal(tx, &more)
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_is_kept_in_a_file_and_isnt_anothers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.db");
    let vault = vault();
    let first = Watch::open(&path, &vault).unwrap().new_address().unwrap();
    let second = Watch::open(&path, &vault).unwrap().new_address().unwrap();
    assert_ne!(first, second);
    let other = crate::support::policy_with("cooperate = false");
    let other = wallet::vault::Vault::from_toml(&other).unwrap();
    assert_eq!(code(Watch::open(&path, &other)), "vault_storage");
}
