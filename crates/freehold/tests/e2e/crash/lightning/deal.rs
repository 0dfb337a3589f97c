//! One deal, asked for again and again until its end is known.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::session::{self, Closed};
use crate::crash::request::Addresses;

/// A payment that is cut off in a channel takes until both nodes are there again.
const END_WITHIN: Duration = Duration::from_secs(150);
const PAUSE: Duration = Duration::from_millis(100);

/// What is bought, how, and by whom.
#[derive(Clone, Debug)]
pub struct Deal {
    /// Its idempotency key.
    pub id: String,
    pub protocol: &'static str,
    pub manner: &'static str,
    /// Which of the world's tokens asks.
    pub token: usize,
    pub bearer: String,
    /// What is done in a session, if it is one. Else one thing is bought.
    pub session: Option<session::Plan>,
}

/// How it ended, as far as it must stay the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Bought {
        spent_sat: u64,
        payment_hash: String,
    },
    /// Nothing was paid, for good.
    Voided,
    /// The policy doesn't allow it.
    Refused { code: String },
    /// A session that is over.
    Closed(Box<Closed>),
}

impl End {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bought { .. } => "bought",
            Self::Voided => "voided",
            Self::Refused { .. } => "refused",
            Self::Closed(_) => "closed",
        }
    }

    /// The session that is over, if it was one.
    pub fn closed(&self) -> Option<&Closed> {
        match self {
            Self::Closed(closed) => Some(closed),
            _ => None,
        }
    }
}

impl Deal {
    pub async fn conclude(&self, at: Addresses) -> Result<End, String> {
        let deadline = Instant::now() + END_WITHIN;
        let end = match self.session {
            Some(plan) => session::hold(self, plan, &at, deadline).await,
            None => persist(deadline, || self.try_once(&at)).await,
        };
        end.map_err(|why| format!("{self:?}: no end in sight: {why}"))
    }

    /// Asks once more for what is over.
    pub async fn again(&self, end: &End, at: Addresses) -> Result<End, String> {
        match end {
            End::Closed(closed) => session::again(self, closed, &at).await,
            _ => self.conclude(at).await,
        }
    }

    /// What is bought.
    pub fn url(&self, at: &Addresses) -> String {
        format!("{}/api/{}/{}", at.seller_url, self.manner, self.id)
    }

    /// What the shop answers.
    pub fn goods(&self) -> String {
        format!("goods of {}", self.id)
    }

    async fn try_once(&self, at: &Addresses) -> Result<End, String> {
        let input = json!({
            "id": self.id,
            "url": self.url(at),
            "rails": [self.protocol],
        });
        let url = format!("{}/api/fetch", at.payer_url);
        let (status, output) =
            send(at.http.post(url).bearer_auth(&self.bearer).json(&input)).await?;
        if status == 200 {
            return self.fetched(&output);
        }
        let code = output["error"]["code"]
            .as_str()
            .unwrap_or("unknown")
            .to_owned();
        match self.state(at).await?.as_deref() {
            Some("voided") => Ok(End::Voided),
            None if code.starts_with("budget_") => Ok(End::Refused { code }),
            state => Err(format!("{code}, and the payment is {state:?}")),
        }
    }

    fn fetched(&self, output: &Value) -> Result<End, String> {
        let body = output["body_base64"].as_str().unwrap_or_default();
        let body = BASE64_STANDARD.decode(body).unwrap();
        let payment = &output["payment"];
        let is_right = output["status"] == 200
            && body == self.goods().as_bytes()
            && payment["state"] == "settled";
        let end = || {
            Some(End::Bought {
                spent_sat: payment["spent_sat"].as_u64()?,
                payment_hash: payment["payment_hash"].as_str()?.to_owned(),
            })
        };
        // Before it paid, the seller may be away behind its own door.
        is_right
            .then(end)
            .flatten()
            .ok_or_else(|| output.to_string())
    }

    /// The state of its record at the payer; none if there is no record.
    async fn state(&self, at: &Addresses) -> Result<Option<String>, String> {
        let url = format!("{}/api/payments?limit=1000", at.payer_url);
        let (status, payments) = send(at.http.get(url).bearer_auth(&at.payer_owner)).await?;
        let payments = payments.as_array().ok_or(format!("payments: {status}"))?;
        let ours = payments.iter().find(|payment| payment["id"] == self.id);
        Ok(ours.and_then(|ours| Some(ours["state"].as_str()?.to_owned())))
    }
}

/// Tries a step until it is done, or its time is over.
pub async fn persist<T, F>(deadline: Instant, step: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    loop {
        match step().await {
            Ok(done) => return Ok(done),
            Err(why) if Instant::now() > deadline => return Err(why),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

pub async fn send(request: RequestBuilder) -> Result<(u16, Value), String> {
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status().as_u16();
    let body = response
        .bytes()
        .await
        .map_err(|error| format!("{error:?}"))?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
