//! Two nodes on one chain with a channel between them, a shop behind one, and a family of narrowed tokens at the other.

use std::time::{Duration, Instant};

use sandbox::Sandbox;
use serde_json::Value;

use crate::common::rng::Rng;
use crate::common::{Home, Node, Pay, free_port, told, waiting};
use crate::crash::request::Addresses;
use crate::crash::world::{rest, until};

use super::deal::{Deal, End};
use super::session::Plan;
use super::shop::Shop;

pub const PRICE_SAT: u64 = 10;
/// The deposit of a session.
pub const DEPOSIT_SAT: u64 = 40;
pub const FUNDED_SAT: u64 = 60_000;
pub const PURSE: &str = "scout";
const CHANNEL_SAT: &str = "900000";
const READY_WITHIN: Duration = Duration::from_secs(120);
const SESSION: &str = "mpp-session";
/// Sessions have more moments at which they can be cut off.
const PROTOCOLS: [&str; 4] = ["l402", "mpp-charge", SESSION, SESSION];
/// How many tokens a family has.
const FAMILY: usize = 4;
const MANNERS: [&str; 4] = ["plain", "plain", "slow", "stumbles"];

/// A token, narrowed from another one.
#[derive(Debug)]
pub struct Token {
    text: String,
    parent: Option<usize>,
    /// What it and those narrowed from it may spend together.
    pub total_sat: u64,
}

pub struct World {
    pub seller: Node,
    pub payer: Node,
    pub shop: Shop,
    tokens: Vec<Token>,
    /// All deals, and which token each was made with.
    deals: Vec<(String, usize)>,
    _chain: Sandbox,
}

impl World {
    pub async fn new() -> Self {
        let chain = Sandbox::start().unwrap();
        let shop = Shop::open().await;
        let seller = at_home(&chain).await;
        let payer = at_home(&chain).await;
        open_channel(&chain, &payer, &seller);
        let (price, deposit) = (format!("{PRICE_SAT}sat"), DEPOSIT_SAT.to_string());
        let terms = ["--price", &price, "--deposit", &deposit, "--path", "/api"];
        seller.json(&[&["sell", &shop.url], &terms[..]].concat());
        let purse = payer.json(&["purse", "new", PURSE, "--per-payment-sat", "60"]);
        payer.json(&["purse", "fund", PURSE, "--sat", &FUNDED_SAT.to_string()]);
        let root = Token {
            text: purse["token"].as_str().unwrap().to_owned(),
            parent: None,
            total_sat: FUNDED_SAT,
        };
        let mut world = Self {
            seller,
            payer,
            shop,
            tokens: vec![root],
            deals: Vec::new(),
            _chain: chain,
        };
        world.new_family();
        world
    }

    pub fn addresses(&self) -> Addresses {
        Addresses::of(&self.seller, &self.payer)
    }

    /// One to three deals by members of the newest family.
    pub fn new_deals(&mut self, rng: &mut Rng) -> Vec<Deal> {
        let count = rng.pick(&[1, 1, 2, 3]);
        let mut deals = Vec::new();
        for _ in 0..count {
            let protocol = rng.pick(&PROTOCOLS);
            let session = (protocol == SESSION).then(|| Plan::new(rng));
            let of_kind = if session.is_some() { 1 } else { 3 };
            let token = self.tokens.len() - of_kind - usize::from(rng.chance(50));
            let deal = Deal {
                id: format!("deal-{}", self.deals.len()),
                protocol,
                manner: rng.pick(&MANNERS),
                bearer: self.tokens[token].text.clone(),
                token,
                session,
            };
            self.deals.push((deal.id.clone(), token));
            deals.push(deal);
        }
        deals
    }

    /// Once somebody was refused, others get their turn.
    pub fn replace_used_up(&mut self, ended: &[(Deal, End)]) {
        let newest = self.tokens.len() - FAMILY;
        let is_used_up =
            |(deal, end): &(Deal, End)| deal.token >= newest && matches!(end, End::Refused { .. });
        if ended.iter().any(is_used_up) {
            self.new_family();
        }
    }

    /// A child that may do little, for this seller only, and a grandchild that may do less. And two that may pay deposits: a
    /// purse can't see which host an invoice is from, so they aren't bound to one.
    fn new_family(&mut self) {
        let host = ["--host".to_owned(), self.seller.home().address()];
        for (flags, totals_sat) in [(&host[..], [90, 40]), (&[][..], [130, 95])] {
            let mut parent = 0;
            for total_sat in totals_sat {
                let total = ["--total-sat".to_owned(), total_sat.to_string()];
                let flags: Vec<&str> = flags.iter().chain(&total).map(String::as_str).collect();
                let text = self.payer.narrow(&self.tokens[parent].text, &flags);
                self.tokens.push(Token {
                    text,
                    parent: Some(parent),
                    total_sat,
                });
                parent = self.tokens.len() - 1;
            }
        }
    }

    /// What each token and those narrowed from it have spent, by what each deal cost.
    pub fn spent_by_token(&self, cost_sat: impl Fn(&str) -> u64) -> Vec<(&Token, u64)> {
        let mut spent_sat = vec![0; self.tokens.len()];
        for (deal, token) in &self.deals {
            let cost_sat = cost_sat(deal);
            let mut at = Some(*token);
            while let Some(index) = at {
                spent_sat[index] += cost_sat;
                at = self.tokens[index].parent;
            }
        }
        self.tokens.iter().zip(spent_sat).collect()
    }

    pub async fn purse(&self) -> Value {
        let owner = self.payer.owner_token();
        let path = format!("/api/purses/{PURSE}");
        self.payer.get(&path, Pay::Bearer(&owner)).await.json()
    }

    pub async fn rest(&self) -> Result<(), String> {
        rest(&self.seller, &self.payer).await
    }

    /// Whether a kill cost the channel. LDK writes its channel manager after its monitors. A node that died between the two
    /// finds a manager that is behind, and closes the channel: it loses what the chain takes, and nothing else.
    pub fn has_lost_channel(&self) -> bool {
        let is_behind = |node: &Node| node.log().contains("A ChannelManager is stale");
        is_behind(&self.seller) || is_behind(&self.payer)
    }

    /// The books of both follow what is left, also while a channel is closing.
    pub async fn is_sound(&self) -> Result<(), String> {
        let is_sound = |audit: &Value| audit["sound"] == true;
        until(&self.seller, &self.payer, is_sound).await
    }

    /// `freehold ledger check`, with the nodes up and then with both down.
    pub fn assert_sound_up_and_down(&self) {
        for is_up in [true, false] {
            for node in [&self.seller, &self.payer] {
                if !is_up {
                    node.kill9();
                }
                let output = node.cli(&["ledger", "check", "--json"]);
                let audit: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
                let is_sound = audit["sound"] == true && audit["sum_msat"] == 0;
                assert!(output.status.success() && is_sound, "{}", told(&output));
            }
        }
    }
}

/// A node that others can connect to, also after a restart.
async fn at_home(chain: &Sandbox) -> Node {
    let config = format!("[chain]\nesplora = '{}'", chain.url());
    let home = Home::without_model_on("sandbox", &config);
    let listen = format!("127.0.0.1:{}", free_port());
    let node = Node::start_with(&home, &["--lightning-listen", &listen]).await;
    let view = node.json(&["lightning", "address"]);
    let address = view["address"].as_str().unwrap();
    let address: sandbox::bitcoin::Address<_> = address.parse().unwrap();
    chain
        .fund(address.assume_checked().script_pubkey(), 2_000_000)
        .unwrap();
    chain.mine(1).unwrap();
    node
}

fn open_channel(chain: &Sandbox, payer: &Node, seller: &Node) {
    for node in [payer, seller] {
        node.json(&["lightning", "sync"]);
    }
    let view = seller.json(&["lightning", "status"]);
    let at = view["listening"][0].as_str().unwrap();
    payer.json(&[
        "lightning",
        "open",
        at,
        "--sat",
        CHANNEL_SAT,
        "--push-sat",
        "100000",
    ]);
    let deadline = Instant::now() + READY_WITHIN;
    let is_ready = |node: &Node| {
        node.json(&["lightning", "sync"]);
        let view = node.json(&["lightning", "status"]);
        view["channels_usable"] == 1 && view["owner_sat"].as_u64() > Some(FUNDED_SAT)
    };
    while !(is_ready(payer) && is_ready(seller)) {
        assert!(Instant::now() < deadline, "no channel");
        chain.mine(6).unwrap();
        waiting(|| std::thread::sleep(Duration::from_millis(200)));
    }
}
