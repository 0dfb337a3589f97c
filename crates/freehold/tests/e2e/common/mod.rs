//! What the end-to-end tests share: the real program in a data directory of its own, with a real
//! model, a client for its API, and an outsider's ecash wallet.
//!
//! ```ignore
//! let Some(home) = Home::new() else { return };        // prints `skipped: …` without a model
//! let node = Node::start(&home).await;                 // killed on drop; its log is shown on failure
//! let token = node.play_token(50).await;               // cashuB of the node's own mint
//! let reply = node.chat(Pay::Ecash(&token), &ask("Hello", 16)).await;
//! ```
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests may panic, and no test file needs all of this"
)]

mod checks;
mod home;
mod http;
mod lightning;
mod node;
mod outside;
mod outsider;
pub mod rng;

pub use checks::Checks;
pub use home::{Home, PROGRAM, free_port, told, waiting};
pub use http::{Pay, Reply, ask, ask_stream};
pub use lightning::{at_home, with_channel};
pub use node::{Node, ended_by_term, eventually, signal};
pub use outside::{programs, without_proxy};
pub use outsider::{Outsider, token_sat};

use std::io::Write as _;

/// Says something that is seen even if the test passes.
pub fn loudly(text: &str) {
    // The macros' output is captured; a write to the stream itself isn't.
    let _ = writeln!(std::io::stderr(), "{text}");
}
