//! Headers from an Esplora server, such as a block explorer.
//!
//! Esplora gives ten blocks at a time, as JSON without the header itself. The 80 bytes are put
//! together again and must have the hash that the server names; where a server doesn't have
//! those lists, or a few headers will do, they are asked for one by one. A whole chain takes
//! ninety thousand requests either way: peers or a node are better for that, and a server for
//! comparing with them.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Url;
use serde::Deserialize;

use super::super::{Error, Result};
use super::text::header_from_hex;
use super::{BlockAt, HeaderSource, MAX_HEADERS};
use crate::http::{self, Http};

const WHAT: &str = "the Esplora server";
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many questions are open at once: servers limit how many they take.
const CONCURRENCY: usize = 4;
/// How many blocks a list has.
const LIST_BLOCKS: u32 = 10;
const MAX_LIST_BYTES: usize = 64 * 1024;
const MAX_TEXT_BYTES: usize = 1024;

/// An Esplora server.
pub struct Esplora {
    http: Http,
    url: Url,
}

impl fmt::Debug for Esplora {
    // The address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Esplora({})", self.http.name())
    }
}

/// A block in a list: what the header is made of.
#[derive(Debug, Deserialize)]
struct Listed {
    id: BlockHashText,
    height: u32,
    /// Signed or not, depending on the server.
    version: i64,
    timestamp: u32,
    merkle_root: BlockHashText,
    previousblockhash: Option<BlockHashText>,
    nonce: u32,
    bits: u32,
}

/// 32 bytes as everybody writes them: in reverse.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
struct BlockHashText(String);

impl Esplora {
    /// A server at an address such as `https://blockstream.info/api`.
    pub fn new(address: &str) -> Result<Self> {
        let url = http::address(WHAT, address)?;
        let name = format!("the Esplora server at {}", http::place(&url));
        let http = Http::new(name, TIMEOUT, true)?;
        Ok(Self { http, url })
    }

    fn refuse(&self, why: impl fmt::Display) -> Error {
        self.http.refuse(why).into()
    }

    fn page(&self, path: &str) -> Result<Url> {
        self.url.join(path).map_err(|error| self.refuse(error))
    }

    /// A page with one line on it.
    async fn line(&self, path: &str) -> Result<String> {
        let body = self.http.get(self.page(path)?, MAX_TEXT_BYTES).await?;
        body.and_then(|body| String::from_utf8(body).ok())
            .map(|text| text.trim().to_owned())
            .ok_or_else(|| self.refuse(format!("it has nothing at /{path}")))
    }

    /// The headers of a list that ends with `last`, in order, or `None` if the server has no
    /// such lists.
    async fn list(&self, first: u32, last: u32) -> Result<Option<Vec<Header>>> {
        let page = self.page(&format!("blocks/{last}"))?;
        let Some(body) = self.http.get(page, MAX_LIST_BYTES).await? else {
            return Ok(None);
        };
        let listed: Vec<Listed> = serde_json::from_slice(&body)
            .map_err(|_| self.refuse("its list of blocks is malformed"))?;
        let wanted = (first..=last).rev();
        let mut headers = Vec::new();
        for (height, block) in wanted.zip(&listed) {
            let header = block
                .header()
                .filter(|_| block.height == height)
                .ok_or_else(|| self.refuse(format!("its block {height} is none")))?;
            headers.push(header);
        }
        if headers.len() != (last - first + 1) as usize {
            return Err(self.refuse(format!("its list of blocks up to {last} is cut off")));
        }
        headers.reverse();
        Ok(Some(headers))
    }

    async fn one(&self, height: u32) -> Result<Header> {
        let hash = self.line(&format!("block-height/{height}")).await?;
        let known: BlockHash = hash
            .parse()
            .map_err(|_| self.refuse(format!("its hash of block {height} is none")))?;
        let text = self.line(&format!("block/{known}/header")).await?;
        header_from_hex(&text)
            .filter(|header| header.block_hash() == known)
            .ok_or_else(|| self.refuse(format!("its header of block {height} is none")))
    }

    async fn some(&self, first: u32, last: u32) -> Result<Vec<Header>> {
        // A list costs one request, a single header two.
        if last - first >= 1
            && let Some(headers) = self.list(first, last).await?
        {
            return Ok(headers);
        }
        let mut headers = Vec::new();
        for height in first..=last {
            headers.push(self.one(height).await?);
        }
        Ok(headers)
    }
}

#[async_trait]
impl HeaderSource for Esplora {
    fn name(&self) -> &str {
        self.http.name()
    }

    async fn tip_height(&self) -> Result<u32> {
        let text = self.line("blocks/tip/height").await?;
        text.parse()
            .map_err(|_| self.refuse("its height is not a number"))
    }

    async fn headers_after(&self, after: BlockAt, count: u32) -> Result<Vec<Header>> {
        let end = after.height.saturating_add(count.min(MAX_HEADERS));
        let end = end.min(self.tip_height().await?);
        let firsts = (after.height.saturating_add(1)..=end).step_by(LIST_BLOCKS as usize);
        let parts = firsts.map(|first| self.some(first, (first + LIST_BLOCKS - 1).min(end)));
        let parts: Vec<_> = stream::iter(parts)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(parts.concat())
    }
}

impl Listed {
    /// The header, if it has the hash that the server names.
    fn header(&self) -> Option<Header> {
        let version = i32::try_from(self.version)
            .ok()
            .or_else(|| u32::try_from(self.version).ok().map(u32::cast_signed))?;
        let previous = match &self.previousblockhash {
            Some(hash) => hash.0.parse().ok()?,
            None => BlockHash::all_zeros(),
        };
        let header = Header {
            version: Version::from_consensus(version),
            prev_blockhash: previous,
            merkle_root: self.merkle_root.0.parse().ok()?,
            time: self.timestamp,
            bits: CompactTarget::from_consensus(self.bits),
            nonce: self.nonce,
        };
        (Ok(header.block_hash()) == self.id.0.parse::<BlockHash>()).then_some(header)
    }
}
