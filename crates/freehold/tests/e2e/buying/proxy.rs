//! A program that knows nothing of 402, behind `freehold proxy`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::buying::shop::Shop;
use crate::buying::{FUNDED_SAT, balance, purse};
use crate::common::{Node, waiting};

/// Ended when the test is, however that is.
struct Proxy {
    child: Child,
    url: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    fn start(node: &Node) -> Self {
        let args = [
            "proxy",
            "--purse",
            "agent",
            "--max-sat",
            "40",
            "--proxy-listen",
            "127.0.0.1:0",
            "--json",
        ];
        let mut command = node.home().command(&args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        let view: Value = waiting(|| {
            while serde_json::from_str::<Value>(&text).is_err() {
                assert!(lines.read_line(&mut text).unwrap() > 0, "it ended: {text}");
            }
            serde_json::from_str(&text).unwrap()
        });
        let url = view["proxy"].as_str().unwrap().to_owned();
        Self { child, url }
    }

    fn client(&self) -> reqwest::Client {
        reqwest::Client::builder()
            .proxy(reqwest::Proxy::all(&self.url).unwrap())
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap()
    }
}

pub async fn proxy(node: Arc<Node>) {
    purse(&node, "agent");
    let shop = Shop::open(&node).await;
    let proxy = Proxy::start(&node);
    let client = proxy.client();

    let reply = client
        .get(shop.at("mpp-charge", "honest", "a"))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    let spent_sat: u64 = reply.headers()["freehold-spent-sat"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(reply.headers().contains_key("freehold-payment"));
    assert_eq!(reply.text().await.unwrap(), "bought");
    assert_eq!(balance(&node, "agent"), FUNDED_SAT - spent_sat);

    // A program that repeats itself says so, and pays once.
    let url = shop.at("mpp-charge", "honest", "b");
    for _ in 0..2 {
        let again = client
            .post(&url)
            .header("Idempotency-Key", "order-7")
            .body("x");
        assert_eq!(again.send().await.unwrap().text().await.unwrap(), "bought");
    }
    assert_eq!(shop.invoices_proven(), 2);

    // A failure is told as one, and never as a price.
    let url = shop.at("l402", "denies", "a");
    let reply = client.get(url).send().await.unwrap();
    assert_eq!(reply.status(), 502);
    assert_eq!(reply.headers()["content-type"], "application/problem+json");
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&"paid_and_refused".into(), &502.into())
    );

    // A body has its bound, and nothing is paid for one that is above it.
    let (large, proven) = (shop.at("l402", "honest", "large"), shop.invoices_proven());
    let large = client.post(large).body("x".repeat((1 << 20) + 1));
    let reply = large.send().await.unwrap();
    assert_eq!(reply.status(), 413);
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(problem["code"], "request_too_large");
    assert_eq!(shop.invoices_proven(), proven);

    // What isn't for a proxy is refused: a page in a browser can't spend by a link to it.
    let direct = node.http().get(&proxy.url).send().await.unwrap();
    assert_eq!(direct.status(), 400);
    let problem: Value = direct.json().await.unwrap();
    assert_eq!(problem["code"], "not_a_proxy_request");

    // CONNECT is passed through, and nothing in it is paid.
    let (host, far) = (
        shop.url.trim_start_matches("http://"),
        &proxy.url["http://".len()..],
    );
    let mut stream = tokio::net::TcpStream::connect(far).await.unwrap();
    let connect = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(connect.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let get = format!("GET /l402/honest/c HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("402 Payment Required"), "{rest}");
    node.home().assert_ledger_sound();
}
