//! Connections to upstreams, kept open between requests.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// How many idle connections to one upstream are kept.
const IDLE_MAX: usize = 256;

/// The way to all upstreams. Clones share its connections, and cost nothing.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Client<HttpsConnector<HttpConnector>, Body>>);

impl Default for Upstream {
    /// A way that trusts the certificates that the system trusts; where it has none, those that browsers trust.
    fn default() -> Self {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_TIME_MAX));
        http.set_nodelay(true);
        http.enforce_http(false);
        let builder = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(builder) => builder,
            Err(_) => HttpsConnectorBuilder::new().with_webpki_roots(),
        };
        let https = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(https);
        Self(Arc::new(client))
    }
}

impl Upstream {
    /// Sends a request, and waits for the head of the answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn send(&self, request: Request) -> Result<Response, &'static str> {
        match self.0.request(request).await {
            Ok(response) => Ok(response.map(Body::new)),
            Err(error) => {
                tracing::info!(%error, "an upstream doesn't answer");
                Err(if error.is_connect() {
                    "no connection"
                } else {
                    "the connection broke"
                })
            }
        }
    }
}
