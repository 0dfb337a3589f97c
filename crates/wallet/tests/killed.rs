//! A wallet that dies at any of its writes, and what recovery makes of it: every kill that the
//! database can tell from another is tried, one after the other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::path::PathBuf;

use rusqlite::Connection;
use uuid::Uuid;
use wallet::ecash::{EcashError, EcashWallet, EmbeddedMint, MintAccess, Redemption, TokenFate};

/// Nothing listens there: without the embedded mint, the mint is away.
const MINT_URL: &str = "http://127.0.0.1:1/mint";
/// More than any operation writes.
const WRITES_MAX: u32 = 200;

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

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.db"))
    }

    async fn wallet(&self, name: &str) -> EcashWallet {
        self.wallet_with(name, MintAccess::Embedded(self.mint.clone()))
            .await
    }

    /// As if the mint were down.
    async fn cut_off(&self, name: &str) -> EcashWallet {
        self.wallet_with(name, MintAccess::Http).await
    }

    async fn wallet_with(&self, name: &str, access: MintAccess) -> EcashWallet {
        let mut seed = [0; 64];
        seed[..name.len()].copy_from_slice(name.as_bytes());
        EcashWallet::open(&self.path(name), MINT_URL, seed, access)
            .await
            .unwrap()
    }

    /// A wallet with these proofs.
    async fn funded(&self, name: &str, amounts: &[u64]) -> EcashWallet {
        let wallet = self.wallet(name).await;
        for amount in amounts {
            let quote = wallet.quote_funding(*amount).await.unwrap().id;
            wallet.fund(&quote).await.unwrap();
        }
        wallet
    }

    /// From now on the wallet's database takes so many writes, and then none any more: what
    /// is in it then is what a process leaves behind that dies there.
    fn dies_after(&self, name: &str, writes: u32) {
        let db = Connection::open(self.path(name)).unwrap();
        db.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS writes (remaining INTEGER NOT NULL);
             DELETE FROM writes; INSERT INTO writes VALUES ({writes});"
        ))
        .unwrap();
        for table in tables(&db) {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                db.execute_batch(&format!(
                    "CREATE TRIGGER dead_{table}_{event} BEFORE {event} ON {table} BEGIN
                       UPDATE writes SET remaining = remaining - 1;
                       SELECT RAISE(ABORT, 'dead') WHERE (SELECT remaining FROM writes) < 0;
                     END;"
                ))
                .unwrap();
            }
        }
    }

    /// The end of [`Self::dies_after`]; whether it has died meanwhile.
    fn lives_again(&self, name: &str) -> bool {
        let db = Connection::open(self.path(name)).unwrap();
        for table in tables(&db) {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                db.execute_batch(&format!("DROP TRIGGER dead_{table}_{event};"))
                    .unwrap();
            }
        }
        // A refused write's own count is undone with it.
        let sql = "SELECT remaining FROM writes";
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 0
    }
}

fn tables(db: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_master
               WHERE type = 'table' AND name NOT IN ('writes', 'sqlite_sequence')";
    let mut statement = db.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.collect::<Result<_, _>>().unwrap()
}

async fn recover(wallet: &EcashWallet, recorded: &[Uuid]) -> Result<bool, EcashError> {
    let recorded = HashSet::from_iter(recorded.iter().copied());
    wallet.recovery().await.run(&recorded).await
}

async fn sats(wallet: &EcashWallet) -> (u64, u64) {
    let holdings = wallet.holdings().await.unwrap();
    (holdings.unspent_sat, holdings.in_flight_sat)
}

/// All of the wallet's money must be real.
async fn spend_all(place: &Place, wallet: &EcashWallet, amount_sat: u64) {
    let token = wallet.issue(amount_sat).await.unwrap();
    let receiver = place.wallet("receiver").await;
    assert_eq!(receiver.redeem(&token.token).await.unwrap(), amount_sat);
}

/// Proofs of which 16 sat were sent already and 32 sat can't be sent as they are: they are
/// swapped for the next token, all of them.
async fn about_to_swap(place: &Place) -> (EcashWallet, Uuid) {
    let buyer = place.funded("buyer", &[64]).await;
    let sent = buyer.issue(16).await.unwrap().operation;
    (buyer, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_being_made_comes_back() {
    let mut writes = 0;
    loop {
        let place = Place::new().await;
        let (buyer, sent) = about_to_swap(&place).await;
        place.dies_after("buyer", writes);
        let issued = buyer.issue(32).await.is_ok();
        drop(buyer);
        let died = place.lives_again("buyer");

        // The mint is away at first.
        let buyer = place.cut_off("buyer").await;
        recover(&buyer, &[sent]).await.unwrap();
        drop(buyer);
        let buyer = place.wallet("buyer").await;
        recover(&buyer, &[sent]).await.unwrap();
        assert_eq!(sats(&buyer).await, (48, 16), "after {writes} writes");
        spend_all(&place, &buyer, 48).await;
        if issued && !died {
            break;
        }
        writes += 1;
    }
    assert!((20..WRITES_MAX).contains(&writes), "{writes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_dies_loses_nothing() {
    let mut rng = 7_u32;
    for writes in 10..40 {
        let place = Place::new().await;
        let (buyer, sent) = about_to_swap(&place).await;
        place.dies_after("buyer", writes);
        let _ = buyer.issue(32).await;
        drop(buyer);
        place.lives_again("buyer");
        for _ in 0..4 {
            rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let buyer = place.wallet("buyer").await;
            place.dies_after("buyer", (rng >> 16) % 12);
            let _ = recover(&buyer, &[sent]).await;
            drop(buyer);
            place.lives_again("buyer");
        }
        let buyer = place.wallet("buyer").await;
        recover(&buyer, &[sent]).await.unwrap();
        assert_eq!(sats(&buyer).await, (48, 16), "after {writes} writes");
        spend_all(&place, &buyer, 48).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_token_is_as_good_after_a_restart() {
    let place = Place::new().await;
    let (buyer, sent) = about_to_swap(&place).await;
    let issued = buyer.issue(32).await.unwrap();
    let (operation, token) = (issued.operation, issued.token.clone());
    drop((issued, buyer));
    let buyer = place.wallet("buyer").await;
    assert!(recover(&buyer, &[sent, operation]).await.unwrap());
    assert_eq!(buyer.fate(operation).await.unwrap(), TokenFate::Outstanding);
    assert_eq!(sats(&buyer).await, (16, 48));
    let seller = place.wallet("seller").await;
    assert_eq!(seller.redeem(&token).await.unwrap(), 32);
    assert!(recover(&buyer, &[sent, operation]).await.unwrap());
    assert_eq!(buyer.fate(operation).await.unwrap(), TokenFate::Claimed);
    assert_eq!(sats(&buyer).await, (16, 16));
}

/// What a wallet does that was about to take a token back when it died.
enum Then {
    /// It comes back by itself.
    Nothing,
    /// The recipient redeems meanwhile, if that still goes.
    Redeemed,
    /// It had noted already that its swap failed, while the mint did it.
    Misnoted,
}

async fn dies_taking_back(then: Then) -> u32 {
    let mut writes = 0;
    loop {
        let place = Place::new().await;
        let (buyer, sent) = about_to_swap(&place).await;
        let issued = buyer.issue(32).await.unwrap();
        let (operation, token) = (issued.operation, issued.token.clone());
        drop(issued);
        place.dies_after("buyer", writes);
        let taken = buyer.take_back(operation).await.is_ok();
        drop(buyer);
        let died = place.lives_again("buyer");
        let mut seller_sat = 0;
        match then {
            Then::Nothing => {}
            Then::Redeemed => {
                let seller = place.wallet("seller").await;
                seller_sat = seller.redeem(&token).await.unwrap_or(0);
            }
            Then::Misnoted => {
                let db = Connection::open(place.path("buyer")).unwrap();
                let sql = "UPDATE wallet_sagas SET state = replace(state, 'rolling_back', 'token_created')
                           WHERE EXISTS (SELECT 1 FROM wallet_sagas WHERE kind = 'swap')";
                db.execute(sql, []).unwrap();
            }
        }
        let buyer = place.wallet("buyer").await;
        recover(&buyer, &[sent, operation]).await.unwrap();
        let fate = loop {
            match buyer.take_back(operation).await {
                Ok(fate) => break fate,
                // A swap that the mint never got: it must wait for a while.
                Err(error) => {
                    assert!(error.is_unknown(), "after {writes} writes: {error}");
                    age_operations(&place);
                    recover(&buyer, &[sent, operation]).await.unwrap();
                }
            }
        };
        let (expected, sat) = match seller_sat {
            0 => (TokenFate::TakenBack, 48),
            _ => (TokenFate::Claimed, 16),
        };
        assert_eq!(fate, expected, "after {writes} writes");
        assert_eq!(sats(&buyer).await, (sat, 16), "after {writes} writes");
        spend_all(&place, &buyer, sat).await;
        if taken && !died {
            return writes;
        }
        writes += 1;
    }
}

/// As if everything that isn't over had begun a minute earlier.
fn age_operations(place: &Place) {
    let db = Connection::open(place.path("buyer")).unwrap();
    let sql = "UPDATE wallet_sagas SET created_at = created_at - 60";
    db.execute(sql, []).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_being_taken_back_is_ours() {
    assert!(dies_taking_back(Then::Nothing).await > 10);
    assert!(dies_taking_back(Then::Misnoted).await > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_recipient_got_first_is_not_ours() {
    assert!(dies_taking_back(Then::Redeemed).await > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_being_redeemed_is_ours() {
    let mut writes = 0;
    loop {
        let place = Place::new().await;
        let (buyer, _) = about_to_swap(&place).await;
        let token = buyer.issue(32).await.unwrap().token.clone();
        let seller = place.wallet("seller").await;
        place.dies_after("seller", writes);
        let redeemed = seller.redeem(&token).await.is_ok();
        drop(seller);
        let died = place.lives_again("seller");
        let seller = place.wallet("seller").await;
        assert!(recover(&seller, &[]).await.unwrap());
        let _ = seller.redeem(&token).await;
        let done = Redemption::Done { amount_sat: 32 };
        assert_eq!(seller.redemption(&token).await.unwrap(), done, "{writes}");
        assert_eq!(sats(&seller).await, (32, 0), "after {writes} writes");
        spend_all(&place, &seller, 32).await;
        if redeemed && !died {
            break;
        }
        writes += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_the_mint_is_still_at_is_waited_for() {
    let mut writes = 0;
    loop {
        let mut place = Place::new().await;
        let (buyer, _) = about_to_swap(&place).await;
        let token = buyer.issue(32).await.unwrap().token.clone();
        let seller = place.wallet("seller").await;
        place.dies_after("mint", writes);
        let redeemed = seller.redeem(&token).await.is_ok();
        drop(seller);
        let seller = place.wallet("seller").await;
        let done = Redemption::Done { amount_sat: 32 };
        if recover(&seller, &[]).await.unwrap() {
            assert_eq!(seller.redemption(&token).await.unwrap(), done, "{writes}");
        } else {
            let unknown = Redemption::Unknown;
            assert_eq!(
                seller.redemption(&token).await.unwrap(),
                unknown,
                "{writes}"
            );
        }
        drop(seller);

        // The mint gets on with it.
        let died = place.lives_again("mint");
        place.mint.stop().await;
        place.mint = EmbeddedMint::play(&place.path("mint"), &[1; 64], MINT_URL)
            .await
            .unwrap();
        let seller = place.wallet("seller").await;
        assert!(recover(&seller, &[]).await.unwrap(), "{writes}");
        assert_eq!(seller.redemption(&token).await.unwrap(), done, "{writes}");
        assert_eq!(sats(&seller).await, (32, 0), "after {writes} writes");
        spend_all(&place, &seller, 32).await;
        if redeemed && !died {
            break;
        }
        writes += 1;
    }
    assert!(writes > 3, "{writes}");
}

/// Redeems three tokens at once, which makes one swap and then one of two, and dies after so many writes. If `is_stolen`,
/// somebody else tries to redeem the last one before the wallet is back. True if it didn't die.
async fn dies_redeeming_together(writes: u32, is_stolen: bool) -> bool {
    let place = Place::new().await;
    let buyer = place.funded("buyer", &[8, 16, 32]).await;
    let mut tokens = Vec::new();
    for sat in [8, 16, 32] {
        tokens.push((buyer.issue(sat).await.unwrap().token.clone(), sat));
    }
    let seller = place.wallet("seller").await;
    place.dies_after("seller", writes);
    let redemptions = tokens.iter().map(|(token, _)| seller.redeem(token));
    let redeemed = futures::future::join_all(redemptions).await;
    drop(seller);
    let died = place.lives_again("seller");
    let thief = place.wallet("thief").await;
    let stolen = is_stolen && thief.redeem(&tokens[2].0).await.is_ok();

    let seller = place.wallet("seller").await;
    assert!(recover(&seller, &[]).await.unwrap(), "{writes}");
    let mut expected_sat = 56;
    for (token, amount_sat) in tokens {
        let _ = seller.redeem(&token).await;
        let outcome = seller.redemption(&token).await.unwrap();
        if stolen && amount_sat == 32 {
            expected_sat -= 32;
            let is_theirs = matches!(outcome, Redemption::None | Redemption::Lost);
            assert!(is_theirs, "{outcome:?} after {writes} writes");
        } else {
            assert_eq!(outcome, Redemption::Done { amount_sat }, "{writes}");
        }
    }
    assert_eq!(sats(&seller).await, (expected_sat, 0), "{writes}");
    spend_all(&place, &seller, expected_sat).await;
    redeemed.iter().all(Result::is_ok) && !died
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_were_being_redeemed_together_are_ours_one_by_one() {
    let mut writes = 0;
    while !dies_redeeming_together(writes, false).await {
        writes += 1;
    }
    assert!(writes > 20, "{writes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_stolen_from_several_takes_none_of_them_along() {
    let mut writes = 0;
    while !dies_redeeming_together(writes, true).await {
        writes += 1;
    }
    assert!(writes > 20, "{writes}");
}
