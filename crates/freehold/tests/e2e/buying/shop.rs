//! A seller over Lightning, honest or not. Its invoices are the sandbox's neighbour's, and are really paid; its challenges
//! are written by hand here, so that a buyer's reading is checked against something else than our own writing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::common::Node;

/// What everything costs.
pub const PRICE_SAT: u64 = 10;

/// What a seller saw.
#[derive(Default)]
pub struct Seen {
    /// Challenges that were given out.
    pub challenges: usize,
    /// Proofs of payment that were right, by payment hash.
    pub proofs: HashMap<String, usize>,
    /// Answers that were given for them.
    pub sold: usize,
    /// One invoice for everybody, of the seller that has just one.
    invoice: Option<(String, String)>,
}

pub struct Shop {
    node_url: String,
    owner_token: String,
    http: reqwest::Client,
    /// Where a thief waits for proofs.
    thief_url: String,
    pub seen: Mutex<Seen>,
    pub url: String,
}

impl Shop {
    /// Opens for business on a port of its own.
    pub async fn open(node: &Node) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let thief = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Arc::new(Self {
            node_url: node.url(),
            owner_token: node.owner_token(),
            http: node.http(),
            thief_url: format!("http://{}/got-it", thief.local_addr().unwrap()),
            seen: Mutex::default(),
            url: format!("http://{}", listener.local_addr().unwrap()),
        });
        let router = Router::new()
            .route("/{protocol}/{manner}/{what}", axum::routing::any(answer))
            .with_state(Arc::clone(&shop));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let steal = axum::routing::any(|headers: HeaderMap| async move {
            assert!(
                !headers.contains_key("authorization"),
                "the proof was stolen"
            );
            "stolen"
        });
        let thieves = Router::new().fallback(steal);
        tokio::spawn(async move { axum::serve(thief, thieves).await });
        shop
    }

    /// Where something is sold.
    pub fn at(&self, protocol: &str, manner: &str, what: &str) -> String {
        format!("{}/{protocol}/{manner}/{what}", self.url)
    }

    /// How many different invoices were proven to be paid.
    pub fn invoices_proven(&self) -> usize {
        self.seen.lock().unwrap().proofs.len()
    }

    pub fn sold(&self) -> usize {
        self.seen.lock().unwrap().sold
    }

    pub fn challenges(&self) -> usize {
        self.seen.lock().unwrap().challenges
    }

    /// An invoice and its payment hash.
    async fn invoice(&self, sat: u64) -> (String, String) {
        let url = format!("{}/api/sandbox/invoice", self.node_url);
        let request = self.http.post(url).bearer_auth(&self.owner_token);
        let request = request.json(&json!({"amount_msat": sat * 1_000}));
        let view: Value = request.send().await.unwrap().json().await.unwrap();
        let text = |name: &str| {
            view[name]
                .as_str()
                .unwrap_or_else(|| panic!("{view}"))
                .to_owned()
        };
        (text("request"), text("payment_hash"))
    }

    async fn ask(&self, protocol: &str, manner: &str, sat: u64) -> Response {
        self.seen.lock().unwrap().challenges += 1;
        let kept = self.seen.lock().unwrap().invoice.clone();
        let (invoice, hash) = match kept.filter(|_| manner == "reuses") {
            Some(kept) => kept,
            None => self.invoice(sat).await,
        };
        self.seen.lock().unwrap().invoice = Some((invoice.clone(), hash.clone()));
        let hash = match manner {
            "other-hash" => "ab".repeat(32),
            _ => hash,
        };
        let stated_sat = match manner {
            "other-amount" => sat - 1,
            _ => sat,
        };
        let challenge = match protocol {
            "l402" => l402_challenge(&invoice, &hash),
            _ => charge_challenge(&invoice, &hash, stated_sat),
        };
        let mut response = Response::new(Body::from("pay first"));
        *response.status_mut() = StatusCode::PAYMENT_REQUIRED;
        let headers = response.headers_mut();
        match manner {
            // Two of a kind, the first of which buys nothing; and noise.
            "contradicts" => {
                let wrong = match protocol {
                    "l402" => format!("{}, macaroon=\"AgEA\"", challenge),
                    _ => charge_challenge(&invoice, &"cd".repeat(32), stated_sat),
                };
                headers.append("www-authenticate", value(&wrong));
                headers.append(
                    "www-authenticate",
                    value("Bearer realm=\"x\", nonsense==, \""),
                );
                headers.append("x-cashu", value("creqAnonsense"));
            }
            "bomb" => {
                for n in 0..80 {
                    headers.append("x-noise", value(&format!("{n}{}", "x".repeat(2_000))));
                }
            }
            _ => {}
        }
        headers.append("www-authenticate", value(&challenge));
        response
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn plain(status: u16, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

async fn answer(
    State(shop): State<Arc<Shop>>,
    Path((protocol, manner, _)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let proof = headers
        .get("authorization")
        .map(|v| v.to_str().unwrap().to_owned());
    let Some(hash) = proof.and_then(|proof| proven(&protocol, &proof)) else {
        return shop.ask(&protocol, &manner, PRICE_SAT).await;
    };
    let tries = {
        let mut seen = shop.seen.lock().unwrap();
        let tries = seen.proofs.entry(hash).or_default();
        *tries += 1;
        *tries
    };
    match manner.as_str() {
        "rises" => shop.ask(&protocol, &manner, PRICE_SAT * 2).await,
        "denies" => plain(401, "never heard of it"),
        "denies-twice" if tries <= 2 => plain(401, "not yet"),
        "moves" => {
            let mut response = plain(307, "");
            let location = value(&shop.thief_url);
            response.headers_mut().insert("location", location);
            response
        }
        "fails-once" if tries == 1 => plain(503, "a moment"),
        "hangs-once" if tries == 1 => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            plain(500, "")
        }
        "hangs" => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            plain(500, "")
        }
        "sells-once" if tries > 1 => shop.ask(&protocol, &manner, PRICE_SAT).await,
        _ => {
            shop.seen.lock().unwrap().sold += 1;
            plain(200, "bought")
        }
    }
}

/// The payment hash of a right credential.
fn proven(protocol: &str, authorization: &str) -> Option<String> {
    let (preimage, hash) = match protocol {
        "l402" => {
            let (token, preimage) = authorization.strip_prefix("L402 ")?.rsplit_once(':')?;
            let macaroon = STANDARD.decode(token).unwrap();
            // Behind the version, the location and the identifier's head: version, payment hash, token id.
            let identifier = &macaroon[1 + 2 + 4 + 2..][..66];
            (preimage.to_owned(), hex::encode(&identifier[2..34]))
        }
        _ => {
            let token = authorization.strip_prefix("Payment ")?;
            let credential: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
            let request = credential["challenge"]["request"].as_str().unwrap();
            assert_eq!(credential["challenge"]["id"], "challenge-1");
            let request: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(request).unwrap()).unwrap();
            let hash = request["methodDetails"]["paymentHash"].as_str().unwrap();
            let preimage = credential["payload"]["preimage"].as_str().unwrap();
            (preimage.to_owned(), hash.to_owned())
        }
    };
    let secret = hex::decode(preimage).unwrap();
    assert_eq!(
        hex::encode(Sha256::digest(secret)),
        hash,
        "a proof that is none"
    );
    Some(hash)
}

/// A macaroon of version 2 with the identifier of L402, version 0. Nobody here checks its signature.
fn l402_challenge(invoice: &str, hash: &str) -> String {
    let mut macaroon = vec![2, 1, 4];
    macaroon.extend_from_slice(b"shop");
    macaroon.extend_from_slice(&[2, 66, 0, 0]);
    macaroon.extend_from_slice(&hex::decode(hash).unwrap());
    macaroon.extend_from_slice(&[7; 32]);
    macaroon.extend_from_slice(&[0, 0, 6, 32]);
    macaroon.extend_from_slice(&[9; 32]);
    let token = STANDARD.encode(macaroon);
    format!("L402 macaroon=\"{token}\", invoice=\"{invoice}\"")
}

fn charge_challenge(invoice: &str, hash: &str, sat: u64) -> String {
    let request = json!({
        "amount": sat.to_string(),
        "currency": "sat",
        "methodDetails": {"invoice": invoice, "paymentHash": hash, "network": "regtest"},
    });
    let request = URL_SAFE_NO_PAD.encode(request.to_string());
    format!(
        "Payment id=\"challenge-1\", realm=\"shop\", method=\"lightning\", intent=\"charge\", request=\"{request}\""
    )
}
