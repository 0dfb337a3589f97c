//! HTTP with bounds, for what comes from beyond the site.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, redirect};
use url::Url;

use super::DriverError;

/// The largest answer that is read, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 4 << 20;

/// An HTTP client that neither waits nor reads for ever.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
}

impl Http {
    pub fn new() -> Result<Self, DriverError> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(20))
            .redirect(redirect::Policy::limited(3))
            .build();
        Ok(Self {
            client: client.map_err(DriverError::unreachable)?,
        })
    }

    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request, and gives its answer if it is a good one.
    pub async fn text(&self, request: RequestBuilder) -> Result<String, DriverError> {
        let mut response = request.send().await.map_err(without_url)?;
        if !response.status().is_success() {
            return Err(DriverError::refused(response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(without_url)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(DriverError::Nonsense {
                    why: format!("more than {ANSWER_BYTES_MAX} bytes"),
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| DriverError::Nonsense {
            why: "it isn't text".into(),
        })
    }
}

/// An address may hold a key, so it isn't repeated.
fn without_url(error: reqwest::Error) -> DriverError {
    if error.is_timeout() {
        DriverError::TimedOut
    } else {
        DriverError::unreachable(error.without_url())
    }
}

/// An address of the web.
pub(super) fn web(address: &str) -> Result<Url, DriverError> {
    let url = Url::parse(address).map_err(DriverError::refused)?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(DriverError::refused("not an address of the web"))
    }
}
