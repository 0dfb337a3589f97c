//! Ecash of a mint elsewhere: what is there comes back, whatever the backup knew.

use serde_json::Value;

use crate::common::{Home, Node};
use crate::recovery::house::{folder, phrase, seller, typed_ok, wipe};

const PRICE_SAT: u64 = 7;

struct World {
    mint: Node,
    home: Home,
    goods: String,
}

impl World {
    async fn new() -> Self {
        let mint = Node::start(&Home::without_model()).await;
        let toml = format!("mint_url = '{}/mint'", mint.url());
        let home = Home::without_model_on("play", &toml);
        home.json(&["purse", "new", "scout", "--per-payment-sat", "20"]);
        home.json(&["purse", "fund", "scout", "--sat", "200"]);
        let goods = seller(&mint.url(), PRICE_SAT).await;
        Self { mint, home, goods }
    }

    fn buy(&self) {
        let bought = self.home.ok(&["fetch", &self.goods, "--purse", "scout"]);
        assert_eq!(bought, "goods");
    }

    fn held_sat(&self) -> u64 {
        self.home.json(&["ledger", "check"])["ecash_held_sat"]
            .as_u64()
            .unwrap()
    }

    fn scout(&self) -> Value {
        self.home.json(&["purse", "show", "scout"])
    }

    fn backup(&self, name: &str) -> String {
        let path = self.home.scratch().join(name).to_str().unwrap().to_owned();
        let written = self.home.json(&["backup", &path]);
        assert_eq!(written["path"], *path);
        path
    }

    fn transfers(&self) -> Vec<Value> {
        let transfers = self.home.json(&["ledger", "list", "--limit", "100"]);
        transfers.as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_backup_and_the_phrase_alone_bring_back_what_is_there() {
    let world = World::new().await;
    world.buy();
    let words = phrase(&world.home);
    let early = world.backup("early.age");
    world.buy();
    world.buy();
    let held_sat = world.held_sat();
    assert_eq!(held_sat, 200 - 3 * PRICE_SAT);

    // From the phrase alone: the ecash, and nothing of the books.
    wipe(&folder(&world.home, "play"), &[]);
    let restored = typed_ok(&world.home, &["restore", "--phrase-only"], &words);
    assert_eq!(restored["ecash"]["purses_sat"], held_sat, "{restored:#}");
    assert_eq!(restored["ecash"]["corrections"]["recovered_sat"], held_sat);
    assert!(!restored["gone"].as_array().unwrap().is_empty());
    let status = world.home.json(&["status"]);
    assert_eq!(status["owner_sat"], held_sat);
    assert_eq!(status["backup"]["is_phrase_confirmed"], true);
    world.home.assert_ledger_sound();
    assert_eq!(phrase(&world.home), words);

    // The disk dies again. The backup doesn't know of two payments.
    wipe(&folder(&world.home, "play"), &[]);
    let restored = typed_ok(&world.home, &["restore", &early], &words);
    assert_eq!(restored["ecash"]["purses_sat"], held_sat, "{restored:#}");
    assert_eq!(restored["ecash"]["corrections"]["lost_sat"], 2 * PRICE_SAT);
    world.home.assert_ledger_sound();
    assert_eq!(world.held_sat(), held_sat);
    let scout = world.scout();
    assert_eq!(scout["balance_sat"], held_sat, "{scout}");
    // What is missing isn't the purse's spending.
    assert_eq!(scout["spent_total_sat"], PRICE_SAT, "{scout}");
    let lost = world
        .transfers()
        .into_iter()
        .find(|transfer| transfer["id"].as_str().unwrap().ends_with(":lost"));
    assert_eq!(lost.unwrap()["amount_msat"], 2 * PRICE_SAT * 1_000);

    // And it goes on: new secrets are new.
    for _ in 0..3 {
        world.buy();
    }
    world.home.assert_ledger_sound();
    assert_eq!(world.held_sat(), held_sat - 3 * PRICE_SAT);
    drop(world.mint);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_mint_is_away_nothing_is_spent_and_it_goes_on_when_it_is_back() {
    let world = World::new().await;
    world.buy();
    let words = phrase(&world.home);
    let backup = world.backup("house.age");
    wipe(&folder(&world.home, "play"), &[]);
    world.mint.kill9();
    let restored = typed_ok(&world.home, &["restore", &backup], &words);
    assert!(
        restored["ecash"].is_null() && restored["trouble"].is_string(),
        "{restored:#}"
    );
    let (_, error) = world.home.error(&["purse", "fund", "scout", "--sat", "5"]);
    assert_eq!(error["error"]["code"], "ecash_restoring");
    world.mint.restart().await;
    let view = world.home.json(&["restore", "status"]);
    let ecash = &view["restore"]["progress"]["ecash"];
    assert_eq!(ecash["purses_sat"], 200 - PRICE_SAT, "{view:#}");
    world.home.assert_ledger_sound();
    world.buy();
    world.home.assert_ledger_sound();
}
