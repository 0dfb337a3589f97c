//! Coin control: which coins are spent, which are kept, and what they are called.

use wallet::onchain::{HowMuch, OutPoint, SpendRequest};

use crate::world::World;

fn outpoint(text: &str) -> OutPoint {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn named_coins_are_spent_and_no_others() {
    let world = World::new();
    let wallet = world.funded(1, &[10_000, 20_000, 70_000]).await;
    let coins = wallet.coins().await.unwrap();
    let amounts: Vec<u64> = coins.iter().map(|coin| coin.amount_sat).collect();
    assert_eq!(amounts, [70_000, 20_000, 10_000]);
    let chosen = outpoint(&coins[1].outpoint);
    let request = |amount_sat| SpendRequest {
        coins: vec![chosen],
        ..SpendRequest::new(world.elsewhere(), HowMuch::Sat(amount_sat))
    };
    let too_much = wallet
        .send("a", &request(30_000), 2.0, world.now_ms())
        .await;
    assert_eq!(too_much.unwrap_err().code(), "onchain_insufficient");
    let spend = wallet
        .send("b", &request(15_000), 2.0, world.now_ms())
        .await;
    let spend = spend.unwrap();
    let tx = world.chain.transaction(&spend.txid.parse().unwrap());
    let inputs = tx.unwrap().input;
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0].previous_output, chosen);
    // It is spent now, also before there is a block.
    let again = wallet.send("c", &request(1_000), 2.0, world.now_ms()).await;
    assert_eq!(again.unwrap_err().code(), "coin_unknown");

    // All of a coin, and nothing else.
    let all = SpendRequest {
        coins: vec![outpoint(&coins[2].outpoint)],
        ..SpendRequest::new(world.elsewhere(), HowMuch::All)
    };
    let spend = wallet.send("d", &all, 2.0, world.now_ms()).await.unwrap();
    assert_eq!(spend.amount_sat + spend.fee_sat, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_coin_stays_also_after_a_restart() {
    let world = World::new();
    let wallet = world.funded(1, &[40_000, 60_000]).await;
    let coins = wallet.coins().await.unwrap();
    let large = outpoint(&coins[0].outpoint);
    wallet.freeze(large, true).await.unwrap();
    let unknown = OutPoint { vout: 77, ..large };
    let refusal = wallet.freeze(unknown, true).await.unwrap_err();
    assert_eq!(refusal.code(), "coin_unknown");
    drop(wallet);

    let wallet = world.wallet(1).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!(
        (balance.confirmed_sat, balance.frozen_sat),
        (40_000, 60_000)
    );
    assert!(wallet.coins().await.unwrap()[0].is_frozen);
    let refusal = world.send(&wallet, "a", HowMuch::Sat(50_000)).await;
    assert_eq!(refusal.unwrap_err().code(), "onchain_insufficient");
    let named = SpendRequest {
        coins: vec![large],
        ..SpendRequest::new(world.elsewhere(), HowMuch::Sat(50_000))
    };
    let refusal = wallet.send("b", &named, 2.0, world.now_ms()).await;
    assert_eq!(refusal.unwrap_err().code(), "coin_frozen");
    let all = world.send(&wallet, "all", HowMuch::All).await.unwrap();
    assert_eq!(all.amount_sat + all.fee_sat, 40_000);

    wallet.freeze(large, false).await.unwrap();
    wallet.send("b", &named, 2.0, world.now_ms()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_coins_and_transactions_have_labels() {
    let world = World::new();
    let wallet = world.wallet(1).await;
    let address = wallet.address().await.unwrap().address;
    wallet.set_label(&address, "from Ada").await.unwrap();
    assert_eq!(
        wallet.address().await.unwrap().label.as_deref(),
        Some("from Ada")
    );
    let txid = world.pay(&wallet, 10_000).await.to_string();
    let label = async || wallet.coins().await.unwrap()[0].label.clone();
    assert_eq!(label().await.as_deref(), Some("from Ada"));
    let coin = wallet.coins().await.unwrap()[0].outpoint.clone();
    wallet.set_label(&coin, "for the roof").await.unwrap();
    assert_eq!(label().await.as_deref(), Some("for the roof"));
    wallet.set_label(&coin, "").await.unwrap();
    assert_eq!(label().await.as_deref(), Some("from Ada"));
    wallet.set_label(&txid, "a gift").await.unwrap();
    let history = wallet.history(5).await.unwrap();
    assert_eq!(history[0].label.as_deref(), Some("a gift"));
    let none = wallet.set_label("nonsense", "x").await.unwrap_err();
    assert_eq!(none.code(), "address_invalid");
    let long = wallet.set_label(&coin, &"x".repeat(201)).await.unwrap_err();
    assert_eq!(long.code(), "label_invalid");
    let addresses = wallet.addresses(10).await.unwrap();
    assert_eq!(addresses[0].address, address);
    assert!(addresses[0].is_used);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_mined_by_us_is_spendable_when_it_is_old_enough() {
    let world = World::new();
    let wallet = world.wallet(1).await;
    let address = wallet.address().await.unwrap().address;
    world
        .chain
        .mine_to(crate::world::read(&address), 1)
        .unwrap();
    world.sync(&wallet).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.confirmed_sat, 0);
    assert!(balance.immature_sat > 0);
    world.chain.mine(99).unwrap();
    world.sync(&wallet).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.immature_sat, 0);
    world
        .send(&wallet, "a", HowMuch::Sat(100_000))
        .await
        .unwrap();
}
