//! Ecash against a real mint (the embedded one: real blind signatures, real files).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::path::Path;

use wallet::ecash::{EcashWallet, EmbeddedMint, MintAccess, Redemption, TokenFate};

const MINT_URL: &str = "http://127.0.0.1:1/mint";

struct Place {
    dir: tempfile::TempDir,
    mint: EmbeddedMint,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mint = EmbeddedMint::play(&dir.path().join("mint.db"), &[1; 64], MINT_URL)
            .await
            .unwrap();
        Self { dir, mint }
    }

    async fn wallet(&self, name: &str) -> EcashWallet {
        open(self.dir.path(), name, &self.mint).await
    }
}

async fn open(dir: &Path, name: &str, mint: &EmbeddedMint) -> EcashWallet {
    let mut seed = [0; 64];
    seed[0] = name.as_bytes()[0];
    let access = MintAccess::Embedded(mint.clone());
    EcashWallet::open(&dir.join(format!("{name}.db")), MINT_URL, seed, access)
        .await
        .unwrap()
}

async fn funded(place: &Place, name: &str, amount_sat: u64) -> EcashWallet {
    let wallet = place.wallet(name).await;
    let quote = wallet.quote_funding(amount_sat).await.unwrap().id;
    assert_eq!(wallet.fund(&quote).await.unwrap(), amount_sat);
    assert_eq!(wallet.funded(&quote).await.unwrap(), Some(amount_sat));
    wallet
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_round_without_loss() {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 100).await;
    let seller = place.wallet("seller").await;

    let paid = buyer.issue(37).await.unwrap();
    assert_eq!((paid.amount_sat, paid.fee_sat), (37, 0));
    assert!(paid.token.starts_with("cashuB"));
    let (token, operation) = (paid.token.clone(), paid.operation);
    drop(paid);
    assert_eq!(buyer.fate(operation).await.unwrap(), TokenFate::Outstanding);
    assert_eq!(seller.redeem(&token).await.unwrap(), 37);
    assert_eq!(buyer.fate(operation).await.unwrap(), TokenFate::Claimed);
    assert_eq!(
        seller.redemption(&token).await.unwrap(),
        Redemption::Done { amount_sat: 37 }
    );
    assert_eq!(buyer.holdings().await.unwrap().unspent_sat, 63);
    assert_eq!(seller.holdings().await.unwrap().unspent_sat, 37);

    let twice = seller.redeem(&token).await.unwrap_err();
    assert_eq!(twice.code(), "ecash_spent");
    assert_eq!(seller.holdings().await.unwrap().unspent_sat, 37);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused_and_change_nothing() {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 64).await;
    let seller = place.wallet("seller").await;
    for bad in ["", "cashuB", "cashuBo2F0", "not a token", "cashuA!!!!"] {
        assert_eq!(
            seller.redeem(bad).await.unwrap_err().code(),
            "ecash_malformed",
            "{bad}"
        );
    }
    // A token of a mint with the same URL but other keys: a forgery.
    let forger = Place::new().await;
    let other = EmbeddedMint::play(&forger.dir.path().join("forged.db"), &[9; 64], MINT_URL)
        .await
        .unwrap();
    let crook = open(forger.dir.path(), "crook", &other).await;
    let quote = crook.quote_funding(10).await.unwrap().id;
    crook.fund(&quote).await.unwrap();
    let forged = crook.issue(10).await.unwrap();
    let error = seller.redeem(&forged.token).await.unwrap_err();
    assert_eq!(error.code(), "ecash_invalid", "{error}");
    assert!(!error.is_unknown());
    assert_eq!(
        seller.redemption(&forged.token).await.unwrap(),
        Redemption::None
    );
    assert_eq!(seller.holdings().await.unwrap().unspent_sat, 0);
    assert_eq!(
        buyer.issue(65).await.unwrap_err().code(),
        "ecash_insufficient"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_can_be_taken_back_until_it_is_claimed() {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 50).await;
    let seller = place.wallet("seller").await;

    let operation = buyer.issue(20).await.unwrap().operation;
    assert_eq!(
        buyer.take_back(operation).await.unwrap(),
        TokenFate::TakenBack
    );
    assert_eq!(buyer.fate(operation).await.unwrap(), TokenFate::TakenBack);
    assert_eq!(buyer.holdings().await.unwrap().unspent_sat, 50);

    let paid = buyer.issue(20).await.unwrap();
    let (token, operation) = (paid.token.clone(), paid.operation);
    drop(paid);
    seller.redeem(&token).await.unwrap();
    assert_eq!(
        buyer.take_back(operation).await.unwrap(),
        TokenFate::Claimed
    );
    assert_eq!(buyer.holdings().await.unwrap().unspent_sat, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_takes_back_what_was_not_recorded_and_keeps_what_was() {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 50).await;
    let recorded = buyer.issue(8).await.unwrap().operation;
    let orphan = buyer.issue(16).await.unwrap().operation;
    drop(buyer); // the process dies here
    let buyer = place.wallet("buyer").await;
    assert!(
        buyer
            .recovery()
            .await
            .run(&HashSet::from([recorded]))
            .await
            .unwrap()
    );
    assert_eq!(buyer.fate(recorded).await.unwrap(), TokenFate::Outstanding);
    assert_eq!(buyer.fate(orphan).await.unwrap(), TokenFate::TakenBack);
    let holdings = buyer.holdings().await.unwrap();
    assert_eq!((holdings.unspent_sat, holdings.in_flight_sat), (42, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_waits_for_a_token_that_is_being_recorded() {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 50).await;
    let issued = buyer.issue(8).await.unwrap();
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), buyer.recovery());
    assert!(
        waiting.await.is_err(),
        "recovery must wait for the guard in `Issued`"
    );
    drop(issued);
    buyer.recovery().await.run(&HashSet::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_many_concurrent_redemptions_wins() {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 64).await;
    let token = buyer.issue(32).await.unwrap().token.clone();
    let seller = std::sync::Arc::new(place.wallet("seller").await);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (seller, token) = (seller.clone(), token.clone());
            tokio::spawn(async move { seller.redeem(&token).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += u64::from(task.await.unwrap().is_ok());
    }
    assert!(seller.recovery().await.run(&HashSet::new()).await.unwrap());
    assert_eq!(won, 1, "exactly one may call the money its own");
    let outcome = seller.redemption(&token).await.unwrap();
    assert_eq!(outcome, Redemption::Done { amount_sat: 32 });
    assert_eq!(seller.holdings().await.unwrap().unspent_sat, 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_payments_never_find_too_little() {
    let place = Place::new().await;
    let buyer = std::sync::Arc::new(funded(&place, "buyer", 64).await);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let buyer = buyer.clone();
            tokio::spawn(async move { buyer.issue(7).await.map(|issued| issued.token.clone()) })
        })
        .collect();
    let seller = place.wallet("seller").await;
    for task in tasks {
        let token = task.await.unwrap().unwrap();
        assert_eq!(seller.redeem(&token).await.unwrap(), 7);
    }
    assert_eq!(buyer.holdings().await.unwrap().unspent_sat, 8);
    assert_eq!(seller.holdings().await.unwrap().unspent_sat, 56);
}

#[tokio::test(flavor = "multi_thread")]
async fn ecash_follows_the_mint_to_a_new_address() {
    let place = Place::new().await;
    let mut buyer = funded(&place, "buyer", 64).await;
    buyer.follow_mint("http://127.0.0.1:2/mint").await.unwrap();
    assert_eq!(buyer.mint_url(), "http://127.0.0.1:2/mint");
    assert_eq!(buyer.holdings().await.unwrap().unspent_sat, 64);
    let token = buyer.issue(5).await.unwrap().token.clone();
    let seller = place.wallet("seller").await;
    // The seller knows the mint by its old address only.
    assert_eq!(
        seller.redeem(&token).await.unwrap_err().code(),
        "ecash_malformed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_wait_are_swapped_together_and_each_has_its_own_fate() {
    // Which of them wait for others is up to the machine: on a busy one each may find nobody.
    let mut swaps = 4;
    for _ in 0..20 {
        swaps = swaps.min(swaps_of_four_and_a_spent_one().await);
        if swaps < 4 {
            break;
        }
    }
    assert!(swaps < 4, "none was ever swapped with another");
}

async fn swaps_of_four_and_a_spent_one() -> u32 {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 64).await;
    let seller = place.wallet("seller").await;
    let mut tokens = Vec::new();
    for sat in [1, 7, 20, 3, 5] {
        tokens.push(buyer.issue(sat).await.unwrap().token.clone());
    }
    let thief = place.wallet("thief").await;
    thief.redeem(&tokens[2]).await.unwrap();
    let redeemed = futures::future::join_all(tokens.iter().map(|token| seller.redeem(token))).await;
    let codes = redeemed
        .into_iter()
        .map(|one| one.map_err(|error| error.code()));
    let expected = [Ok(1), Ok(7), Err("ecash_spent"), Ok(3), Ok(5)];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    for (token, expected) in tokens.iter().zip(expected) {
        let outcome = expected.map_or(Redemption::None, |amount_sat| Redemption::Done {
            amount_sat,
        });
        assert_eq!(seller.redemption(token).await.unwrap(), outcome);
    }
    assert_eq!(seller.holdings().await.unwrap().unspent_sat, 16);
    let db = rusqlite::Connection::open(place.dir.path().join("seller.db")).unwrap();
    let sql = "SELECT count(*) FROM transactions";
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_spoils_no_others() {
    let place = Place::new().await;
    let buyer = funded(&place, "buyer", 64).await;
    let seller = place.wallet("seller").await;
    let forger = Place::new().await;
    let mint = EmbeddedMint::play(&forger.dir.path().join("forged.db"), &[9; 64], MINT_URL)
        .await
        .unwrap();
    let crook = open(forger.dir.path(), "crook", &mint).await;
    let quote = crook.quote_funding(10).await.unwrap().id;
    crook.fund(&quote).await.unwrap();
    let mut tokens = vec![buyer.issue(1).await.unwrap().token.clone()];
    tokens.push(crook.issue(10).await.unwrap().token.clone());
    tokens.push(buyer.issue(2).await.unwrap().token.clone());
    tokens.push(buyer.issue(4).await.unwrap().token.clone());
    let redeemed = futures::future::join_all(tokens.iter().map(|token| seller.redeem(token))).await;
    let codes = redeemed
        .into_iter()
        .map(|one| one.map_err(|error| error.code()));
    let expected = [Ok(1), Err("ecash_invalid"), Ok(2), Ok(4)];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    assert_eq!(seller.holdings().await.unwrap().unspent_sat, 7);
}
