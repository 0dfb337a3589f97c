//! The client's side: an outcome that isn't known is called so.

use std::time::Duration;

use wallet::nwc::{ConnectionUri, LookedUp, NwcWallet, PayOutcome};

use crate::purse::{Mood, invoice, preimage};
use crate::world::{LONG, World, clock, relay};

/// Too short for a wallet that ponders, long enough to send.
const SHORT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_unknown_and_looked_up_later() {
    let world = World::new().await;
    let wallet = world.client().await;
    world.purse.set_mood(Mood::Ponders);
    let outcome = wallet
        .pay_invoice(&invoice(1, Some(5_000)), None, SHORT)
        .await
        .unwrap();
    assert_eq!(outcome, PayOutcome::Unknown);
    world.purse.set_mood(Mood::Pays);
    let paid = wallet
        .pay_invoice(&invoice(2, Some(5_000)), None, LONG)
        .await
        .unwrap();
    assert!(matches!(paid, PayOutcome::Paid { .. }));
    let hash = wallet::nwc::InvoiceFacts::read(&invoice(2, None))
        .unwrap()
        .payment_hash;
    let found = wallet.look_up(&hash).await.unwrap();
    let proof = LookedUp::Paid {
        preimage: Some(preimage(2)),
        fees_paid_msat: 1_000,
    };
    assert_eq!(found, proof);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_the_wallets_books_contradict_is_no_failure() {
    let world = World::new().await;
    let wallet = world.client().await;
    world.purse.set_mood(Mood::PaysAndDenies);
    let outcome = wallet
        .pay_invoice(&invoice(1, Some(5_000)), None, LONG)
        .await
        .unwrap();
    let proof = PayOutcome::Paid {
        preimage: preimage(1),
        fees_paid_msat: Some(1_000),
    };
    assert_eq!(outcome, proof);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_preimage_proves_nothing() {
    let world = World::new().await;
    let wallet = world.client().await;
    world.purse.set_mood(Mood::ShowsNoProof);
    let outcome = wallet
        .pay_invoice(&invoice(1, Some(5_000)), None, LONG)
        .await
        .unwrap();
    assert_eq!(outcome, PayOutcome::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_isnt_there_is_not_connected_or_silent() {
    let gone = relay().await;
    let pair = crate::world::pair(vec![gone.url().await]);
    let nobody = NwcWallet::connect(&pair.uri, clock(), SHORT).await;
    assert_eq!(nobody.unwrap_err().code(), "nwc_no_info");
    gone.shutdown();
    drop(gone);
    let away = NwcWallet::connect(&pair.uri, clock(), SHORT).await;
    assert_eq!(away.unwrap_err().code(), "nwc_not_connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_in_no_debug_text() {
    let world = World::new().await;
    let wallet = world.client().await;
    let uri: &ConnectionUri = &world.pair.uri;
    let text = uri.expose();
    let (_, rest) = text.split_once("secret=").unwrap();
    let secret = &rest[..64];
    for shown in [
        format!("{uri:?}"),
        format!("{wallet:?}"),
        format!("{:?}", world.pair.connection),
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
