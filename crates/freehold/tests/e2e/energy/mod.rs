//! `freehold energy`: plans, backtests and simulations of the real program, and a node that steers a site.

mod commands;
mod simulated;
mod steered;

use std::net::TcpListener;
use std::path::PathBuf;

/// A site file of the checkout's `examples/`.
fn example(name: &str) -> String {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this test");
    let path = PathBuf::from(folder).join("../../examples").join(name);
    path.to_string_lossy().into_owned()
}

/// Miners are spoken to at port 80.
fn may_serve_miners() -> bool {
    let taken = TcpListener::bind("127.90.10.1:80");
    if let Err(error) = &taken {
        println!("SKIPPED: port 80 of the loopback network can't be taken: {error}");
    }
    taken.is_ok()
}
