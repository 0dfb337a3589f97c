//! The end of the main road: a receipt that carries signatures, its place in the log and a Bitcoin
//! block in one file.

use std::fs;

use crate::calendar::chain::Chain;
use crate::common::{Home, Node, told};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_said_is_proven_by_a_block() {
    let chain = Chain::start();
    let calendars = format!("[timestamp]\ncalendars = ['{}']", chain.calendar.url());
    let Some(home) = Home::with_config(&calendars) else {
        return;
    };
    let node = Node::start(&home).await;
    let asked = node.cli(&["ask", "--max-tokens", "8", "Say hello."]);
    assert!(asked.status.success(), "{}", told(&asked));
    let answer = home.scratch().join("answer.txt");
    fs::write(&answer, &asked.stdout).unwrap();

    // A node anchors when it starts, and asks for what it is owed, so that a test needn't wait.
    node.stop();
    node.restart().await;
    chain.anchor().await;
    node.stop();
    node.restart().await;

    let id = "latest";
    let is_anchored = || {
        let proof = node.json(&["receipt", "show", id]);
        fs::write(home.scratch().join("receipt.json"), proof.to_string()).unwrap();
        let said = home.ok(&["receipt", "verify", receipt(&home).as_str()]);
        said.contains("Bitcoin block")
    };
    crate::common::eventually("the log is anchored", async || is_anchored()).await;

    // From the one file, without the node and without asking anybody but for the header.
    node.stop();
    let folder = home.scratch().join("exported");
    fs::create_dir(&folder).unwrap();
    node.restart().await;
    node.json(&["receipt", "export", id, folder.to_str().unwrap()]);
    node.stop();
    let statement = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "txt"))
        .unwrap();
    let mut args = vec!["verify", statement.to_str().unwrap()];
    let by_esplora = chain.by_esplora();
    args.extend(by_esplora.iter().map(String::as_str));
    let said = home.ok(&args);
    assert!(said.contains("Success! Bitcoin block"), "{said}");

    // The saved answer leads to the same block.
    args[1] = answer.to_str().unwrap();
    let said = home.ok(&args);
    assert!(said.contains("is what this node's model said"), "{said}");
    assert!(said.contains("Success! Bitcoin block"), "{said}");
}

fn receipt(home: &Home) -> String {
    home.scratch().join("receipt.json").display().to_string()
}
