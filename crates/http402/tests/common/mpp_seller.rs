//! A seller of sessions, for tests.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use http402::mpp::session::{Action, Effect, Reply, Session, SessionState, Step};
use http402::mpp::{Error, PaymentHash, RefundStatus};

use crate::mpp::DEPOSIT_SAT;

/// A seller: what is persisted, what was used, and what was given back.
#[derive(Default)]
pub struct Seller {
    pub sessions: BTreeMap<PaymentHash, String>,
    pub used: BTreeSet<String>,
    pub redeemed: BTreeSet<String>,
    pub refunds: BTreeMap<PaymentHash, u64>,
}

impl Seller {
    pub fn load(&self, id: PaymentHash) -> Option<Session> {
        self.sessions
            .get(&id)
            .map(|json| serde_json::from_str(json).unwrap())
    }

    pub fn save(&mut self, session: &Session) {
        self.sessions
            .insert(session.id(), serde_json::to_string(session).unwrap());
    }

    /// Persists as the effects demand; redemption and refund are left for later.
    pub fn act(&mut self, action: &Action, key: Option<&str>, now_s: u64) -> Result<Reply, Error> {
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

    pub fn carry_out(&mut self, session: &Session, step: &Step) -> Result<(), Error> {
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
    pub fn finish(&mut self, id: PaymentHash, succeeds: bool, now_s: u64) {
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

    pub fn check(&self) {
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
