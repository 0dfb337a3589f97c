//! A seller's door, with all that is behind it: as in `sell/door.rs`, `sell/challenge.rs` and `sell/pass.rs`.

mod seller_challenges;
mod seller_pass;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use http402::l402::{self, Issuer};
use http402::mpp::session::DepositId;
use http402::mpp::{self, ChargeOffer, PaymentHash, Receipt};
use http402::xcashu::{self, X_CASHU};
use wallet::cashier::books::Holder;

use super::challenge::calls_bought;
use super::door::{Presented, accepted, closed, proven, quoted, read, topped_up};
use super::kept::{self, KeptAnswer};
use super::sessions::simulated::Shop;
use super::sessions::{Acted, Hold};
use super::uses::{self, Use};
use super::{Answer, Call, NewOffer, Offer, SellError};
use crate::error::{NodeError, Result};
use crate::locks::Guard;
use crate::node::{now_ms, now_s};
use crate::serve::simulated as till;
use crate::serve::{Sale, change_operations};
use crate::simulation::faults::Mutation;
use crate::simulation::ground::Ground;
use crate::simulation::mint::MINT;
use crate::simulation::network::{self, Host, Reply};
use crate::simulation::world::{DAY_MS, Machine, Program, SECOND_MS};

pub(crate) struct Seller {
    pub shop: Shop,
    issuer: Issuer,
    offers: RefCell<Vec<Rc<Offer>>>,
    begun: tokio::sync::Notify,
}

/// Who pays for a call.
enum Payer {
    Lightning(Use, DepositId),
    Ecash(Box<Sale>, Guard),
    Session(Hold, String),
}

#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is moved once"
)]
enum Entry {
    Pass(Payer, Option<Receipt>),
    Answer(Answer),
    Kept(KeptAnswer),
}

impl Seller {
    pub fn new(ground: Ground, offers: &[(&str, u64, u32)]) -> Rc<Self> {
        let issuer = Issuer::new(&[8; 32], &ground.name);
        let offers = offers
            .iter()
            .map(|(path, price_sat, calls)| Rc::new(offer(path, *price_sat, *calls)));
        Rc::new(Self {
            issuer,
            offers: RefCell::new(offers.collect()),
            shop: Shop::new(ground),
            begun: tokio::sync::Notify::new(),
        })
    }

    fn ground(&self) -> &Ground {
        &self.shop.ground
    }

    /// Asks another price from now on.
    pub fn set_price(&self, at: usize, price_sat: u64) {
        let mut offers = self.offers.borrow_mut();
        let offer = Offer {
            price_sat,
            ..(*offers[at]).clone()
        };
        offers[at] = Rc::new(offer);
    }

    async fn serve(self: Rc<Self>, call: network::Call) -> Option<Reply> {
        let covers = |offer: &&Rc<Offer>| offer.covers(&call.method, &call.path);
        let offer = self.offers.borrow().iter().find(covers).cloned();
        let Some(offer) = offer else {
            return Some(plain(404, "nothing is sold here"));
        };
        let call = at_the_door(call);
        let entered = match read(&call) {
            Ok(presented) => self.let_in(&offer, &call, presented).await,
            Err(error) => Err(error.into()),
        };
        let answer = match entered {
            Ok(Entry::Pass(payer, receipt)) => {
                match self.work(&offer, payer, receipt, call.name()).await {
                    Ok(answer) => return answer,
                    Err(error) => plain(error.http_status(), error.code()),
                }
            }
            Ok(Entry::Answer(answer)) => reply(answer),
            Ok(Entry::Kept(kept)) => once_more(kept),
            Err(NodeError::Sell(error)) => self.refuse(&offer, &error).await,
            Err(NodeError::PaymentUsed) => self.refuse(&offer, &SellError::PaymentUsed).await,
            Err(error) => plain(error.http_status(), error.code()),
        };
        Some(answer)
    }

    async fn let_in(&self, offer: &Offer, call: &Call, presented: Presented) -> Result<Entry> {
        match presented {
            Presented::Nothing => self.ask_for_payment(offer).await,
            Presented::Macaroon(credential) => self.take_macaroon(offer, call, &credential).await,
            Presented::Payment(credential) if credential.challenge.intent == mpp::SESSION => {
                let session = credential.payload.get("sessionId").cloned();
                match self.shop.act(&offer.id, &credential).await? {
                    Acted::Call(hold) => {
                        let receipt = hold.receipt.clone();
                        let id = session.and_then(|id| Some(id.as_str()?.to_owned()));
                        let id = id.unwrap_or_else(|| receipt.reference.clone());
                        Ok(Entry::Pass(Payer::Session(hold, id), Some(receipt)))
                    }
                    Acted::ToppedUp(receipt) => Ok(Entry::Answer(topped_up(&receipt))),
                    Acted::Closed(reply) => Ok(Entry::Answer(closed(reply))),
                }
            }
            Presented::Payment(credential) => self.take_charge(offer, call, &credential).await,
            Presented::Ecash(token) => self.take_ecash(offer, &token, call.name()).await,
        }
    }

    async fn take_macaroon(
        &self,
        offer: &Offer,
        call: &Call,
        credential: &l402::Credential,
    ) -> Result<Entry> {
        let request = l402::Request {
            service: &offer.id,
            capability: None,
            host: &call.host,
            path: &call.path,
            method: &call.method,
        };
        let grant = self
            .issuer
            .verify(credential, &request, now_s())
            .map_err(SellError::from)?;
        let calls = calls_bought(grant.capabilities.as_deref());
        self.take_lightning(grant.payment_hash.into(), offer, calls, call, None)
            .await
    }

    async fn take_charge(
        &self,
        offer: &Offer,
        call: &Call,
        credential: &mpp::Credential,
    ) -> Result<Entry> {
        let quoted = ChargeOffer {
            price_sat: 0,
            ..self.charge_offer(offer)
        };
        let at_s = match proven(credential) {
            Some(hash) if self.shop.is_paid(hash, Holder::Owner, 1)? => 0,
            _ => now_s(),
        };
        let verified = quoted.verify(&self.shop.keys, credential, &[], at_s);
        let paid = verified.map_err(SellError::from)?;
        let receipt = Some(paid.receipt(now_s()));
        self.take_lightning(paid.payment_hash, offer, offer.calls, call, receipt)
            .await
    }

    async fn take_lightning(
        &self,
        payment_hash: PaymentHash,
        offer: &Offer,
        calls: u32,
        call: &Call,
        receipt: Option<Receipt>,
    ) -> Result<Entry> {
        let payment = DepositId::lightning(payment_hash);
        if let Some(kept) = self.kept(payment.as_str(), call.name()) {
            return Ok(Entry::Kept(kept));
        }
        self.shop
            .wait_until_booked(payment_hash, Holder::Owner, 1)
            .await?;
        let forgets = self.ground().world.is_mutated(Mutation::ForgetsUses);
        let begin = self.ground().commit("a use begins", |tx| match forgets {
            true => Ok(Use {
                payment: payment.as_str().to_owned(),
                call: 0,
            }),
            false => Use::begin(tx, &payment, &offer.id, calls, now_ms()),
        });
        let taken = begin.await?;
        Ok(Entry::Pass(Payer::Lightning(taken, payment), receipt))
    }

    /// What a payment's call of this name was answered.
    fn kept(&self, payment: &str, name: Option<String>) -> Option<KeptAnswer> {
        let name = name?;
        let find = |db: &rusqlite::Connection| KeptAnswer::find(db, payment, &name);
        self.ground().look(find).unwrap()
    }

    async fn take_ecash(&self, offer: &Offer, token: &str, name: Option<String>) -> Result<Entry> {
        let ground = self.ground();
        let request = format!("offer:{}", offer.id);
        let asked = xcashu::Offer::new(offer.price_sat, "sat", &[MINT])?;
        let before = till::paid_before(ground, token, &request)?;
        let outline = accepted(&asked, token, before)?;
        let id = outline.id.to_string();
        let guard = ground.locks.lock(&id).await;
        ground.world.deeds.borrow_mut().offer(&id, 1);
        self.begun.notify_one();
        let sale = match till::take_payment(ground, &outline, quoted(offer, request)).await {
            Ok(sale) => sale,
            Err(NodeError::Ecash(error)) if !error.is_unknown() => {
                return Err(SellError::Token(error).into());
            }
            Err(error) => return Err(error),
        };
        if sale.is_settled() {
            let change = sale.change_token.map(|token| (X_CASHU, token));
            if let Some(mut kept) = self.kept(&kept::of_sale(&sale.id), name) {
                let change = change.map(|(name, token)| (name.to_owned(), token));
                kept.headers.extend(change);
                return Ok(Entry::Kept(kept));
            }
            let mut answer = Answer::problem(&SellError::PaymentUsed, Some(offer));
            answer.headers.extend(change);
            return Ok(Entry::Answer(answer));
        }
        if sale.received_sat >= sale.max_price_sat {
            return Ok(Entry::Pass(Payer::Ecash(Box::new(sale), guard), None));
        }
        let (given_sat, price_sat) = (sale.received_sat, sale.max_price_sat);
        let error = SellError::Ecash(http402::Error::PaymentTooLittle {
            given_sat,
            price_sat,
        });
        let payer = Payer::Ecash(Box::new(sale), guard);
        Ok(Entry::Answer(self.failed(offer, payer, error).await?))
    }

    async fn keep_recovering(self: Rc<Self>) {
        let ground = self.ground();
        loop {
            if ground.is_unsettled.replace(false) {
                let is_settled = ground.settle_ecash(change_operations).await;
                ground.is_unsettled.set(!is_settled);
            }
            let open = till::resume(ground, &SellError::Interrupted.into())
                .await
                .unwrap();
            let is_quiet = open == 0 && !ground.is_unsettled.get();
            let wait_ms = if is_quiet { DAY_MS } else { 20 * SECOND_MS };
            ground.world.timeout(wait_ms, self.begun.notified()).await;
            ground.sleep(SECOND_MS).await;
        }
    }
}

impl Host for Seller {
    fn machine(&self) -> Machine {
        self.ground().machine
    }

    fn answer(self: Rc<Self>, call: network::Call) -> LocalBoxFuture<'static, Option<Reply>> {
        Box::pin(self.serve(call))
    }
}

impl Program for Seller {
    fn start(self: Rc<Self>) {
        self.ground()
            .db
            .write_blocking(|tx| uses::interrupt_all(tx))
            .unwrap();
        self.ground().begin();
        self.shop.load();
        let (world, machine) = (Rc::clone(&self.ground().world), self.machine());
        let (booking, metering, settling) = (Rc::clone(&self), Rc::clone(&self), Rc::clone(&self));
        world.spawn(
            machine,
            async move { booking.ground().keep_booking().await },
        );
        world.spawn(machine, async move { metering.shop.keep_metering().await });
        world.spawn(machine, async move { settling.shop.keep_settling().await });
        world.spawn(machine, self.keep_recovering());
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.ground()
            .check_books(&wallet::Account::TillEcash, change_operations)
    }

    fn check_at_rest(&self) -> std::result::Result<(), String> {
        self.ground()
            .check_books_at_rest(&wallet::Account::TillEcash, change_operations)?;
        self.shop.check_at_rest()
    }
}

fn offer(path: &str, price_sat: u64, calls: u32) -> Offer {
    let input = NewOffer {
        upstream: "http://127.0.0.1:3000".into(),
        price_sat,
        path: Some(path.into()),
        method: None,
        unit: super::Unit::Call,
        calls: Some(calls),
        free_per_day: 0,
        description: None,
        deposit_sat: Some(if path.starts_with("/session") {
            price_sat * 20
        } else {
            0
        }),
        haggle: None,
        tools: None,
    };
    Offer::new(input, 0).unwrap()
}

fn at_the_door(call: network::Call) -> Call {
    let name = |name: &str| match name {
        "Authorization" => Some("Authorization"),
        "X-Cashu" => Some(X_CASHU),
        _ => None,
    };
    let is_name = |(key, _): &&(String, String)| key == "Idempotency-Key";
    let idempotency_key = call.headers.iter().find(is_name);
    let idempotency_key = idempotency_key.map(|(_, name)| name.clone());
    let credentials = call
        .headers
        .into_iter()
        .filter_map(|(key, value)| Some((name(&key)?, value)));
    Call {
        method: call.method,
        path: call.path,
        host: call.host,
        credentials: credentials.collect(),
        accept_payment: None,
        bid: None,
        idempotency_key,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        is_owner: false,
    }
}

fn plain(status: u16, text: &str) -> Reply {
    Reply {
        status,
        headers: vec![("Content-Type".into(), "text/plain".into())],
        body: text.as_bytes().to_vec(),
    }
}

fn once_more(kept: KeptAnswer) -> Reply {
    Reply {
        status: kept.status,
        headers: kept.headers,
        body: kept.body,
    }
}

fn reply(answer: Answer) -> Reply {
    let headers = answer
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Reply {
        status: answer.status,
        headers: headers.collect(),
        body: answer.body.to_string().into_bytes(),
    }
}
