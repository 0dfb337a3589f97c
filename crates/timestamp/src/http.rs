//! Asking servers over HTTP, with bounds on time and size.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};

type Result<T> = std::result::Result<T, Fault>;

/// Why a server was of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It can't be reached, or sent what it must not.
    #[error("{name}: {why}")]
    Server {
        /// The server.
        name: String,
        /// What went wrong.
        why: String,
    },
    /// Its address can't be used.
    #[error("the address of {what} cannot be used: {why}")]
    Address {
        /// The kind of server.
        what: &'static str,
        /// What is wrong with the address; never the address itself, which may hold a password.
        why: String,
    },
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a server that is busy is asked again, and for how long it is left alone first.
const RETRIES: u32 = 2;
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How much of a server's own words an error repeats.
const MAX_QUOTE_CHARS: usize = 200;

/// A server that answers questions.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    name: String,
}

/// An HTTP or HTTPS address, with a path that ends in a slash so that others can be joined to it.
pub(crate) fn address(what: &'static str, text: &str) -> Result<Url> {
    let refuse = |why: String| Fault::Address { what, why };
    let mut url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refuse("it must begin with http:// or https://".to_owned()));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// The server's name and port, which hold no password.
pub(crate) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

impl Http {
    /// `through_proxy`: whether the proxy that the environment names may be used.
    pub(crate) fn new(name: String, timeout: Duration, through_proxy: bool) -> Result<Self> {
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            // Whoever answers must be whom the user named.
            .redirect(redirect::Policy::none());
        if !through_proxy {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| fault(&name, &error))?;
        Ok(Self { client, name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// An error of this server.
    pub(crate) fn refuse(&self, why: impl std::fmt::Display) -> Fault {
        server_fault(&self.name, why)
    }

    /// The body of a page, or `None` if there is no such page.
    pub(crate) async fn get(&self, url: Url, max_bytes: usize) -> Result<Option<Vec<u8>>> {
        let (status, body) = self.send(self.client.get(url), max_bytes).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(body)),
            status => Err(self.refuse(format!("it answered {status}"))),
        }
    }

    /// Sends a request, again if the server is busy, and reads the answer up to `max_bytes`.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        max_bytes: usize,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let mut attempt = 0;
        loop {
            let again = request.try_clone().filter(|_| attempt < RETRIES);
            let this = match again {
                Some(this) => this,
                None => return self.send_once(request, max_bytes).await,
            };
            let (status, body) = self.send_once(this, max_bytes).await?;
            if !is_busy(status) {
                return Ok((status, body));
            }
            attempt += 1;
            tokio::time::sleep(RETRY_DELAY * attempt).await;
        }
    }

    async fn send_once(
        &self,
        request: RequestBuilder,
        max_bytes: usize,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let mut response = request
            .send()
            .await
            .map_err(|error| fault(&self.name, &error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| fault(&self.name, &error))?
        {
            if body.len() + part.len() > max_bytes {
                return Err(self.refuse(format!("its answer is longer than {max_bytes} bytes")));
            }
            body.extend_from_slice(&part);
        }
        Ok((status, body))
    }
}

fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// What went wrong underneath, without the address, which may hold a password.
fn fault(name: &str, error: &reqwest::Error) -> Fault {
    let mut why = if error.is_timeout() {
        "it did not answer in time".to_owned()
    } else if error.is_connect() {
        "it cannot be reached".to_owned()
    } else {
        "the connection failed".to_owned()
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        why = format!("{why}: {inner}");
        cause = inner.source();
    }
    server_fault(name, quote(&why))
}

/// The beginning of what a stranger says, without control characters.
pub(crate) fn quote(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(MAX_QUOTE_CHARS).collect()
}

fn server_fault(name: &str, why: impl std::fmt::Display) -> Fault {
    Fault::Server {
        name: name.to_owned(),
        why: why.to_string(),
    }
}
