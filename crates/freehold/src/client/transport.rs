//! The two ways that a request can take.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use futures::{StreamExt as _, TryStreamExt as _};
use node::{Config, Node};
use tower::ServiceExt as _;

use super::Reply;
use crate::api::{self, App};
use crate::failure::{Failure, Result};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// A way to an API.
pub enum Transport {
    /// To a node that is running.
    Running { http: reqwest::Client, url: String },
    /// To a node in this process.
    InProcess { router: Router, node: Node },
}

impl Transport {
    /// To the running node of this data directory, if one answers.
    pub async fn running(config: &Config) -> Result<Option<Self>> {
        let Some(running) = node::running(config) else {
            return Ok(None);
        };
        // No proxy: it's this machine, and the token is nobody else's business.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIME_MAX)
            .build()
            .map_err(|error| Failure::ours("http_client", error.to_string()))?;
        let health = http
            .get(format!("{}/healthz", running.url))
            .timeout(CONNECT_TIME_MAX);
        let is_up = health.send().await.is_ok_and(|r| r.status().is_success());
        let url = running.url;
        Ok(is_up.then_some(Self::Running { http, url }))
    }

    /// To a node that was opened in this process.
    pub async fn in_process(node: Node) -> Result<Self> {
        let router = api::router(App::new(node.clone())).await;
        let router = router.map_err(|error| Failure::ours("router_failed", error.to_string()))?;
        Ok(Self::InProcess { router, node })
    }

    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Running { url, .. } => Some(url),
            Self::InProcess { .. } => None,
        }
    }

    pub async fn send(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Reply> {
        match self {
            Self::Running { http, url } => {
                let request = http
                    .request(method, format!("{url}{path}"))
                    .bearer_auth(token)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(body);
                let response = request.send().await.map_err(|error| lost(&error))?;
                Ok(Reply {
                    status: response.status(),
                    body: response.bytes_stream().map_err(|e| lost(&e)).boxed(),
                })
            }
            Self::InProcess { router, .. } => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::HOST, "localhost")
                    .header(header::AUTHORIZATION, format!("Bearer {token}"))
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from(body))
                    .map_err(|error| Failure::ours("bad_request", error.to_string()))?;
                let Ok(response) = router.clone().oneshot(request).await;
                let status = response.status();
                let body = response.into_body().into_data_stream();
                Ok(Reply {
                    status,
                    body: body.map_err(|error| lost(&error)).boxed(),
                })
            }
        }
    }

    pub async fn close(self) {
        if let Self::InProcess { node, .. } = self {
            node.shutdown().await;
        }
    }
}

fn lost(error: &dyn std::error::Error) -> Failure {
    // The innermost cause says more than the library's summary.
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure {
        hint: "is it still running? `freehold status` tells; what was paid is settled at its \
               next start"
            .into(),
        ..Failure::ours("node_lost", format!("the node doesn't answer: {cause}"))
    }
}
