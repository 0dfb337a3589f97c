//! Lightning: an invoice is paid once, a payment may take hours, and whoever is away learns of it later.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{All, Secp256k1, SecretKey};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use tokio::sync::Notify;

use super::mint::MINT;
use super::world::{HOUR_MS, MINUTE_MS, Machine, OUTSIDE, SECOND_MS, W};

/// How a payment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Failed,
    Paid { preimage: [u8; 32], fee_msat: u64 },
}

/// What a Lightning node tells its program, until the program has written it down.
#[derive(Clone)]
pub(crate) enum Event {
    Received {
        payment_hash: String,
        amount_msat: u64,
    },
    Sent {
        payment_hash: String,
        outcome: Outcome,
    },
}

struct Invoice {
    payee: String,
    machine: Option<Machine>,
    amount_msat: Option<u64>,
    preimage: [u8; 32],
    expires_s: u64,
    is_paid: bool,
    received_msat: u64,
}

struct Sent {
    machine: Option<Machine>,
    amount_msat: u64,
    fee_max_msat: u64,
    outcome: Outcome,
}

/// An invoice, as its payee has it.
#[derive(Clone)]
pub(crate) struct NewInvoice {
    pub bolt11: String,
    pub payment_hash: [u8; 32],
    pub expires_s: u64,
}

pub(crate) struct Rail {
    secp: Secp256k1<All>,
    channels_msat: BTreeMap<String, i64>,
    fees_msat: i64,
    funded_msat: i64,
    invoices: BTreeMap<String, Invoice>,
    /// By payer and payment hash.
    sent: BTreeMap<(String, String), Sent>,
    events: BTreeMap<Machine, VecDeque<Event>>,
    news: BTreeMap<Machine, Rc<Notify>>,
}

impl Rail {
    pub fn new() -> Self {
        Self {
            secp: Secp256k1::new(),
            channels_msat: BTreeMap::new(),
            fees_msat: 0,
            funded_msat: 0,
            invoices: BTreeMap::new(),
            sent: BTreeMap::new(),
            events: BTreeMap::new(),
            news: BTreeMap::new(),
        }
    }

    pub fn fund(&mut self, who: &str, amount_sat: u64) {
        *self.channels_msat.entry(who.to_owned()).or_default() += amount_sat as i64 * 1_000;
        self.funded_msat += amount_sat as i64 * 1_000;
    }

    pub fn balance_msat(&self, who: &str) -> i64 {
        self.channels_msat.get(who).copied().unwrap_or_default()
    }

    pub fn outcome(&self, payer: &str, payment_hash: &str) -> Option<Outcome> {
        let key = (payer.to_owned(), payment_hash.to_owned());
        self.sent.get(&key).map(|sent| sent.outcome.clone())
    }

    pub fn is_paid(&self, payment_hash: &str) -> bool {
        self.invoices
            .get(payment_hash)
            .is_some_and(|invoice| invoice.is_paid)
    }

    pub fn received_msat(&self, payment_hash: &str) -> u64 {
        self.invoices
            .get(payment_hash)
            .map_or(0, |invoice| invoice.received_msat)
    }

    /// The next thing that a program must write down.
    pub fn event(&self, machine: Machine) -> Option<Event> {
        self.events.get(&machine)?.front().cloned()
    }

    /// It has written it down.
    pub fn acknowledge(&mut self, machine: Machine) {
        if let Some(events) = self.events.get_mut(&machine) {
            events.pop_front();
        }
    }

    fn tell(&mut self, machine: Option<Machine>, event: Event) {
        if let Some(machine) = machine {
            self.events.entry(machine).or_default().push_back(event);
            self.news(machine).notify_one();
        }
    }

    /// Rings when there is an event.
    pub fn news(&mut self, machine: Machine) -> Rc<Notify> {
        Rc::clone(self.news.entry(machine).or_default())
    }

    /// Nothing is made, and nothing is lost.
    pub fn check(&self) -> Result<(), String> {
        let open = self
            .sent
            .values()
            .filter(|sent| sent.outcome == Outcome::Open);
        let open_msat: i64 = open
            .map(|sent| (sent.amount_msat + sent.fee_max_msat) as i64)
            .sum();
        let there_msat = self.channels_msat.values().sum::<i64>() + open_msat + self.fees_msat;
        match there_msat == self.funded_msat {
            true => Ok(()),
            false => Err(format!(
                "channels hold {there_msat} msat of {}",
                self.funded_msat
            )),
        }
    }
}

/// Makes an invoice. The payee's node is known by its name.
pub(crate) fn invoice(
    world: &W,
    payee: &str,
    machine: Option<Machine>,
    amount_msat: Option<u64>,
    expiry_s: u64,
) -> NewInvoice {
    let preimage: [u8; 32] = world.bytes();
    let hash = sha256::Hash::hash(&preimage);
    let created_s = world
        .clock_ms(machine.unwrap_or(OUTSIDE))
        .max(0)
        .unsigned_abs()
        / 1_000;
    let mut rail = world.rail.borrow_mut();
    let mut builder = InvoiceBuilder::new(Currency::Regtest)
        .description(String::new())
        .payment_hash(hash)
        .payment_secret(PaymentSecret(preimage))
        .duration_since_epoch(Duration::from_secs(created_s))
        .min_final_cltv_expiry_delta(18)
        .expiry_time(Duration::from_secs(expiry_s));
    if let Some(msat) = amount_msat {
        builder = builder.amount_milli_satoshis(msat);
    }
    let key = SecretKey::from_slice(sha256::Hash::hash(payee.as_bytes()).as_ref()).unwrap();
    let signed = builder
        .build_signed(|digest| rail.secp.sign_ecdsa_recoverable(digest, &key))
        .unwrap();
    let expires_s = created_s + expiry_s;
    let known = Invoice {
        payee: payee.to_owned(),
        machine,
        amount_msat,
        preimage,
        expires_s,
        is_paid: false,
        received_msat: 0,
    };
    rail.invoices
        .insert(hex::encode(hash.as_byte_array()), known);
    NewInvoice {
        bolt11: signed.to_string(),
        payment_hash: *hash.as_byte_array(),
        expires_s,
    }
}

/// Sends a payment, once a payer and hash; one that failed may be sent again.
pub(crate) fn send(
    world: &W,
    payer: &str,
    machine: Option<Machine>,
    payment_hash: &str,
    amount_msat: u64,
    fee_max_msat: u64,
) -> Result<(), &'static str> {
    let key = (payer.to_owned(), payment_hash.to_owned());
    let mut rail = world.rail.borrow_mut();
    if rail
        .sent
        .get(&key)
        .is_some_and(|sent| sent.outcome != Outcome::Failed)
    {
        return Err("it was sent already");
    }
    let cost_msat = (amount_msat + fee_max_msat) as i64;
    let balance_msat = rail.channels_msat.entry(payer.to_owned()).or_default();
    if *balance_msat < cost_msat {
        return Err("there is too little in the channels");
    }
    *balance_msat -= cost_msat;
    let sent = Sent {
        machine,
        amount_msat,
        fee_max_msat,
        outcome: Outcome::Open,
    };
    rail.sent.insert(key.clone(), sent);
    drop(rail);
    world.spawn(OUTSIDE, travel(Rc::clone(world), key));
    Ok(())
}

async fn travel(world: W, key: (String, String)) {
    world.sleep(world.between(100, 8 * SECOND_MS)).await;
    if world.fails("payment held", 25) {
        let most_ms = if world.chance(200) {
            12 * HOUR_MS
        } else {
            10 * MINUTE_MS
        };
        world.sleep(world.between(MINUTE_MS, most_ms)).await;
    }
    let is_lost = world.fails("payment without a way", 40);
    let now_s = |machine: Option<Machine>| world.clock_ms(machine.unwrap_or(OUTSIDE)) / 1_000;
    let rail = &mut *world.rail.borrow_mut();
    let (payer, hash) = key.clone();
    let fee_msat = world.between(0, 1_200);
    let Some(sent) = rail.sent.get(&key) else {
        return;
    };
    let (amount_msat, fee_max_msat, machine) = (sent.amount_msat, sent.fee_max_msat, sent.machine);
    let paid = rail.invoices.get_mut(&hash).filter(|invoice| {
        let is_in_time = now_s(invoice.machine) <= invoice.expires_s as i64;
        let is_whole = invoice
            .amount_msat
            .is_none_or(|wanted| wanted == amount_msat);
        let is_cheap = fee_msat as u64 <= fee_max_msat;
        !is_lost && is_in_time && is_whole && is_cheap && !invoice.is_paid
    });
    let outcome = match paid {
        None => {
            *rail.channels_msat.entry(payer.clone()).or_default() +=
                (amount_msat + fee_max_msat) as i64;
            Outcome::Failed
        }
        Some(invoice) => {
            invoice.is_paid = true;
            invoice.received_msat = amount_msat;
            let (preimage, payee, to) = (invoice.preimage, invoice.payee.clone(), invoice.machine);
            *rail.channels_msat.entry(payee).or_default() += amount_msat as i64;
            *rail.channels_msat.entry(payer.clone()).or_default() += fee_max_msat as i64 - fee_msat;
            rail.fees_msat += fee_msat;
            let payment_hash = hash.clone();
            rail.tell(
                to,
                Event::Received {
                    payment_hash,
                    amount_msat,
                },
            );
            let fee_msat = fee_msat as u64;
            Outcome::Paid { preimage, fee_msat }
        }
    };
    if let Some(sent) = rail.sent.get_mut(&key) {
        sent.outcome = outcome.clone();
    }
    let payment_hash = hash.clone();
    rail.tell(
        machine,
        Event::Sent {
            payment_hash,
            outcome: outcome.clone(),
        },
    );
    if payer == MINT {
        world.mint.borrow_mut().sent(&hash, &outcome);
    }
}
