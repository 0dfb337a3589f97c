//! Any payload under a challenge that was signed here, and any order of calls: no money is made or lost.
#![no_main]

use http402::mpp::session::{Effect, Session, SessionOffer};
use http402::mpp::{ChallengeKeys, Credential, Invoice, Preimage, RefundStatus};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<String>, Vec<(u8, u8, u16)>)| {
    let (payloads, moves) = input;
    let offer = SessionOffer {
        id: "s".to_owned(),
        realm: "r".to_owned(),
        unit_price_sat: 3,
        unit_type: None,
        description: None,
        deposit_sat: 60,
        idle_timeout_s: 300,
        mints: vec!["https://mint.example.com".to_owned()],
    };
    let Ok(keys) = ChallengeKeys::new(&[7; 32]) else { return };
    let bolt11 = |amount: &str| format!("lnbc{amount}1{}", "q".repeat(120));
    let challenge = |n: u8| {
        let payment_hash = Preimage::from([n; 32]).hash();
        offer.challenge(&keys, &Invoice { bolt11: bolt11("600n"), payment_hash, expires_at_s: 1000 })
    };
    let read = |n: u8, payload: serde_json::Value| {
        let challenge = challenge(n).ok()?;
        offer.read(&keys, &Credential { challenge, source: None, payload }).ok()
    };
    let secret = Preimage::from([0; 32]);
    let id = secret.hash();
    let open = serde_json::json!({ "action": "open", "preimage": secret, "returnInvoice": bolt11("") });
    let Some(Ok((mut session, _))) = read(0, open).map(|open| Session::open(&open, 0)) else {
        panic!("the session opens")
    };
    let mut actions: Vec<_> = payloads
        .iter()
        .filter_map(|text| read(0, serde_json::from_str(text).ok()?))
        .collect();
    for n in 0..4 {
        let top_up = serde_json::json!({ "action": "topUp", "sessionId": id, "topUpPreimage": Preimage::from([n; 32]) });
        actions.extend(read(n, top_up));
    }
    for name in ["bearer", "close"] {
        actions.extend(read(0, serde_json::json!({ "action": name, "sessionId": id, "preimage": secret })));
    }
    let (mut now_s, mut refunds) = (0_u64, 0);
    for (what, which, amount) in moves {
        match what % 6 {
            0 | 1 => {
                let action = &actions[usize::from(which) % actions.len()];
                _ = session.apply(action, (which % 2 == 0).then_some("key"), now_s);
            }
            2 => _ = session.debit(u64::from(amount), now_s),
            3 => now_s += u64::from(amount),
            4 => _ = session.tick(now_s),
            _ => {
                for effect in session.unfinished() {
                    if let Effect::Refund { amount_sat, .. } = effect {
                        assert_eq!(amount_sat, session.rest_sat());
                        refunds += 1;
                        _ = session.refunded(RefundStatus::Succeeded, None);
                    }
                }
            }
        }
        assert!(refunds <= 1);
        assert_eq!(session.spent_sat() + session.rest_sat(), session.deposits_sat());
        assert!(session.deposits_sat() <= 5 * 60);
    }
});
