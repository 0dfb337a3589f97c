//! Pays and is paid over Lightning, and books it: in the ledger first, in the channels then.
//!
//! [`books`] decides and writes, without any I/O but SQLite's; [`Cashier`] does both halves in their order;
//! [`Backing`] lends it to the embedded mint.

mod backing;
mod bookkeeper;
pub mod books;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::secp256k1::PublicKey;
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;

pub use backing::Backing;

use self::bookkeeper::{Bookkeeper, book_status};
use self::books::{Begun, BookedInvoice, BookedPayment, Holder, NewPayment, PaymentState};
use crate::boxed;
use crate::ledger::{self, Account};
use crate::lightning::{
    Invoice, InvoiceRequest, Lightning, LightningConfig, LightningError, PayRequest, Payable,
    PaymentId, PaymentStatus, Preimage,
};
use crate::{Db, WalletError, sat_to_msat};

/// Whoever pays waits so long for the end; then it is told that the payment is under way.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How many events a listener may be late.
const BACKLOG: usize = 1_024;
/// A payment that came to a channel is in the books after so long.
const BOOKED_WITHIN: Duration = Duration::from_millis(500);

/// What can go wrong at the cashier's.
#[derive(Debug, thiserror::Error)]
pub enum CashierError {
    /// The books refused or failed.
    #[error(transparent)]
    Books(#[from] WalletError),
    /// Lightning refused or failed.
    #[error(transparent)]
    Lightning(#[from] LightningError),
}

impl From<rusqlite::Error> for CashierError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Books(error.into())
    }
}

impl CashierError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Books(error) => error.code(),
            Self::Lightning(error) => error.code(),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Books(error) => error.hint(),
            Self::Lightning(error) => error.hint(),
        }
    }

    /// True if nothing was paid, and nothing will be.
    #[must_use]
    pub fn is_definitive(&self) -> bool {
        match self {
            Self::Books(error) => !matches!(error, WalletError::Database(_)),
            Self::Lightning(error) => !error.is_unknown(),
        }
    }
}

/// What the books have on Lightning and on the chain.
fn booked_msat(db: &rusqlite::Connection) -> Result<u64, WalletError> {
    let account = ledger::ensure_account(db, &Account::Lightning)?;
    Ok(account.balance_msat.unsigned_abs())
}

/// What is to be paid.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Whose money it is.
    pub holder: Holder,
    /// A BOLT 11 invoice.
    pub request: String,
    /// How much, if the invoice doesn't say.
    pub amount_msat: Option<u64>,
    /// What the way may cost.
    pub fee_max_msat: u64,
}

impl Payment {
    fn booked<'a>(&'a self, id: &'a str, amount_msat: u64, now_ms: i64) -> NewPayment<'a> {
        NewPayment {
            id,
            holder: self.holder,
            request: &self.request,
            amount_msat,
            fee_max_msat: self.fee_max_msat,
            now_ms,
        }
    }
}

/// Pays and is paid. Clones are handles to the same one.
#[derive(Clone)]
pub struct Cashier {
    lightning: Lightning,
    network: bitcoin::Network,
    db: Db,
    received: broadcast::Sender<[u8; 32]>,
    settled: broadcast::Sender<PaymentId>,
}

impl Cashier {
    /// Starts the Lightning node, and settles what a crash left open, as far as it is known.
    ///
    /// # Errors
    /// What [`Lightning::open`] returns, or a database error.
    #[boxed]
    pub async fn open(config: LightningConfig, db: Db) -> Result<Self, CashierError> {
        let (received, _) = broadcast::channel(BACKLOG);
        let (settled, _) = broadcast::channel(BACKLOG);
        let bookkeeper = Bookkeeper {
            db: db.clone(),
            received: received.clone(),
            settled: settled.clone(),
        };
        let network = config.network;
        let lightning = Lightning::open(config, Arc::new(bookkeeper)).await?;
        let cashier = Self {
            lightning,
            network,
            db,
            received,
            settled,
        };
        cashier.settle_open(true).await?;
        Ok(cashier)
    }

    /// The Lightning node, for all that isn't paying or being paid.
    #[must_use]
    pub const fn lightning(&self) -> &Lightning {
        &self.lightning
    }

    /// Makes a BOLT 11 invoice, of which is noted whose money it brings.
    ///
    /// # Errors
    /// What [`Lightning::invoice`] returns, or a database error.
    #[boxed]
    pub async fn invoice(
        &self,
        holder: Holder,
        amount_msat: Option<u64>,
        description: &str,
        expiry_s: u32,
    ) -> Result<Invoice, CashierError> {
        let request = InvoiceRequest {
            amount_msat,
            description: description.to_owned(),
            expiry_s,
        };
        let invoice = self.lightning.invoice(request).await?;
        self.note_invoice(holder, &invoice, description).await?;
        Ok(invoice)
    }

    /// Notes whose money an invoice brings that was made in another way.
    ///
    /// # Errors
    /// A database error.
    #[boxed]
    pub async fn note_invoice(
        &self,
        holder: Holder,
        invoice: &Invoice,
        description: &str,
    ) -> Result<(), CashierError> {
        let (hash, amount_msat) = (invoice.payment_hash.to_string(), invoice.amount_msat);
        let (description, now_ms) = (description.to_owned(), self.now_ms());
        let write = move |tx: &rusqlite::Transaction<'_>| {
            books::record_invoice(tx, &hash, holder, amount_msat, &description, now_ms)
        };
        Ok(self.db.write(write).await?)
    }

    /// Pays an invoice: its money is set aside, the channels are told, and the end is waited for. If it isn't over in
    /// a minute, it comes back as pending, and is booked when it is. The same invoice is paid once.
    ///
    /// # Errors
    /// [`CashierError::is_definitive`] tells whether nothing was paid, and nothing will be.
    #[boxed]
    pub async fn pay(&self, payment: Payment) -> Result<BookedPayment, CashierError> {
        let what = Payable::parse(&payment.request)?;
        let Some(id) = what.payment_id() else {
            return Err(LightningError::Invalid("BOLT 11 invoice").into());
        };
        self.pay_as(id, what, payment).await
    }

    /// As [`pay`](Self::pay), of an offer too: the caller chooses the id, and the same id pays once.
    ///
    /// # Errors
    /// As [`pay`](Self::pay).
    #[boxed]
    pub async fn pay_as(
        &self,
        id: PaymentId,
        what: Payable,
        payment: Payment,
    ) -> Result<BookedPayment, CashierError> {
        let now = Duration::from_millis(self.now_ms().max(0).unsigned_abs());
        let amount_msat = what.check(self.network, payment.amount_msat, now)?;
        if self.pay_own(id, &payment, amount_msat).await? {
            let _ = self.received.send(id.0);
            let booked = self.payment(id.to_string()).await?;
            return Ok(booked.ok_or(LightningError::NotRunning)?);
        }
        let mut settled = self.settled.subscribe();
        if self.begin(id, &payment, amount_msat).await? == Begun::Now {
            let request = PayRequest {
                offer_payment_id: what.payment_id().is_none().then_some(id),
                what,
                amount_msat: payment.amount_msat,
                fee_max_msat: payment.fee_max_msat,
            };
            if let Err(error) = self.lightning.pay(request).await {
                self.give_up(id, &error).await?;
                return Err(error.into());
            }
        }
        self.outcome(id, &mut settled).await
    }

    /// Pays an invoice of this node without any channel; `false` if it isn't one.
    async fn pay_own(
        &self,
        id: PaymentId,
        payment: &Payment,
        amount_msat: u64,
    ) -> Result<bool, CashierError> {
        let (payment, now_ms) = (payment.clone(), self.now_ms());
        let write = move |tx: &rusqlite::Transaction<'_>| {
            books::pay_own(tx, &payment.booked(&id.to_string(), amount_msat, now_ms))
        };
        Ok(self.db.write(write).await?)
    }

    async fn begin(
        &self,
        id: PaymentId,
        payment: &Payment,
        amount_msat: u64,
    ) -> Result<Begun, CashierError> {
        let (payment, now_ms) = (payment.clone(), self.now_ms());
        let write = move |tx: &rusqlite::Transaction<'_>| {
            books::begin(tx, &payment.booked(&id.to_string(), amount_msat, now_ms))
        };
        Ok(self.db.write(write).await?)
    }

    /// After an error: if it is certain that nothing was sent, the money is free again.
    async fn give_up(&self, id: PaymentId, error: &LightningError) -> Result<(), CashierError> {
        let status = self
            .lightning
            .payment(id)
            .await?
            .map(|payment| payment.status);
        let is_open = matches!(
            status,
            Some(PaymentStatus::Pending | PaymentStatus::Succeeded { .. })
        );
        if is_open || error.is_unknown() {
            return Ok(());
        }
        let (code, now_ms) = (error.code(), self.now_ms());
        let write =
            move |tx: &rusqlite::Transaction<'_>| books::failed(tx, &id.to_string(), code, now_ms);
        Ok(self.db.write(write).await?)
    }

    /// Pays to a node that didn't ask. The preimage is chosen by the caller, at random; the same one pays once.
    ///
    /// # Errors
    /// As [`pay`](Self::pay).
    #[boxed]
    pub async fn keysend(
        &self,
        node_id: PublicKey,
        amount_msat: u64,
        fee_max_msat: u64,
        preimage: Preimage,
    ) -> Result<BookedPayment, CashierError> {
        let id = PaymentId(Sha256::digest(preimage.0).into());
        let payment = Payment {
            holder: Holder::Owner,
            request: node_id.to_string(),
            amount_msat: Some(amount_msat),
            fee_max_msat,
        };
        let mut settled = self.settled.subscribe();
        if self.begin(id, &payment, amount_msat).await? == Begun::Now {
            let sent = self
                .lightning
                .keysend(node_id, amount_msat, fee_max_msat, preimage);
            if let Err(error) = sent.await {
                self.give_up(id, &error).await?;
                return Err(error.into());
            }
        }
        self.outcome(id, &mut settled).await
    }

    async fn outcome(
        &self,
        id: PaymentId,
        settled: &mut broadcast::Receiver<PaymentId>,
    ) -> Result<BookedPayment, CashierError> {
        let end = tokio::time::Instant::now() + ANSWER_TIME_MAX;
        loop {
            let booked = self.payment(id.to_string()).await?;
            let booked = booked.ok_or(LightningError::NotRunning)?;
            if booked.state != PaymentState::Pending {
                return Ok(booked);
            }
            loop {
                match tokio::time::timeout_at(end, settled.recv()).await {
                    Err(_) => return Ok(booked),
                    Ok(Ok(other)) if other != id => {}
                    // Ours, or it may have been among those that were missed.
                    Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => break,
                    Ok(Err(broadcast::error::RecvError::Closed)) => return Ok(booked),
                }
            }
        }
    }

    /// Brings the books to what is known of payments that aren't over. At the start, before anything new is paid,
    /// what Lightning never heard of is given back as well.
    ///
    /// # Errors
    /// A database error.
    #[boxed]
    pub async fn settle_open(&self, is_start: bool) -> Result<(), CashierError> {
        let open = self.payments(true, u32::MAX).await?;
        for booked in open {
            let Ok(id) = booked.id.parse::<PaymentId>() else {
                continue;
            };
            let status = self
                .lightning
                .payment(id)
                .await?
                .map(|payment| payment.status);
            let status = match status {
                Some(PaymentStatus::Pending) => continue,
                Some(status) => status,
                None if is_start => PaymentStatus::Unsent,
                None => continue,
            };
            let now_ms = self.now_ms();
            self.db
                .write(move |tx| book_status(tx, id, &status, now_ms))
                .await?;
            let _ = self.settled.send(id);
        }
        Ok(())
    }

    /// Brings the books to what the chain did with the node's bitcoin: deposits, and what opening and closing
    /// channels cost. Does nothing while payments are under way, for then the two can't be compared.
    ///
    /// # Errors
    /// `insufficient_funds` if more is gone than the owner had there, or a database error.
    #[boxed]
    pub async fn follow_chain(&self) -> Result<i64, CashierError> {
        let booked_msat = self.db.write(|tx| booked_msat(tx)).await?;
        let channels = self.lightning.channels().await?.len() as u64;
        let has = self.lightning.balances().await?;
        if !self.payments(true, 1).await?.is_empty() {
            return Ok(0);
        }
        // Channels count in thousandths of a satoshi, of which the library shows whole ones.
        let tolerance_msat = sat_to_msat(channels);
        let actual_msat = sat_to_msat(has.onchain_total_sat + has.channels_sat + has.closing_sat);
        if booked_msat.abs_diff(actual_msat) <= tolerance_msat {
            return Ok(0);
        }
        // A payment that just came is in the channel before it is in the books.
        tokio::time::sleep(BOOKED_WITHIN).await;
        let now_ms = self.now_ms();
        let write = move |tx: &rusqlite::Transaction<'_>| -> Result<i64, WalletError> {
            if self::booked_msat(tx)? != booked_msat {
                // Money moved meanwhile: the two are of different moments.
                return Ok(0);
            }
            let (asset, owner) = (Account::Lightning, Account::OwnerLightning);
            let id = format!("lightning:chain:{now_ms}");
            books::follow(tx, &asset, &owner, actual_msat, &id, now_ms)
        };
        Ok(self.db.write(write).await?)
    }

    /// An outgoing payment.
    ///
    /// # Errors
    /// A database error.
    #[boxed]
    pub async fn payment(&self, id: String) -> Result<Option<BookedPayment>, CashierError> {
        Ok(self.db.write(move |tx| books::payment(tx, &id)).await?)
    }

    /// The newest outgoing payments, oldest first.
    ///
    /// # Errors
    /// A database error.
    #[boxed]
    pub async fn payments(
        &self,
        only_pending: bool,
        limit: u32,
    ) -> Result<Vec<BookedPayment>, CashierError> {
        let read = move |tx: &rusqlite::Transaction<'_>| books::payments(tx, only_pending, limit);
        Ok(self.db.write(read).await?)
    }

    /// An invoice.
    ///
    /// # Errors
    /// A database error.
    #[boxed]
    pub async fn booked_invoice(
        &self,
        payment_hash: String,
    ) -> Result<Option<BookedInvoice>, CashierError> {
        let read = move |tx: &rusqlite::Transaction<'_>| books::invoice(tx, &payment_hash);
        Ok(self.db.write(read).await?)
    }

    /// The newest invoices, oldest first.
    ///
    /// # Errors
    /// A database error.
    #[boxed]
    pub async fn invoices(&self, limit: u32) -> Result<Vec<BookedInvoice>, CashierError> {
        Ok(self.db.write(move |tx| books::invoices(tx, limit)).await?)
    }

    /// The payment hashes of invoices as they are paid, from now on.
    pub(crate) fn received(&self) -> broadcast::Receiver<[u8; 32]> {
        self.received.subscribe()
    }

    /// Now, Unix milliseconds: a rail that talks to the world has the world's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        now_ms()
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
