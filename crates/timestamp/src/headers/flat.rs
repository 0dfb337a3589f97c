//! A file of headers, 80 bytes each and nothing between them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::consensus::Decodable;

use super::chain::own_work;
use super::{Error, HEADER_BYTES, Params, Result};

/// How many headers are read at once: a megabyte or so.
const CHUNK_HEADERS: u32 = 16 * 1024;

/// An open file of headers. Reads don't move a cursor, so one may be shared.
#[derive(Debug)]
pub(super) struct Flat {
    file: File,
    path: PathBuf,
    /// The height of the file's first header.
    first: u32,
}

impl Flat {
    pub(super) fn new(file: File, path: &Path, first: u32) -> Self {
        Self {
            file,
            path: path.to_owned(),
            first,
        }
    }

    /// The same file, whose first header turns out to be at this height.
    pub(super) fn starting_at(self, first: u32) -> Self {
        Self { first, ..self }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn first(&self) -> u32 {
        self.first
    }

    /// Where in the file the header of this height is.
    pub(super) fn offset(&self, height: u32) -> u64 {
        u64::from(height.saturating_sub(self.first)) * HEADER_BYTES as u64
    }

    pub(super) fn len_bytes(&self) -> Result<u64> {
        let metadata = self
            .file
            .metadata()
            .map_err(Error::io("reading", &self.path))?;
        Ok(metadata.len())
    }

    /// The number of whole headers.
    pub(super) fn count(&self) -> Result<u32> {
        let count = self.len_bytes()? / HEADER_BYTES as u64;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Headers as they are in the file, unchecked. Fails if the file ends before.
    pub(super) fn read(&self, from: u32, count: u32) -> Result<Vec<Header>> {
        let mut bytes = vec![0; count as usize * HEADER_BYTES];
        self.file
            .read_exact_at(&mut bytes, self.offset(from))
            .map_err(Error::io("reading", &self.path))?;
        Ok(decode(&bytes))
    }

    pub(super) fn read_one(&self, height: u32) -> Result<Header> {
        let headers = self.read(height, 1)?;
        headers.first().copied().ok_or(Error::Damaged { height })
    }

    /// The headers from `from` to `to`, both included, given in pieces to `each`.
    pub(super) fn for_each_chunk(
        &self,
        from: u32,
        to: u32,
        mut each: impl FnMut(u32, &[Header]) -> Result<()>,
    ) -> Result<()> {
        let mut next = from;
        while next <= to {
            let count = (to - next + 1).min(CHUNK_HEADERS);
            each(next, &self.read(next, count)?)?;
            next += count;
        }
        Ok(())
    }

    /// One header, checked against its neighbours and its own work. One read fetches all three.
    ///
    /// `last` is the end of the chain, whose hash is known from elsewhere. Since every header is
    /// named by the next one, or by that hash, no change to one goes unnoticed.
    pub(super) fn read_checked(
        &self,
        params: &Params,
        height: u32,
        last: (u32, BlockHash),
    ) -> Result<Header> {
        let (tip, tip_hash) = last;
        if height < self.first || height > tip {
            return Err(Error::NotStored {
                height,
                first: self.first,
                tip,
            });
        }
        let from = height.saturating_sub(1).max(self.first);
        let to = height.saturating_add(1).min(tip);
        let headers = self.read(from, to - from + 1)?;
        let damaged = Error::Damaged { height };
        let at = (height - from) as usize;
        let header = headers.get(at).ok_or(damaged.clone())?;
        let hash = own_work(params, height, header).map_err(|_| damaged.clone())?;
        let named = headers
            .get(at + 1)
            .map_or(tip_hash, |next| next.prev_blockhash);
        let before = at.checked_sub(1).and_then(|before| headers.get(before));
        let follows = before.is_none_or(|before| before.block_hash() == header.prev_blockhash);
        if hash == named && follows {
            Ok(*header)
        } else {
            Err(damaged)
        }
    }
}

/// Headers from bytes; a torn one at the end is left out.
pub(super) fn decode(bytes: &[u8]) -> Vec<Header> {
    let parts = bytes.chunks_exact(HEADER_BYTES);
    // 80 bytes always are a header, so nothing is lost here.
    parts
        .filter_map(|mut part| Header::consensus_decode(&mut part).ok())
        .collect()
}

/// Headers to bytes.
pub(super) fn encode(headers: &[Header]) -> Vec<u8> {
    headers
        .iter()
        .flat_map(bitcoin::consensus::serialize)
        .collect()
}
