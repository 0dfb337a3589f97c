//! How the store speaks HTTP: bounded in time, redirects and attempts.

use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};

use super::{
    error::{Result, StoreError},
    pip_config::PipConfig,
};

const REDIRECTS_MAX: usize = 8;

/// How patient the store is with servers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a connection may be silent.
    pub idle_timeout: Duration,
    /// How often one file is tried at one source.
    pub attempts_max: u32,
    /// The pause before the second attempt; it doubles with each further one.
    pub first_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
            attempts_max: 5,
            first_pause: Duration::from_millis(500),
        }
    }
}

/// A failure that says whether the same request could still succeed.
pub(super) enum Failure {
    /// Worth another attempt.
    Passing(StoreError),
    /// Another attempt would end the same.
    Lasting(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Lasting(error)
    }
}

impl Failure {
    pub(super) fn network(url: &Url, error: &reqwest::Error) -> Self {
        let failure = StoreError::network(&host(url), error);
        // Whoever cannot be reached at all is not waited for: the next source may be there at once.
        if error.is_connect() || error.is_builder() || error.is_redirect() {
            Self::Lasting(failure)
        } else {
            Self::Passing(failure)
        }
    }

    pub(super) fn status(url: &Url, status: StatusCode) -> Self {
        let failure = StoreError::Status {
            host: host(url),
            status: status.as_u16(),
        };
        let passing = status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            );
        if passing {
            Self::Passing(failure)
        } else {
            Self::Lasting(failure)
        }
    }

    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

impl Limits {
    /// Counts the attempts at one file.
    pub(super) fn attempts(&self) -> Attempts {
        Attempts {
            left: self.attempts_max.saturating_sub(1),
            pause: self.first_pause,
        }
    }
}

/// What is left of the patience with one source.
pub(super) struct Attempts {
    left: u32,
    pause: Duration,
}

impl Attempts {
    /// Waits before another attempt, longer each time, if one is left; says whether one is.
    pub(super) async fn another(&mut self, error: &StoreError) -> bool {
        if self.left == 0 {
            return false;
        }
        tracing::debug!(%error, "trying again");
        tokio::time::sleep(self.pause).await;
        self.left -= 1;
        self.pause = self.pause.saturating_mul(2);
        true
    }
}

/// A client with the system's certificates, and with pip's own settings where pip's index is spoken
/// to.
pub(super) fn client(limits: &Limits, pip: Option<&PipConfig>) -> Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("freehold/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect_timeout)
        .read_timeout(limits.idle_timeout)
        .redirect(redirect::Policy::custom(follow));
    let unusable = |error: reqwest::Error| StoreError::network("the network settings", &error);
    if let Some(path) = pip.and_then(|pip| pip.certificates.as_deref()) {
        let bundle = std::fs::read(path).map_err(StoreError::io("read", path))?;
        for certificate in Certificate::from_pem_bundle(&bundle).map_err(unusable)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(proxy) = pip.and_then(|pip| pip.proxy.as_deref()) {
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(unusable)?);
    }
    builder.build().map_err(unusable)
}

/// Follows few redirects, and none that would give up encryption.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let was_encrypted = attempt
        .previous()
        .last()
        .is_some_and(|url| url.scheme() == "https");
    if was_encrypted && attempt.url().scheme() != "https" {
        attempt.error("a redirect to an unencrypted address")
    } else if attempt.previous().len() > REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

/// Parses an address that the owner configured.
pub(super) fn parse_url(text: &str) -> Result<Url> {
    Url::parse(text).map_err(|error| StoreError::BadAnswer {
        host: "the configured address".into(),
        reason: error.to_string(),
    })
}

/// The part of a URL that may be shown: the rest can hold credentials.
pub(super) fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.into(),
        (None, _) => url.scheme().into(),
    }
}

/// Reads a body into memory, up to a bound.
pub(super) async fn read_body(
    mut response: Response,
    limit_bytes: usize,
) -> Result<Vec<u8>, Failure> {
    let url = response.url().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Failure::network(&url, &error))?
    {
        if body.len() + chunk.len() > limit_bytes {
            return Err(StoreError::TooLong {
                what: host(&url),
                limit_bytes: limit_bytes as u64,
            }
            .into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
