//! Watch-only keys: which are read, and which are refused.

use proptest::prelude::*;
use sandbox::bitcoin::Network;
use wallet::onchain::{OnchainWallet, WatchKeys};

use crate::world::{World, keys, master, xpub};

#[tokio::test(flavor = "multi_thread")]
async fn an_xpub_is_watched_and_its_money_found() {
    let world = World::new();
    let signer = world.funded(1, &[30_000, 50_000]).await;
    let keys = WatchKeys::parse(&xpub(1), Network::Regtest).unwrap();
    let path = world.path("watched.db");
    let watched = OnchainWallet::watch(&path, keys, world.esplora())
        .await
        .unwrap();
    world.sync(&watched).await;
    assert_eq!(
        watched.balance().await.unwrap(),
        signer.balance().await.unwrap()
    );
    let coins = watched.coins().await.unwrap();
    assert_eq!(coins, signer.coins().await.unwrap());
    drop(watched);
    let watched = OnchainWallet::reopen_watched(&path, world.esplora())
        .await
        .unwrap();
    assert!(watched.descriptors().await.unwrap().is_watch_only);
    assert_eq!(watched.balance().await.unwrap().confirmed_sat, 80_000);
}

#[test]
fn keys_are_read_in_all_usual_forms() {
    let key = xpub(3);
    let first = |text: &str| {
        let keys = WatchKeys::parse(text, Network::Regtest).unwrap();
        keys.address(0).unwrap().to_string()
    };
    let taproot = first(&key);
    assert!(taproot.starts_with("bcrt1p"));
    assert_eq!(first(&format!("tr({key}/<0;1>/*)")), taproot);
    assert_eq!(first(&format!("[00aabbcc/86'/1'/0']{key}")), taproot);
    assert_eq!(first(&format!("  tr({key}/0/*)\n")), taproot);
    assert!(first(&format!("wpkh({key}/0/*)")).starts_with("bcrt1q"));
    let several = format!("wsh(sortedmulti(2,{key}/0/*,{}/0/*))", xpub(4));
    assert!(first(&several).starts_with("bcrt1q"));
    // BIP-84's example, as a key that says itself that it is of SegWit.
    let zpub = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs";
    let segwit = WatchKeys::parse(zpub, Network::Bitcoin).unwrap();
    let address = segwit.address(0).unwrap().to_string();
    assert_eq!(address, "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu");
}

#[test]
fn what_must_not_or_can_not_be_watched_is_refused() {
    let key = xpub(3);
    let private = master(3).to_string();
    let code = |text: &str| {
        let refusal = WatchKeys::parse(text, Network::Regtest).unwrap_err();
        assert!(!refusal.to_string().contains(&private), "a secret is told");
        refusal.code()
    };
    assert_eq!(code(&private), "descriptor_has_private_keys");
    assert_eq!(
        code(&format!("tr({private}/0/*)")),
        "descriptor_has_private_keys"
    );
    let wif = "cVpF924EspNh8KjYsfhgY96mmxvT6DgdWiTYMtMjuM74hJaU5psW";
    assert_eq!(code(&format!("wpkh({wif})")), "descriptor_has_private_keys");
    for nonsense in ["", "xpub", "tr()", "tr(", "pk(", "hello", "tr(zz/0/*)"] {
        assert_eq!(code(nonsense), "descriptor_invalid", "{nonsense}");
    }
    assert_eq!(code(&format!("{key}/0/*")), "descriptor_invalid");
    assert_eq!(
        code(&format!("tr({key}/0/*)#aaaaaaaa")),
        "descriptor_invalid"
    );
    // No address stands for it.
    assert_eq!(code(&format!("pk({key}/0/*)")), "descriptor_invalid");
    let mains = "xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ";
    assert_eq!(code(mains), "descriptor_wrong_network");
}

#[test]
fn this_machines_keys_are_known_alone_and_among_others() {
    let own = keys(1);
    let is_spendable = |text: &str| {
        let keys = WatchKeys::parse(text, Network::Regtest).unwrap();
        keys.is_spendable_by(&own).unwrap()
    };
    let (ours, theirs, others) = (xpub(1), xpub(2), xpub(3));
    assert!(is_spendable(&ours));
    assert!(is_spendable(&format!("wpkh({ours}/0/*)")));
    assert!(!is_spendable(&theirs));
    let multi = |k: u8| format!("wsh(sortedmulti({k},{ours}/0/*,{theirs}/0/*,{others}/0/*))");
    assert!(is_spendable(&multi(1)));
    assert!(!is_spendable(&multi(2)));
    // Alone, once a time has passed.
    let later = format!("wsh(or_d(pk({theirs}/0/*),and_v(v:pk({ours}/0/*),older(1000))))");
    assert!(is_spendable(&later));
    let both = format!("wsh(and_v(v:pk({theirs}/0/*),pk({ours}/0/*)))");
    assert!(!is_spendable(&both));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = WatchKeys::parse(&text, Network::Regtest);
        let _ = WatchKeys::parse(&format!("tr({text})"), Network::Regtest);
        let _ = wallet::onchain::parse_psbt(&text);
        let _ = wallet::onchain::parse_address(&text, Network::Regtest);
    }
}
