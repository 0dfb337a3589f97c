//! How commands reach the node: over TCP when one is running, or else by calling the same HTTP
//! API of a node that is opened in this very process.

mod transport;

use std::time::Duration;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use node::{Config, Node, NodeError, Worker};
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Failure, Result};
use transport::Transport;

/// How long to wait for a node that is just starting, or for another command to finish.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// A way to the node's API, as its owner.
pub struct Client {
    transport: Transport,
    token: String,
}

/// An answer whose status and head are there.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body, as it comes.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl Client {
    /// Finds the running node, or opens one.
    ///
    /// Opening is tried first: it takes the data directory's lock, and only if somebody holds
    /// that lock can the address in `node.json` be more than a leftover. The owner's token isn't
    /// sent to whoever happens to listen there now.
    ///
    /// # Errors
    /// If the data directory is in use but nobody answers, or can't be used.
    pub async fn connect(config: &Config) -> Result<Self> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match Node::open(config.clone(), worker()?).await {
                Ok(node) => return Self::in_process(node).await,
                Err(NodeError::AlreadyRunning(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(transport) = Transport::running(config).await? {
                let token = node::read_owner_token(config)?;
                return Ok(Self { transport, token });
            }
        }
        Err(Failure::user(
            "data_dir_busy",
            format!(
                "another freehold process is using {}, but no node answers",
                config.network_dir().display()
            ),
            "wait for the other command to end, or run `freehold up`: several commands can then \
             work at a time",
        ))
    }

    async fn in_process(node: Node) -> Result<Self> {
        node::retract(node.config());
        // After a restore. If the mint is away, the command may do without ecash.
        if let Err(error) = node.bring_ecash_back(&|_| {}).await {
            tracing::warn!(code = error.code(), "the ecash isn't back yet: {error}");
        }
        let token = node.owner_token().to_owned();
        let transport = Transport::in_process(node).await?;
        Ok(Self { transport, token })
    }

    /// Where the running node listens; `None` if it is in this process.
    pub fn url(&self) -> Option<&str> {
        self.transport.url()
    }

    /// Asks for something.
    ///
    /// # Errors
    /// If it is refused or doesn't arrive.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let reply = self.send::<()>(Method::GET, path, None).await?;
        reply.json().await
    }

    /// Has something done.
    ///
    /// # Errors
    /// If it is refused or fails.
    pub async fn post(&self, path: &str, input: &impl Serialize) -> Result<Value> {
        let reply = self.send(Method::POST, path, Some(input)).await?;
        reply.json().await
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// If the answer isn't a success, or doesn't arrive.
    pub async fn send<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        input: Option<&T>,
    ) -> Result<Reply> {
        let body = input.map(|input| serde_json::to_vec(input).unwrap_or_default());
        let body = body.unwrap_or_default();
        let reply = self.transport.send(&self.token, method, path, body).await?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        let status = reply.status.as_u16();
        Err(Failure::from_api(status, &reply.bytes().await?))
    }

    /// Ends the node, if it is in this process.
    pub async fn close(self) {
        self.transport.close().await;
    }
}

impl Reply {
    /// The whole body.
    ///
    /// # Errors
    /// If it doesn't arrive.
    pub async fn bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.body.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    /// The whole body as JSON.
    async fn json(self) -> Result<Value> {
        serde_json::from_slice(&self.bytes().await?).map_err(|error| {
            Failure::ours("answer_unreadable", format!("the node's answer: {error}"))
        })
    }
}

/// This program, as the one that runs models.
///
/// # Errors
/// If the system doesn't tell where this program is.
pub fn worker() -> Result<Worker> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::ours(
            "no_program",
            format!("this program can't be found: {error}"),
        )
    })?;
    let args = vec![crate::cli::WORKER.into()];
    Ok(Worker { program, args })
}

/// A value as one segment of a path, or as a value in a query.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            // Also the dot: `..` must not climb.
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_segment_stays_a_segment() {
        assert_eq!(escape("01J-a_b"), "01J-a_b");
        assert_eq!(escape("../x?y"), "%2E%2E%2Fx%3Fy");
    }
}
