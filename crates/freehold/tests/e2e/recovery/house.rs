//! What the tests of recovery share: typing into the program, wiping a node, and a seller.

use std::fs;
use std::path::{Path, PathBuf};

use cdk::nuts::{CurrencyUnit, PaymentRequest};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::common::{Home, Outsider, told};

/// Types into the program, with `--json`; it must succeed.
pub fn typed_ok(home: &Home, args: &[&str], input: &str) -> Value {
    let output = home.typed(&[args, &["--json"]].concat(), input);
    assert!(output.status.success(), "{args:?}: {}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same; it must fail, with this code.
#[track_caller]
pub fn typed_fails(home: &Home, args: &[&str], input: &str, code: &str) {
    let output = home.typed(&[args, &["--json"]].concat(), input);
    assert!(!output.status.success(), "{args:?}: {}", told(&output));
    let text = String::from_utf8_lossy(&output.stderr);
    let error = text
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Value>(line).ok());
    let error = error.unwrap_or_else(|| panic!("{args:?}: {}", told(&output)));
    assert_eq!(error["error"]["code"], code, "{args:?}: {}", told(&output));
}

/// The phrase, as an owner who doesn't answer the questions gets to see it.
pub fn phrase(home: &Home) -> String {
    let args = ["backup", "phrase", "--yes-print", "--json"];
    let shown: Value = serde_json::from_slice(&home.typed(&args, "").stdout).unwrap();
    let words = shown["words"].as_array().unwrap().iter();
    words
        .map(|word| word.as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The folder of the home's network.
pub fn folder(home: &Home, network: &str) -> PathBuf {
    home.data_dir().join(network)
}

/// The disk dies; what is named survives.
pub fn wipe(folder: &Path, but: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if but.contains(&name) {
            continue;
        }
        match path.is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => fs::remove_file(&path).unwrap(),
        }
    }
}

/// Sells something for ecash of the mint at `url`, and redeems what it is given.
pub async fn seller(url: &str, price_sat: u64) -> String {
    let outsider = Outsider::at(url).await;
    let request = PaymentRequest::builder()
        .add_mint(format!("{url}/mint").parse().unwrap())
        .amount(price_sat)
        .unit(CurrencyUnit::Sat)
        .build()
        .to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/goods", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read_buf(&mut bytes).await {
                    Ok(length) if length > 0 => {}
                    _ => break,
                }
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let token = text
                .split_whitespace()
                .find(|word| word.starts_with("cashuB"));
            let (status, header) = match token {
                Some(token) if outsider.try_redeem(token).await.is_ok() => {
                    ("200 OK", String::new())
                }
                Some(_) => ("400 Bad Request", String::new()),
                None => ("402 Payment Required", format!("X-Cashu: {request}\r\n")),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\n{header}Content-Length: 5\r\nConnection: close\r\n\r\ngoods"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}
