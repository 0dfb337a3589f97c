//! Every method, there and back.

use nostr_sdk::{Filter, Kind, TagKind};
use serde_json::json;
use wallet::nwc::{
    Encryption, ErrorCode, ListTransactions, LookedUp, MakeInvoice, Method, NotificationKind,
    PayOutcome, TransactionState, TransactionType,
};

use crate::purse::{Mood, invoice, preimage};
use crate::someone::{Odd, Someone};
use crate::world::{LONG, World, connect, pair};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_asks_for_everything() {
    let world = World::new().await;
    let wallet = world.client().await;
    assert_eq!(wallet.encryption(), Encryption::Nip44V2);
    for method in Method::ALL {
        assert!(wallet.can(method), "{method}");
    }

    let info = wallet.info().await.unwrap();
    assert_eq!(info.alias.as_deref(), Some("purse scout"));
    assert_eq!(info.block_height, Some(101));
    assert!(
        info.methods.iter().any(|name| name == "get_budget"),
        "{:?}",
        info.methods
    );
    assert_eq!(wallet.balance_msat().await.unwrap(), 1_000_000);
    let budget = wallet.budget().await.unwrap().unwrap();
    assert_eq!((budget.used_msat, budget.total_msat), (3_000, 10_000));
    assert_eq!(budget.renewal_period, "daily");

    let wanted = MakeInvoice {
        amount_msat: 21_000,
        description: Some("for a good cause".into()),
        ..MakeInvoice::default()
    };
    let made = wallet.make_invoice(wanted).await.unwrap();
    assert_eq!(made.kind, TransactionType::Incoming);
    assert_eq!(made.description.as_deref(), Some("for a good cause"));
    assert_eq!(
        wallet.look_up(&made.payment_hash).await.unwrap(),
        LookedUp::Pending
    );

    let paid = wallet
        .pay_invoice(&invoice(1, Some(50_000)), None, LONG)
        .await
        .unwrap();
    let proof = PayOutcome::Paid {
        preimage: preimage(1),
        fees_paid_msat: Some(1_000),
    };
    assert_eq!(paid, proof);
    assert_eq!(wallet.balance_msat().await.unwrap(), 949_000);
    let unpriced = invoice(2, None);
    assert_eq!(
        wallet
            .pay_invoice(&unpriced, None, LONG)
            .await
            .unwrap_err()
            .code(),
        "invoice_invalid"
    );
    let paid = wallet
        .pay_invoice(&unpriced, Some(7_000), LONG)
        .await
        .unwrap();
    assert!(matches!(paid, PayOutcome::Paid { .. }), "{paid:?}");
    assert_eq!(world.purse.paid()[1].amount_msat, 7_000);

    let settled = wallet.list(ListTransactions::default()).await.unwrap();
    assert_eq!(settled.len(), 2, "an unpaid invoice is left out");
    assert_eq!(settled[0].amount_msat, 7_000, "the newest comes first");
    let query = ListTransactions {
        unpaid: Some(true),
        kind: Some(TransactionType::Incoming),
        ..ListTransactions::default()
    };
    let all = wallet.list(query).await.unwrap();
    assert_eq!(all[0].state(), TransactionState::Pending);
    assert_eq!(
        wallet.look_up(&"00".repeat(32)).await.unwrap(),
        LookedUp::NotFound
    );
    wallet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_paid_without_an_invoice() {
    let world = World::new().await;
    world.client().await.close().await;
    let mut someone = Someone::new(&world.pair.uri).await;
    let params = json!({ "amount": 9_000, "pubkey": "02".repeat(33), "tlv_records": [{"type": 5482373484_u64, "value": "00"}] });
    let keysend = someone.request(&json!({ "method": "pay_keysend", "params": params }));
    let answer = someone.ask(&keysend).await;
    assert_eq!(answer["result"]["preimage"], preimage(0xaa));
    assert_eq!(
        someone.ask(&keysend).await,
        answer,
        "the same event pays once"
    );
    assert_eq!(world.purse.balance_msat(), 991_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_speaks_nip_04() {
    let world = World::new().await;
    world.client().await.close().await;
    let mut someone = Someone::new(&world.pair.uri).await;
    for encryption in [None, Some("nip04")] {
        let odd = Odd {
            encryption,
            ..Odd::default()
        };
        let request = someone.odd_request(&json!({ "method": "get_balance" }), &odd);
        someone.send(&request).await;
        let (event, answer) = someone.hear().await;
        assert!(
            event.content.contains("?iv="),
            "the answer is encrypted as the request was"
        );
        assert_eq!(answer["result_type"], "get_balance");
        assert_eq!(answer["result"]["balance"], 1_000_000);
        assert!(answer["error"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encryption_that_nobody_knows_is_refused_by_name() {
    let world = World::new().await;
    world.client().await.close().await;
    let mut someone = Someone::new(&world.pair.uri).await;
    let odd = Odd {
        encryption: Some("nip99"),
        ..Odd::default()
    };
    let request = someone.odd_request(&json!({ "method": "get_balance" }), &odd);
    let answer = someone.ask(&request).await;
    assert_eq!(answer["error"]["code"], "UNSUPPORTED_ENCRYPTION");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_info_event_says_what_can_be_done_and_how() {
    let mut world = World::new().await;
    world.pair.connection.methods = vec![Method::GetInfo, Method::GetBalance];
    world.restart().await;
    let wallet = world.client().await;
    assert!(wallet.can(Method::GetBalance));

    let client = nostr_sdk::Client::default();
    client.add_relay(&world.pair.uri.relays()[0]).await.unwrap();
    client.connect().await;
    let filter = Filter::new()
        .kind(Kind::WalletConnectInfo)
        .author(world.pair.uri.wallet());
    let found = tokio::time::timeout(LONG, async {
        loop {
            let events = client.fetch_events(filter.clone(), LONG).await.unwrap();
            if let Some(event) = events
                .into_iter()
                .find(|event| !event.content.contains("pay_invoice"))
            {
                return event;
            }
        }
    });
    let info = found.await.unwrap();
    assert_eq!(info.content, "get_info get_balance notifications");
    let tag = |name: &str| {
        info.tags
            .find(TagKind::custom(name))
            .unwrap()
            .content()
            .unwrap()
            .to_owned()
    };
    assert_eq!(tag("encryption"), "nip44_v2 nip04");
    assert_eq!(tag("notifications"), "payment_received payment_sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_may_not_do_is_restricted() {
    let mut world = World::new().await;
    world.pair.connection.methods = vec![Method::GetBalance];
    world.restart().await;
    let wallet = world.client().await;
    assert_eq!(wallet.balance_msat().await.unwrap(), 1_000_000);
    let outcome = wallet
        .pay_invoice(&invoice(1, Some(1_000)), None, LONG)
        .await
        .unwrap();
    assert!(
        matches!(outcome, PayOutcome::Failed(failure) if failure.code == ErrorCode::Restricted)
    );
    assert!(world.purse.paid().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_keep_their_code() {
    let world = World::new().await;
    let wallet = world.client().await;
    let codes = [
        ErrorCode::QuotaExceeded,
        ErrorCode::InsufficientBalance,
        ErrorCode::PaymentFailed,
    ];
    for (number, code) in (10..).zip(codes) {
        world.purse.set_mood(Mood::Refuses(code));
        let outcome = wallet
            .pay_invoice(&invoice(number, Some(1_000)), None, LONG)
            .await
            .unwrap();
        assert!(
            matches!(&outcome, PayOutcome::Failed(failure) if failure.code == code),
            "{outcome:?}"
        );
    }
    let unknown = Someone::new(&world.pair.uri).await;
    let mut someone = unknown;
    let request =
        someone.request(&json!({ "method": "sign_message", "params": { "message": "x" } }));
    let answer = someone.ask(&request).await;
    assert_eq!(answer["error"]["code"], "NOT_IMPLEMENTED");
    assert_eq!(answer["result_type"], "sign_message");
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_told_in_both_encryptions_to_the_wallets_connections_only() {
    let world = World::new().await;
    let (sibling, other) = (
        pair(world.pair.uri.relays().to_vec()),
        pair(world.pair.uri.relays().to_vec()),
    );
    let mut foreign = other.connection.clone();
    foreign.wallet = "another".into();
    let connections = vec![
        world.pair.connection.clone(),
        sibling.connection.clone(),
        foreign,
    ];
    world.service.set_connections(connections).await.unwrap();
    let wallet = world.client().await;
    connect(&sibling.uri).await.close().await;
    let mut listening = Someone::new(&sibling.uri).await;
    let mut stranger = Someone::new(&other.uri).await;

    wallet
        .pay_invoice(&invoice(1, Some(5_000)), None, LONG)
        .await
        .unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (event, json) = listening.hear().await;
        kinds.push(event.kind.as_u16());
        assert_eq!(json["notification_type"], "payment_sent");
        assert_eq!(json["notification"]["preimage"], preimage(1));
        assert_eq!(json["notification"]["type"], "outgoing");
        assert_eq!(
            event.content.contains("?iv="),
            event.kind.as_u16() == 23_196
        );
    }
    kinds.sort_unstable();
    assert_eq!(kinds, [23_196, 23_197]);

    let received = wallet
        .list(ListTransactions::default())
        .await
        .unwrap()
        .remove(0);
    world
        .service
        .notify("scout", NotificationKind::PaymentReceived, received);
    let (_, json) = listening.hear().await;
    assert_eq!(json["notification_type"], "payment_received");
    assert!(stranger.hears_nothing().await);
}
