//! The README's story, word for word, with the real program, a real model and real ecash.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{Home, Node, PROGRAM, loudly, told};

const DEFAULT_ADDRESS: &str = "127.0.0.1:8402";

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_the_readme_is_true() {
    let Some(home) = Home::new() else { return };
    let node = Node::start(&home).await;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let Some(commands) = story(&readme) else {
        loudly("skipped: README.md has no story between `<!-- story -->` and `<!-- /story -->`");
        return;
    };
    for part in [
        "purse new",
        "purse fund",
        "fetch http",
        "ledger",
        "receipt verify",
    ] {
        assert!(
            commands.iter().any(|c| c.contains(part)),
            "the story has no `{part}`"
        );
    }
    assert!(
        commands.iter().all(|c| c.starts_with("freehold ")),
        "{commands:?}"
    );
    let mut told_last = String::new();
    for command in &commands {
        let output = run(&home, command);
        let output_text = told(&output);
        println!("$ {command}\n{output_text}");
        assert!(output.status.success(), "{command}\n{output_text}");
        assert!(!output.stdout.is_empty(), "{command} says nothing");
        told_last = String::from_utf8(output.stdout).unwrap();
    }
    assert!(told_last.contains("genuine"), "{told_last}");

    // What the story says happened has happened.
    let purses = home.json(&["purse", "list"]);
    let purse = &purses[0];
    let (spent, balance) = (&purse["spent_total_sat"], &purse["balance_sat"]);
    let spent = spent.as_u64().unwrap();
    assert!(spent > 0 && balance.as_u64().unwrap() > 0, "{purses}");
    assert_eq!(home.json(&["status"])["earned_sat"], spent);
    let name = purse["name"].as_str().unwrap();
    let transfers = home.json(&["ledger", "list", "--purse", name]);
    assert_eq!(
        transfers.as_array().unwrap().len(),
        2,
        "funded, and paid: {transfers}"
    );
    home.assert_ledger_sound();

    let revoked = home.json(&["purse", "revoke", name]);
    assert_eq!(&revoked["returned_sat"], balance);
    assert_eq!(&home.json(&["status"])["owner_sat"], balance);
    assert!(home.json(&["purse", "show", name])["revoked_ms"].is_number());
    let fetch = commands.iter().find(|c| c.contains("fetch")).unwrap();
    assert_eq!(
        run(&home, fetch).status.code(),
        Some(1),
        "a revoked purse buys nothing"
    );
    home.assert_ledger_sound();

    let asked = run(
        &home,
        "freehold ask --max-tokens 24 'What is a merkle tree?'",
    );
    assert!(
        asked.status.success() && asked.stdout.len() > 20,
        "{}",
        told(&asked)
    );
    let doctor = home.cli(&["doctor"]);
    assert!(doctor.status.success(), "{}", told(&doctor));
    node.stop();
}

/// The commands between the story's marks, without the fence; lines that end in `\` go on.
fn story(readme: &str) -> Option<Vec<String>> {
    let (_, rest) = readme.split_once("<!-- story -->")?;
    let (block, _) = rest.split_once("<!-- /story -->")?;
    let (_, fenced) = block.split_once("```")?;
    let (fenced, _) = fenced.split_once("```")?;
    let joined = fenced.split_once('\n')?.1.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let commands = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Some(commands.map(str::to_owned).collect())
}

/// Types a line into a shell that finds the program, and a node elsewhere than at the default
/// address.
fn run(home: &Home, line: &str) -> std::process::Output {
    let mut command = Command::new("sh");
    home.settle(&mut command);
    let here = Path::new(PROGRAM).parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([here].into_iter().chain(env::split_paths(&path))).unwrap();
    let line = line.replace(DEFAULT_ADDRESS, &home.address());
    command
        .env("PATH", path)
        .args(["-c", &line])
        .output()
        .unwrap()
}

#[test]
fn a_story_is_found_in_its_marks() {
    let text = "x\n<!-- story -->\n```sh\n# first\nfreehold a \\\n  b\n\nfreehold c\n```\n<!-- /story -->\n";
    assert_eq!(story(text).unwrap(), ["freehold a    b", "freehold c"]);
    assert_eq!(story("no story"), None);
}
