//! A purse pays a Lightning invoice: its ecash goes back to the mint, which pays for it.
//!
//! `paying` → `settled`, or `voided`. The row and the reservation are one transaction, made before the mint is asked to
//! pay; what became of it is the mint's word, live and after a crash.

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};
use wallet::ecash::{Melted, PaymentQuote};
use wallet::ledger::{self, Account};
use wallet::lightning::{LightningError, Payable};
use wallet::purse::{self, Agent, Intent, PurseName, Reserved, Spend};
use wallet::{WalletError, sat_to_msat};

use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

#[cfg(test)]
#[path = "../simulation/purse_wallet.rs"]
pub(crate) mod simulated;

/// Invoices that purses pay.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS purse_payments (
    payment_hash  TEXT PRIMARY KEY,
    purse         TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('paying', 'settled', 'voided')),
    attempt       INTEGER NOT NULL,
    quote_id      TEXT NOT NULL,
    request_key   TEXT,
    amount_sat    INTEGER NOT NULL CHECK (amount_sat > 0),
    fee_max_sat   INTEGER NOT NULL,
    fee_sat       INTEGER,
    preimage      TEXT,
    created_ms    INTEGER NOT NULL,
    settled_ms    INTEGER
) STRICT;
";

/// Where a purse's payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PursePaymentState {
    /// It may still go either way, and counts as spent.
    Paying,
    /// It arrived.
    Settled,
    /// It didn't, and the purse has its money again.
    Voided,
}

/// An invoice that is to be paid from a purse.
#[derive(Clone, Debug)]
pub(crate) struct PurseOrder {
    /// Who wants it.
    pub agent: Agent,
    /// BOLT 11.
    pub invoice: String,
    /// What the way may cost.
    pub fee_max_sat: Option<u64>,
    /// A name by which the payment can be asked for later.
    pub key: Option<String>,
    /// The request that it pays for; none if the invoice is all there is.
    pub purpose: Option<Intent>,
}

/// A payment of a purse over Lightning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PursePayment {
    /// The invoice's payment hash: it is paid once.
    pub payment_hash: String,
    /// Who pays.
    pub purse: PurseName,
    /// Where it stands.
    pub state: PursePaymentState,
    /// What the recipient gets.
    pub amount_sat: u64,
    /// What the way may cost.
    pub fee_max_sat: u64,
    /// What the way did cost.
    pub fee_sat: Option<u64>,
    /// The proof, in hex.
    pub preimage: Option<String>,
    /// Begun at, Unix milliseconds.
    pub created_ms: i64,
    /// Over since, Unix milliseconds.
    pub settled_ms: Option<i64>,
    #[serde(skip)]
    attempt: u32,
    #[serde(skip)]
    quote_id: String,
}

impl PursePayment {
    fn transfer_id(&self) -> String {
        format!("purse-pay:{}:{}", self.payment_hash, self.attempt)
    }

    /// Takes over what became of it; false if that isn't known yet.
    fn end(&mut self, melted: Melted) -> bool {
        match melted {
            Melted::Pending => return false,
            Melted::Failed => self.state = PursePaymentState::Voided,
            Melted::Paid { fee_sat, preimage } => {
                self.state = PursePaymentState::Settled;
                self.fee_sat = Some(fee_sat);
                self.preimage = preimage;
            }
        }
        self.settled_ms = Some(now_ms());
        true
    }

    /// Books its end.
    fn book(&self, db: &Connection) -> Result<()> {
        let (id, now_ms) = (self.transfer_id(), now_ms());
        match self.fee_sat {
            Some(fee_sat) => {
                let cost_sat = self.amount_sat + fee_sat.min(self.fee_max_sat);
                ledger::post(db, &id, sat_to_msat(cost_sat), now_ms)?;
            }
            None => ledger::void(db, &id, now_ms)?,
        }
        update(db, self)
    }

    /// The most that it can cost.
    fn most_msat(&self) -> u64 {
        sat_to_msat(self.amount_sat.saturating_add(self.fee_max_sat))
    }

    /// The ledger's id of the payment with this hash, if there is one.
    pub(crate) fn transfer_id_of(db: &Connection, payment_hash: &str) -> Result<Option<String>> {
        let found = find(db, payment_hash)?;
        Ok(found.map(|payment| payment.transfer_id()))
    }
}

/// What an invoice's payment begins with, after what was there before.
enum Attempt {
    /// One is open: find out about it.
    Open(PursePayment),
    /// It was paid.
    Settled(PursePayment),
    /// None is, and this is the next one's number.
    New(u32),
}

impl Attempt {
    fn after(before: Option<PursePayment>, agent: &Agent) -> Result<Self> {
        Ok(match before {
            Some(before) if before.purse != agent.purse => {
                return Err(WalletError::IdempotencyConflict(before.payment_hash).into());
            }
            Some(before) if before.state == PursePaymentState::Paying => Self::Open(before),
            Some(before) if before.state == PursePaymentState::Settled => Self::Settled(before),
            Some(before) => Self::New(before.attempt + 1),
            None => Self::New(1),
        })
    }
}

impl PurseOrder {
    /// The payment of what the mint quoted, if that is within the order's limit.
    fn payment(
        &self,
        payment_hash: String,
        quote: PaymentQuote,
        attempt: u32,
    ) -> Result<PursePayment> {
        let amount_sat = quote.fee_max_sat;
        if let Some(max_sat) = self.fee_max_sat.filter(|max_sat| amount_sat > *max_sat) {
            return Err(http402::Error::PriceAboveLimit {
                amount_sat,
                max_sat,
            }
            .into());
        }
        Ok(PursePayment {
            payment_hash,
            purse: self.agent.purse.clone(),
            state: PursePaymentState::Paying,
            amount_sat: quote.amount_sat,
            fee_max_sat: quote.fee_max_sat,
            fee_sat: None,
            preimage: None,
            created_ms: now_ms(),
            settled_ms: None,
            attempt,
            quote_id: quote.id,
        })
    }

    /// Reserves it and records it; or asks, and records nothing.
    fn reserve(
        &self,
        db: &Connection,
        intent: &Intent,
        payment: &PursePayment,
    ) -> Result<Reserved> {
        let spend = Spend {
            agent: &self.agent,
            intent,
            credit: &Account::PurseEcash,
            draw_from: None,
            id: &payment.transfer_id(),
            memo: "Lightning invoice",
        };
        let reserved = purse::reserve(db, &spend, payment.created_ms)?;
        if reserved == Reserved::Now {
            insert(db, payment, self.key.as_deref())?;
        }
        Ok(reserved)
    }
}

impl Node {
    /// Pays a BOLT 11 invoice from a purse, within its policy, fees included. The same invoice is paid once, by whichever
    /// purse came first. One whose end isn't known yet comes back as `paying`, counts as spent, and is settled later.
    ///
    /// # Errors
    /// The policy's refusal, or that the owner is asked; the mint's refusal, or an invoice that can't be paid: then nothing was paid.
    #[boxed]
    pub async fn purse_pay(
        &self,
        agent: &Agent,
        invoice: &str,
        fee_max_sat: Option<u64>,
    ) -> Result<PursePayment> {
        self.purse_order(PurseOrder {
            agent: agent.clone(),
            invoice: invoice.to_owned(),
            fee_max_sat,
            key: None,
            purpose: None,
        })
        .await
    }

    /// The same, with a name, and for a request.
    pub(crate) async fn purse_order(&self, order: PurseOrder) -> Result<PursePayment> {
        if !self.has_lightning() {
            return Err(NodeError::NoLightning);
        }
        let node = self.clone();
        self.uninterrupted(async move { node.purse_pay_once(order).await })
            .await
    }

    /// A payment by the name that it was given.
    pub(crate) async fn purse_payment_by_key(&self, key: &str) -> Result<Option<PursePayment>> {
        let key = key.to_owned();
        let find = move |tx: &rusqlite::Transaction<'_>| -> Result<Option<PursePayment>> {
            let sql = format!("SELECT {COLUMNS} FROM purse_payments WHERE request_key = ?1");
            Ok(tx.query_row(&sql, [key], read).optional()?)
        };
        self.inner.db.write(find).await
    }

    async fn purse_pay_once(&self, order: PurseOrder) -> Result<PursePayment> {
        let PurseOrder { agent, invoice, .. } = &order;
        let payable = Payable::parse(invoice)?;
        let hash = match &payable {
            Payable::Bolt11(_) => payable.payment_id(),
            Payable::Bolt12(_) => None,
        };
        let hash = hash
            .ok_or(LightningError::Invalid("BOLT 11 invoice"))?
            .to_string();
        let _guard = self.inner.payments.lock(&lock_key(&hash)).await;
        let before = self.find_purse_payment(&hash).await?;
        let attempt = match Attempt::after(before, agent)? {
            Attempt::Open(before) => return self.settle_purse_payment(before).await,
            Attempt::Settled(before) => return Ok(before),
            Attempt::New(attempt) => attempt,
        };
        let quote = self.inner.purses.quote_payment(invoice).await?;
        let payment = order.payment(hash, quote, attempt)?;
        let intent = invoice_intent(
            order.purpose.as_ref(),
            &payment.payment_hash,
            payable.payee(),
            payment.most_msat(),
        );
        self.reserve_purse_payment(order, intent, payment.clone())
            .await?;
        match self.inner.purses.pay(&payment.quote_id).await {
            Ok(melted) => self.book_purse_payment(payment, melted).await,
            Err(error) if error.is_unknown() => {
                self.note_ecash(&error);
                Ok(payment)
            }
            Err(error) => {
                self.book_purse_payment(payment, Melted::Failed).await?;
                Err(error.into())
            }
        }
    }

    /// From here on the payment exists, and counts.
    async fn reserve_purse_payment(
        &self,
        order: PurseOrder,
        intent: Intent,
        payment: PursePayment,
    ) -> Result<()> {
        self.reserve_or_ask(move |tx| order.reserve(tx, &intent, &payment))
            .await
    }

    /// Books what became of a payment.
    async fn book_purse_payment(
        &self,
        mut payment: PursePayment,
        melted: Melted,
    ) -> Result<PursePayment> {
        if !payment.end(melted) {
            return Ok(payment);
        }
        let row = payment.clone();
        self.inner.db.write(move |tx| row.book(tx)).await?;
        Ok(payment)
    }

    /// Asks the mint what became of a payment, and books it.
    async fn settle_purse_payment(&self, payment: PursePayment) -> Result<PursePayment> {
        let melted = self.inner.purses.melted(&payment.quote_id).await?;
        self.book_purse_payment(payment, melted).await
    }

    /// Finds out what became of a payment, if it is open. Begins none.
    pub(crate) async fn look_up_purse_payment(&self, payment_hash: &str) -> Result<()> {
        let _guard = self.inner.payments.lock(&lock_key(payment_hash)).await;
        match self.find_purse_payment(payment_hash).await? {
            Some(payment) if payment.state == PursePaymentState::Paying => {
                self.settle_purse_payment(payment).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Settles the payments that a crash or a slow channel left open, as far as the mint knows.
    pub(crate) async fn resume_purse_payments(&self) -> Result<()> {
        for payment in self.inner.db.write(|tx| open_payments(tx)).await? {
            let key = lock_key(&payment.payment_hash);
            let Some(_guard) = self.inner.payments.try_lock(&key) else {
                continue;
            };
            if let Err(error) = self.settle_purse_payment(payment).await {
                tracing::info!(code = error.code(), "a purse's payment isn't over: {error}");
            }
        }
        Ok(())
    }

    pub(crate) async fn find_purse_payment(
        &self,
        payment_hash: &str,
    ) -> Result<Option<PursePayment>> {
        let hash = payment_hash.to_owned();
        self.inner.db.write(move |tx| find(tx, &hash)).await
    }

    /// The newest payments of purses over Lightning, oldest first; of one purse, or of all.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn purse_payments(
        &self,
        purse: Option<PurseName>,
        limit: u32,
    ) -> Result<Vec<PursePayment>> {
        self.inner
            .db
            .write(move |tx| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM purse_payments WHERE ?1 IS NULL OR purse = ?1
                     ORDER BY created_ms DESC LIMIT ?2"
                );
                let mut statement = tx.prepare_cached(&sql)?;
                let purse = purse.as_ref().map(PurseName::as_str);
                let rows = statement.query_map((purse, limit), read)?;
                let mut found: Vec<_> = rows.collect::<std::result::Result<_, _>>()?;
                found.reverse();
                Ok(found)
            })
            .await
    }
}

/// What a policy decides upon: an invoice is paid to whoever wrote it, for the request that is its `purpose`. Without one
/// it goes to no host.
pub(crate) fn invoice_intent(
    purpose: Option<&Intent>,
    payment_hash: &str,
    payee: Option<String>,
    amount_msat: u64,
) -> Intent {
    let alone = || Intent {
        what: format!("Lightning invoice {payment_hash}"),
        ..Intent::default()
    };
    Intent {
        amount_msat,
        payee,
        ..purpose.cloned().unwrap_or_else(alone)
    }
}

/// Keeps a live payment and recovery apart.
fn lock_key(payment_hash: &str) -> String {
    format!("purse-pay:{payment_hash}")
}

const COLUMNS: &str =
    "payment_hash, purse, state, attempt, quote_id, amount_sat, fee_max_sat, fee_sat, preimage,
    created_ms, settled_ms";

fn insert(db: &Connection, payment: &PursePayment, key: Option<&str>) -> Result<()> {
    db.execute(
        "INSERT INTO purse_payments
         (payment_hash, purse, state, attempt, quote_id, amount_sat, fee_max_sat, created_ms, request_key)
         VALUES (?1, ?2, 'paying', ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (payment_hash) DO UPDATE SET state = 'paying', attempt = ?3, quote_id = ?4, amount_sat = ?5,
             fee_max_sat = ?6, settled_ms = NULL, request_key = ?8",
        (
            &payment.payment_hash,
            payment.purse.as_str(),
            payment.attempt,
            &payment.quote_id,
            payment.amount_sat,
            payment.fee_max_sat,
            payment.created_ms,
            key,
        ),
    )?;
    Ok(())
}

fn update(db: &Connection, payment: &PursePayment) -> Result<()> {
    let state = match payment.state {
        PursePaymentState::Paying => "paying",
        PursePaymentState::Settled => "settled",
        PursePaymentState::Voided => "voided",
    };
    db.execute(
        "UPDATE purse_payments SET state = ?2, fee_sat = ?3, preimage = ?4, settled_ms = ?5 WHERE payment_hash = ?1",
        (
            &payment.payment_hash,
            state,
            payment.fee_sat,
            &payment.preimage,
            payment.settled_ms,
        ),
    )?;
    Ok(())
}

fn find(db: &Connection, payment_hash: &str) -> Result<Option<PursePayment>> {
    let sql = format!("SELECT {COLUMNS} FROM purse_payments WHERE payment_hash = ?1");
    Ok(db.query_row(&sql, [payment_hash], read).optional()?)
}

fn open_payments(db: &Connection) -> Result<Vec<PursePayment>> {
    let sql = format!("SELECT {COLUMNS} FROM purse_payments WHERE state = 'paying'");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<PursePayment> {
    let (purse, state): (String, String) = (row.get(1)?, row.get(2)?);
    Ok(PursePayment {
        payment_hash: row.get(0)?,
        purse: purse.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
        state: match state.as_str() {
            "settled" => PursePaymentState::Settled,
            "voided" => PursePaymentState::Voided,
            _ => PursePaymentState::Paying,
        },
        attempt: row.get(3)?,
        quote_id: row.get(4)?,
        amount_sat: row.get(5)?,
        fee_max_sat: row.get(6)?,
        fee_sat: row.get(7)?,
        preimage: row.get(8)?,
        created_ms: row.get(9)?,
        settled_ms: row.get(10)?,
    })
}
