//! The payment's reservation: what the policy gets to see of it, and the one transaction.

use reqwest::Url;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::purse::{self, Disputant, Host, Intent, Reserved, Spend};

use super::{Payment, Spender};
use crate::error::{NodeError, Result};
use crate::lightning::PursePayment;
use crate::node::now_ms;

impl Payment {
    /// What a policy decides upon.
    pub(super) fn intent(&self, amount_msat: u64, payee: &str) -> Result<Intent> {
        let request = &self.request;
        let url =
            Url::parse(&request.url).map_err(|error| NodeError::BadFetch(error.to_string()))?;
        let host = url.host_str().zip(url.port_or_known_default());
        Ok(Intent {
            amount_msat,
            host: host.map(|(name, port)| Host::new(name, port)),
            method: Some(request.method.to_ascii_uppercase()),
            payee: Some(payee.to_owned()),
            what: request.url.clone(),
            request_sha256: Sha256::digest(&self.request_sha256).into(),
        })
    }

    /// Reserves the money and records the payment; or asks, and records nothing.
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
        let is_silent = self.answer.is_none() && self.spent_sat.is_some_and(|sat| sat > 0);
        let is_lost = is_silent || self.was_for_nothing();
        if is_lost && matches!(self.spender, Spender::Purse(_)) {
            let reason = "paid, and nothing came for it";
            if let Some(transfer_id) = self.ledger_id(db)? {
                purse::dispute(db, &transfer_id, Disputant::Node, reason, now_ms())?;
            }
        }
        Ok(())
    }

    /// Where the ledger has what it cost: an invoice is booked by the mint's customer that paid it. None if another
    /// wallet did.
    fn ledger_id(&self, db: &Connection) -> Result<Option<String>> {
        match &self.bill {
            Some(bill) => PursePayment::transfer_id_of(db, &bill.payment_hash),
            None => Ok(Some(self.transfer_id())),
        }
    }
}
