//! Other people's clients at our door: they find their way among all challenges, pay, and are served.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::common::{Home, Node, at_home, programs, told, waiting, without_proxy};
use crate::selling::buyer::sell;
use crate::selling::lightning::READY_WITHIN;
use crate::selling::upstream::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_clients_pay() {
    let needed = [
        "bin/node",
        "venv/bin/python",
        "node_modules/@getalby/lightning-tools",
    ];
    let Some(dir) = programs(&needed) else { return };
    let (home, shop) = (Home::without_model_on("sandbox", ""), Shop::open().await);
    let node = at_home(&home, READY_WITHIN).await;
    sell(&node, &shop.url, &[]);

    let place = home.scratch().join("javascript");
    std::fs::create_dir(&place).unwrap();
    symlink(dir.join("node_modules"), place.join("node_modules")).unwrap();
    std::fs::copy(script("fetch402.mjs"), place.join("fetch402.mjs")).unwrap();
    let mut javascript = Command::new(dir.join("bin/node"));
    javascript.arg(place.join("fetch402.mjs"));
    run(&node, javascript);

    let mut python = Command::new(dir.join("venv/bin/python"));
    python.arg(script("l402_client.py"));
    run(&node, python);
    assert_eq!(shop.hits(), 3);
    home.assert_ledger_sound();
}

/// MCP's own server behind the node, and MCP's own client before it.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_of_mcp_sells_and_buys_tools() {
    let Some(dir) = programs(&["venv/bin/python", "venv/bin/mcp"]) else {
        return;
    };
    let home = Home::without_model_on("sandbox", "");
    let node = at_home(&home, READY_WITHIN).await;
    let mut python = Command::new(dir.join("venv/bin/python"));
    python.arg(script("mcp_tools.py"));
    run(&node, python);
    home.assert_ledger_sound();
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compat")
        .join(name)
}

fn run(node: &Node, mut command: Command) {
    without_proxy(&mut command);
    command
        .env("NODE_URL", node.url())
        .env("OWNER_TOKEN", node.owner_token())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = waiting(|| command.output().unwrap());
    assert!(
        output.status.success() && output.stdout.ends_with(b"ok\n"),
        "{}",
        told(&output)
    );
}
