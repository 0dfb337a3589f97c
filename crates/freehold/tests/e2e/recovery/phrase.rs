//! The phrase is shown to its owner only, and real money waits until it is written down.

use serde_json::Value;

use crate::common::Home;
use crate::recovery::house::{phrase, typed_fails};

#[tokio::test(flavor = "multi_thread")]
async fn mainnet_waits_for_the_phrase() {
    let home = Home::without_model_on("mainnet", "");
    let (_, error) = home.error(&["status"]);
    assert_eq!(error["error"]["code"], "phrase_unconfirmed");
    let hint = error["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("freehold backup phrase"), "{hint}");
    // Into a pipe it isn't printed by mistake.
    typed_fails(&home, &["backup", "phrase"], "", "not_a_terminal");
    typed_fails(&home, &["backup", "identity"], "", "not_a_terminal");

    let words = phrase(&home);
    let words: Vec<&str> = words.split(' ').collect();
    assert_eq!(words.len(), 24);
    let args = ["backup", "phrase", "--yes-print"];
    typed_fails(
        &home,
        &args,
        "nonsense\n".repeat(4).as_str(),
        "phrase_mismatch",
    );
    typed_fails(&home, &args, "", "phrase_unconfirmed");
    let (_, error) = home.error(&["status"]);
    assert_eq!(error["error"]["code"], "phrase_unconfirmed");

    answer(&home, &words);
    // Now it is only the chain that is missing.
    let (_, error) = home.error(&["status"]);
    assert_eq!(error["error"]["code"], "config_invalid", "{error}");
}

/// Answers the questions as they come.
fn answer(home: &Home, words: &[&str]) {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let mut command = home.command(&["backup", "phrase", "--yes-print"]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut asked = 0;
    while asked < 4 {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it asks no more");
        let position = line
            .trim()
            .strip_prefix("word ")
            .and_then(|rest| rest.strip_suffix('?'));
        let Some(position) = position.and_then(|text| text.parse::<usize>().ok()) else {
            continue;
        };
        writeln!(stdin, "{}", words[position - 1]).unwrap();
        asked += 1;
    }
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("confirmed"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_are_in_no_file_but_the_seed() {
    let home = Home::without_model();
    let words = phrase(&home);
    home.json(&["status"]);
    home.json(&["backup"]);
    let output = home.typed(&["backup", "identity", "--yes-print", "--json"], "");
    let identity: Value = serde_json::from_slice(&output.stdout).unwrap();
    let secret = identity["identity"].as_str().unwrap();
    assert!(secret.starts_with("AGE-SECRET-KEY-1"));
    let folder = home.data_dir().join("play");
    let seed = std::fs::read_to_string(folder.join("seed")).unwrap();
    let mut files = vec![folder];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        let is_seed = path.file_name().is_some_and(|name| name == "seed");
        assert!(!has(&words) && !has(secret), "{}", path.display());
        assert_eq!(has(seed.trim()), is_seed, "{}", path.display());
    }
}
