//! One world for a number of days: who lives there, what they may spend, and what must hold at the end.

use std::rc::Rc;

use wallet::ledger::{self, NewTransfer};
use wallet::purse::{self, Mode, PurseName};
use wallet::{Account, sat_to_msat};

use super::agents;
use super::buyer::Buyer;
use super::faults::Mutation;
use super::ground::Ground;
use super::history::History;
use super::hostile_seller::HostileSeller;
use super::mint::MINT;
use super::rules::{Narrowed, Rules};
use super::seller::Seller;
use super::world::{BEGIN_MS, DAY_MS, OUTSIDE, W, World};
use super::{hostile_buyer, session_client};
use crate::Spender;
use crate::error::Result;

pub(crate) const HOSTS: [&str; 2] = ["a.shop.example", "b.shop.example"];
pub(crate) const HOSTILE: &str = "evil.example";
pub(crate) struct Town {
    pub world: W,
    pub buyer: Rc<Buyer>,
    pub sellers: Vec<Rc<Seller>>,
}

/// Lets a world live for so many days; what happened there, and what must not have.
pub(crate) fn live(seed: u64, days: u32, mutation: Option<Mutation>) -> History {
    let town = Town::new(seed, mutation);
    town.settle_in();
    for _ in 0..days {
        town.world.run_until(town.world.now_ms() + DAY_MS);
        town.check_world();
        if town.world.is_violated() {
            break;
        }
    }
    if !town.world.is_violated() {
        town.come_to_rest();
    }
    let mut history = town.world.history.take();
    history.count("days", town.world.day().unsigned_abs());
    town.world.end();
    history
}

impl Town {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let world = World::new(seed, mutation);
        let buyer = Buyer::new(Ground::new(&world, "buyer"));
        let offers = [
            ("/answer", 10, 1),
            ("/bundle", 21, 3),
            ("/dear", 48, 1),
            ("/session", 7, 1),
        ];
        let seller = |host: &&str| Seller::new(Ground::new(&world, host), &offers);
        let sellers: Vec<_> = HOSTS.iter().map(seller).collect();
        Self {
            world,
            buyer,
            sellers,
        }
    }

    fn settle_in(&self) {
        let world = &self.world;
        world.rail.borrow_mut().fund(MINT, 100_000_000);
        for seller in &self.sellers {
            let ground = &seller.shop.ground;
            world.rail.borrow_mut().fund(&ground.name, 1_000_000);
            fund(
                ground,
                "fund",
                Account::Lightning,
                Account::OwnerLightning,
                1_000_000,
            );
            world.install(ground.machine, Rc::clone(seller) as _);
            world
                .hosts
                .borrow_mut()
                .insert(ground.name.clone(), Rc::clone(seller) as _);
            let (later, seller) = (Rc::clone(world), Rc::clone(seller));
            world.spawn(OUTSIDE, change_prices(later, seller));
        }
        let ground = &self.buyer.ground;
        world.rail.borrow_mut().fund(&ground.name, 1_000_000);
        world.mint.borrow_mut().fund(&ground.name, 1_000_000);
        fund(
            ground,
            "channels",
            Account::Lightning,
            Account::OwnerLightning,
            1_000_000,
        );
        fund(
            ground,
            "notes",
            Account::PurseEcash,
            Account::Owner,
            1_000_000,
        );
        world.install(ground.machine, Rc::clone(&self.buyer) as _);
        for (name, spender) in self.spenders() {
            world.spawn(
                OUTSIDE,
                agents::shop(Rc::clone(world), Rc::clone(&self.buyer), name, spender),
            );
        }
        world.spawn(
            OUTSIDE,
            agents::decide(Rc::clone(world), Rc::clone(&self.buyer)),
        );
        (world.hosts.borrow_mut()).insert(HOSTILE.to_owned(), HostileSeller::new(world));
        world.spawn(OUTSIDE, hostile_buyer::cheat(Rc::clone(world)));
        for name in ["reader", "listener"] {
            world.spawn(
                OUTSIDE,
                session_client::keep_buying(Rc::clone(world), name.to_owned()),
            );
        }
        let machines = std::iter::once(ground.machine)
            .chain(self.sellers.iter().map(|one| one.shop.ground.machine));
        world.spawn(
            OUTSIDE,
            agents::set_clocks(Rc::clone(world), machines.collect()),
        );
    }

    /// The owner, purses in all modes, and tokens that were narrowed once and twice.
    fn spenders(&self) -> Vec<(String, Spender)> {
        let usual = Rules {
            per_payment_sat: 60,
            per_hour_sat: None,
            per_day_sat: 200,
            total_sat: 20_000,
            per_minute: None,
            hosts: vec!["*.example"],
            expires_ms: None,
            mode: Mode::Autonomous,
            earn: None,
        };
        let asked = Rules {
            mode: Mode::Supervised,
            earn: Some(6),
            per_day_sat: 90,
            ..usual.clone()
        };
        let budgeted = Rules {
            mode: Mode::Budgeted,
            per_payment_sat: 30,
            per_hour_sat: Some(45),
            ..usual.clone()
        };
        let brief = Rules {
            total_sat: 700,
            per_minute: Some(1),
            expires_ms: Some(BEGIN_MS + 30 * DAY_MS),
            ..usual.clone()
        };
        let team = Rules {
            hosts: Vec::new(),
            per_day_sat: 400,
            ..usual
        };
        for (name, rules) in [
            ("asked", &asked),
            ("budgeted", &budgeted),
            ("brief", &brief),
            ("team", &team),
        ] {
            self.make_purse(name, rules);
        }
        let (host, expires_ms) = (Some("*.shop.example"), Some(BEGIN_MS + 25 * DAY_MS));
        let lead = Narrowed {
            name: "lead".into(),
            total_sat: Some(1_500),
            ..Narrowed::default()
        };
        let hand = Narrowed {
            name: "hand".into(),
            total_sat: Some(500),
            per_payment_sat: Some(40),
            host,
            expires_ms,
        };
        let chains = [
            ("asked", vec![]),
            ("budgeted", vec![]),
            ("brief", vec![]),
            ("team", vec![]),
            ("team", vec![lead.clone()]),
            ("team", vec![lead, hand]),
        ];
        let mut budgets = self.buyer.budgets.borrow_mut();
        let agent = |(at, (purse, chain)): (usize, &(&str, Vec<Narrowed>))| {
            (
                format!("{purse}{at}"),
                Spender::Purse(budgets.add_agent(purse, chain)),
            )
        };
        let agents: Vec<_> = chains.iter().enumerate().map(agent).collect();
        std::iter::once(("owner".to_owned(), Spender::Owner))
            .chain(agents)
            .collect()
    }

    fn make_purse(&self, name: &str, rules: &Rules) {
        let ground = &self.buyer.ground;
        let purse: PurseName = name.parse().unwrap();
        let token = self.world.bytes();
        let made: Result<_> = ground.db.write_blocking(|tx| {
            Ok(purse::create(
                tx,
                &purse,
                &rules.policy(),
                &token,
                BEGIN_MS,
            )?)
        });
        made.unwrap();
        fund(ground, name, Account::Owner, Account::Purse(purse), 20_000);
        self.buyer
            .budgets
            .borrow_mut()
            .add_purse(name, rules.clone());
    }

    pub(super) fn check_world(&self) {
        let checks = [
            self.world.mint.borrow().check(),
            self.world.rail.borrow().check(),
        ];
        for what in checks.into_iter().filter_map(std::result::Result::err) {
            self.world.violation(what);
        }
    }
}

fn fund(ground: &Ground, id: &str, debit: Account, credit: Account, amount_sat: u64) {
    let transfer = NewTransfer {
        id: &format!("begin:{id}"),
        debit: &debit,
        credit: &credit,
        amount_msat: sat_to_msat(amount_sat),
        memo: "",
        now_ms: BEGIN_MS,
    };
    ground
        .db
        .write_blocking(|tx| ledger::transfer(tx, &transfer))
        .unwrap();
}

/// A seller's prices rise and fall.
async fn change_prices(world: W, seller: Rc<Seller>) {
    while world.faults.is_on.get() {
        world.sleep(world.between(DAY_MS / 8, 3 * DAY_MS)).await;
        seller.set_price(0, world.between(8, 12).unsigned_abs());
        seller.set_price(2, world.between(38, 55).unsigned_abs());
    }
}
