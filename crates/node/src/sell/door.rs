//! The door: a request and what came with it, let in or told how to pay.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http402::mpp::session::DepositId;
use http402::mpp::{self, PAYMENT_RECEIPT, PaymentHash, Receipt};
use http402::xcashu::TokenOutline;
use http402::{door, l402, xcashu};
use rusqlite::Transaction;
use serde_json::json;
use wallet::cashier::books::{self, BookedInvoice, Holder};

use super::haggle::Haggled;
use super::kept::{self, KEY_BYTES_MAX, KeptAnswer};
use super::pass::{Pass, Payer};
use super::sessions::{Acted, Hold};
use super::uses::Use;
use super::{Answer, Offer, SellError, challenge};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms, now_s};
use crate::serve::{Quote, most_sat};

/// Whoever proves a payment waits so long for it to appear in the books: a proof can be faster than our own event.
const BOOKED_WITHIN: Duration = Duration::from_secs(5);
const BOOKED_PAUSE: Duration = Duration::from_millis(50);

/// A request, as far as the door looks at it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its path as it came, without the query.
    pub path: String,
    /// Its `Host`.
    pub host: String,
    /// All its `Authorization` and `X-Cashu` headers. Other schemes than those that pay aren't looked at.
    pub credentials: Vec<(&'static str, String)>,
    /// Its `Accept-Payment` header.
    pub accept_payment: Option<String>,
    /// Its `Payment-Bid` header, if it has one.
    pub bid: Option<String>,
    /// Its `Idempotency-Key` header, if it has one: how its buyer names it.
    pub idempotency_key: Option<String>,
    /// Where it came from.
    pub address: IpAddr,
    /// True if the owner asks, who pays nothing.
    pub is_owner: bool,
}

/// Where a request goes.
pub enum Entry {
    /// To the upstream.
    Pass(Box<Pass>),
    /// Back, with this.
    Answer(Answer),
    /// Back, with what this very call was answered before.
    Kept(KeptAnswer),
}

/// The one payment that came with a request.
pub(super) enum Presented {
    Nothing,
    Macaroon(l402::Credential),
    Payment(mpp::Credential),
    Ecash(String),
}

/// What a payment over Lightning gives.
enum Taken {
    /// One of the calls that it buys.
    Call(Use),
    /// What this very call was answered before.
    Kept(KeptAnswer),
}

impl Node {
    /// Lets a request in that is paid for, or says how to pay. What is paid is durable when this returns.
    ///
    /// # Errors
    /// If the database, the mint or Lightning fail. What was taken is good at the next try.
    #[boxed]
    pub async fn enter(&self, offer: Arc<Offer>, call: Call) -> Result<Entry> {
        let haggled = self.haggle(offer, call.bid.as_deref());
        let offer = &haggled.offer;
        let payment = payment_header(&call).filter(|_| !call.is_owner);
        if let Some(hold) = payment.and_then(|header| self.bear_again(offer, header)) {
            return Ok(Entry::Pass(Box::new(self.pass_by(offer, hold))));
        }
        let mut entry = self.enter_at(&haggled, &call).await?;
        match (&mut entry, payment) {
            (Entry::Answer(answer), _) => answer.headers.extend(haggled.header()),
            (Entry::Pass(pass), Some(header)) if pass.is_of_session() => {
                self.remember_bearer(offer, header);
            }
            (Entry::Pass(pass), _) => pass.name(call.name()),
            (Entry::Kept(_), _) => {}
        }
        Ok(entry)
    }

    async fn enter_at(&self, haggled: &Haggled, call: &Call) -> Result<Entry> {
        let entered = match read(call) {
            Ok(presented) => self.let_in(haggled, call, presented).await,
            Err(error) => Err(error.into()),
        };
        let refusal = match entered {
            Ok(entry) => return Ok(entry),
            Err(NodeError::Sell(error)) => error,
            Err(NodeError::PaymentUsed) => SellError::PaymentUsed,
            Err(error) => return Err(error),
        };
        let refusing = Box::pin(self.refuse_call(&haggled.offer, call.address, &refusal));
        Ok(Entry::Answer(refusing.await))
    }

    /// What is asked at a path that isn't sold: only to close a session of an offer that was taken back.
    ///
    /// # Errors
    /// As for [`enter`](Self::enter).
    #[boxed]
    pub async fn enter_unsold(&self, call: &Call) -> Result<Option<Answer>> {
        let Ok(Presented::Payment(credential)) = read(call) else {
            return Ok(None);
        };
        match self.close_orphan(&credential).await {
            Ok(reply) => Ok(reply.map(closed)),
            Err(NodeError::Sell(error)) => Ok(Some(Answer::problem(&error, None))),
            Err(error) => Err(error),
        }
    }

    /// Everything but a call of a session waits in a box of its own: that is the way of nearly all calls, and what waits
    /// is moved with each of them.
    async fn let_in(&self, haggled: &Haggled, call: &Call, presented: Presented) -> Result<Entry> {
        let offer = &haggled.offer;
        let pass = |payer, receipt| {
            Ok(Entry::Pass(Box::new(Pass::new(
                self, offer, payer, receipt,
            ))))
        };
        match presented {
            _ if call.is_owner => pass(Payer::Nobody, None),
            Presented::Nothing => {
                let bounds = &self.inner.selling.bounds;
                if bounds.free_call(&offer.id, offer.free_per_day, call.address, now_ms()) {
                    return pass(Payer::Nobody, None);
                }
                let accept = call.accept_payment.as_deref();
                // Who haggles on pays none of these.
                let address = (!haggled.goes_on()).then_some(call.address);
                let asking = Box::pin(self.ask_for_payment(offer, address, accept));
                Ok(Entry::Answer(asking.await))
            }
            Presented::Macaroon(credential) => {
                match Box::pin(self.take_macaroon(offer, call, &credential)).await? {
                    Taken::Call(taken) => pass(Payer::Lightning(taken), None),
                    Taken::Kept(kept) => Ok(Entry::Kept(kept)),
                }
            }
            Presented::Payment(credential) if credential.challenge.intent == mpp::SESSION => {
                match self.act(&offer.id, &credential).await? {
                    Acted::Call(hold) => Ok(Entry::Pass(Box::new(self.pass_by(offer, hold)))),
                    Acted::ToppedUp(receipt) => Ok(Entry::Answer(topped_up(&receipt))),
                    Acted::Closed(reply) => Ok(Entry::Answer(closed(reply))),
                }
            }
            Presented::Payment(credential) => {
                let taking = Box::pin(self.take_charge(haggled, call, &credential));
                match taking.await? {
                    (Taken::Call(taken), receipt) => pass(Payer::Lightning(taken), Some(receipt)),
                    (Taken::Kept(kept), _) => Ok(Entry::Kept(kept)),
                }
            }
            Presented::Ecash(token) => {
                let (node, offer, name) = (self.clone(), Arc::clone(offer), call.name());
                self.uninterrupted(Box::pin(async move {
                    node.take_ecash(&offer, &token, name).await
                }))
                .await
            }
        }
    }

    /// A call that a session pays.
    fn pass_by(&self, offer: &Arc<Offer>, hold: Hold) -> Pass {
        let receipt = hold.receipt.clone();
        Pass::new(self, offer, Payer::Session(hold), Some(receipt))
    }

    async fn take_macaroon(
        &self,
        offer: &Offer,
        call: &Call,
        credential: &l402::Credential,
    ) -> Result<Taken> {
        let grant = self.verify_macaroon(offer, call, credential)?;
        let calls = challenge::calls_bought(grant.capabilities.as_deref());
        self.take_named(grant.payment_hash.into(), offer, calls, call)
            .await
    }

    /// What a macaroon and its preimage give for this request.
    pub(super) fn verify_macaroon(
        &self,
        offer: &Offer,
        call: &Call,
        credential: &l402::Credential,
    ) -> Result<l402::Grant, SellError> {
        let request = l402::Request {
            service: &offer.id,
            capability: None,
            host: &call.host,
            path: &call.path,
            method: &call.method,
        };
        Ok(self
            .inner
            .selling
            .issuer
            .verify(credential, &request, now_s())?)
    }

    async fn take_charge(
        &self,
        haggled: &Haggled,
        call: &Call,
        credential: &mpp::Credential,
    ) -> Result<(Taken, Receipt)> {
        let offer = &haggled.offer;
        let at_s = self.charged_at_s(credential).await?;
        let verify = |agreed| {
            // What the challenge quoted holds, whatever the price is now: all calls of an offer cost the same.
            let quoted = mpp::ChargeOffer {
                price_sat: 0,
                agreed,
                ..self.charge_offer(offer)
            };
            quoted.verify(&self.inner.selling.keys, credential, &[], at_s)
        };
        let paid = match haggled.taken {
            // The list price may have been paid all the same.
            Some(agreed) => verify(Some(agreed)).or_else(|_| verify(None)),
            None => verify(None),
        };
        let paid = paid.map_err(SellError::from)?;
        let taken = self
            .take_named(paid.payment_hash, offer, offer.calls, call)
            .await?;
        Ok((taken, paid.receipt(now_s())))
    }

    /// Takes one of the calls that a payment buys, unless this very call was answered before.
    async fn take_named(
        &self,
        payment_hash: PaymentHash,
        offer: &Offer,
        calls: u32,
        call: &Call,
    ) -> Result<Taken> {
        let payment = DepositId::lightning(payment_hash);
        if let Some(kept) = self.kept_answer(payment.as_str(), call.name()).await? {
            return Ok(Taken::Kept(kept));
        }
        let taken = self.take_lightning(payment_hash, &offer.id, calls).await?;
        Ok(Taken::Call(taken))
    }

    /// The time by which a charge's challenge has ended or not, Unix seconds: now, or none at all if its invoice is in
    /// the books as paid, for it was paid in time. Whoever paid and was away since must not lose what it paid.
    pub(super) async fn charged_at_s(&self, credential: &mpp::Credential) -> Result<u64> {
        let hash = proven(credential);
        let is_paid = match hash {
            Some(hash) => self.is_paid(hash, Holder::Owner, 1).await?,
            None => false,
        };
        Ok(if is_paid { 0 } else { now_s() })
    }

    /// Whether so much was paid to an invoice, by the books.
    pub(super) async fn is_paid(
        &self,
        payment_hash: PaymentHash,
        holder: Holder,
        amount_msat: u64,
    ) -> Result<bool> {
        let hash = payment_hash.to_string();
        let find = move |tx: &Transaction<'_>| books::invoice(tx, &hash);
        let invoice = self.inner.db.write(find).await?;
        Ok(is_booked(invoice.as_ref(), holder, amount_msat))
    }

    /// Takes one of the calls that an invoice of ours pays for. It must be in the books: a preimage proves a payment,
    /// and the books prove that it was to us.
    pub(super) async fn take_lightning(
        &self,
        payment_hash: PaymentHash,
        offer: &str,
        calls: u32,
    ) -> Result<Use> {
        self.wait_until_booked(payment_hash, Holder::Owner, 1)
            .await?;
        let (payment, offer) = (DepositId::lightning(payment_hash), offer.to_owned());
        let begin = move |tx: &Transaction<'_>| Use::begin(tx, &payment, &offer, calls, now_ms());
        self.inner.db.write(begin).await
    }

    /// Waits until a payment that was proven is in the books.
    pub(super) async fn wait_until_booked(
        &self,
        payment_hash: PaymentHash,
        holder: Holder,
        amount_msat: u64,
    ) -> Result<()> {
        let deadline = tokio::time::Instant::now() + BOOKED_WITHIN;
        loop {
            if self.is_paid(payment_hash, holder, amount_msat).await? {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(SellError::PaymentNotBooked.into());
            }
            tokio::time::sleep(BOOKED_PAUSE).await;
        }
    }

    /// The token, if it may be redeemed for this offer. The books are asked only about one that wouldn't do by itself:
    /// perhaps it was redeemed for the very same before.
    async fn may_redeem(&self, offer: &Offer, token: &str, request: &str) -> Result<TokenOutline> {
        let asked = self.ecash_offer(offer)?;
        if let Ok(outline) = accepted(&asked, token, None) {
            return Ok(outline);
        }
        let before = self.paid_before(Some(token), request).await?;
        Ok(accepted(&asked, token, before)?)
    }

    /// What a payment's call of this name was answered.
    async fn kept_answer(&self, payment: &str, name: Option<String>) -> Result<Option<KeptAnswer>> {
        let Some(name) = name else {
            return Ok(None);
        };
        let payment = payment.to_owned();
        let find = move |tx: &Transaction<'_>| KeptAnswer::find(tx, &payment, &name);
        self.inner.db.write(find).await
    }

    async fn take_ecash(
        &self,
        offer: &Arc<Offer>,
        token: &str,
        name: Option<String>,
    ) -> Result<Entry> {
        if self.is_mint_closed() {
            return Err(crate::backup::BackupError::MintClosed.into());
        }
        let request = format!("offer:{}", offer.id);
        let outline = self.may_redeem(offer, token, &request).await?;
        let guard = self.inner.sales.lock(&outline.id.to_string()).await;
        let quote = quoted(offer, request);
        let sale = match self.take_payment(outline, quote).await {
            Ok(sale) => sale,
            // A refusal took nothing.
            Err(NodeError::Ecash(error)) if !error.is_unknown() => {
                return Err(SellError::Token(error).into());
            }
            Err(error) => return Err(error),
        };
        if sale.is_settled() {
            // Its change, or its money, for whoever lost the answer.
            let change = sale.change_token.clone();
            let change = change.map(|token| (xcashu::X_CASHU, token));
            let paid = kept::of_sale(&sale.id);
            if let Some(mut kept) = self.kept_answer(&paid, name).await? {
                let change = change.map(|(name, token)| (name.to_owned(), token));
                kept.headers.extend(change);
                return Ok(Entry::Kept(kept));
            }
            let mut answer = Answer::problem(&SellError::PaymentUsed, Some(offer));
            answer.headers.extend(change);
            return Ok(Entry::Answer(answer));
        }
        let is_enough = sale.received_sat >= sale.max_price_sat;
        let (given_sat, price_sat) = (sale.received_sat, sale.max_price_sat);
        let pass = Pass::new(
            self,
            offer,
            Payer::Ecash {
                sale: Box::new(sale),
                _guard: guard,
            },
            None,
        );
        match is_enough {
            true => Ok(Entry::Pass(Box::new(pass))),
            false => {
                let error = http402::Error::PaymentTooLittle {
                    given_sat,
                    price_sat,
                };
                Ok(Entry::Answer(pass.failed(SellError::Ecash(error)).await?))
            }
        }
    }
}

impl Call {
    /// How its buyer names it, if that can be kept.
    pub(super) fn name(&self) -> Option<String> {
        let is_fit = |name: &String| !name.is_empty() && name.len() <= KEY_BYTES_MAX;
        self.idempotency_key.clone().filter(is_fit)
    }
}

/// Which payment a charge's credential proves, if it proves one.
pub(super) fn proven(credential: &mpp::Credential) -> Option<PaymentHash> {
    let preimage = credential.payload.get("preimage")?.clone();
    let preimage: mpp::Preimage = serde_json::from_value(preimage).ok()?;
    Some(preimage.hash())
}

/// Whether an invoice is this holder's, and so much has come for it.
pub(super) fn is_booked(invoice: Option<&BookedInvoice>, holder: Holder, amount_msat: u64) -> bool {
    invoice.is_some_and(|invoice| {
        let received_msat = invoice.received_msat;
        invoice.holder == holder && received_msat.is_some_and(|msat| msat >= amount_msat)
    })
}

/// The token, if it may be redeemed for what is asked; or if it was, `before`.
pub(super) fn accepted(
    asked: &xcashu::Offer,
    token: &str,
    before: Option<TokenOutline>,
) -> Result<TokenOutline, SellError> {
    let outline = match (asked.decide(Some(token)), before) {
        // What paid before the price rose is still good.
        (_, Some(outline)) => outline,
        (xcashu::Decision::Redeem(outline), None) => outline,
        (xcashu::Decision::Refuse { error, .. }, None) => return Err(SellError::Ecash(error)),
        (xcashu::Decision::Challenge(_), None) => {
            return Err(SellError::HeaderMalformed("X-Cashu"));
        }
    };
    if outline.amount > most_sat(asked.price_sat()) {
        let (given_sat, price_sat) = (outline.amount, asked.price_sat());
        return Err(SellError::PaymentTooMuch {
            given_sat,
            price_sat,
        });
    }
    Ok(outline)
}

/// What a token is to pay for: a call of an offer.
pub(super) fn quoted(offer: &Offer, request: String) -> Quote {
    Quote {
        request,
        body: Vec::new(),
        max_price_sat: offer.price_sat,
        max_tokens: 0,
        offer: Some(offer.id.clone()),
    }
}

fn headers(call: &Call) -> impl Iterator<Item = (&str, &str)> {
    let credentials = call.credentials.iter();
    credentials.map(|(name, value)| (*name, value.as_str()))
}

/// The one payment of a request as it stands in its header, if it is of the `Payment` scheme.
fn payment_header(call: &Call) -> Option<&str> {
    match door::Presented::find(headers(call)) {
        Ok(door::Presented::Payment(header)) => Some(header),
        _ => None,
    }
}

/// Reads the payment in a request.
pub(super) fn read(call: &Call) -> Result<Presented, SellError> {
    Ok(match door::Presented::find(headers(call))? {
        door::Presented::Nothing => Presented::Nothing,
        door::Presented::XCashu(token) => Presented::Ecash(token.to_owned()),
        door::Presented::Payment(text) => Presented::Payment(mpp::Credential::parse(text)?),
        door::Presented::L402(text) => match l402::Credential::parse(text)? {
            Some(credential) => Presented::Macaroon(credential),
            None => Presented::Nothing,
        },
    })
}

pub(super) fn topped_up(receipt: &Receipt) -> Answer {
    let mut answer = Answer::ok(json!({ "status": "ok" }));
    answer.headers.push((PAYMENT_RECEIPT, receipt.encode()));
    answer
}

pub(super) fn closed(reply: mpp::session::CloseReply) -> Answer {
    let mut answer = Answer::ok(reply.body());
    answer
        .headers
        .push((PAYMENT_RECEIPT, reply.receipt.encode()));
    answer
        .headers
        .extend(reply.token.map(|token| (xcashu::X_CASHU, token)));
    answer
}
