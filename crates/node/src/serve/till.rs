//! Step 3: the money is taken (ecash) or reserved (purse), durably.

use std::collections::HashSet;

use http402::mpp::session::DepositId;
use http402::xcashu::TokenOutline;
use rusqlite::Connection;
use url::Url;
use wallet::ecash::{EcashError, Redemption};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::purse::{self, Agent, Host, Intent, Spend};
use wallet::sat_to_msat;

use super::Payer;
use super::order::Order;
use super::sale::{Quote, Sale, SaleState, change_operations};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// Reservations of purses that pay this node directly; a crash voids them.
pub(crate) const CALL_PREFIX: &str = "call:";

/// What a token's sale begins with.
pub(super) enum Begun {
    /// The token is new, and recorded.
    Now(Sale),
    /// This very request was begun with it before.
    Before(Sale),
}

/// Records a token before it is swapped. What was recorded for another request stays that one's.
pub(super) fn begin_sale(db: &Connection, outline: &TokenOutline, quote: Quote) -> Result<Begun> {
    let request = quote.request.clone();
    let (id, token) = (outline.id.to_string(), outline.token().to_owned());
    match Sale::find(db, &id)? {
        Some(sale) if !sale.is_for(&request) => Err(NodeError::PaymentUsed),
        Some(sale) => Ok(Begun::Before(sale)),
        // What became of a token can be told later only if it was used for one thing.
        None if crate::sell::is_used(db, &DepositId::ecash(outline.id))? => {
            Err(NodeError::PaymentUsed)
        }
        None => {
            let fresh = Sale::new(id, token, quote, now_ms());
            fresh.insert(db)?;
            Ok(Begun::Now(fresh))
        }
    }
}

/// Books what a token brought in.
pub(super) fn book_paid(db: &Connection, id: &str, received_sat: u64) -> Result<()> {
    let transfer = NewTransfer {
        id: &format!("sale:{id}:paid"),
        debit: &Account::TillEcash,
        credit: &Account::SalesHeld,
        amount_msat: sat_to_msat(received_sat),
        memo: "a customer paid",
        now_ms: now_ms(),
    };
    ledger::transfer(db, &transfer)?;
    Sale::mark_paid(db, id, received_sat)
}

impl Node {
    pub(super) async fn reserve_from_purse(&self, agent: Agent, order: &Order) -> Result<Payer> {
        let transfer_id = format!("{CALL_PREFIX}{}", order.id);
        let (id, payer, intent) = (transfer_id.clone(), agent.clone(), self.call_intent(order));
        self.reserve_or_ask(move |tx| {
            let spend = Spend {
                agent: &payer,
                intent: &intent,
                credit: &Account::InferenceIncome,
                draw_from: None,
                id: &id,
                memo: &intent.what,
            };
            Ok(purse::reserve(tx, &spend, now_ms())?)
        })
        .await?;
        let name = agent.purse;
        Ok(Payer::Purse { name, transfer_id })
    }

    /// A call of this node's own model, as a policy sees it: a POST to this node, whoever is paid by it.
    fn call_intent(&self, order: &Order) -> Intent {
        let url = Url::parse(&self.inner.config.url()).ok();
        let host = url.as_ref().and_then(|url| {
            let (name, port) = url.host_str().zip(url.port_or_known_default())?;
            Some(Host::new(name, port))
        });
        Intent {
            amount_msat: sat_to_msat(order.max_price_sat),
            host,
            method: Some("POST".to_owned()),
            payee: Some(self.inner.till.mint_url().to_owned()),
            what: format!("answer by {}", order.model),
            request_sha256: *order.body_sha256.as_bytes(),
        }
    }

    /// Swaps the token, unless this very request was paid with it before. The caller
    /// holds the sale's lock.
    pub(crate) async fn take_payment(&self, outline: TokenOutline, quote: Quote) -> Result<Sale> {
        let begun = self
            .inner
            .db
            .write(move |tx| begin_sale(tx, &outline, quote))
            .await?;
        match begun {
            Begun::Now(fresh) => self.redeem(fresh).await,
            Begun::Before(sale) => self.collect_sale(sale).await,
        }
    }

    /// The token's outline, if a sale for this very request began with it.
    pub(crate) async fn paid_before(
        &self,
        x_cashu: Option<&str>,
        request: &str,
    ) -> Result<Option<TokenOutline>> {
        let Some(outline) = x_cashu.and_then(|text| TokenOutline::parse(text).ok()) else {
            return Ok(None);
        };
        let id = outline.id.to_string();
        let sale = self.inner.db.write(move |tx| Sale::find(tx, &id)).await?;
        Ok(sale.filter(|sale| sale.is_for(request)).map(|_| outline))
    }

    /// Brings a sale that began earlier to `paid`, if it isn't yet.
    pub(super) async fn collect_sale(&self, sale: Sale) -> Result<Sale> {
        if sale.state != SaleState::Redeeming {
            return Ok(sale);
        }
        self.settle_till().await?;
        match self.inner.till.redemption(&sale.token).await? {
            Redemption::None => self.redeem(sale).await,
            Redemption::Done { amount_sat } => self.book_payment(sale, amount_sat).await,
            Redemption::Lost => {
                self.drop_sale(&sale.id).await?;
                Err(EcashError::Spent.into())
            }
            Redemption::Unknown => {
                Err(EcashError::Unknown("the mint hasn't settled the swap".into()).into())
            }
        }
    }

    async fn redeem(&self, sale: Sale) -> Result<Sale> {
        match self.inner.till.redeem(&sale.token).await {
            Ok(received_sat) => self.book_payment(sale, received_sat).await,
            Err(error) => {
                self.note_ecash(&error);
                // A refusal took nothing; anything unclear keeps the row for recovery.
                if !error.is_unknown() {
                    self.drop_sale(&sale.id).await?;
                }
                Err(error.into())
            }
        }
    }

    async fn book_payment(&self, mut sale: Sale, received_sat: u64) -> Result<Sale> {
        let id = sale.id.clone();
        self.inner
            .db
            .write(move |tx| book_paid(tx, &id, received_sat))
            .await?;
        sale.state = SaleState::Paid;
        sale.received_sat = received_sat;
        Ok(sale)
    }

    async fn drop_sale(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.inner.db.write(move |tx| Sale::delete(tx, &id)).await
    }

    /// Asks the mint about everything half done in the till. `Ok(false)` if it didn't
    /// answer for all.
    pub(crate) async fn settle_till(&self) -> Result<bool> {
        let alone = self.inner.till.recovery().await;
        let handed_out = self.inner.db.write(|tx| change_operations(tx)).await?;
        Ok(alone.run(&HashSet::from_iter(handed_out)).await?)
    }
}
