//! What a session's buyer asks for: open, pay a call, top up, close.

use std::sync::Arc;
use std::time::Duration;

use http402::mpp::session::{
    Action, ActionKind, CloseReply, Deposit, DepositId, Effect, RefundTo, Reply, Session, Step,
};
use http402::mpp::{Credential, PaymentHash};
use rusqlite::Transaction;
use wallet::cashier::books::Holder;
use wallet::ecash::Redemption;
use wallet::ledger::{self, Account, NewTransfer};
use wallet::lightning::Payable;
use wallet::sat_to_msat;

use super::{Hold, Live, store};
use crate::error::Result;
use crate::node::{Node, now_ms, now_s};
use crate::sell::{SellError, uses};

/// How long a close waits for calls that are under way.
const CALLS_TIME_MAX: Duration = Duration::from_secs(10);
const CALLS_PAUSE: Duration = Duration::from_millis(50);

/// What an action led to.
pub(in crate::sell) enum Acted {
    /// The session pays for the request that it came with.
    Call(Hold),
    /// The session was topped up.
    ToppedUp(http402::mpp::Receipt),
    /// The session is over.
    Closed(CloseReply),
}

impl Node {
    /// Does what a credential asks of a session of this offer.
    pub(in crate::sell) async fn act(&self, offer: &str, credential: &Credential) -> Result<Acted> {
        let selling = &self.inner.selling;
        let reader = self.session_reader(offer);
        let mut action = reader
            .read(&selling.keys, credential)
            .map_err(SellError::from)?;
        if let (ActionKind::Bearer, Some(live)) =
            (&action.kind, selling.sessions.get(action.session))
        {
            // The way of nearly all calls: no disk, and nobody to wait for.
            live.must_be_of(offer)?;
            return Ok(live.bear(&action).map(Acted::Call)?);
        }
        if let Some((hash, amount_msat)) = paid_in(&action.kind)
            && self.is_paid(hash, Holder::Sessions, amount_msat).await?
        {
            action = action.paid_in_time();
        }
        let (node, offer) = (self.clone(), offer.to_owned());
        // Whoever hangs up now must not leave it half done.
        self.uninterrupted(Box::pin(
            async move { node.act_alone(&offer, &action).await },
        ))
        .await
    }

    /// Ends a session of an offer that isn't in the catalogue any more.
    pub(in crate::sell) async fn close_orphan(
        &self,
        credential: &Credential,
    ) -> Result<Option<CloseReply>> {
        let id = credential
            .payload
            .get("sessionId")
            .and_then(|id| id.as_str()?.parse::<PaymentHash>().ok());
        let Some(id) = id else { return Ok(None) };
        let Some(live) = self.session(id).await? else {
            return Ok(None);
        };
        let is_close = credential
            .payload
            .get("action")
            .is_some_and(|action| action == "close");
        match is_close {
            true => match self.act(&live.offer.clone(), credential).await? {
                Acted::Closed(reply) => Ok(Some(reply)),
                _ => Ok(None),
            },
            false => Ok(None),
        }
    }

    async fn act_alone(&self, offer: &str, action: &Action) -> Result<Acted> {
        let _alone = self
            .inner
            .selling
            .sessions
            .alone
            .lock(&action.session.to_string())
            .await;
        let found = self.session(action.session).await?;
        if let Some(live) = &found {
            live.must_be_of(offer)?;
        }
        let missing = || SellError::from(http402::mpp::Error::SessionNotFound);
        match (&action.kind, found) {
            (ActionKind::Bearer, live) => Ok(Acted::Call(live.ok_or_else(missing)?.bear(action)?)),
            (
                ActionKind::Open {
                    deposit, refund_to, ..
                },
                None,
            ) => {
                let (live, step) = self.open_session(offer, action, deposit, refund_to).await?;
                self.finish(&live, step).await
            }
            (ActionKind::Open { .. }, Some(live)) => {
                let step = live
                    .lock()
                    .session
                    .apply(action, None, now_s())
                    .map_err(SellError::from)?;
                self.finish(&live, step).await
            }
            (ActionKind::TopUp { deposit }, live) => {
                let live = live.ok_or_else(missing)?;
                let step = self.top_up(&live, action, deposit).await?;
                self.finish(&live, step).await
            }
            (ActionKind::Close, live) => {
                let live = live.ok_or_else(missing)?;
                self.let_calls_end(&live).await?;
                // A deposit under way belongs to the rest: its worth must be known first.
                self.settle_deposits(&live).await?;
                let step = self.end_session(&live, Some(action.clone())).await?;
                self.finish(&live, step.ok_or_else(missing)?).await
            }
        }
    }

    async fn open_session(
        &self,
        offer: &str,
        action: &Action,
        deposit: &Deposit,
        refund_to: &RefundTo,
    ) -> Result<(Arc<Live>, Step)> {
        let return_hash = match refund_to {
            RefundTo::Invoice(invoice) => {
                Some(return_hash(invoice, self.inner.config.network.chain())?)
            }
            RefundTo::Token => None,
        };
        self.check_deposit(deposit).await?;
        let (session, step) = Session::open(action, now_s()).map_err(SellError::from)?;
        let live = Arc::new(Live::new(offer, session.clone(), 0));
        let (offer, deposit) = (offer.to_owned(), deposit.id());
        let write = move |tx: &Transaction<'_>| -> Result<()> {
            consume(tx, &deposit, &session)?;
            store::insert(tx, &offer, &session, return_hash.as_deref(), now_ms())
        };
        self.inner.db.write(write).await?;
        self.inner.selling.sessions.insert(&live);
        Ok((live, step))
    }

    async fn top_up(&self, live: &Arc<Live>, action: &Action, deposit: &Deposit) -> Result<Step> {
        let is_known = {
            // Again, or not in order: nothing changes, and nothing has to be consumed.
            let mut copy = live.lock().session.clone();
            let step = copy.apply(action, None, now_s()).map_err(SellError::from)?;
            step.effects.is_empty().then_some(step)
        };
        if let Some(step) = is_known {
            return Ok(step);
        }
        self.check_deposit(deposit).await?;
        let (action, deposit) = (action.clone(), deposit.id());
        let change = move |session: &mut Session, _: u64, tx: &Transaction<'_>| -> Result<Step> {
            add_deposit(tx, session, &action, &deposit)
        };
        self.change_session(live, change).await
    }

    /// Closes a session for its buyer, or (without an action) for its silence, if nothing is under way.
    pub(super) async fn end_session(
        &self,
        live: &Arc<Live>,
        action: Option<Action>,
    ) -> Result<Option<Step>> {
        let change = move |session: &mut Session,
                           held_sat: u64,
                           _: &Transaction<'_>|
              -> Result<Option<Step>> {
            Ok(end(session, held_sat, action.as_ref())?)
        };
        self.change_session(live, change).await
    }

    async fn let_calls_end(&self, live: &Live) -> Result<()> {
        let deadline = tokio::time::Instant::now() + CALLS_TIME_MAX;
        while live.lock().held_sat > 0 {
            if tokio::time::Instant::now() > deadline {
                return Err(SellError::SessionBusy.into());
            }
            tokio::time::sleep(CALLS_PAUSE).await;
        }
        Ok(())
    }

    async fn settle_deposits(&self, live: &Arc<Live>) -> Result<()> {
        let unfinished = live.lock().session.unfinished();
        for effect in unfinished {
            if let Effect::Redeem { deposit, token } = effect {
                self.redeem_deposit(live, &deposit, &token, true).await?;
            }
        }
        Ok(())
    }

    /// Does what a step left to be done, and says what it led to.
    async fn finish(&self, live: &Arc<Live>, step: Step) -> Result<Acted> {
        let mut reply = step.reply;
        // What was begun by an earlier request may have happened: it is looked at before it is done again.
        let is_again = step.effects.is_empty();
        let unfinished = match reply {
            Reply::Wait => live.lock().session.unfinished(),
            _ => step.effects,
        };
        for effect in unfinished {
            reply = match effect {
                Effect::Redeem { deposit, token } => {
                    self.redeem_deposit(live, &deposit, &token, is_again)
                        .await?
                }
                Effect::Refund { amount_sat, to } => {
                    self.refund_session(live, amount_sat, &to).await?
                }
                Effect::Consume(_) | Effect::Persist => reply,
            };
        }
        Ok(acted(live, reply)?)
    }

    /// Swaps a deposit's token, once, and credits what it was worth.
    pub(super) async fn redeem_deposit(
        &self,
        live: &Arc<Live>,
        deposit: &DepositId,
        token: &str,
        is_again: bool,
    ) -> Result<Reply> {
        let before = match is_again {
            true => {
                self.settle_till().await?;
                self.inner.till.redemption(token).await?
            }
            false => Redemption::None,
        };
        let received_sat = match before {
            Redemption::Done { amount_sat } => Some(amount_sat),
            Redemption::Lost => None,
            Redemption::Unknown => return Err(SellError::DepositPending.into()),
            Redemption::None => match self.inner.till.redeem(token).await {
                Ok(amount_sat) => Some(amount_sat),
                Err(error) => {
                    self.note_ecash(&error);
                    if error.is_unknown() {
                        return Err(SellError::DepositPending.into());
                    }
                    None
                }
            },
        };
        self.book_deposit(live, deposit.clone(), received_sat).await
    }

    async fn book_deposit(
        &self,
        live: &Arc<Live>,
        deposit: DepositId,
        received_sat: Option<u64>,
    ) -> Result<Reply> {
        let change = move |session: &mut Session, _: u64, tx: &Transaction<'_>| -> Result<Reply> {
            credit_deposit(tx, session, &deposit, received_sat)
        };
        self.change_session(live, change).await
    }

    /// A payment must be in the books, so that there is something to earn and to give back.
    async fn check_deposit(&self, deposit: &Deposit) -> Result<()> {
        match deposit {
            Deposit::Lightning {
                payment_hash,
                amount_sat,
            } => {
                self.wait_until_booked(*payment_hash, Holder::Sessions, sat_to_msat(*amount_sat))
                    .await
            }
            Deposit::Ecash(_) => Ok(()),
        }
    }
}

/// What a session's reply means for the request that it answers.
pub(super) fn acted(live: &Arc<Live>, reply: Reply) -> Result<Acted, SellError> {
    match reply {
        Reply::Opened(receipt) => Ok(Acted::Call(live.first_call(receipt)?)),
        Reply::ToppedUp(receipt) => Ok(Acted::ToppedUp(receipt)),
        Reply::Closed(reply) => Ok(Acted::Closed(reply)),
        Reply::DepositFailed => Err(SellError::PaymentUsed),
        Reply::Wait | Reply::Serve | Reply::Repeat => Err(SellError::DepositPending),
    }
}

/// The payment hash of an invoice that could be paid any time, without an amount.
pub(super) fn return_hash(invoice: &str, network: bitcoin::Network) -> Result<String, SellError> {
    let invalid = |why| SellError::from(http402::mpp::Error::ReturnInvoiceInvalid(why));
    let payable = Payable::parse(invoice).map_err(|_| invalid("it can't be read"))?;
    let checked = payable.check(network, Some(1_000), Duration::from_secs(now_s()));
    checked.map_err(|_| invalid("it is of another network, names an amount or has expired"))?;
    let id = payable.payment_id();
    Ok(id
        .ok_or_else(|| invalid("it is no BOLT 11 invoice"))?
        .to_string())
}

/// Closes a session for its buyer, or (without an action) for its silence.
pub(super) fn end(
    session: &mut Session,
    held_sat: u64,
    action: Option<&Action>,
) -> Result<Option<Step>, SellError> {
    if held_sat > 0 {
        return Err(SellError::SessionBusy);
    }
    match action {
        Some(action) => Ok(Some(session.apply(action, None, now_s())?)),
        None => Ok(session.tick(now_s())),
    }
}

/// The payment hash and the amount of a deposit that came over Lightning.
pub(super) fn paid_in(kind: &ActionKind) -> Option<(PaymentHash, u64)> {
    match kind {
        ActionKind::Open { deposit, .. } | ActionKind::TopUp { deposit } => match deposit {
            Deposit::Lightning {
                payment_hash,
                amount_sat,
            } => Some((*payment_hash, sat_to_msat(*amount_sat))),
            Deposit::Ecash(_) => None,
        },
        ActionKind::Bearer | ActionKind::Close => None,
    }
}

/// Takes a further deposit in, and uses it up.
pub(super) fn add_deposit(
    tx: &Transaction<'_>,
    session: &mut Session,
    action: &Action,
    deposit: &DepositId,
) -> Result<Step> {
    let step = session
        .apply(action, None, now_s())
        .map_err(SellError::from)?;
    if !step.effects.is_empty() {
        consume(tx, deposit, session)?;
    }
    Ok(step)
}

/// Credits what a token brought in, or notes that it was worth nothing.
pub(super) fn credit_deposit(
    tx: &Transaction<'_>,
    session: &mut Session,
    deposit: &DepositId,
    received_sat: Option<u64>,
) -> Result<Reply> {
    let Some(received_sat) = received_sat.filter(|sat| *sat > 0) else {
        let step = session.failed(deposit, now_s()).map_err(SellError::from)?;
        return Ok(step.reply);
    };
    let transfer = NewTransfer {
        id: &format!("session:{}:in:{}", session.id(), deposit.as_str()),
        debit: &Account::TillEcash,
        credit: &Account::Sessions,
        amount_msat: sat_to_msat(received_sat),
        memo: "deposit of a session",
        now_ms: now_ms(),
    };
    ledger::transfer(tx, &transfer)?;
    let step = session
        .settled(deposit, received_sat, now_s())
        .map_err(SellError::from)?;
    Ok(step.reply)
}

/// Uses a deposit up. What became of a token can be told later only if it was used for one thing.
pub(super) fn consume(tx: &Transaction<'_>, deposit: &DepositId, session: &Session) -> Result<()> {
    let sale = deposit.as_str().strip_prefix("cashu:").unwrap_or_default();
    let sql = "SELECT EXISTS (SELECT 1 FROM sales WHERE id = ?1)";
    if tx.query_row(sql, [sale], |row| row.get(0))? {
        return Err(SellError::PaymentUsed.into());
    }
    uses::consume(tx, deposit, &session.id().to_string(), now_ms())
}
