//! Requests to other servers, bounded in time and size.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use sha2::{Digest as _, Sha256};

use super::carrier::Carrier;
use super::{FetchRequest, Fetched};
use crate::error::{NodeError, Result};

/// The largest answer that is kept.
const BODY_BYTES_MAX: usize = 16 << 20;
/// The most bytes of an answer's headers, names included.
const HEADERS_BYTES_MAX: usize = 64 << 10;
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// A model may think for minutes.
pub(super) const TIMEOUT: Duration = Duration::from_secs(600);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(super) struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Where its challenges were, if it asks for a payment.
    pub carrier: Carrier,
}

impl HttpAnswer {
    pub fn into_fetched(self) -> Fetched {
        let Self {
            status,
            headers,
            body,
            ..
        } = self;
        Fetched {
            status,
            headers,
            body,
            payment: None,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

/// The client for `fetch`. It follows no redirect: a token is for the server that asked.
pub(crate) fn client() -> Result<Client> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(TIMEOUT)
        .user_agent(concat!("freehold/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| NodeError::Config(format!("the HTTP client: {error}")))
}

/// A header that pays, or proves that it was paid. A secret.
pub(super) struct Credential<'a> {
    pub carrier: Carrier,
    /// The header that has it, or would have it.
    pub name: HeaderName,
    pub value: &'a str,
    /// Names the call that it pays for, so that its answer may be asked for again (`Idempotency-Key`).
    pub call: Option<String>,
}

impl<'a> Credential<'a> {
    /// Ecash.
    pub const fn token(value: &'a str) -> Self {
        Self {
            carrier: Carrier::Headers,
            name: HeaderName::from_static("x-cashu"),
            value,
            call: None,
        }
    }

    /// The same for the call that a payment of ours was made for, however often it is sent.
    pub fn for_call_of(self, payment_id: &str) -> Self {
        let name = Sha256::digest(format!("freehold call {payment_id}"));
        Self {
            call: Some(hex::encode(&name[..16])),
            ..self
        }
    }

    /// The proof of a payment over Lightning.
    pub const fn authorization(carrier: Carrier, value: &'a str) -> Self {
        Self {
            carrier,
            name: AUTHORIZATION,
            value,
            call: None,
        }
    }
}

/// Sends the request, with a credential in its header.
pub(super) async fn send(
    client: &Client,
    request: &FetchRequest,
    credential: Option<Credential<'_>>,
) -> Result<HttpAnswer> {
    let bad = |why: String| NodeError::BadFetch(why);
    let url = Url::parse(&request.url).map_err(|error| bad(format!("{}: {error}", request.url)))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("{}: only http and https", request.url)));
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| bad(format!("method {:?}", request.method)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let parsed = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        );
        let (Ok(name), Ok(value)) = parsed else {
            return Err(bad(format!("header {name:?}")));
        };
        headers.append(name, value);
    }
    if let Some(Credential {
        name, value, call, ..
    }) = credential
    {
        if let Some(call) = call
            && let Ok(call) = HeaderValue::from_str(&call)
        {
            headers.entry(IDEMPOTENCY_KEY).or_insert(call);
        }
        let value = HeaderValue::from_str(value);
        let mut value = value.map_err(|_| bad("the credential".into()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let failed = |error: reqwest::Error| NodeError::Upstream {
        url: request.url.clone(),
        reason: root_cause(&error),
    };
    let too_long = |what: &str| NodeError::Upstream {
        url: request.url.clone(),
        reason: format!("the answer's {what} is longer than what is read"),
    };
    let timeout = request.timeout_s.map_or(TIMEOUT, Duration::from_secs);
    let mut builder = client
        .request(method, url)
        .headers(headers)
        .timeout(timeout.min(TIMEOUT));
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    let mut response = builder.send().await.map_err(failed)?;
    let mut answer = HttpAnswer {
        status: response.status().as_u16(),
        headers: text_headers(response.headers()).ok_or_else(|| too_long("head"))?,
        body: Vec::new(),
        carrier: Carrier::Headers,
    };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if answer.body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(too_long("body"));
        }
        answer.body.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// The headers that are text; none if they are too long together.
fn text_headers(headers: &HeaderMap) -> Option<Vec<(String, String)>> {
    let lengths = headers
        .iter()
        .map(|(n, value)| n.as_str().len() + value.len());
    if lengths.sum::<usize>() > HEADERS_BYTES_MAX {
        return None;
    }
    let texts = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    Some(texts.collect())
}

/// reqwest's own text says little more than "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
