//! A node's own mint, after a restore: closed to others until its owner opens it.

use crate::common::{Home, Node, Outsider, Pay};
use crate::recovery::house::{folder, phrase, typed_ok, wipe};

#[tokio::test(flavor = "multi_thread")]
async fn a_mint_from_a_backup_deals_with_nobody_until_it_is_opened() {
    let home = Home::without_model();
    let node = Node::start(&home).await;
    home.json(&["purse", "new", "scout"]);
    home.json(&["purse", "fund", "scout", "--sat", "100"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(50).await;
    let early = outsider.token(20).await;
    let words = phrase(&home);
    let backup = home.scratch().join("house.age");
    let backup = backup.to_str().unwrap();
    home.json(&["backup", backup]);
    // Spent after the backup: the mint of the backup doesn't know.
    let somebody = Outsider::at(&node.url()).await;
    assert_eq!(somebody.redeem(&early).await, 20);
    home.json(&["purse", "fund", "scout", "--sat", "30"]);
    node.stop();
    wipe(&folder(&home, "play"), &[]);

    let restored = typed_ok(&home, &["restore", backup], &words);
    assert_eq!(restored["ecash"]["purses_sat"], 100, "{restored:#}");
    home.assert_ledger_sound();
    node.restart().await;
    let refused = node.get("/mint/v1/info", Pay::Nothing).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "mint_closed")
    );
    let cheat = Outsider::at(&node.url()).await;
    assert!(cheat.try_redeem(&early).await.is_err(), "spent twice");
    // The node itself goes on, with secrets that it never used.
    home.json(&["purse", "fund", "scout", "--sat", "40"]);
    assert_eq!(home.json(&["purse", "show", "scout"])["balance_sat"], 140);
    home.assert_ledger_sound();
    assert_eq!(home.json(&["restore", "status"])["is_mint_closed"], true);

    let view = home.json(&["restore", "open-mint"]);
    assert_eq!(view["is_mint_closed"], false);
    assert_eq!(node.get("/mint/v1/info", Pay::Nothing).await.status, 200);
    node.kill9();
    node.restart().await;
    assert_eq!(node.get("/mint/v1/info", Pay::Nothing).await.status, 200);
    home.assert_ledger_sound();
}
