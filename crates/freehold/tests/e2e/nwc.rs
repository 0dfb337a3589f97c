//! `freehold nwc` and `freehold purse back`, as people and scripts use them. Payments are tested where
//! they are made, in `node`, and with Alby's SDK in `compat.rs`.

use std::process::Output;

use crate::common::{Home, told};
use serde_json::Value;

fn code(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", told(output));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    error["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_connection_is_made_shown_once_and_revoked() {
    let home = Home::without_model();
    home.json(&["purse", "new", "scout"]);
    let args = ["nwc", "new", "--purse", "scout", "--expires", "30d"];
    let relays = ["--relay", "wss://a.example", "--relay", "ws://127.0.0.1:9"];
    let new = home.json(&[&args[..], &relays].concat());
    let uri = new["uri"].as_str().unwrap();
    assert!(uri.starts_with("nostr+walletconnect://"), "{uri}");
    assert!(uri.contains("relay=wss%3A%2F%2Fa.example"), "{uri}");
    let (_, secret) = uri.split_once("secret=").unwrap();
    let connection = &new["connection"];
    let lives_ms =
        connection["expires_ms"].as_i64().unwrap() - connection["created_ms"].as_i64().unwrap();
    assert_eq!(lives_ms, 30 * 24 * 60 * 60 * 1_000);

    let list = home.json(&["nwc", "list"]);
    assert_eq!(list[0]["id"], connection["id"]);
    assert!(!list.to_string().contains(&secret[..64]));
    let id = connection["id"].as_str().unwrap();
    let revoked = home.json(&["nwc", "revoke", id]);
    assert!(revoked["revoked_ms"].is_number());
    let shown = home.cli(&["nwc", "list"]);
    assert!(told(&shown).contains("revoked"), "{}", told(&shown));
    for wrong in ["nobody", "../purses"] {
        assert_eq!(
            code(&home.cli(&["--json", "nwc", "revoke", wrong])),
            "not_found"
        );
    }
}

#[test]
fn people_get_a_code_to_scan() {
    let home = Home::without_model();
    home.json(&["purse", "new", "scout"]);
    let args = [
        "nwc",
        "new",
        "--purse",
        "scout",
        "--relay",
        "wss://a.example",
        "--qr",
    ];
    let shown = told(&home.cli(&args));
    assert!(
        shown.contains("nostr+walletconnect://") && shown.contains('█'),
        "{shown}"
    );
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let home = Home::without_model();
    home.json(&["purse", "new", "scout"]);
    let new =
        |more: &[&str]| code(&home.cli(&[&["--json", "nwc", "new", "--purse"], more].concat()));
    assert_eq!(new(&["scout"]), "nwc_relay_missing");
    assert_eq!(
        new(&["scout", "--relay", "https://a.example"]),
        "nwc_relay_invalid"
    );
    assert_eq!(
        new(&["nobody", "--relay", "wss://a.example"]),
        "purse_unknown"
    );
    home.json(&["purse", "revoke", "scout"]);
    assert_eq!(
        new(&["scout", "--relay", "wss://a.example"]),
        "purse_revoked"
    );
}

#[test]
fn a_uri_comes_by_standard_input_and_is_never_repeated() {
    let home = Home::without_model();
    home.json(&["purse", "new", "scout"]);
    let back = ["--json", "--quiet", "purse", "back", "scout", "--nwc"];
    let secret = "71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c";
    for (input, expected) in [
        (String::new(), "nwc_uri_invalid"),
        (
            format!("nostr+walletconnect://b889?secret={secret}"),
            "nwc_uri_invalid",
        ),
        ("x".repeat(100_000), "nwc_uri_invalid"),
    ] {
        let output = home.typed(&back, &input);
        assert_eq!(code(&output), expected);
        assert!(!told(&output).contains(secret));
    }
    let off = home.cli(&["--json", "purse", "back", "scout", "--off"]);
    assert_eq!(code(&off), "not_found");
}
