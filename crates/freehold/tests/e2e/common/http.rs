//! A client of the node's API.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::Node;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Pay<'a> {
    /// A stranger without money.
    Nothing,
    /// Somebody with the owner's or a purse's token.
    Bearer(&'a str),
    /// A stranger with ecash.
    Ecash(&'a str),
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// A request for a chat completion.
pub fn ask(prompt: &str, max_tokens: u32) -> Value {
    json!({
        "model": "default",
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
    })
}

/// The same, to be streamed.
pub fn ask_stream(prompt: &str, max_tokens: u32) -> Value {
    let mut body = ask(prompt, max_tokens);
    body["stream"] = json!(true);
    body
}

impl Node {
    /// A plain HTTP client: no proxy, no redirects, and nothing takes for ever.
    pub fn http(&self) -> Client {
        Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(90))
            .build()
            .unwrap()
    }

    /// A request to `path`, not sent yet.
    pub fn request(&self, method: Method, path: &str, pay: Pay<'_>) -> RequestBuilder {
        let request = self.http().request(method, format!("{}{path}", self.url()));
        match pay {
            Pay::Nothing => request,
            Pay::Bearer(token) => request.bearer_auth(token),
            Pay::Ecash(token) => request.header("X-Cashu", token),
        }
    }

    /// Asks `path` as whoever pays.
    pub async fn get(&self, path: &str, pay: Pay<'_>) -> Reply {
        let response = self.request(Method::GET, path, pay).send().await.unwrap();
        Reply::of(response).await
    }

    /// Asks for a chat completion, and waits for all of it.
    pub async fn chat(&self, pay: Pay<'_>, body: &Value) -> Reply {
        self.chat_raw(pay, body.to_string()).await
    }

    /// The same with a body that needn't be JSON.
    pub async fn chat_raw(&self, pay: Pay<'_>, body: impl Into<reqwest::Body>) -> Reply {
        Reply::of(self.chat_begin(pay, body).await).await
    }

    /// The same, and returns as soon as the head of the answer is there.
    pub async fn chat_begin(&self, pay: Pay<'_>, body: impl Into<reqwest::Body>) -> Response {
        let request = self.request(Method::POST, "/v1/chat/completions", pay);
        let request = request
            .header("Content-Type", "application/json")
            .body(body);
        request.send().await.unwrap()
    }
}

impl Reply {
    /// Reads an answer to its end.
    pub async fn of(response: Response) -> Self {
        Self::read(response).await.unwrap()
    }

    /// The same, of a server that may be killed meanwhile.
    pub async fn read(response: Response) -> reqwest::Result<Self> {
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{}: {e}: {:?}", self.status, self.text()))
    }

    /// The events of a stream, which must end with `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let mut data: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .collect();
        let last = data.pop().map(str::trim);
        assert_eq!(last, Some("[DONE]"), "the stream's end is missing: {text}");
        data.iter()
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    /// The model's words, streamed or not.
    pub fn answer(&self) -> String {
        let is_stream = self.is_stream();
        if !is_stream {
            let body = self.json();
            return body["choices"][0]["message"]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
        }
        let events = self.events();
        let pieces = events.iter().map(|e| {
            e["choices"][0]["delta"]["content"]
                .as_str()
                .unwrap_or_default()
        });
        pieces.collect()
    }

    /// The token counts, prompt and completion. A stream has them if they were asked for; else
    /// they are in its receipt.
    pub fn usage(&self) -> (u64, u64) {
        let usage = if self.is_stream() {
            let events = self.events();
            let mut usages = events.iter().map(|event| &event["usage"]);
            let usage = usages.find(|usage| usage.is_object()).cloned();
            usage.or_else(|| Some(self.receipt()?["signed_receipt"]["receipt"].clone()))
        } else {
            Some(self.json()["usage"].clone())
        };
        let usage = usage.unwrap_or_default();
        let count = |name: &str| usage[name].as_u64();
        let counts = count("prompt_tokens").zip(count("completion_tokens"));
        counts.unwrap_or_else(|| panic!("no token counts: {}", self.text()))
    }

    fn is_stream(&self) -> bool {
        let kind = self.header("content-type");
        kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// The stable code of an error.
    pub fn code(&self) -> String {
        let body = self.json();
        body["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// What it cost: from the header, or from the stream's end.
    pub fn price_sat(&self) -> Option<u64> {
        if let Some(price) = self.header("freehold-price-sat") {
            return Some(price.parse().unwrap());
        }
        self.payment()?["price_sat"].as_u64()
    }

    /// The change token: from the header, or from the stream's end.
    pub fn change(&self) -> Option<String> {
        if let Some(change) = self
            .header("x-cashu")
            .filter(|text| text.starts_with("cashuB"))
        {
            return Some(change.to_owned());
        }
        Some(self.payment()?["change"].as_str()?.to_owned())
    }

    /// The receipt's proof.
    pub fn receipt(&self) -> Option<Value> {
        let receipt = self.payment()?["receipt"].clone();
        receipt.is_object().then_some(receipt)
    }

    /// What the body says of the payment, streamed or not.
    fn payment(&self) -> Option<Value> {
        let bodies = if self.is_stream() {
            self.events()
        } else {
            vec![serde_json::from_slice(&self.body).ok()?]
        };
        let mut payments = bodies.into_iter().map(|mut body| body["payment"].take());
        payments.find(Value::is_object)
    }
}
