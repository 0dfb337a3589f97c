//! Headers from a Bitcoin node of one's own, over its JSON-RPC. Pruned nodes have them all too.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bitcoin::BlockHash;
use bitcoin::block::Header;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::{Error, Result};
use super::login::{RpcAuth, WHAT, take_password};
use super::text::header_from_hex;
use super::{BlockAt, HeaderSource, MAX_HEADERS};
use crate::http::{self, Http, quote};

const TIMEOUT: Duration = Duration::from_secs(60);
/// Room for a header in hex, or a hash, with JSON around it.
const MAX_REPLY_BYTES: usize = 512;
/// Room for `getblockchaininfo`, which lists soft forks and warnings.
const MAX_INFO_BYTES: usize = 256 * 1024;

/// A Bitcoin node's JSON-RPC.
#[derive(Debug)]
pub struct NodeRpc {
    http: Http,
    url: Url,
    auth: Option<RpcAuth>,
}

#[derive(Deserialize)]
struct Reply {
    id: u64,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    code: i64,
    message: String,
}

#[derive(Deserialize)]
struct ChainInfo {
    blocks: u32,
}

impl NodeRpc {
    /// A node at an address such as `http://127.0.0.1:8332`. Without `auth`, user and password
    /// may be in the address.
    pub fn new(address: &str, auth: Option<RpcAuth>) -> Result<Self> {
        let mut url = http::address(WHAT, address)?;
        let in_address = take_password(&mut url)?;
        let name = format!("the Bitcoin node at {}", http::place(&url));
        Ok(Self {
            // The password is for the node, not for a proxy.
            http: Http::new(name, TIMEOUT, false)?,
            url,
            auth: auth.or(in_address),
        })
    }

    fn refuse(&self, why: impl fmt::Display) -> Error {
        self.http.refuse(why).into()
    }

    /// Asks the same for each of the parameters, and returns the answers in their order.
    async fn batch<T: DeserializeOwned>(
        &self,
        method: &str,
        parameters: Vec<Value>,
        max_reply_bytes: usize,
    ) -> Result<Vec<T>> {
        let count = parameters.len();
        let calls: Vec<_> = (0..)
            .zip(parameters)
            .map(|(id, params): (u64, Value)| {
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        let mut request = self.http.client().post(self.url.clone()).json(&calls);
        if let Some((user, password)) = self.login()? {
            request = request.basic_auth(user, Some(password));
        }
        let max_bytes = max_reply_bytes.saturating_mul(count.max(1));
        let (status, body) = self.http.send(request, max_bytes).await?;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.refuse("it does not accept the user or the password"));
            }
            status if !status.is_success() => {
                return Err(self.refuse(format!("it answered {status}")));
            }
            _ => {}
        }
        let replies: Vec<Reply> = serde_json::from_slice(&body)
            .map_err(|_| self.refuse("its answer is not what a Bitcoin node answers"))?;
        self.in_order(method, replies, count)
    }

    /// A node may answer a batch in any order.
    fn in_order<T: DeserializeOwned>(
        &self,
        method: &str,
        replies: Vec<Reply>,
        count: usize,
    ) -> Result<Vec<T>> {
        let mut by_id: HashMap<u64, Reply> =
            replies.into_iter().map(|reply| (reply.id, reply)).collect();
        (0..count as u64)
            .map(|id| {
                let reply = by_id
                    .remove(&id)
                    .ok_or_else(|| self.refuse(format!("it left {method} unanswered")))?;
                if let Some(Complaint { code, message }) = reply.error {
                    let why = format!("{method}: {} ({code})", quote(&message));
                    return Err(self.refuse(why));
                }
                serde_json::from_value(reply.result)
                    .map_err(|_| self.refuse(format!("its answer to {method} is malformed")))
            })
            .collect()
    }

    fn login(&self) -> Result<Option<(String, String)>> {
        self.auth.as_ref().map(RpcAuth::login).transpose()
    }
}

#[async_trait]
impl HeaderSource for NodeRpc {
    fn name(&self) -> &str {
        self.http.name()
    }

    async fn tip_height(&self) -> Result<u32> {
        let infos: Vec<ChainInfo> = self
            .batch("getblockchaininfo", vec![json!([])], MAX_INFO_BYTES)
            .await?;
        infos
            .first()
            .map(|info| info.blocks)
            .ok_or_else(|| self.refuse("it says nothing about its chain"))
    }

    async fn headers_after(&self, after: BlockAt, count: u32) -> Result<Vec<Header>> {
        let last = after.height.saturating_add(count.min(MAX_HEADERS));
        let last = last.min(self.tip_height().await?);
        let heights = (after.height.saturating_add(1)..=last).map(|height| json!([height]));
        let heights: Vec<_> = heights.collect();
        if heights.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: Vec<String> = self.batch("getblockhash", heights, MAX_REPLY_BYTES).await?;
        let questions = hashes.iter().map(|hash| json!([hash, false])).collect();
        let headers: Vec<String> = self
            .batch("getblockheader", questions, MAX_REPLY_BYTES)
            .await?;
        let mut checked = Vec::with_capacity(headers.len());
        for (hash, text) in hashes.iter().zip(&headers) {
            let header = header_from_hex(text)
                .filter(|header| Ok(header.block_hash()) == hash.parse::<BlockHash>())
                .ok_or_else(|| self.refuse("it sent a header that is not the one asked for"))?;
            checked.push(header);
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_is_taken_out_and_never_shown() {
        let node = NodeRpc::new("http://alice:s%3Acret@127.0.0.1:18443", None).unwrap();
        let (user, password) = node.login().unwrap().unwrap();
        assert_eq!((user.as_str(), password.as_str()), ("alice", "s:cret"));
        let shown = format!("{node:?} {}", node.name());
        assert!(!shown.contains("cret"), "{shown}");
        assert_eq!(node.name(), "the Bitcoin node at 127.0.0.1:18443");
    }

    #[test]
    fn a_cookie_file_is_read_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".cookie");
        let node = NodeRpc::new("http://localhost", Some(RpcAuth::File(path.clone()))).unwrap();
        assert_eq!(node.login().unwrap_err().code(), "headers_io");
        std::fs::write(&path, "__cookie__:one\n").unwrap();
        assert_eq!(node.login().unwrap().unwrap().1, "one");
        std::fs::write(&path, "__cookie__:two").unwrap();
        assert_eq!(node.login().unwrap().unwrap().1, "two");
        std::fs::write(&path, "nothing").unwrap();
        assert_eq!(node.login().unwrap_err().code(), "header_source_address");
    }

    #[test]
    fn addresses_that_are_none_are_refused_without_being_repeated() {
        for address in [
            "",
            "ftp://u:secret@host",
            "u:secret@host",
            "http://u:%ff@host",
            "http://u:%f@h",
        ] {
            let error = NodeRpc::new(address, None).unwrap_err();
            assert_eq!(error.code(), "header_source_address", "{address}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
