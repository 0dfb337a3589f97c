//! Nodes on `--network sandbox` that can pay.

use std::thread;
use std::time::{Duration, Instant};

use super::{Home, Node, waiting};

/// A node at home in the sandbox: with a channel to the neighbour that can be used, and its books in order. Opening the
/// channel takes a few rounds of the background.
pub async fn at_home(home: &Home, within: Duration) -> Node {
    let node = Node::start(home).await;
    with_channel(&node, within);
    node
}

/// Waits until a node that is at home can pay, also after a restart.
pub fn with_channel(node: &Node, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let view = node.json(&["lightning", "status"]);
        let exceeds = |name: &str, bound: u64| view[name].as_u64() > Some(bound);
        let can_pay = exceeds("channels_usable", 0) && exceeds("outbound_sat", 100_000);
        if can_pay && exceeds("owner_sat", 1_500_000) {
            return;
        }
        assert!(Instant::now() < deadline, "no channel: {view:#}");
        waiting(|| thread::sleep(Duration::from_millis(200)));
    }
}
