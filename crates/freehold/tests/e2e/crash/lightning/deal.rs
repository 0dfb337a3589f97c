//! One purchase, asked for again and again until its end is known.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

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
}

impl End {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bought { .. } => "bought",
            Self::Voided => "voided",
            Self::Refused { .. } => "refused",
        }
    }
}

impl Deal {
    pub async fn conclude(&self, at: Addresses) -> Result<End, String> {
        let deadline = Instant::now() + END_WITHIN;
        loop {
            match self.try_once(&at).await {
                Ok(end) => return Ok(end),
                Err(why) if Instant::now() > deadline => {
                    return Err(format!("{self:?}: no end in sight: {why}"));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn try_once(&self, at: &Addresses) -> Result<End, String> {
        let input = json!({
            "id": self.id,
            "url": format!("{}/api/{}/{}", at.seller_url, self.manner, self.id),
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
            && body == format!("goods of {}", self.id).as_bytes()
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

async fn send(request: RequestBuilder) -> Result<(u16, Value), String> {
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status().as_u16();
    let body = response
        .bytes()
        .await
        .map_err(|error| format!("{error:?}"))?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
