//! OpenADR 3.1, as a virtual end node (VEN): hears what the grid asks for, and reports what was delivered.
//!
//! Of the standard this is what a site needs: a token by client credentials, the events of a program, and reports. The
//! library for it (`openleadr-client`) would bring a database driver along.

mod events;

pub use events::{GridEvent, Signal, parse_events};

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;

use super::fetch::{Http, web};
use super::{DriverError, short};
use crate::evidence::Evidence;

/// A token is renewed so long before it ends.
const TOKEN_SLACK: Duration = Duration::from_secs(60);

/// A VEN's connection to its VTN.
pub struct Ven {
    http: Http,
    base: Url,
    client_id: String,
    client_secret: String,
    token: Mutex<Option<(String, Instant)>>,
}

impl Ven {
    /// A VEN of the VTN at an address such as `https://vtn.example/openadr3/3.1.0`.
    ///
    /// # Errors
    /// When the address can't be.
    pub fn new(address: &str, client_id: &str, client_secret: &str) -> Result<Self, DriverError> {
        let mut base = web(address)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self {
            http: Http::new()?,
            base,
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            token: Mutex::new(None),
        })
    }

    /// What a program asks for.
    ///
    /// # Errors
    /// When the VTN can't be asked, or its answer isn't one.
    pub async fn events(
        &self,
        program_id: &str,
        now: Timestamp,
    ) -> Result<Vec<GridEvent>, DriverError> {
        let mut url = self.join("events")?;
        url.query_pairs_mut().append_pair("programID", program_id);
        let token = self.token().await?;
        let request = self.http.client().get(url).bearer_auth(token);
        let body = self.asked(self.http.text(request).await).await?;
        parse_events(&body, now).map_err(|error| DriverError::Nonsense {
            why: short(&error.to_string()),
        })
    }

    /// Reports what was delivered: what was imported less, in kW, from when it was due to the end.
    ///
    /// # Errors
    /// When the VTN can't be told, or refuses it.
    pub async fn report(&self, event: &GridEvent, evidence: &Evidence) -> Result<(), DriverError> {
        let report = report(event, evidence);
        let token = self.token().await?;
        let request = self
            .http
            .client()
            .post(self.join("reports")?)
            .bearer_auth(token)
            .json(&report);
        self.asked(self.http.text(request).await).await.map(|_| ())
    }

    /// After a refusal the token is asked for anew the next time.
    async fn asked(&self, answer: Result<String, DriverError>) -> Result<String, DriverError> {
        if matches!(answer, Err(DriverError::Refused { .. })) {
            *self.token.lock().await = None;
        }
        answer
    }

    fn join(&self, path: &str) -> Result<Url, DriverError> {
        self.base.join(path).map_err(DriverError::refused)
    }

    async fn token(&self) -> Result<String, DriverError> {
        #[derive(Deserialize)]
        struct Server {
            #[serde(rename = "tokenURL")]
            token_url: String,
        }
        #[derive(Deserialize)]
        struct Token {
            access_token: String,
            expires_in: Option<u64>,
        }
        let mut slot = self.token.lock().await;
        if let Some((token, until)) = slot.as_ref()
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let nonsense = |_| DriverError::Nonsense {
            why: "it gives no token".into(),
        };
        let client = self.http.client();
        let body = self
            .http
            .text(client.get(self.join("auth/server")?))
            .await?;
        let server: Server = serde_json::from_str(&body).map_err(nonsense)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.as_str()),
        ];
        let body = self
            .http
            .text(client.post(web(&server.token_url)?).form(&form))
            .await?;
        let token: Token = serde_json::from_str(&body).map_err(nonsense)?;
        let lasts = Duration::from_secs(token.expires_in.unwrap_or(300).min(86_400));
        *slot = Some((
            token.access_token.clone(),
            Instant::now() + lasts.saturating_sub(TOKEN_SLACK),
        ));
        Ok(token.access_token)
    }
}

/// A report object. `USAGE` would need a meter's energy; what a settlement asks for is the power that was taken less.
fn report(event: &GridEvent, evidence: &Evidence) -> serde_json::Value {
    let start = Timestamp::from_millisecond(evidence.due_ms).unwrap_or(event.start);
    let seconds = (evidence.ended_ms - evidence.due_ms).max(0) / 1000;
    json!({
        "reportName": "delivery",
        "clientName": evidence.site,
        "programID": event.program_id,
        "eventID": event.id,
        "payloadDescriptors": [{ "objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": "DEMAND", "readingType": "MEAN", "units": "KW" }],
        "resources": [{
            "resourceName": "AGGREGATED_REPORT",
            "intervals": [{
                "id": 0,
                "intervalPeriod": { "start": start.to_string(), "duration": format!("PT{seconds}S") },
                "payloads": [
                    { "type": "BASELINE", "values": [evidence.baseline_w as f64 / 1000.0] },
                    { "type": "DEMAND", "values": [(evidence.baseline_w - evidence.mean_less_w) as f64 / 1000.0] },
                ],
            }],
        }],
    })
}
