//! A wallet whose database is gone finds its ecash again by its seed, as often as it likes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::path::Path;

use wallet::ecash::{EcashWallet, EmbeddedMint, MintAccess, Reclaimed, Rescan};

const MINT_URL: &str = "http://127.0.0.1:1/mint";
const SEED: [u8; 64] = [2; 64];

struct Place {
    dir: tempfile::TempDir,
    mint: EmbeddedMint,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mint.db");
        let mint = EmbeddedMint::play(&path, &[1; 64], MINT_URL).await.unwrap();
        Self { dir, mint }
    }

    async fn wallet(&self, name: &str, seed: [u8; 64]) -> EcashWallet {
        let path: &Path = &self.dir.path().join(name);
        let access = MintAccess::Embedded(self.mint.clone());
        EcashWallet::open(path, MINT_URL, seed, access)
            .await
            .unwrap()
    }
}

async fn fund(wallet: &EcashWallet, sat: u64) {
    let quote = wallet.quote_funding(sat).await.unwrap();
    assert_eq!(wallet.fund(&quote.id).await.unwrap(), sat);
}

async fn rescan(wallet: &EcashWallet) -> Rescan {
    wallet.recovery().await.rescan(&SEED, |_| {}).await.unwrap()
}

async fn unspent_sat(wallet: &EcashWallet) -> u64 {
    wallet.holdings().await.unwrap().unspent_sat
}

/// Pays `sat` to a stranger, who redeems it.
async fn spend(wallet: &EcashWallet, stranger: &EcashWallet, sat: u64) {
    let issued = wallet.issue(sat).await.unwrap();
    let (token, operation) = (issued.token.clone(), issued.operation);
    drop(issued);
    stranger.redeem(&token).await.unwrap();
    wallet.fate(operation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_isnt_spent_is_found_and_no_secret_is_used_twice() {
    let place = Place::new().await;
    let (lost, stranger) = (
        place.wallet("lost", SEED).await,
        place.wallet("s", [3; 64]).await,
    );
    fund(&lost, 300).await;
    // More secrets than one question asks about.
    for _ in 0..40 {
        spend(&lost, &stranger, 1).await;
    }
    let handed = lost.issue(20).await.unwrap().token.clone();
    let reserved = lost.issue(30).await.unwrap().token.clone();
    assert_eq!(unspent_sat(&lost).await, 300 - 40 - 50);
    drop(lost);

    let found = place.wallet("found", SEED).await;
    found.close();
    let refused = found.issue(1).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.is_unknown()),
        ("ecash_restoring", true)
    );
    let mut told = Vec::new();
    let alone = found.recovery().await;
    let first = alone
        .rescan(&SEED, |rescan| told.push(rescan))
        .await
        .unwrap();
    // What was handed out and not redeemed is found too.
    assert_eq!((first.unspent_sat, first.pending_sat), (260, 0));
    assert!(
        first.asked > 300 && told.len() as u64 >= first.asked / 100,
        "{first:?}"
    );
    assert_eq!(
        alone.rescan(&SEED, |_| {}).await.unwrap(),
        first,
        "the second scan differs"
    );
    // One token is somebody's; the other is fetched back, before its recipient is.
    assert_eq!(
        alone.let_go(std::slice::from_ref(&handed)).await.unwrap(),
        20
    );
    let back = alone.reclaim_token(&reserved).await.unwrap();
    assert_eq!(back, Reclaimed::Ours { amount_sat: 30 });
    assert_eq!(
        alone.reclaim_token(&reserved).await.unwrap(),
        Reclaimed::Theirs
    );
    drop(alone);
    found.reopen();
    assert_eq!(unspent_sat(&found).await, 240);
    assert!(stranger.redeem(&reserved).await.is_err());
    assert_eq!(stranger.redeem(&handed).await.unwrap(), 20);

    // Everything goes on with secrets that the mint never saw.
    for _ in 0..10 {
        spend(&found, &stranger, 3).await;
    }
    assert!(found.recovery().await.run(&HashSet::new()).await.unwrap());
    assert_eq!(unspent_sat(&found).await, 210);
    // And the next restore finds all of that, however often the scans before were repeated.
    for _ in 0..5 {
        rescan(&found).await;
    }
    spend(&found, &stranger, 10).await;
    let again = place.wallet("again", SEED).await;
    assert_eq!(rescan(&again).await.unspent_sat, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_seed_finds_nothing() {
    let place = Place::new().await;
    fund(&place.wallet("a", SEED).await, 50).await;
    let other = place.wallet("b", [9; 64]).await;
    let found = other
        .recovery()
        .await
        .rescan(&[9; 64], |_| {})
        .await
        .unwrap();
    assert_eq!((found.unspent_sat, found.asked), (0, 300));
}
