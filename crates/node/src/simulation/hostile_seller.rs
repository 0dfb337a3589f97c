//! A seller that cheats, each time in the way that its path names.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use http402::l402::{Issuer, Terms};
use http402::mpp::{ChallengeKeys, ChargeOffer, Invoice};
use http402::xcashu::{self, TokenOutline};

use super::ecash::token_text;
use super::mint::MINT;
use super::network::{Call, Host, Reply};
use super::rail::{self, NewInvoice};
use super::town::HOSTILE;
use super::world::{Machine, W};

/// What it does once it is paid, or before.
pub(crate) const TRICKS: [&str; 10] = [
    "rise", "again", "take", "mute", "break", "redirect", "change", "other", "rubbish", "expired",
];

pub(crate) struct HostileSeller {
    world: W,
    machine: Machine,
    issuer: Issuer,
    keys: ChallengeKeys,
    /// Shown to everybody.
    invoice: RefCell<Option<NewInvoice>>,
    /// Given back to everybody.
    change: String,
    price_sat: Cell<u64>,
}

impl HostileSeller {
    pub fn new(world: &W) -> Rc<Self> {
        let secret = hex::encode(world.bytes::<16>());
        let change = token_text(&secret, 5);
        let id = TokenOutline::parse(&change).unwrap().id.to_string();
        let mut mint = world.mint.borrow_mut();
        mint.fund(HOSTILE, 10);
        mint.issue(HOSTILE, id, 5, 0).unwrap();
        drop(mint);
        Rc::new(Self {
            world: Rc::clone(world),
            machine: world.add_computer(HOSTILE),
            issuer: Issuer::new(&[6; 32], HOSTILE),
            keys: ChallengeKeys::new(&[6; 32]).unwrap(),
            invoice: RefCell::default(),
            change,
            price_sat: Cell::new(10),
        })
    }

    async fn cheat(self: Rc<Self>, call: Call) -> Reply {
        let trick = call.path.trim_start_matches('/').to_owned();
        let paid = call
            .headers
            .iter()
            .find(|(name, _)| name == "X-Cashu" || name == "Authorization");
        let Some((name, value)) = paid else {
            return self.ask(&trick);
        };
        self.world.count(&format!("fault: hostile seller: {trick}"));
        if name == "X-Cashu" && trick != "rise" {
            let id = TokenOutline::parse(value).map(|outline| outline.id.to_string());
            let _ = self
                .world
                .mint
                .borrow_mut()
                .swap(HOSTILE, &id.unwrap_or_default());
        }
        match &*trick {
            "rise" | "take" | "other" => self.ask(&trick),
            "mute" => pending().await,
            "break" => status(500, Vec::new()),
            "redirect" => status(
                302,
                vec![("Location".into(), "http://elsewhere.example/".into())],
            ),
            "change" => status(200, vec![("X-Cashu".into(), self.change.clone())]),
            _ => status(200, Vec::new()),
        }
    }

    /// Challenges, each with something wrong that the trick is about.
    fn ask(&self, trick: &str) -> Reply {
        if trick == "rubbish" {
            return status(402, rubbish());
        }
        let price_sat = match trick {
            "rise" => self.price_sat.replace(self.price_sat.get() % 40 + 7),
            _ => 10,
        };
        let invoice = self.invoice(trick, price_sat);
        let mut hash = invoice.payment_hash;
        if trick == "other" {
            hash[0] ^= 1;
        }
        let macaroon = self
            .issuer
            .mint(hash, self.world.bytes(), &Terms::new("evil"))
            .unwrap();
        let l402 = self.issuer.challenge(&macaroon, &invoice.bolt11).unwrap();
        let offer = ChargeOffer {
            id: "evil".into(),
            realm: HOSTILE.into(),
            price_sat,
            description: None,
            network: None,
            agreed: None,
        };
        let known = Invoice {
            bolt11: invoice.bolt11,
            payment_hash: hash.into(),
            expires_at_s: invoice.expires_s,
        };
        let charge = offer
            .challenge(&self.keys, &known, None)
            .unwrap()
            .to_header()
            .unwrap();
        let x_cashu = xcashu::Offer::new(price_sat, "sat", &[MINT])
            .unwrap()
            .challenge();
        let headers = vec![
            ("WWW-Authenticate".into(), l402),
            ("WWW-Authenticate".into(), charge),
            ("X-Cashu".into(), x_cashu.value),
        ];
        status(402, headers)
    }

    fn invoice(&self, trick: &str, price_sat: u64) -> NewInvoice {
        let expiry_s = if trick == "expired" { 1 } else { 3_600 };
        let new = || {
            rail::invoice(
                &self.world,
                HOSTILE,
                Some(self.machine),
                Some(price_sat * 1_000),
                expiry_s,
            )
        };
        match trick {
            "again" => self.invoice.borrow_mut().get_or_insert_with(new).clone(),
            _ => new(),
        }
    }
}

fn rubbish() -> Vec<(String, String)> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        header(
            "WWW-Authenticate",
            "L402 macaroon=\"AgEE\", invoice=\"lnbcrt1\"",
        ),
        header(
            "WWW-Authenticate",
            "Payment id=\"x\", realm=\"y\", method=\"lightning\", request=\"e30\"",
        ),
        header("X-Cashu", "creqAo2FhGQ"),
    ]
}

fn status(status: u16, headers: Vec<(String, String)>) -> Reply {
    Reply {
        status,
        headers,
        body: Vec::new(),
    }
}

impl Host for HostileSeller {
    fn machine(&self) -> Machine {
        self.machine
    }

    fn answer(self: Rc<Self>, call: Call) -> LocalBoxFuture<'static, Option<Reply>> {
        Box::pin(async move { Some(self.cheat(call).await) })
    }
}
