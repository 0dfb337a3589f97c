//! A seller and a buyer, each a node of its own, with a channel between them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Home, Node, at_home, waiting};
use crate::selling::lightning::READY_WITHIN;

/// The two of them. The buyer has the sandbox's chain.
pub struct Pair {
    pub buyer: Node,
    pub seller: Node,
}

impl Pair {
    /// Brings them together.
    pub async fn meet() -> Self {
        let buyer = at_home(&Home::without_model_on("sandbox", ""), READY_WITHIN).await;
        let sandbox = buyer.json(&["sandbox", "status"]);
        let chain = format!("[chain]\nesplora = {}", sandbox["esplora_url"]);
        let home = Home::without_model_on("sandbox", &chain);
        let seller = Node::start_with(&home, &["--lightning-listen", "127.0.0.1:0"]).await;
        let status = |node: &Node| node.json(&["lightning", "status"]);
        let at = status(&seller)["listening"][0].as_str().unwrap().to_owned();
        let address = seller.json(&["lightning", "address"]);
        let address = address["address"].as_str().unwrap();
        buyer.json(&["sandbox", "fund", address, "--sat", "100000"]);
        seller.json(&["lightning", "sync"]);
        let amounts = ["--sat", "400000", "--push-sat", "150000"];
        buyer.json(&[&["lightning", "open", &at], &amounts[..]].concat());
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            seller.json(&["lightning", "sync"]);
            let view = status(&seller);
            let is_ready = view["channels_usable"].as_u64() > Some(0);
            if is_ready && view["owner_sat"].as_u64() > Some(240_000) {
                return Self { buyer, seller };
            }
            assert!(Instant::now() < deadline, "no channel: {view:#}");
            waiting(|| std::thread::sleep(Duration::from_millis(200)));
        }
    }

    /// Has the buyer's node pay an invoice; the preimage.
    pub fn pay(&self, invoice: &Value) -> String {
        let paid = self
            .buyer
            .json(&["lightning", "pay", invoice.as_str().unwrap()]);
        paid["preimage"].as_str().unwrap().to_owned()
    }

    /// That the books of both hold.
    pub fn assert_sound(&self) {
        self.buyer.home().assert_ledger_sound();
        self.seller.home().assert_ledger_sound();
    }
}
