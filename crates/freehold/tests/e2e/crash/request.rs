//! Paid requests, asked again and again until their end is known.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::common::Node;
use crate::common::rng::Rng;
use crate::crash::reply::{Outcome, Reply};

/// After so long without an end, something is wrong.
const END_WITHIN: Duration = Duration::from_secs(90);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(60);

const QUESTIONS: [&str; 6] = [
    "Say yes.",
    "Name a colour.",
    "Count to ten.",
    "What is a merkle tree?",
    "Who wrote Hamlet? Answer with the name only.",
    "Tell me about the sea.",
];

/// Who pays, and how.
#[derive(Clone)]
pub enum Way {
    /// The payer's agent fetches; its purse pays.
    Fetch { bearer: String },
    /// An outsider pays the seller with a token.
    Pay { token: String, sat: u64 },
    /// A purse at the seller itself.
    Call { bearer: String },
}

/// A paid request.
#[derive(Clone)]
pub struct Request {
    /// Its idempotency key where there is one; in every case it is in the body.
    pub id: String,
    pub way: Way,
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {} {body}", self.kind(), self.id)?;
        match &self.way {
            Way::Pay { sat, .. } => write!(f, " with {sat} sat"),
            _ => Ok(()),
        }
    }
}

/// Where everybody lives.
#[derive(Clone)]
pub struct Addresses {
    pub http: Client,
    pub seller_url: String,
    pub payer_url: String,
    pub payer_owner: String,
}

impl Addresses {
    pub fn of(seller: &Node, payer: &Node) -> Self {
        Self {
            http: payer.http(),
            seller_url: seller.url(),
            payer_url: payer.url(),
            payer_owner: payer.owner_token(),
        }
    }
}

impl Request {
    /// A question of its own kind, with an answer of at most `max_tokens`.
    pub fn new(id: String, way: Way, max_tokens: u64, rng: &mut Rng) -> Self {
        let mut body = json!({
            "model": "default",
            "messages": [{"role": "user", "content": rng.pick(&QUESTIONS)}],
            "max_tokens": max_tokens,
            "user": id,
        });
        if rng.chance(50) {
            body["stream"] = json!(true);
        }
        if rng.chance(40) {
            // An answer that ends early leaves change.
            body["stop"] = json!([rng.pick(&[" ", "e", "a", "."])]);
        }
        let body = body.to_string().into_bytes();
        Self { id, way, body }
    }

    pub fn kind(&self) -> &'static str {
        match self.way {
            Way::Fetch { .. } => "fetch",
            Way::Pay { .. } => "token",
            Way::Call { .. } => "call",
        }
    }

    /// Asks until there is an end, as a client does that knows what it is owed.
    pub async fn conclude(&self, at: &Addresses) -> Result<Outcome, String> {
        let deadline = Instant::now() + END_WITHIN;
        loop {
            let last = match self.try_once(at).await {
                Ok(outcome) => return Ok(outcome),
                Err(why) => why,
            };
            if Instant::now() > deadline {
                return Err(format!(
                    "{} {}: no end in sight: {last}",
                    self.kind(),
                    self.id
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_once(&self, at: &Addresses) -> Result<Outcome, String> {
        match &self.way {
            Way::Fetch { bearer } => self.fetch(at, bearer).await,
            Way::Pay { token, .. } => {
                let reply = send(self.to_seller(at).header("X-Cashu", token)).await?;
                let outcome = reply.outcome();
                outcome.ok_or_else(|| format!("{}: {}", reply.status, reply.error_code()))
            }
            Way::Call { bearer } => {
                let reply = send(self.to_seller(at).bearer_auth(bearer)).await;
                let outcome = reply.ok().and_then(|reply| reply.outcome());
                Ok(outcome.unwrap_or(Outcome::CutOff))
            }
        }
    }

    fn to_seller(&self, at: &Addresses) -> RequestBuilder {
        let url = format!("{}/v1/chat/completions", at.seller_url);
        let request = at.http.post(url).header("content-type", "application/json");
        request.body(self.body.clone())
    }

    async fn fetch(&self, at: &Addresses, bearer: &str) -> Result<Outcome, String> {
        let input = json!({
            "id": self.id,
            "method": "POST",
            "url": format!("{}/v1/chat/completions", at.seller_url),
            "headers": [["content-type", "application/json"]],
            "body_base64": BASE64_STANDARD.encode(&self.body),
        });
        let url = format!("{}/api/fetch", at.payer_url);
        let reply = send(at.http.post(url).bearer_auth(bearer).json(&input)).await?;
        if reply.status != 200 {
            return self.not_fetched(at, &reply.error_code()).await;
        }
        let mut output = reply.json();
        let body = output["body_base64"].as_str().unwrap_or_default();
        let inner = Reply {
            status: output["status"]
                .as_u64()
                .and_then(|s| s.try_into().ok())
                .unwrap_or(0),
            body: BASE64_STANDARD.decode(body).unwrap(),
            headers: serde_json::from_value(output["headers"].take()).unwrap(),
        };
        match output["payment"]["state"].as_str() {
            Some("settled") => {
                let code = format!("settled, but the answer is {}", inner.status);
                Ok(inner.outcome().unwrap_or(Outcome::Refused { code }))
            }
            Some("voided") => Ok(Outcome::Voided),
            Some(state) => Err(format!("the payment is {state}")),
            None if inner.status >= 429 => Err(format!("unpaid: {}", inner.status)),
            None => Err(format!("unpaid: {} {}", inner.status, inner.error_code())),
        }
    }

    /// The payer has no answer: for good?
    async fn not_fetched(&self, at: &Addresses, code: &str) -> Result<Outcome, String> {
        if code.starts_with("budget_") {
            return Ok(Outcome::Refused { code: code.into() });
        }
        let url = format!("{}/api/payments?limit=1000", at.payer_url);
        let payments = send(at.http.get(url).bearer_auth(&at.payer_owner))
            .await?
            .json();
        let is_ours = |payment: &&Value| payment["id"] == self.id;
        let found = payments.as_array().and_then(|all| all.iter().find(is_ours));
        match found.and_then(|payment| payment["state"].as_str()) {
            Some("voided") => Ok(Outcome::Voided),
            state => Err(format!("{code}, the payment is {state:?}")),
        }
    }
}

/// Sends a request, and reads the answer to its end.
async fn send(request: RequestBuilder) -> Result<Reply, String> {
    let told = |error: reqwest::Error| format!("{error:?}");
    let response = request.send().await.map_err(told)?;
    let headers = response.headers().iter();
    let headers = headers
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    Ok(Reply {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: response.bytes().await.map_err(told)?.to_vec(),
    })
}
