//! The payment's reservation: what the policy gets to see of it, and the one transaction.

use reqwest::Url;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::purse::{self, Disputant, Host, Intent, Reserved, Spend};
use wallet::sat_to_msat;

use super::{Payment, Spender};
use crate::error::{NodeError, Result};
use crate::lightning::PursePayment;
use crate::node::{Node, now_ms};
use crate::nwc;

impl Node {
    /// Decides by policy, and reserves: from here on the payment exists, and counts.
    pub(super) async fn reserve_ecash(&self, payment: Payment) -> Result<Payment> {
        let fee_sat = self.inner.purses.fee_bound_sat().await?;
        let intent = Intent {
            amount_msat: sat_to_msat(payment.amount_sat.saturating_add(fee_sat)),
            payee: Some(self.inner.purses.mint_url()),
            ..payment.purpose()?
        };
        let row = payment.clone();
        self.reserve_or_ask(move |tx| row.reserve(tx, &intent))
            .await?;
        Ok(payment)
    }
}

impl Payment {
    /// What a policy decides upon, but for who gets how much: that is for the rail to say.
    pub(super) fn purpose(&self) -> Result<Intent> {
        let request = &self.request;
        let url =
            Url::parse(&request.url).map_err(|error| NodeError::BadFetch(error.to_string()))?;
        let host = url.host_str().zip(url.port_or_known_default());
        Ok(Intent {
            amount_msat: 0,
            host: host.map(|(name, port)| Host::new(name, port)),
            method: Some(request.method.to_ascii_uppercase()),
            payee: None,
            what: request.url.clone(),
            request_sha256: Sha256::digest(&self.request_sha256).into(),
        })
    }

    /// Reserves ecash and records the payment; or asks, and records nothing.
    pub(super) fn reserve(&self, db: &Connection, intent: &Intent) -> Result<Reserved> {
        let (id, memo) = (self.transfer_id(), self.memo());
        let reserved = match &self.spender {
            Spender::Purse(agent) => {
                let spend = Spend {
                    agent,
                    intent,
                    credit: &Account::PurseEcash,
                    draw_from: None,
                    id: &id,
                    memo: &memo,
                };
                purse::reserve(db, &spend, now_ms())?
            }
            Spender::Owner => {
                let transfer = NewTransfer {
                    id: &id,
                    debit: &Account::Owner,
                    credit: &Account::PurseEcash,
                    amount_msat: intent.amount_msat,
                    memo: &memo,
                    now_ms: now_ms(),
                };
                ledger::reserve(db, &transfer)?;
                Reserved::Now
            }
        };
        if reserved == Reserved::Now {
            self.insert(db)?;
        }
        Ok(reserved)
    }

    /// A purse that paid and got nothing for it loses what it earned by its payments.
    pub(super) fn dispute_if_unanswered(&self, db: &Connection) -> Result<()> {
        let got_nothing = self.answer.is_none() || self.was_for_nothing();
        let is_lost = got_nothing && self.spent_sat.is_some_and(|sat| sat > 0);
        if !is_lost || self.spender == Spender::Owner {
            return Ok(());
        }
        if let Some(id) = self.ledger_id(db)? {
            let reason = self.error.as_deref().unwrap_or("paid, and never answered");
            purse::dispute(db, &id, Disputant::Node, reason, now_ms())?;
        }
        Ok(())
    }

    /// Where the ledger has it: an invoice's payment has the name that the wallet gave it which pays for purses.
    fn ledger_id(&self, db: &Connection) -> Result<Option<String>> {
        let Some(bill) = &self.bill else {
            return Ok(Some(self.transfer_id()));
        };
        let elsewhere = nwc::payment_transfer_id(&self.wallet_key());
        match ledger::get(db, &elsewhere)? {
            Some(_) => Ok(Some(elsewhere)),
            None => PursePayment::transfer_id_of(db, &bill.payment_hash),
        }
    }
}

/// The ledger's id of the payment with this id, if there is one.
pub(crate) fn ledger_id(db: &Connection, id: &str) -> Result<Option<String>> {
    match Payment::find(db, id)? {
        Some(payment) => payment.ledger_id(db),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use wallet::Db;
    use wallet::purse::{Agent, Mode, Policy, Promotion, PurseName};

    use super::super::ways::{Bill, Way};
    use super::super::{FetchRequest, HttpAnswer, PaymentState, Protocol};
    use super::*;

    fn scout() -> PurseName {
        "scout".parse().unwrap()
    }

    fn payment(protocol: Protocol) -> Payment {
        let request = FetchRequest {
            method: "post".into(),
            url: "https://Shop.example/a?b".into(),
            ..FetchRequest::default()
        };
        let bill = Bill {
            invoice: "lnbc1".into(),
            payment_hash: "ab".repeat(32),
            expires_s: 0,
        };
        let way = Way {
            protocol,
            amount_sat: 10,
            bill: protocol.is_lightning().then_some(bill),
        };
        let spender = Spender::Purse(scout().into());
        Payment::new("a".into(), spender, request, way, 0)
    }

    #[test]
    fn a_request_is_the_same_question_whatever_invoice_it_meets() {
        let purpose = payment(Protocol::L402).purpose().unwrap();
        assert_eq!(purpose.host, Some(Host::new("shop.example", 443)));
        assert_eq!(purpose.method.as_deref(), Some("POST"));
        let mut other = payment(Protocol::MppCharge);
        other.bill.as_mut().unwrap().payment_hash = "cd".repeat(32);
        assert_eq!(
            other.purpose().unwrap().fingerprint(),
            purpose.fingerprint()
        );
    }

    /// The purse's mode after a payment of its own that ended so.
    async fn mode_after(protocol: Protocol, status: Option<u16>) -> Mode {
        let mut paid = payment(protocol);
        paid.state = PaymentState::Settled;
        paid.spent_sat = Some(10);
        paid.answer = status.map(|status| HttpAnswer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            carrier: super::super::Carrier::Headers,
        });
        let db = Db::in_memory().unwrap();
        db.write(move |tx| -> Result<Mode> {
            crate::node::create_tables(tx)?;
            let policy = Policy {
                promotion: Some(Promotion {
                    settled_payments: 2,
                }),
                ..Policy::autonomous(20_000, 20_000, 20_000)
            };
            purse::create(tx, &scout(), &policy, &[1; 32], 0)?;
            let id = match protocol.is_lightning() {
                true => nwc::payment_transfer_id(&paid.wallet_key()),
                false => paid.transfer_id(),
            };
            let spend = Spend {
                agent: &Agent::from(scout()),
                intent: &Intent {
                    amount_msat: 10_000,
                    ..paid.purpose()?
                },
                credit: &Account::OtherWallets,
                draw_from: Some(&Account::OtherWallets),
                id: &id,
                memo: "",
            };
            assert_eq!(purse::reserve(tx, &spend, 1)?, Reserved::Now);
            ledger::post(tx, &id, 10_000, 2)?;
            for _ in 0..2 {
                paid.dispute_if_unanswered(tx)?;
            }
            Ok(purse::find(tx, &scout())?.policy.mode)
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_purse_that_paid_for_nothing_is_supervised() {
        for protocol in Protocol::ALL {
            assert_eq!(mode_after(protocol, None).await, Mode::Supervised);
            assert_eq!(mode_after(protocol, Some(200)).await, Mode::Autonomous);
        }
        // What took ecash and refuses has answered; what took an invoice's money and wants more has not.
        assert_eq!(
            mode_after(Protocol::L402, Some(402)).await,
            Mode::Supervised
        );
        assert_eq!(
            mode_after(Protocol::XCashu, Some(404)).await,
            Mode::Autonomous
        );
    }
}
