//! A buyer that speaks the protocols by hand, so that the tests don't believe our own codecs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::common::{Node, Pay, Reply};

/// `X-Cashu`, `Authorization`…
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// Asks with these headers.
pub async fn ask(node: &Node, path: &str, headers: Headers<'_>) -> Reply {
    let mut request = node.request(Method::GET, path, Pay::Nothing);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::of(request.send().await.unwrap()).await
}

/// Sells what the shop has below `/api`.
pub fn sell(node: &Node, url: &str, more: &[&str]) -> Value {
    node.json(&[&["sell", url, "--price", "5sat", "--path", "/api"], more].concat())
}

/// All challenges, in their order.
pub fn challenges(reply: &Reply) -> Vec<String> {
    let values = reply.headers.get_all("www-authenticate").iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

/// A challenge's parameter.
pub fn parameter(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next().unwrap().to_owned())
}

/// The `Payment` challenge of a method and intent.
pub fn payment(reply: &Reply, method: &str, intent: &str) -> String {
    find_payment(reply, method, intent)
        .unwrap_or_else(|| panic!("no {method}/{intent}: {:?}", challenges(reply)))
}

/// The same, if there is one.
pub fn find_payment(reply: &Reply, method: &str, intent: &str) -> Option<String> {
    let wanted = |challenge: &String| {
        challenge.starts_with("Payment ")
            && parameter(challenge, "method").as_deref() == Some(method)
            && parameter(challenge, "intent").as_deref() == Some(intent)
    };
    challenges(reply).into_iter().find(wanted)
}

/// What a `Payment` challenge asks for.
pub fn request(challenge: &str) -> Value {
    let text = parameter(challenge, "request").unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// `Authorization` for a `Payment` challenge.
pub fn credential(challenge: &str, payload: &Value) -> String {
    let names = [
        "id",
        "realm",
        "method",
        "intent",
        "request",
        "expires",
        "digest",
        "description",
        "opaque",
    ];
    let echo: Map<String, Value> = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), json!(parameter(challenge, name)?))))
        .collect();
    let json = json!({ "challenge": echo, "payload": payload }).to_string();
    format!("Payment {}", URL_SAFE_NO_PAD.encode(json))
}

/// Reads a `Payment-Receipt`.
pub fn receipt(reply: &Reply) -> Value {
    let text = reply
        .header("payment-receipt")
        .unwrap_or_else(|| panic!("no receipt: {}", reply.text()));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The stable code of a problem.
pub fn code(reply: &Reply) -> String {
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{}",
        reply.text()
    );
    let body = reply.json();
    assert_eq!(body["status"], reply.status, "{body:#}");
    assert!(
        body["hint"].is_string() && body["detail"].is_string(),
        "{body:#}"
    );
    body["code"].as_str().unwrap().to_owned()
}

/// A session's secret.
pub fn secret() -> String {
    let secret: [u8; 32] = rand::random();
    hex::encode(secret)
}
