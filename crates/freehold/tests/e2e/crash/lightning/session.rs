//! A session, from the deposit to the rest, by a client that isn't killed: it pays with a narrowed token of the payer's
//! purse, takes every step until it is done, and remembers what it was answered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::deal::{Deal, End, persist, send};
use crate::common::Reply;
use crate::common::rng::Rng;
use crate::crash::request::Addresses;
use crate::selling::buyer::{credential, find_payment, request};

/// How long a session is silent before it is closed, if it is: what was spent must be on the disk long before.
const LULL: Duration = Duration::from_secs(4);

/// What is done in a session.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many calls, with the one that opens it. A deposit buys four.
    calls: u32,
    /// Before which call it is topped up, if it gets there.
    top_up_before: Option<u32>,
    lull: Duration,
}

/// A session that is over, and what its buyer knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub id: String,
    /// The payment hashes of its deposits.
    pub deposits: Vec<String>,
    /// When each call was answered.
    pub answered: Vec<Instant>,
    /// The payment hash of the invoice for its rest.
    pub return_hash: String,
    /// What `close` was answered.
    pub reply: Value,
    /// How it ended before it was closed.
    pub note: &'static str,
    bearer: String,
    close: String,
}

/// A deposit that was paid.
struct Deposit {
    challenge: String,
    payment_hash: String,
    preimage: String,
}

/// Somebody with a session to hold.
struct Client<'a> {
    deal: &'a Deal,
    at: &'a Addresses,
    deadline: Instant,
}

impl Plan {
    pub fn new(rng: &mut Rng) -> Self {
        let calls = u32::try_from(rng.within(1, 8)).unwrap();
        let top_up_before = rng.pick(&[None, Some(2), Some(3), Some(5)]);
        let is_silent = rng.chance(25);
        Self {
            calls,
            top_up_before,
            lull: if is_silent { LULL } else { Duration::ZERO },
        }
    }
}

impl Deposit {
    fn credential(&self, payload: &Value) -> String {
        credential(&self.challenge, payload)
    }

    fn of_session(&self, action: &str) -> String {
        let (id, preimage) = (&self.payment_hash, &self.preimage);
        self.credential(&json!({ "action": action, "sessionId": id, "preimage": preimage }))
    }
}

/// Opens a session, uses it and closes it.
pub async fn hold(
    deal: &Deal,
    plan: Plan,
    at: &Addresses,
    deadline: Instant,
) -> Result<End, String> {
    let client = Client { deal, at, deadline };
    let first = match client.deposit().await? {
        Ok(first) => first,
        Err(code) => return Ok(End::Refused { code }),
    };
    let (invoice, return_hash) = persist(deadline, || client.return_invoice()).await?;
    let mut session = Closed {
        id: first.payment_hash.clone(),
        deposits: vec![first.payment_hash.clone()],
        answered: Vec::new(),
        return_hash,
        reply: Value::Null,
        note: "as planned",
        bearer: first.of_session("bearer"),
        close: first.of_session("close"),
    };
    let preimage = &first.preimage;
    let open = json!({ "action": "open", "preimage": preimage, "returnInvoice": invoice });
    client
        .calls(plan, &mut session, &first.credential(&open))
        .await?;
    tokio::time::sleep(plan.lull).await;
    session.reply = persist(deadline, || client.close(&session.close)).await?;
    Ok(End::Closed(Box::new(session)))
}

/// Whoever closes it again gets the same answer, and whoever calls again gets nothing.
pub async fn again(deal: &Deal, closed: &Closed, at: &Addresses) -> Result<End, String> {
    let deadline = Instant::now() + Duration::from_secs(90);
    let client = Client { deal, at, deadline };
    persist(deadline, || client.sees_it_closed(&closed.bearer)).await?;
    let reply = persist(deadline, || client.close(&closed.close)).await?;
    let closed = closed.clone();
    Ok(End::Closed(Box::new(Closed { reply, ..closed })))
}

impl Client<'_> {
    async fn calls(&self, plan: Plan, session: &mut Closed, open: &str) -> Result<(), String> {
        for call in 1..=plan.calls {
            if plan.top_up_before == Some(call) {
                self.top_up(session).await?;
            }
            // Opened again, because an answer was lost, it pays one more call.
            let bearer = session.bearer.clone();
            let authorization: &str = if call == 1 { open } else { &bearer };
            if !persist(self.deadline, || self.call(authorization)).await? {
                session.note = "used up";
                return Ok(());
            }
            session.answered.push(Instant::now());
        }
        Ok(())
    }

    /// Adds a deposit, if the policy lets it be paid.
    async fn top_up(&self, session: &mut Closed) -> Result<(), String> {
        let Ok(deposit) = self.deposit().await? else {
            session.note = "top-up refused";
            return Ok(());
        };
        let (id, preimage) = (&session.id, &deposit.preimage);
        let payload = json!({ "action": "topUp", "sessionId": id, "topUpPreimage": preimage });
        let authorization = deposit.credential(&payload);
        persist(self.deadline, || self.topped_up(&authorization)).await?;
        session.deposits.push(deposit.payment_hash);
        Ok(())
    }

    /// Pays a deposit; or says by which code the policy refuses it.
    async fn deposit(&self) -> Result<Result<Deposit, String>, String> {
        let challenge = persist(self.deadline, || self.challenge()).await?;
        let terms = request(&challenge);
        let text = |name: &str| terms[name].as_str().unwrap().to_owned();
        let invoice = text("depositInvoice");
        let paid = persist(self.deadline, || self.pay(&invoice)).await?;
        Ok(paid.map(|preimage| Deposit {
            challenge,
            payment_hash: text("paymentHash"),
            preimage,
        }))
    }

    async fn challenge(&self) -> Result<String, String> {
        let reply = self.ask(None).await?;
        find_payment(&reply, "lightning", "session").ok_or_else(|| told(&reply))
    }

    /// Pays an invoice from the purse. The same invoice is paid once, however often this is asked.
    async fn pay(&self, invoice: &str) -> Result<Result<String, String>, String> {
        let url = format!("{}/api/purse/pay", self.at.payer_url);
        let ask = self.at.http.post(url).bearer_auth(&self.deal.bearer);
        let (status, payment) = send(ask.json(&json!({ "invoice": invoice }))).await?;
        let code = payment["error"]["code"].as_str().unwrap_or_default();
        let preimage = payment["preimage"].as_str();
        match preimage {
            Some(preimage) if payment["state"] == "settled" => Ok(Ok(preimage.to_owned())),
            None if code.starts_with("budget_") => Ok(Err(code.to_owned())),
            _ => Err(format!("the deposit isn't paid: {status} {payment}")),
        }
    }

    /// An invoice of the payer's node that names no amount, and its payment hash. A purse's own invoice would name one, so the
    /// rest goes to the owner.
    async fn return_invoice(&self) -> Result<(String, String), String> {
        let url = format!("{}/api/lightning/invoices", self.at.payer_url);
        let ask = self.at.http.post(url).bearer_auth(&self.at.payer_owner);
        let (status, made) = send(ask.json(&json!({ "description": self.deal.id }))).await?;
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        text("request")
            .zip(text("payment_hash"))
            .ok_or_else(|| format!("no invoice: {status} {made}"))
    }

    /// One call: false if the session can't pay for it.
    async fn call(&self, authorization: &str) -> Result<bool, String> {
        let reply = self.ask(Some(authorization)).await?;
        match reply.status {
            200 if reply.body == self.deal.goods().as_bytes() => Ok(true),
            402 if code(&reply).as_deref() == Some("insufficient_balance") => Ok(false),
            _ => Err(told(&reply)),
        }
    }

    async fn topped_up(&self, authorization: &str) -> Result<(), String> {
        let reply = self.ask(Some(authorization)).await?;
        let is_done = reply.status == 200 && body(&reply) == json!({ "status": "ok" });
        is_done.then_some(()).ok_or_else(|| told(&reply))
    }

    async fn close(&self, authorization: &str) -> Result<Value, String> {
        let reply = self.ask(Some(authorization)).await?;
        let closed = body(&reply);
        let is_done = reply.status == 200 && closed["status"] == "closed";
        is_done.then_some(closed).ok_or_else(|| told(&reply))
    }

    async fn sees_it_closed(&self, bearer: &str) -> Result<(), String> {
        let reply = self.ask(Some(bearer)).await?;
        let is_closed = reply.status == 402 && code(&reply).as_deref() == Some("session_closed");
        is_closed.then_some(()).ok_or_else(|| told(&reply))
    }

    async fn ask(&self, authorization: Option<&str>) -> Result<Reply, String> {
        let mut ask = self.at.http.get(self.deal.url(self.at));
        if let Some(authorization) = authorization {
            ask = ask.header("authorization", authorization);
        }
        let response = ask.send().await.map_err(|error| format!("{error:?}"))?;
        let reply = Reply::read(response).await;
        reply.map_err(|error| format!("{error:?}"))
    }
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

/// The stable code of a refusal.
fn code(reply: &Reply) -> Option<String> {
    Some(body(reply)["code"].as_str()?.to_owned())
}

fn told(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    format!("the seller answers {}: {body}", reply.status)
}
