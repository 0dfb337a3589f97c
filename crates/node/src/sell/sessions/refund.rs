//! The rest goes back: once, whatever happens in between.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use http402::mpp::RefundStatus;
use http402::mpp::session::{Effect, RefundTo, Reply, Session};
use rusqlite::Transaction;
use uuid::Uuid;
use wallet::cashier::Payment;
use wallet::cashier::books::{BookedPayment, Holder, PaymentState};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::lightning::{LightningError, Payable};
use wallet::{MSAT_PER_SAT, sat_to_msat};

use super::metering::income;
use super::{Live, store};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};
use crate::sell::SellError;

/// Between two rounds in the background.
const PAUSE: Duration = Duration::from_secs(3);
/// How many sessions are settled at the same time.
const AT_ONCE: usize = 16;
/// What the way back may cost, as a share of the rest, if there is none for nothing.
const FEE_SHARE: u64 = 100;
const FEE_MIN_MSAT: u64 = 2_000;

impl Node {
    /// Brings what was begun to its end in the background: deposits at the mint, rests on their way back, sessions
    /// that are silent. One that hangs doesn't keep the others waiting.
    pub(crate) async fn keep_settling_sessions(&self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            if !self.is_ecash_back().await {
                continue;
            }
            let all = futures::stream::iter(self.inner.selling.sessions.all());
            all.for_each_concurrent(AT_ONCE, |live| async move {
                let Some(_alone) = self
                    .inner
                    .selling
                    .sessions
                    .alone
                    .try_lock(&live.id.to_string())
                else {
                    return;
                };
                if let Err(error) = self.resume_session(&live).await {
                    tracing::info!(code = error.code(), "a session isn't settled: {error}");
                }
            })
            .await;
        }
    }

    async fn resume_session(&self, live: &Arc<Live>) -> Result<()> {
        if live.is_idle() {
            self.end_session(live, None).await?;
        }
        let unfinished = live.lock().session.unfinished();
        for effect in unfinished {
            match effect {
                Effect::Redeem { deposit, token } => {
                    self.redeem_deposit(live, &deposit, &token, true).await?;
                }
                Effect::Refund { amount_sat, to } => {
                    self.refund_session(live, amount_sat, &to).await?;
                }
                Effect::Consume(_) | Effect::Persist => {}
            }
        }
        Ok(())
    }

    /// Gives a session's rest back. It is asked for again after a crash, and pays once: an invoice by its payment
    /// hash, a token by its record.
    pub(super) async fn refund_session(
        &self,
        live: &Arc<Live>,
        amount_sat: u64,
        to: &RefundTo,
    ) -> Result<Reply> {
        match to {
            RefundTo::Invoice(invoice) => self.refund_invoice(live, amount_sat, invoice).await,
            RefundTo::Token => self.refund_token(live, amount_sat).await,
        }
    }

    async fn refund_invoice(
        &self,
        live: &Arc<Live>,
        amount_sat: u64,
        invoice: &str,
    ) -> Result<Reply> {
        if self.is_on_its_way(invoice).await? {
            return Err(SellError::RefundPending.into());
        }
        let rest_msat = sat_to_msat(amount_sat);
        for (amount_msat, fee_max_msat) in tries(rest_msat) {
            let request = invoice.to_owned();
            let payment = Payment {
                holder: Holder::Sessions,
                request,
                amount_msat: Some(amount_msat),
                fee_max_msat,
            };
            match self.cashier()?.pay(payment).await {
                Ok(paid) if paid.state == PaymentState::Succeeded => {
                    return self.book_refund(live, rest_msat, &paid).await;
                }
                Ok(paid) if paid.state == PaymentState::Pending => {
                    return Err(SellError::RefundPending.into());
                }
                Ok(_) => {}
                Err(error) if !error.is_definitive() => return Err(error.into()),
                Err(wallet::cashier::CashierError::Lightning(LightningError::InvoiceExpired)) => {
                    return self.give_up_refund(live).await;
                }
                Err(error) => {
                    tracing::info!(
                        code = error.code(),
                        "a session's rest can't go back yet: {error}"
                    );
                }
            }
        }
        Err(SellError::RefundPending.into())
    }

    async fn is_on_its_way(&self, invoice: &str) -> Result<bool> {
        let Some(id) = Payable::parse(invoice)?.payment_id() else {
            return Ok(false);
        };
        let payment = self.cashier()?.payment(id.to_string()).await?;
        Ok(payment.is_some_and(|payment| payment.state == PaymentState::Pending))
    }

    /// What was kept for the way and not needed is too little to be sent, and stays.
    async fn book_refund(
        &self,
        live: &Arc<Live>,
        rest_msat: u64,
        paid: &BookedPayment,
    ) -> Result<Reply> {
        let left_msat = left_msat(rest_msat, paid);
        let change = move |session: &mut Session, _: u64, tx: &Transaction<'_>| -> Result<Reply> {
            sent_back(tx, session, left_msat)
        };
        self.change_session(live, change).await
    }

    /// The invoice can't be paid any more. The money stays in the account of deposits: it is the buyer's.
    async fn give_up_refund(&self, live: &Arc<Live>) -> Result<Reply> {
        tracing::warn!(session = %live.id, "the invoice for a session's rest has expired; the rest is kept for its buyer");
        let change = |session: &mut Session, _: u64, _: &Transaction<'_>| -> Result<Reply> {
            Ok(session
                .refunded(RefundStatus::Failed, None)
                .map_err(SellError::from)?
                .reply)
        };
        self.change_session(live, change).await
    }

    async fn refund_token(&self, live: &Arc<Live>, amount_sat: u64) -> Result<Reply> {
        let issued = self.make_change(amount_sat).await?;
        let record = issued.as_ref().map(|issued| {
            let out_sat = issued.amount_sat.saturating_add(issued.fee_sat);
            (issued.operation, issued.token.clone(), out_sat)
        });
        let change = move |session: &mut Session, _: u64, tx: &Transaction<'_>| -> Result<Reply> {
            handed_back(tx, session, amount_sat, record)
        };
        let reply = self.change_session(live, change).await;
        // The token was let go only when it was recorded.
        drop(issued);
        reply
    }
}

impl Live {
    /// Whether it was silent for too long, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        let over_at_s = state.session.times_out_at_s();
        state.held_sat == 0 && over_at_s.is_some_and(|at_s| crate::node::now_s() >= at_s)
    }
}

/// What is tried to be sent back, with the highest fee: all of it if there is a way for nothing; else the buyer bears
/// what the way costs. Whole satoshis: a part of one can't be asked for by all wallets.
pub(super) fn tries(rest_msat: u64) -> impl Iterator<Item = (u64, u64)> {
    let reserve_msat = (rest_msat / FEE_SHARE).max(FEE_MIN_MSAT);
    let tries = [
        (rest_msat, 0),
        (rest_msat.saturating_sub(reserve_msat), reserve_msat),
    ];
    let whole = |(msat, fee_max_msat)| (msat / MSAT_PER_SAT * MSAT_PER_SAT, fee_max_msat);
    tries.into_iter().map(whole).filter(|(msat, _)| *msat > 0)
}

/// What a payment left of a rest.
pub(super) fn left_msat(rest_msat: u64, paid: &BookedPayment) -> u64 {
    let fee_msat = paid
        .fee_msat
        .unwrap_or(paid.fee_max_msat)
        .min(paid.fee_max_msat);
    rest_msat.saturating_sub(paid.amount_msat.saturating_add(fee_msat))
}

/// The rest went back over Lightning, but for what is too little.
pub(super) fn sent_back(
    tx: &Transaction<'_>,
    session: &mut Session,
    left_msat: u64,
) -> Result<Reply> {
    keep(tx, session, left_msat)?;
    let step = session
        .refunded(RefundStatus::Succeeded, None)
        .map_err(SellError::from)?;
    Ok(step.reply)
}

/// The rest is a token: its operation, its text, and what it cost in all. None if the mint's fee is more than the rest.
pub(super) fn handed_back(
    tx: &Transaction<'_>,
    session: &mut Session,
    amount_sat: u64,
    token: Option<(Uuid, String, u64)>,
) -> Result<Reply> {
    let Some((operation, token, out_sat)) = token else {
        keep(tx, session, sat_to_msat(amount_sat))?;
        let step = session
            .refunded(RefundStatus::Skipped, None)
            .map_err(SellError::from)?;
        return Ok(step.reply);
    };
    let transfer = NewTransfer {
        id: &format!("session:{}:rest", session.id()),
        debit: &Account::Sessions,
        credit: &Account::TillEcash,
        amount_msat: sat_to_msat(out_sat),
        memo: "the rest of a session",
        now_ms: now_ms(),
    };
    ledger::transfer(tx, &transfer)?;
    keep(tx, session, sat_to_msat(amount_sat.saturating_sub(out_sat)))?;
    store::note_token(tx, session.id(), operation, &token)?;
    let step = session
        .refunded(RefundStatus::Succeeded, Some(token))
        .map_err(SellError::from)?;
    Ok(step.reply)
}

/// What is too little to go back.
fn keep(tx: &Transaction<'_>, session: &Session, amount_msat: u64) -> Result<(), NodeError> {
    if amount_msat == 0 {
        return Ok(());
    }
    let transfer = NewTransfer {
        id: &format!("session:{}:kept", session.id()),
        debit: &Account::Sessions,
        credit: &income(session),
        amount_msat,
        memo: "too little of a session to go back",
        now_ms: now_ms(),
    };
    Ok(ledger::transfer(tx, &transfer)?)
}
