//! Whether a source has the stored chain, as far as it is buried.

use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::super::{Error, HeaderWriter, Result};
use super::sync::{ask, block_at};
use super::{HeaderSource, MAX_HEADERS};

/// How many blocks must be on top of one, for it to be the same everywhere.
const BURIED: u32 = 6;

/// What a comparison finds.
pub(super) enum Comparison {
    /// What is buried is the same.
    Same,
    /// The source has another block that is buried, with all the work that it needs.
    Differs {
        /// The last height that is the same.
        fork: u32,
        /// The stored block after it.
        hash_a: BlockHash,
        /// The source's block after it.
        hash_b: BlockHash,
    },
}

/// What a source has at some height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theirs {
    Same,
    Other,
    Nothing,
}

/// Compares the last buried block. Since each names the one before it, that compares all.
pub(super) async fn compare(
    writer: &HeaderWriter,
    source: &dyn HeaderSource,
    now_unix_s: u64,
) -> Result<Comparison> {
    let buried = writer.store().tip().height.saturating_sub(BURIED);
    let height = buried.min(source.tip_height().await?);
    if height == 0 {
        return Ok(Comparison::Same);
    }
    match theirs(writer, source, height).await? {
        Theirs::Same => Ok(Comparison::Same),
        Theirs::Nothing => {
            let why = format!("it says that it has block {height}, but does not show it");
            Err(Error::source(source.name(), why))
        }
        Theirs::Other => {
            let fork = last_in_common(writer, source, height).await?;
            weigh(writer, source, fork, now_unix_s).await
        }
    }
}

async fn theirs(writer: &HeaderWriter, source: &dyn HeaderSource, height: u32) -> Result<Theirs> {
    let before = block_at(writer, height.saturating_sub(1))?;
    let ours = writer.store().header(height)?;
    let headers = ask(source, before, 1).await?;
    Ok(match headers.first() {
        Some(header) if *header == ours => Theirs::Same,
        Some(_) => Theirs::Other,
        None => Theirs::Nothing,
    })
}

/// The last height at which both are the same; `differs` is one where they are not.
async fn last_in_common(
    writer: &HeaderWriter,
    source: &dyn HeaderSource,
    mut differs: u32,
) -> Result<u32> {
    let mut same = 0;
    while differs - same > 1 {
        let middle = same + (differs - same) / 2;
        match theirs(writer, source, middle).await? {
            Theirs::Same => same = middle,
            Theirs::Other | Theirs::Nothing => differs = middle,
        }
    }
    Ok(same)
}

/// Whether the source's branch is to be taken seriously: it must follow the rules. Otherwise the
/// error says which one it breaks, and the source is at fault.
async fn weigh(
    writer: &HeaderWriter,
    source: &dyn HeaderSource,
    fork: u32,
    now_unix_s: u64,
) -> Result<Comparison> {
    let store = writer.store();
    if let Some(passed) = store.params().checkpoint_below(store.tip().height)
        && fork < passed.height
    {
        return Err(Error::BelowCheckpoint {
            fork,
            checkpoint: passed.height,
        });
    }
    let branch = ask(source, block_at(writer, fork)?, MAX_HEADERS).await?;
    let hash_a = block_at(writer, fork + 1)?.hash;
    let mut cursor = store.cursor_at(fork)?;
    for header in &branch {
        cursor.accept(header, now_unix_s)?;
    }
    match branch.first().map(Header::block_hash) {
        Some(hash_b) if hash_b != hash_a => Ok(Comparison::Differs {
            fork,
            hash_a,
            hash_b,
        }),
        _ => Err(Error::source(source.name(), "it contradicts itself")),
    }
}
