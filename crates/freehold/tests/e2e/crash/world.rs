//! Two nodes, an agent with a tight budget, and an outsider with a wallet.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::rng::Rng;
use crate::common::{Home, Node, Outsider, Pay};
use crate::crash::request::{Addresses, Request, Way};

/// How long the nodes may take to bring everything to its end once both are up.
const REST_WITHIN: Duration = Duration::from_secs(90);
/// With so little left the outsider goes to the mint.
const OUTSIDER_MIN_SAT: u64 = 300;

const SELLER: &str = "\
[price]
prompt_msat_per_token = 10
completion_msat_per_token = 500
[engine]
context_tokens = 512
";

/// The limits of the purse that pays.
#[derive(Clone, Debug)]
pub struct Budget {
    pub purse: String,
    pub per_payment_sat: u64,
    pub per_day_sat: u64,
    pub total_sat: u64,
    token: String,
}

pub struct World {
    pub seller: Node,
    pub payer: Node,
    pub outsider: Outsider,
    pub addresses: Addresses,
    /// All purses of the payer; the last is in use.
    pub budgets: Vec<Budget>,
    house_token: String,
    serial: u64,
}

impl World {
    /// None if there is no model.
    pub async fn new() -> Option<Self> {
        let home = Home::with_config(SELLER)?;
        let seller = Node::start(&home).await;
        let home = Home::new()?;
        // The payer has no model, and its purses hold the seller's ecash.
        let config = format!("mint_url = '{}/mint'\n", seller.url());
        fs::write(home.config_file(), config).unwrap();
        let payer = Node::start(&home).await;
        let mut world = Self {
            outsider: Outsider::at(&seller.url()).await,
            addresses: Addresses::of(&seller, &payer),
            seller,
            payer,
            budgets: Vec::new(),
            house_token: String::new(),
            serial: 0,
        };
        let limits = json!({"per_payment_sat": 100, "per_day_sat": 100_000, "total_sat": 100_000});
        world.house_token = new_purse(&world.seller, "house", &limits, 5_000).await;
        world.new_budget().await;
        Some(world)
    }

    pub fn network_dir(node: &Node) -> PathBuf {
        node.home().network_dir()
    }

    /// A purse whose budget will soon be used up: it, and not its balance, is what ends it.
    pub async fn new_budget(&mut self) {
        let count = self.budgets.len();
        let (per_day_sat, purse_sat, delegated_sat) = match count % 3 {
            // Whoever asks has a token narrowed from the purse's, with a total of its own.
            0 => (400, 400, Some(30)),
            1 => (35, 400, None),
            _ => (400, 35, None),
        };
        let purse = format!("scout-{count}");
        let limits =
            json!({"per_payment_sat": 10, "per_day_sat": per_day_sat, "total_sat": purse_sat});
        let mut token = new_purse(&self.payer, &purse, &limits, 60).await;
        if let Some(sat) = delegated_sat {
            let seller = self.seller.home().address();
            let flags = ["--host", &seller, "--total-sat", &sat.to_string()];
            token = self.payer.narrow(&token, &flags);
        }
        let total_sat = delegated_sat.unwrap_or(purse_sat);
        self.budgets.push(Budget {
            purse,
            per_payment_sat: 10,
            per_day_sat,
            total_sat,
            token,
        });
    }

    /// One to three requests of mixed kinds. Both nodes must be up.
    pub async fn new_requests(&mut self, rng: &mut Rng) -> Vec<Request> {
        if self.outsider.balance().await < OUTSIDER_MIN_SAT {
            self.outsider.fund(2_000).await;
        }
        let mut requests = Vec::new();
        for _ in 0..rng.pick(&[1, 1, 2, 3]) {
            self.serial += 1;
            let mut max_tokens = rng.pick(&[4, 4, 8, 12, 16]);
            let way = match rng.within(0, 100) {
                0..50 => {
                    // Now and then more than the purse may pay at once.
                    max_tokens = if rng.chance(8) { 24 } else { max_tokens };
                    let bearer = self.budgets.last().unwrap().token.clone();
                    Way::Fetch { bearer }
                }
                50..92 => {
                    let sat = max_tokens / 2 + 2 + rng.pick(&[0, 0, 1, 7, 20]);
                    let token = self.outsider.token(sat).await;
                    Way::Pay { token, sat }
                }
                _ => Way::Call {
                    bearer: self.house_token.clone(),
                },
            };
            let id = format!("crash-{}", self.serial);
            requests.push(Request::new(id, way, max_tokens, rng));
        }
        requests
    }

    /// The process that runs the seller's model.
    pub async fn engine_pid(&self) -> Option<u64> {
        get(&self.seller, "/api/status").await["model_pid"].as_u64()
    }

    /// Waits for [`rest`].
    pub async fn rest(&self) -> Result<(), String> {
        rest(&self.seller, &self.payer).await
    }

    /// What a purse of the payer has spent, as it says itself.
    pub async fn spent_sat(&self, purse: &str) -> Option<u64> {
        let view = get(&self.payer, &format!("/api/purses/{purse}")).await;
        view["spent_total_sat"].as_u64()
    }
}

/// Waits until neither node has anything under way and both books are sound; or says what is in the way.
pub async fn rest(seller: &Node, payer: &Node) -> Result<(), String> {
    until(seller, payer, is_at_rest).await
}

/// Waits until this holds of the books of both.
pub async fn until(
    seller: &Node,
    payer: &Node,
    holds: impl Fn(&Value) -> bool,
) -> Result<(), String> {
    let deadline = Instant::now() + REST_WITHIN;
    loop {
        let at_seller = get(seller, "/api/ledger/check").await;
        let at_payer = get(payer, "/api/ledger/check").await;
        if holds(&at_seller) && holds(&at_payer) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("no rest: seller {at_seller}, payer {at_payer}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_at_rest(audit: &Value) -> bool {
    audit["in_flight"] == 0 && audit["pending"] == 0 && audit["sound"] == true
}

async fn new_purse(node: &Node, name: &str, limits: &Value, sat: u64) -> String {
    let input = json!({"name": name, "policy": limits});
    let made = api(node, Method::POST, "/api/purses", input).await;
    let fund = format!("/api/purses/{name}/fund");
    api(node, Method::POST, &fund, json!({"amount_sat": sat})).await;
    made["token"].as_str().unwrap().to_owned()
}

async fn get(node: &Node, path: &str) -> Value {
    let owner = node.owner_token();
    node.get(path, Pay::Bearer(&owner)).await.json()
}

async fn api(node: &Node, method: Method, path: &str, input: Value) -> Value {
    let owner = node.owner_token();
    let request = node.request(method, path, Pay::Bearer(&owner)).json(&input);
    let response = request.send().await.unwrap();
    assert!(
        response.status().is_success(),
        "{path}: {}",
        response.text().await.unwrap()
    );
    response.json().await.unwrap()
}

/// For whoever looks for a cause: both nodes' files, where `FREEHOLD_CRASH_KEEP` says.
pub fn keep(world: &World, problem: usize) {
    let Some(place) = std::env::var_os("FREEHOLD_CRASH_KEEP").map(PathBuf::from) else {
        return;
    };
    for (name, node) in [("seller", &world.seller), ("payer", &world.payer)] {
        let to = place.join(format!("{problem}-{name}"));
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(World::network_dir(node)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        fs::write(to.join("node.log"), node.log()).unwrap();
    }
}
