//! Buyers of sessions: a deposit, calls, perhaps another deposit, and the rest back. What such a buyer stores it stores
//! before it acts, and reads it again each time, as after a crash.

use std::rc::Rc;

use http402::mpp::{self, ClientSession, ClientStage, Credential, Preimage, Quote, Receipt};

use wallet::ecash::Redemption;

use super::ecash::EcashWallet;
use super::network::{Call, Reply, send};
use super::rail::{self, Outcome};
use super::town::HOSTS;
use super::world::{DAY_MS, HOUR_MS, MINUTE_MS, OUTSIDE, SECOND_MS, W};

/// How long an invoice for a rest lives.
const RETURN_S: u64 = 120 * 24 * 60 * 60;

/// One session of a buyer.
struct Client {
    world: W,
    wallet: Rc<EcashWallet>,
    host: &'static str,
    session: ClientSession,
    /// What was deposited, and paid for certain.
    paid_sat: u64,
    /// What one deposit is.
    deposit_sat: u64,
    /// The payment hash of the invoice for the rest.
    return_hash: Option<String>,
    back_sat: u64,
    /// How often the seller gave no clear answer, since the last one.
    unclear: u32,
}

pub(crate) async fn keep_buying(world: W, name: String) {
    world.mint.borrow_mut().fund(&name, 1_000_000);
    world.rail.borrow_mut().fund(&name, 1_000_000);
    let wallet = Rc::new(EcashWallet::new(&world, OUTSIDE, &name));
    loop {
        world.sleep(world.between(4 * HOUR_MS, 2 * DAY_MS)).await;
        if !world.faults.is_on.get() {
            return;
        }
        let Some(mut client) = Client::begin(&world, &wallet).await else {
            continue;
        };
        world.count("sessions begun");
        client.run().await;
        client.check();
    }
}

fn headers(reply: &Reply) -> impl Iterator<Item = (&str, &str)> {
    reply
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
}

async fn quote(world: &W, host: &str, method: &str) -> Option<Quote> {
    let asked = send(world, Call::get(host, "/session", Vec::new()), MINUTE_MS)
        .await
        .ok()?;
    let now_s = world.now_ms().unsigned_abs() / 1_000;
    let of_method = |one: &mpp::Challenge| one.intent == mpp::SESSION && one.method == method;
    let found = mpp::challenges(headers(&asked))
        .into_iter()
        .find(of_method)?;
    mpp::quote(found, now_s).ok()
}

impl Client {
    async fn begin(world: &W, wallet: &Rc<EcashWallet>) -> Option<Self> {
        let host = HOSTS[world.below(2) as usize];
        let method = [mpp::LIGHTNING, mpp::CASHU][world.below(2) as usize];
        let quote = quote(world, host, method).await?;
        let Quote::Session { request, .. } = &quote else {
            return None;
        };
        let deposit_sat = request.deposit_sat?;
        let (session, paid_sat, return_hash) = match method {
            mpp::CASHU => {
                let issued = wallet.issue(deposit_sat).await.ok()?;
                let secret = world.bytes();
                let begun = ClientSession::begin_ecash(quote, secret, issued.token, deposit_sat);
                (begun.ok()?, deposit_sat, None)
            }
            _ => {
                let back = rail::invoice(world, &wallet.name, None, None, RETURN_S);
                let begun = ClientSession::begin(quote, back.bolt11, 10_000).ok()?;
                (begun, 0, Some(hex::encode(back.payment_hash)))
            }
        };
        Some(Self {
            world: Rc::clone(world),
            wallet: Rc::clone(wallet),
            host,
            session,
            paid_sat,
            deposit_sat,
            return_hash,
            back_sat: 0,
            unclear: 0,
        })
    }

    /// As if it had been read from a disk.
    fn store(&mut self) {
        let text = serde_json::to_string(&self.session).unwrap();
        self.session = serde_json::from_str(&text).unwrap();
    }

    async fn run(&mut self) {
        let mut calls = self.world.between(1, 25);
        for _ in 0..400 {
            self.store();
            match self.session.stage() {
                ClientStage::Paying => self.pay().await,
                ClientStage::Opening => self.deposit().await,
                ClientStage::Open if self.session.invoice_due().is_some() => self.pay().await,
                ClientStage::Open if self.session.deposit_credential().is_some() => {
                    self.deposit().await
                }
                ClientStage::Open if calls > 0 => {
                    calls -= 1;
                    self.call().await;
                }
                ClientStage::Open => self.session.close().unwrap(),
                ClientStage::Closing => self.close().await,
                ClientStage::Closed => return,
            }
        }
        self.world.violation(format!(
            "a session with {} never closes: {:?}",
            self.host, self.session
        ));
    }

    async fn pay(&mut self) {
        let Some((invoice, hash)) = self.session.invoice_due() else {
            return;
        };
        let amount_msat = mpp::InvoiceHead::parse(invoice)
            .unwrap()
            .amount_msat
            .unwrap();
        let (hash, name) = (hash.to_string(), self.wallet.name.clone());
        let _ = rail::send(&self.world, &name, None, &hash, amount_msat, 5_000);
        loop {
            self.world.sleep(10 * SECOND_MS).await;
            let outcome = self.world.rail.borrow().outcome(&name, &hash);
            match outcome {
                Some(Outcome::Open) => {}
                Some(Outcome::Paid { preimage, .. }) => {
                    self.paid_sat += amount_msat / 1_000;
                    return self.session.paid(Preimage::from(preimage)).unwrap();
                }
                Some(Outcome::Failed) | None => return self.session.not_paid().unwrap(),
            }
        }
    }

    async fn show(&mut self, credential: &Credential) -> Option<Reply> {
        let authorization = ("Authorization".to_owned(), credential.to_header());
        let call = Call::get(self.host, "/session", vec![authorization]);
        match send(&self.world, call, 5 * MINUTE_MS).await {
            Ok(reply) if reply.status < 500 => {
                self.unclear = 0;
                Some(reply)
            }
            Ok(_) | Err(_) => {
                // What is on its way over Lightning may take hours.
                let most_ms = MINUTE_MS << self.unclear.min(8);
                self.unclear += 1;
                self.world
                    .sleep(self.world.between(SECOND_MS, most_ms))
                    .await;
                None
            }
        }
    }

    /// Hands over a deposit until it is acknowledged, or known to be refused.
    async fn deposit(&mut self) {
        let Some(credential) = self.session.deposit_credential() else {
            return;
        };
        let Some(reply) = self.show(&credential).await else {
            return;
        };
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        let is_closed = body.contains("session_closed");
        if is_closed && self.session.stage() == ClientStage::Open {
            // The session is over, and this deposit never became a part of it.
            self.world.count("session: top-up came too late");
            self.paid_sat -= self.deposit_sat;
        }
        // What was taken in, and is over by now, gives its rest back all the same.
        let is_taken = reply.status < 400 || is_closed || body.contains("balance");
        if is_taken {
            return self.session.deposited().unwrap();
        }
        if reply.status == 402 {
            let code = body.split("\"code\":\"").nth(1);
            let code = code.and_then(|rest| rest.split('"').next()).unwrap_or("?");
            self.world
                .count(&format!("session: deposit refused: {code}"));
            if self.return_hash.is_some() || !code.ends_with("expired") {
                self.world
                    .violation(format!("{} refuses a deposit: {body}", self.host));
            }
            // The token comes too late, and is still the buyer's.
            if self.session.stage() == ClientStage::Open {
                self.paid_sat -= self.deposit_sat;
            }
            self.session.deposited().unwrap();
        }
    }

    async fn call(&mut self) {
        let most_ms = if self.world.chance(60) {
            15 * MINUTE_MS
        } else {
            MINUTE_MS
        };
        self.world.sleep(self.world.between(100, most_ms)).await;
        let credential = self.session.bearer_credential().unwrap();
        let Some(reply) = self.show(&credential).await else {
            return;
        };
        if reply.status < 400 {
            self.session.spent(self.session.unit_price_sat());
            self.world.count("session: calls");
            return;
        }
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        if body.contains("balance") && self.world.chance(700) && self.top_up().await.is_some() {
            return;
        }
        let _ = self.session.close();
    }

    async fn top_up(&mut self) -> Option<()> {
        let method = if self.return_hash.is_some() {
            mpp::LIGHTNING
        } else {
            mpp::CASHU
        };
        let quote = quote(&self.world, self.host, method).await?;
        let Quote::Session { request, .. } = &quote else {
            return None;
        };
        let deposit_sat = request.deposit_sat?;
        self.world.count("session: top-ups");
        if self.return_hash.is_some() {
            return self.session.top_up(quote, 10_000).ok();
        }
        let issued = self.wallet.issue(deposit_sat).await.ok()?;
        self.paid_sat += deposit_sat;
        self.session
            .top_up_ecash(quote, issued.token, deposit_sat)
            .ok()
    }

    async fn close(&mut self) {
        let credential = self.session.close_credential().unwrap();
        let Some(reply) = self.show(&credential).await else {
            return;
        };
        let Some(receipt) = reply
            .header(mpp::PAYMENT_RECEIPT)
            .and_then(|text| Receipt::decode(text).ok())
        else {
            if reply.status == 402 {
                // There never was such a session: its deposit came too late.
                self.world.count("session: never opened");
                self.back_sat = self.paid_sat;
                let receipt = Receipt {
                    reference: self.session.id().unwrap().to_string(),
                    ..nothing()
                };
                self.return_hash = None;
                self.session.closed(&receipt).unwrap();
            }
            self.world
                .sleep(self.world.between(SECOND_MS, MINUTE_MS))
                .await;
            return;
        };
        if let Some(token) = reply.header("X-Cashu") {
            self.redeem(token).await;
        }
        self.session.closed(&receipt).unwrap();
        self.world.count("session: closed by its buyer");
    }

    async fn redeem(&mut self, token: &str) {
        for _ in 0..500 {
            match self.wallet.redemption(token).unwrap() {
                Redemption::Done { amount_sat } => {
                    self.back_sat = amount_sat;
                    return;
                }
                Redemption::None => _ = self.wallet.redeem(token).await,
                Redemption::Unknown => _ = self.wallet.settle().await,
                Redemption::Lost => return,
            }
            self.world.sleep(MINUTE_MS).await;
        }
    }

    /// What went in was served, or came back: but for fees, and what is too little to be sent.
    fn check(&self) {
        let Some(id) = self.session.id() else { return };
        let id = id.to_string();
        if let Some(hash) = &self.return_hash {
            let unit_sat = self.session.unit_price_sat();
            return (self.world.deeds.borrow_mut()).rest_is_due(
                id,
                hash.clone(),
                self.paid_sat,
                unit_sat,
            );
        }
        let served_sat =
            self.world.deeds.borrow().served_by_session(&id) * self.session.unit_price_sat();
        let fees_sat = 2;
        if self.back_sat + served_sat + fees_sat < self.paid_sat {
            let (paid_sat, back_sat) = (self.paid_sat, self.back_sat);
            self.world.violation(format!(
                "session {id}: {paid_sat} sat went in, {served_sat} were served, {back_sat} came back"
            ));
        }
    }
}

fn nothing() -> Receipt {
    Receipt {
        method: String::new(),
        challenge_id: None,
        reference: String::new(),
        status: String::new(),
        timestamp: String::new(),
        refund_sats: None,
        refund_status: None,
    }
}
