//! Sessions: the buyer's side against the seller's, and what holds for any order of actions.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/mpp.rs"]
mod mpp;

use std::collections::{BTreeMap, BTreeSet};

use common::{MINT, proof, v4};
use http402::mpp::session::{
    Action, Effect, RefundTo, Reply, Session, SessionEvent, SessionState, Step,
};
use http402::mpp::{
    Challenge, ClientSession, ClientStage, Credential, Error, PaymentHash, RefundStatus, quote,
};
use mpp::{
    DEPOSIT_SAT, NOW_S, UNIT_PRICE_SAT, bolt11, credential, ecash, keys, lightning, open_action,
    preimage, read, session_offer,
};
use proptest::{collection::vec, prelude::*};
use serde_json::json;

/// The token number `n`.
fn token(n: u8) -> String {
    v4(MINT, "sat", &[proof(DEPOSIT_SAT, &format!("secret {n}"))])
}

/// A seller: what is persisted, what was used, and what was given back.
#[derive(Default)]
struct Seller {
    sessions: BTreeMap<PaymentHash, String>,
    used: BTreeSet<String>,
    redeemed: BTreeSet<String>,
    refunds: BTreeMap<PaymentHash, u64>,
}

impl Seller {
    fn load(&self, id: PaymentHash) -> Option<Session> {
        self.sessions
            .get(&id)
            .map(|json| serde_json::from_str(json).unwrap())
    }

    fn save(&mut self, session: &Session) {
        self.sessions
            .insert(session.id(), serde_json::to_string(session).unwrap());
    }

    /// Persists as the effects demand; redemption and refund are left for later.
    fn act(&mut self, action: &Action, key: Option<&str>, now_s: u64) -> Result<Reply, Error> {
        let (session, step) = match self.load(action.session) {
            None => Session::open(action, now_s)?,
            Some(mut session) => {
                let step = session.apply(action, key, now_s)?;
                (session, step)
            }
        };
        self.carry_out(&session, &step)?;
        Ok(step.reply)
    }

    fn carry_out(&mut self, session: &Session, step: &Step) -> Result<(), Error> {
        if let Some(Effect::Consume(deposit)) = step.effects.first()
            && !self.used.insert(deposit.as_str().to_owned())
        {
            return Err(Error::PaymentUsed);
        }
        if step.effects.contains(&Effect::Persist) {
            self.save(session);
        }
        Ok(())
    }

    /// What a restart does: everything that was begun is done, once.
    fn finish(&mut self, id: PaymentHash, succeeds: bool, now_s: u64) {
        let Some(mut session) = self.load(id) else {
            return;
        };
        for effect in session.unfinished() {
            let step = match effect {
                Effect::Redeem { deposit, .. } if succeeds => {
                    // A mint redeems a token once.
                    assert!(
                        self.redeemed.insert(deposit.as_str().to_owned()),
                        "redeemed twice"
                    );
                    session.settled(&deposit, DEPOSIT_SAT, now_s).unwrap()
                }
                Effect::Redeem { deposit, .. } => session.failed(&deposit, now_s).unwrap(),
                Effect::Refund { amount_sat, .. } => {
                    assert!(
                        self.refunds.insert(id, amount_sat).is_none(),
                        "refunded twice"
                    );
                    let status = if succeeds {
                        RefundStatus::Succeeded
                    } else {
                        RefundStatus::Failed
                    };
                    session.refunded(status, None).unwrap()
                }
                Effect::Consume(_) | Effect::Persist => panic!("not to be finished"),
            };
            self.carry_out(&session, &step).unwrap();
        }
    }

    fn check(&self) {
        let mut deposits_sat = 0;
        for id in self.sessions.keys() {
            let session = self.load(*id).unwrap();
            assert_eq!(
                session.spent_sat() + session.rest_sat(),
                session.deposits_sat()
            );
            assert!(session.spent_sat() <= session.deposits_sat());
            deposits_sat += session.deposits_sat();
            if let Some(refund_sat) = self.refunds.get(id) {
                assert_eq!(*refund_sat, session.rest_sat());
                assert_ne!(session.state(), SessionState::Open);
            }
        }
        // Every deposit counts at most once, whatever was done with it.
        let lightning = self
            .used
            .iter()
            .filter(|id| id.starts_with("lightning:"))
            .count();
        assert_eq!(
            deposits_sat,
            (lightning + self.redeemed.len()) as u64 * DEPOSIT_SAT
        );
    }
}

#[derive(Debug, Clone)]
enum Move {
    Open { secret: u8 },
    OpenEcash { secret: u8, token: u8 },
    Bearer { secret: u8, key: Option<u8> },
    Debit { secret: u8, units: u64 },
    TopUp { secret: u8, payment: u8 },
    TopUpEcash { secret: u8, token: u8 },
    Close { secret: u8 },
    Finish { secret: u8, succeeds: bool },
    Pass { seconds: u64 },
}

fn moves() -> impl Strategy<Value = Move> {
    let n = 0..4_u8;
    prop_oneof![
        n.clone().prop_map(|secret| Move::Open { secret }),
        (n.clone(), n.clone()).prop_map(|(secret, token)| Move::OpenEcash { secret, token }),
        (n.clone(), proptest::option::of(n.clone()))
            .prop_map(|(secret, key)| Move::Bearer { secret, key }),
        (n.clone(), 0..12_u64).prop_map(|(secret, units)| Move::Debit { secret, units }),
        (n.clone(), n.clone()).prop_map(|(secret, payment)| Move::TopUp { secret, payment }),
        (n.clone(), n.clone()).prop_map(|(secret, token)| Move::TopUpEcash { secret, token }),
        n.clone().prop_map(|secret| Move::Close { secret }),
        (n, any::<bool>()).prop_map(|(secret, succeeds)| Move::Finish { secret, succeeds }),
        (0..400_u64).prop_map(|seconds| Move::Pass { seconds }),
    ]
}

fn open_ecash_action(secret: u8, n: u8) -> Action {
    read(
        &ecash(),
        json!({ "action": "open", "preimage": preimage(secret), "token": token(n) }),
    )
}

fn own_action(name: &str, secret: u8) -> Action {
    let id = preimage(secret).hash();
    read(
        &lightning(secret),
        json!({ "action": name, "sessionId": id, "preimage": preimage(secret) }),
    )
}

fn top_up_action(secret: u8, payment: u8) -> Action {
    let id = preimage(secret).hash();
    let payload = json!({ "action": "topUp", "sessionId": id, "topUpPreimage": preimage(payment) });
    read(&lightning(payment), payload)
}

fn top_up_ecash_action(secret: u8, n: u8) -> Action {
    let id = preimage(secret).hash();
    read(
        &ecash(),
        json!({ "action": "topUp", "sessionId": id, "token": token(n) }),
    )
}

fn play(seller: &mut Seller, step: &Move, now_s: &mut u64) {
    let (action, key) = match step {
        Move::Open { secret } => (open_action(*secret), None),
        Move::OpenEcash { secret, token } => (open_ecash_action(*secret, *token), None),
        Move::Bearer { secret, key } => (
            own_action("bearer", *secret),
            key.map(|key| key.to_string()),
        ),
        Move::TopUp { secret, payment } => (top_up_action(*secret, *payment), None),
        Move::TopUpEcash { secret, token } => (top_up_ecash_action(*secret, *token), None),
        Move::Close { secret } => (own_action("close", *secret), None),
        Move::Debit { secret, units } => {
            if let Some(mut session) = seller.load(preimage(*secret).hash()) {
                let before = session.clone();
                match session.debit(*units, *now_s) {
                    Ok(()) => assert_eq!(
                        session.rest_sat() + units * UNIT_PRICE_SAT,
                        before.rest_sat()
                    ),
                    Err(_) => assert_eq!(session, before),
                }
                seller.save(&session);
            }
            return;
        }
        Move::Finish { secret, succeeds } => {
            return seller.finish(preimage(*secret).hash(), *succeeds, *now_s);
        }
        Move::Pass { seconds } => {
            *now_s += seconds;
            for id in seller.sessions.keys().copied().collect::<Vec<_>>() {
                let mut session = seller.load(id).unwrap();
                if let Some(step) = session.tick(*now_s) {
                    seller.carry_out(&session, &step).unwrap();
                }
            }
            return;
        }
    };
    // A refusal leaves everything as it was.
    let before = seller.load(action.session);
    if seller.act(&action, key.as_deref(), *now_s).is_err() {
        assert_eq!(seller.load(action.session), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any order of any actions, repeated at will, with time passing and restarts in between.
    #[test]
    fn no_money_is_made_or_lost(steps in vec((moves(), 1..3_usize), 1..60)) {
        let mut seller = Seller::default();
        let mut now_s = NOW_S;
        for (step, times) in steps {
            for _ in 0..times {
                play(&mut seller, &step, &mut now_s);
                seller.check();
            }
        }
    }

    /// The same action twice has the same answer twice, and the second changes nothing.
    #[test]
    fn a_retry_is_harmless(steps in vec(moves(), 1..30), later_s in 0..10_000_u64) {
        let mut seller = Seller::default();
        let mut now_s = NOW_S;
        steps.iter().for_each(|step| play(&mut seller, step, &mut now_s));
        for action in [open_action(0), top_up_action(0, 3), own_action("close", 0)] {
            if let Ok(first) = seller.act(&action, None, now_s) {
                let stored = seller.sessions.clone();
                prop_assert_eq!(seller.act(&action, None, now_s + later_s).unwrap(), first);
                prop_assert_eq!(&seller.sessions, &stored);
            }
        }
    }
}

fn opened() -> (Seller, PaymentHash) {
    let mut seller = Seller::default();
    let reply = seller.act(&open_action(0), None, NOW_S).unwrap();
    assert!(matches!(reply, Reply::Opened(_)), "{reply:?}");
    (seller, preimage(0).hash())
}

/// One payment can't top a session up and open another: the draft has no word about it.
#[test]
fn a_top_up_opens_no_second_session() {
    let (mut seller, id) = opened();
    assert!(matches!(
        seller.act(&top_up_action(0, 1), None, NOW_S),
        Ok(Reply::ToppedUp(_))
    ));
    assert_eq!(seller.load(id).unwrap().deposits_sat(), 2 * DEPOSIT_SAT);
    assert_eq!(
        seller.act(&open_action(1), None, NOW_S),
        Err(Error::PaymentUsed)
    );
    // But a payment that came too late to top up can open.
    assert!(matches!(
        seller.act(&own_action("close", 0), None, NOW_S),
        Ok(Reply::Wait)
    ));
    assert_eq!(
        seller.act(&top_up_action(0, 2), None, NOW_S),
        Err(Error::SessionClosed)
    );
    assert!(matches!(
        seller.act(&open_action(2), None, NOW_S),
        Ok(Reply::Opened(_))
    ));
}

#[test]
fn units_are_taken_until_nothing_is_left() {
    let (mut seller, id) = opened();
    assert!(matches!(
        seller.act(&own_action("bearer", 0), None, NOW_S),
        Ok(Reply::Serve)
    ));
    let mut session = seller.load(id).unwrap();
    for _ in 0..DEPOSIT_SAT / UNIT_PRICE_SAT {
        session.debit(1, NOW_S).unwrap();
    }
    let empty = Error::InsufficientBalance {
        rest_sat: 0,
        required_sat: UNIT_PRICE_SAT,
    };
    assert_eq!(session.debit(1, NOW_S), Err(empty.clone()));
    assert!(session.debit(u64::MAX, NOW_S).is_err());
    seller.save(&session);
    assert_eq!(
        seller.act(&own_action("bearer", 0), None, NOW_S),
        Err(empty)
    );
    let Ok(Reply::Closed(closed)) = seller.act(&own_action("close", 0), None, NOW_S) else {
        panic!("not closed")
    };
    assert_eq!(
        (closed.refund_sat, closed.status),
        (0, RefundStatus::Skipped)
    );
    assert_eq!(closed.receipt.refund_sats, None);
    assert_eq!(
        closed.body().to_string(),
        r#"{"refundSats":0,"refundStatus":"skipped","status":"closed"}"#
    );
}

#[test]
fn a_call_is_served_once_a_key() {
    let (mut seller, _) = opened();
    let mut bearer = |key| seller.act(&own_action("bearer", 0), key, NOW_S);
    assert!(matches!(bearer(Some("a")), Ok(Reply::Serve)));
    assert!(matches!(bearer(Some("a")), Ok(Reply::Repeat)));
    assert!(matches!(bearer(Some("b")), Ok(Reply::Serve)));
    assert!(matches!(bearer(None), Ok(Reply::Serve)));
    assert!(matches!(bearer(None), Ok(Reply::Serve)));
    assert!(bearer(Some(&"k".repeat(129))).is_err());
}

#[test]
fn silence_closes_and_the_owner_learns_what_became_of_the_rest() {
    let (mut seller, id) = opened();
    let mut session = seller.load(id).unwrap();
    session.debit(10, NOW_S + 100).unwrap();
    assert_eq!(session.tick(NOW_S + 399), None);
    let step = session.tick(NOW_S + 400).unwrap();
    let refund = Effect::Refund {
        amount_sat: 30,
        to: RefundTo::Invoice(bolt11(None)),
    };
    assert_eq!(step.effects, [Effect::Persist, refund]);
    assert_eq!(session.state(), SessionState::IdleTimedOut);
    seller.save(&session);
    assert_eq!(
        seller.act(&own_action("bearer", 0), None, NOW_S),
        Err(Error::SessionClosed)
    );
    assert!(matches!(
        seller.act(&own_action("close", 0), None, NOW_S),
        Ok(Reply::Wait)
    ));
    seller.finish(id, true, NOW_S);
    let Ok(Reply::Closed(closed)) = seller.act(&own_action("close", 0), None, NOW_S) else {
        panic!("not closed")
    };
    assert_eq!(
        (closed.refund_sat, closed.status),
        (30, RefundStatus::Succeeded)
    );
}

#[test]
fn a_stranger_can_do_nothing() {
    let refused = |challenge: &Challenge, payload, code: &str| {
        let error = session_offer()
            .read(&keys(), &credential(challenge, payload))
            .unwrap_err();
        assert_eq!(error.code(), code);
    };
    let id = preimage(0).hash();
    for action in ["bearer", "close"] {
        let payload = json!({ "action": action, "sessionId": id, "preimage": preimage(1) });
        refused(&lightning(0), payload, "preimage_invalid");
    }
    let top_up = json!({ "action": "topUp", "sessionId": id, "topUpPreimage": preimage(1) });
    refused(&lightning(2), top_up, "preimage_invalid");
    let token_for_invoice = json!({ "action": "open", "preimage": preimage(0), "token": token(0) });
    refused(&lightning(0), token_for_invoice, "credential_malformed");
    let invoice_for_token =
        json!({ "action": "open", "preimage": preimage(0), "returnInvoice": bolt11(None) });
    refused(&ecash(), invoice_for_token, "credential_malformed");
    let with_amount =
        json!({ "action": "open", "preimage": preimage(0), "returnInvoice": bolt11(Some(5)) });
    refused(&lightning(0), with_amount, "return_invoice_invalid");
    let too_little = v4(MINT, "sat", &[proof(DEPOSIT_SAT - 1, "a")]);
    refused(
        &ecash(),
        json!({ "action": "open", "preimage": preimage(0), "token": too_little }),
        "payment_too_little",
    );
    refused(
        &lightning(0),
        json!({ "action": "steal" }),
        "credential_malformed",
    );
}

fn by_header(client: Option<Credential>) -> Action {
    let header = client.unwrap().to_header();
    session_offer()
        .read(&keys(), &Credential::parse(&header).unwrap())
        .unwrap()
}

/// A crash of the buyer at any point: what was stored goes on.
fn restart(client: &mut ClientSession) {
    *client = serde_json::from_str(&serde_json::to_string(client).unwrap()).unwrap();
}

#[test]
fn a_lightning_session_from_both_sides() {
    let mut seller = Seller::default();
    let terms = quote(lightning(0), NOW_S).unwrap();
    assert!(ClientSession::begin(terms.clone(), bolt11(Some(1)), DEPOSIT_SAT).is_err());
    assert!(ClientSession::begin(terms.clone(), bolt11(None), DEPOSIT_SAT - 1).is_err());
    let mut client = ClientSession::begin(terms, bolt11(None), DEPOSIT_SAT).unwrap();
    restart(&mut client);
    assert_eq!(client.invoice_due().unwrap().1, preimage(0).hash());
    assert!(client.deposit_credential().is_none() && client.bearer_credential().is_err());
    assert!(client.paid(preimage(1)).is_err());
    client.paid(preimage(0)).unwrap();
    restart(&mut client);
    let open = by_header(client.deposit_credential());
    assert!(matches!(
        seller.act(&open, None, NOW_S),
        Ok(Reply::Opened(_))
    ));
    client.deposited().unwrap();
    let bearer = by_header(client.bearer_credential().ok());
    assert!(matches!(seller.act(&bearer, None, NOW_S), Ok(Reply::Serve)));

    client
        .top_up(quote(lightning(1), NOW_S).unwrap(), DEPOSIT_SAT)
        .unwrap();
    assert!(client.close().is_err());
    client.paid(preimage(1)).unwrap();
    restart(&mut client);
    let top_up = by_header(client.deposit_credential());
    assert!(matches!(
        seller.act(&top_up, None, NOW_S),
        Ok(Reply::ToppedUp(_))
    ));
    client.deposited().unwrap();
    assert_eq!(client.rest_sat(), 2 * DEPOSIT_SAT);

    client.close().unwrap();
    restart(&mut client);
    let close = by_header(client.close_credential());
    assert!(matches!(seller.act(&close, None, NOW_S), Ok(Reply::Wait)));
    seller.finish(preimage(0).hash(), true, NOW_S);
    let Ok(Reply::Closed(closed)) = seller.act(&close, None, NOW_S) else {
        panic!("not closed")
    };
    client.closed(&closed.receipt).unwrap();
    assert_eq!(
        (client.stage(), client.refund_sat()),
        (ClientStage::Closed, Some(2 * DEPOSIT_SAT))
    );
    assert!(!format!("{client:?}").contains(&preimage(0).to_hex()));
}

#[test]
fn an_ecash_session_from_both_sides() {
    let mut seller = Seller::default();
    let terms = quote(ecash(), NOW_S).unwrap();
    let mut client = ClientSession::begin_ecash(terms, [9; 32], token(0), DEPOSIT_SAT).unwrap();
    let id = client.id().unwrap();
    let open = by_header(client.deposit_credential());
    assert_eq!(seller.act(&open, None, NOW_S), Ok(Reply::Wait));
    assert_eq!(seller.load(id).unwrap().state(), SessionState::Opening);
    seller.finish(id, true, NOW_S);
    assert!(matches!(
        seller.act(&open, None, NOW_S),
        Ok(Reply::Opened(_))
    ));
    client.deposited().unwrap();

    client.close().unwrap();
    let close = by_header(client.close_credential());
    assert_eq!(seller.act(&close, None, NOW_S), Ok(Reply::Wait));
    let mut session = seller.load(id).unwrap();
    assert_eq!(
        session.unfinished(),
        [Effect::Refund {
            amount_sat: DEPOSIT_SAT,
            to: RefundTo::Token
        }]
    );
    let step = session
        .refunded(RefundStatus::Succeeded, Some(token(7)))
        .unwrap();
    let Reply::Closed(closed) = &step.reply else {
        panic!("not closed")
    };
    assert_eq!(closed.token.as_deref(), Some(token(7).as_str()));
    assert_eq!(closed.receipt.method, "cashu");
    // A second outcome doesn't count.
    assert_eq!(
        session.refunded(RefundStatus::Failed, None).unwrap().reply,
        step.reply
    );
    assert!(!format!("{session:?} {step:?}").contains("cashuB"));
    client.closed(&closed.receipt).unwrap();
    assert_eq!(client.refund_sat(), Some(DEPOSIT_SAT));
}

#[test]
fn a_session_has_an_end_of_top_ups() {
    let (mut seller, _) = opened();
    let top_up = |n: u8| top_up_action(0, n);
    for n in 1..=100 {
        assert!(
            matches!(seller.act(&top_up(n), None, NOW_S), Ok(Reply::ToppedUp(_))),
            "{n}"
        );
    }
    let error = seller.act(&top_up(101), None, NOW_S).unwrap_err();
    assert_eq!(error.code(), "too_many_top_ups");
    // What was credited is still answered.
    assert!(matches!(
        seller.act(&top_up(100), None, NOW_S),
        Ok(Reply::ToppedUp(_))
    ));
    seller.check();
}

/// A deposit that the mint refuses opens nothing, and the same request learns so again.
#[test]
fn a_worthless_token_opens_nothing() {
    let mut seller = Seller::default();
    let open = open_ecash_action(0, 0);
    assert_eq!(seller.act(&open, None, NOW_S), Ok(Reply::Wait));
    assert_eq!(
        seller.act(&own_action("bearer", 0), None, NOW_S),
        Ok(Reply::Wait)
    );
    seller.finish(open.session, false, NOW_S);
    assert_eq!(seller.act(&open, None, NOW_S), Ok(Reply::DepositFailed));
    assert_eq!(
        seller.act(&own_action("bearer", 0), None, NOW_S),
        Err(Error::SessionClosed)
    );
    assert_eq!(seller.load(open.session).unwrap().unfinished(), []);
}

#[test]
fn events_read_as_they_are_written() {
    let session = opened().0.load(preimage(0).hash()).unwrap();
    let event = SessionEvent::NeedTopUp(session.balance(3));
    let id = preimage(0).hash();
    let data = format!(r#"{{"sessionId":"{id}","balanceSpent":0,"balanceRequired":3}}"#);
    assert_eq!(
        event.to_sse(),
        format!("event: payment-need-topup\ndata: {data}\n\n")
    );
    assert_eq!(
        SessionEvent::parse("payment-need-topup", &data),
        Some(event)
    );
    let timeout = SessionEvent::Timeout(session.balance(3));
    assert_eq!(
        SessionEvent::parse("session-timeout", &data),
        Some(timeout.clone())
    );
    assert!(timeout.to_sse().starts_with("event: session-timeout\n"));
    assert_eq!(SessionEvent::parse("message", &data), None);
}
