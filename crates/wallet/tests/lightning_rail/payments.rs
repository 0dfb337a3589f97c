//! Invoices, offers, hold invoices, keysend, fee limits and just-in-time channels.

use sha2::{Digest as _, Sha256};
use wallet::lightning::{
    Event, JitTerms, LspAddress, PayRequest, Payable, PaymentId, PaymentStatus, Preimage,
};

use crate::support::{
    PATIENCE, World, address, asking, at_rest, invoice, next, open, pay, request, succeeded,
    total_msat, until, usable,
};

const AMOUNT_MSAT: u64 = 20_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn invoices_are_paid_once_in_both_directions() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let total_msat = total_msat([&alice, &bob]).await;
    for (payer, payee) in [(&alice, &bob), (&bob, &alice)] {
        let mut events = payee.events();
        let invoice = invoice(payee, AMOUNT_MSAT).await;
        let before_msat = at_rest(payer, payee, total_msat).await;
        // Several at once, and once more afterwards.
        let tries = (0..4).map(|_| {
            let (payer, text) = (payer.clone(), invoice.text.clone());
            tokio::spawn(async move { pay(&payer, request(&text)).await })
        });
        for payment in tries.collect::<Vec<_>>() {
            assert!(succeeded(&payment.await.unwrap()));
        }
        let payment = pay(payer, request(&invoice.text)).await;
        let PaymentStatus::Succeeded { preimage, fee_msat } = payment.status else {
            panic!("{payment:?}")
        };
        assert_eq!(fee_msat, 0);
        let hash = PaymentId(Sha256::digest(preimage.unwrap().0).into());
        assert_eq!(hash, invoice.payment_hash);
        let received = Event::PaymentReceived {
            id: hash,
            amount_msat: AMOUNT_MSAT,
        };
        assert_eq!(next(&mut events).await, received);
        let theirs = payee.payment(hash).await.unwrap().unwrap();
        assert!(succeeded(&theirs));
        let after_msat = at_rest(payer, payee, total_msat).await;
        assert_eq!(before_msat - after_msat, AMOUNT_MSAT);
    }
    // Another amount for the same invoice is another payment.
    let open = alice.invoice(wallet::lightning::InvoiceRequest {
        amount_msat: None,
        ..asking(0)
    });
    let open = open.await.unwrap();
    let with = |amount_msat| PayRequest {
        amount_msat: Some(amount_msat),
        ..request(&open.text)
    };
    assert!(succeeded(&pay(&bob, with(3_000)).await));
    let refused = bob.pay(with(4_000)).await.unwrap_err();
    assert_eq!(refused.code(), "idempotency_conflict");
    let missing = bob.pay(request(&open.text)).await.unwrap_err();
    assert_eq!(missing.code(), "amount_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_paid_once_for_each_name() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let total_msat = total_msat([&alice, &bob]).await;
    for (payer, payee) in [(&alice, &bob), (&bob, &alice)] {
        let offer = payee.offer(Some(AMOUNT_MSAT), "coffee".into(), None);
        let offer = offer.await.unwrap();
        let named = |name: u8| PayRequest {
            offer_payment_id: Some(PaymentId([name; 32])),
            ..request(&offer)
        };
        let before_msat = at_rest(payer, payee, total_msat).await;
        for name in [1, 1, 2, 1] {
            let payment = pay(payer, named(name)).await;
            assert!(succeeded(&payment), "{payment:?}");
            assert_eq!(payment.id, PaymentId([name; 32]));
        }
        let after_msat = at_rest(payer, payee, total_msat).await;
        assert_eq!(before_msat - after_msat, 2 * AMOUNT_MSAT);
        let nameless = payer.pay(request(&offer)).await.unwrap_err();
        assert_eq!(nameless.code(), "lightning_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_held_until_it_is_claimed_or_failed() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    for is_claimed in [true, false] {
        let preimage = Preimage([u8::from(is_claimed); 32]);
        let hash = PaymentId(Sha256::digest(preimage.0).into());
        let mut events = bob.events();
        let held = bob.hold_invoice(hash, asking(AMOUNT_MSAT)).await.unwrap();
        let id = alice.pay(request(&held.text)).await.unwrap();
        let (claimable, amount_msat, deadline_height) = loop {
            if let Event::PaymentClaimable {
                id,
                amount_msat,
                deadline_height: Some(deadline_height),
            } = next(&mut events).await
            {
                break (id, amount_msat, deadline_height);
            }
        };
        assert_eq!((claimable, amount_msat), (hash, AMOUNT_MSAT));
        assert!(deadline_height > world.chain.tip().height);
        let pending = alice.payment(id).await.unwrap().unwrap();
        assert_eq!(pending.status, PaymentStatus::Pending);
        if is_claimed {
            assert_eq!(bob.claim_hold(preimage, amount_msat).await.unwrap(), hash);
        } else {
            bob.fail_hold(hash).await.unwrap();
        }
        let settled = alice.wait_payment(id, PATIENCE).await.unwrap();
        assert_eq!(succeeded(&settled), is_claimed, "{settled:?}");
        if !is_claimed {
            let reason = "recipient_rejected".into();
            assert_eq!(settled.status, PaymentStatus::Failed { reason });
        }
    }
    let stranger = bob.claim_hold(Preimage([9; 32]), 1).await.unwrap_err();
    assert_eq!(stranger.code(), "lightning_payment_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn keysend_pays_once_for_each_preimage() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let total_msat = total_msat([&alice, &bob]).await;
    let before_msat = at_rest(&alice, &bob, total_msat).await;
    for _ in 0..2 {
        let preimage = Preimage([3; 32]);
        let sent = alice.keysend(bob.node_id(), AMOUNT_MSAT, 0, preimage);
        let id = sent.await.unwrap();
        let payment = alice.wait_payment(id, PATIENCE).await.unwrap();
        assert!(succeeded(&payment), "{payment:?}");
    }
    let after_msat = at_rest(&alice, &bob, total_msat).await;
    assert_eq!(before_msat - after_msat, AMOUNT_MSAT);
    let too_much = alice.keysend(bob.node_id(), 900_000_000, 0, Preimage([4; 32]));
    let too_much = too_much.await.unwrap_err();
    assert_eq!(too_much.code(), "lightning_insufficient");
    // What failed may be tried anew, with what there is.
    let enough = alice.keysend(bob.node_id(), 1_000_000, 0, Preimage([4; 32]));
    let payment = alice.wait_payment(enough.await.unwrap(), PATIENCE).await;
    assert!(succeeded(&payment.unwrap()));
}

/// Alice pays Carol through Lucy, who sells Carol a channel when the payment comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_bought_just_in_time_and_fees_are_limited() {
    let world = World::new();
    let mut config = world.config("lucy");
    config.jit_service = Some(JitTerms::default());
    let lucy = open(config).await;
    world.fund(&lucy).await;
    let alice = world.node("alice").await;
    world.channel(&alice, &lucy).await;
    let mut config = world.config("carol");
    config.lsp = Some(LspAddress {
        node_id: lucy.node_id(),
        address: address(&lucy),
        token: None,
    });
    let carol = open(config).await;

    let refused = carol.invoice_jit(asking(AMOUNT_MSAT), 1_000).await;
    assert_eq!(refused.unwrap_err().code(), "lightning_liquidity");
    let bought = carol.invoice_jit(asking(AMOUNT_MSAT), 2_000_000).await;
    let mut events = carol.events();
    let payment = pay(&alice, request(&bought.unwrap().text)).await;
    assert!(succeeded(&payment), "{payment:?}");
    let fee_msat = JitTerms::default().fee_min_msat;
    loop {
        if let Event::PaymentReceived { amount_msat, .. } = next(&mut events).await {
            assert_eq!(amount_msat, AMOUNT_MSAT - fee_msat);
            break;
        }
    }
    usable(&carol, &lucy).await;

    // The seller sends the channel's transaction once it has its fee.
    until("the channel is sent", || async {
        !world.chain.mempool_txids().is_empty()
    })
    .await;

    // Through a channel that was opened as usual, the way costs what the seller asks for it.
    let dave = world.node("dave").await;
    world.fund(&lucy).await;
    world.channel(&lucy, &dave).await;
    let text = invoice(&dave, AMOUNT_MSAT).await.text;
    let limited = |fee_max_msat| PayRequest {
        fee_max_msat,
        ..request(&text)
    };
    let refused = alice.pay(limited(500)).await.unwrap_err();
    assert_eq!(refused.code(), "lightning_no_route");
    let status = alice.payment(limited(0).what.payment_id().unwrap()).await;
    let reason = "lightning_no_route".into();
    assert_eq!(
        status.unwrap().unwrap().status,
        PaymentStatus::Failed { reason }
    );
    let paid = pay(&alice, limited(10_000)).await;
    let PaymentStatus::Succeeded { fee_msat, .. } = paid.status else {
        panic!("{paid:?}")
    };
    assert!((501..=10_000).contains(&fee_msat), "{fee_msat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_paid_is_refused() {
    let world = World::new();
    let alice = world.node("alice").await;
    let bob = world.open("bob").await;
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    let refused = alice.pay(request(&text)).await.unwrap_err();
    assert_eq!(refused.code(), "lightning_insufficient");
    let wrong = PayRequest {
        amount_msat: Some(1),
        ..request(&text)
    };
    assert_eq!(alice.pay(wrong).await.unwrap_err().code(), "amount_invalid");
    let old = wallet::lightning::InvoiceRequest {
        expiry_s: 1,
        ..asking(AMOUNT_MSAT)
    };
    let old = bob.invoice(old).await.unwrap();
    let Payable::Bolt11(parsed) = Payable::parse(&old.text).unwrap() else {
        panic!()
    };
    until("it expires", || async { parsed.is_expired() }).await;
    assert_eq!(
        alice.pay(request(&old.text)).await.unwrap_err().code(),
        "invoice_expired"
    );
    let nowhere = alice.connect(bob.node_id(), "127.0.0.1:1").await;
    assert_eq!(nowhere.unwrap_err().code(), "lightning_peer_unreachable");
    let nothing = alice.connect(bob.node_id(), "127.0.0.1").await;
    assert_eq!(nothing.unwrap_err().code(), "lightning_invalid");
    assert_eq!(alice.payment(PaymentId([1; 32])).await.unwrap(), None);
    bob.stop().await;
    let gone = bob.invoice(asking(1_000)).await.unwrap_err();
    assert_eq!(gone.code(), "lightning_not_running");
}
