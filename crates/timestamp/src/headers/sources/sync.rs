//! Filling the stored chain from sources, and comparing these with each other.

use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::super::{Error, HeaderWriter, Point, Result};
use super::compare::{Comparison, compare};
use super::{BlockAt, HeaderSource, MAX_HEADERS};

/// The longest branch that is fetched before it has to have more work than what is stored.
const MAX_BRANCH_HEADERS: usize = 100_000;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The source that is being asked.
    pub source: &'a str,
    /// The last height that is stored.
    pub height: u32,
    /// The height that the source says it has.
    pub target_height: u32,
}

/// A source that failed, or sent what it must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The source's name.
    pub source: String,
    /// What was wrong.
    pub error: Error,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The last block now.
    pub tip: Point,
    /// How many headers are new.
    pub added: u32,
    /// The depth of the deepest reorganisation: how many stored headers were replaced. Six or
    /// more deserve a loud warning, unless the stored ones came from a source known to be bad.
    pub replaced: u32,
    /// The sources that have the stored chain. With fewer than two, nothing was compared.
    pub agreed: Vec<String>,
    /// The sources that could not be used.
    pub faults: Vec<Fault>,
}

/// Fills the chain from the first source that works, and then compares all of them with it.
///
/// Near the end, the branch with more work wins. Where another source has a different block that
/// is buried six deep, and its headers carry the work that the rules demand, nobody here can tell
/// who is right: then everything after the last block that both have is forgotten, and the
/// result is [`Error::SourcesDisagree`]. A source whose headers break the rules is reported in
/// [`Synced::faults`], and the next one is tried.
///
/// What has been fetched is kept whatever happens: after an error, or when the future is dropped,
/// the next call goes on from there. Headers are checked and written in pieces of 2000, each of
/// which takes a millisecond and a few fsyncs on the calling thread.
pub async fn sync(
    writer: &mut HeaderWriter,
    sources: &[Box<dyn HeaderSource>],
    now_unix_s: u64,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Synced> {
    let mut round = Round {
        writer,
        now_unix_s,
        progress,
        added: 0,
        replaced: 0,
        faults: Vec::new(),
    };
    let working = round.fill_from_first(sources).await?;
    let mut agreed: Vec<String> = Vec::new();
    for source in sources.iter().skip(working) {
        let other = agreed.first().map_or("the stored headers", String::as_str);
        match round.check(other, source.as_ref()).await {
            Ok(()) => agreed.push(source.name().to_owned()),
            Err(error @ Error::SourcesDisagree { .. }) => return Err(error),
            Err(error) => round.faults.push(blame(source.as_ref(), error)?),
        }
    }
    Ok(Synced {
        tip: round.writer.store().tip(),
        added: round.added,
        replaced: round.replaced,
        agreed,
        faults: round.faults,
    })
}

/// What all steps need.
struct Round<'a> {
    writer: &'a mut HeaderWriter,
    now_unix_s: u64,
    progress: &'a mut (dyn FnMut(Progress<'_>) + Send),
    added: u32,
    replaced: u32,
    faults: Vec<Fault>,
}

impl Round<'_> {
    /// Fills the chain from the first source that works, and says which one that is.
    async fn fill_from_first(&mut self, sources: &[Box<dyn HeaderSource>]) -> Result<usize> {
        for (at, source) in sources.iter().enumerate() {
            match self.fill(source.as_ref()).await {
                Ok(()) => return Ok(at),
                Err(error) => self.faults.push(blame(source.as_ref(), error)?),
            }
        }
        let reasons = self.faults.iter().map(reason).collect();
        Err(Error::NoSource { reasons })
    }

    /// Takes over what the source has beyond the stored chain, or instead of its end.
    async fn fill(&mut self, source: &dyn HeaderSource) -> Result<()> {
        let target_height = source.tip_height().await?;
        loop {
            let tip = self.writer.store().tip();
            let headers = ask(source, tip.into(), MAX_HEADERS).await?;
            let Some(first) = headers.first() else {
                return Ok(());
            };
            let added = if first.prev_blockhash == tip.hash {
                self.extend(tip.height + 1, &headers)?
            } else {
                self.switch(source).await?
            };
            if added == 0 {
                return Ok(());
            }
            let height = self.writer.store().tip().height;
            (self.progress)(Progress {
                source: source.name(),
                height,
                target_height: target_height.max(height),
            });
        }
    }

    /// Takes over the source's branch, if it has more work. Returns how many headers are new.
    async fn switch(&mut self, source: &dyn HeaderSource) -> Result<u32> {
        let tip = self.writer.store().tip();
        let (fork, mut branch) = find_fork(self.writer, source).await?;
        while fork as usize + branch.len() <= tip.height as usize {
            let Some(hash) = branch.last().map(Header::block_hash) else {
                break;
            };
            let height = fork.saturating_add(u32::try_from(branch.len()).unwrap_or(u32::MAX));
            let more = ask(source, BlockAt { height, hash }, MAX_HEADERS).await?;
            if !follow(&more, hash) {
                break;
            }
            branch.extend(more);
            if branch.len() > MAX_BRANCH_HEADERS {
                return Err(Error::source(
                    source.name(),
                    "its chain parted too long ago",
                ));
            }
        }
        match self.extend(fork + 1, &branch) {
            Err(Error::NotMoreWork { .. }) => Ok(0),
            other => other,
        }
    }

    fn extend(&mut self, from_height: u32, headers: &[Header]) -> Result<u32> {
        let extended = self.writer.extend(from_height, headers, self.now_unix_s)?;
        self.added = self.added.saturating_add(extended.added);
        self.replaced = self.replaced.max(extended.replaced);
        Ok(extended.added)
    }

    /// Compares a source with the stored chain: what is buried must be the same, and of what is
    /// not, the branch with more work is taken.
    async fn check(&mut self, other: &str, source: &dyn HeaderSource) -> Result<()> {
        match compare(self.writer, source, self.now_unix_s).await? {
            Comparison::Same => self.fill(source).await,
            Comparison::Differs {
                fork,
                hash_a,
                hash_b,
            } => {
                self.writer.cut_back(fork)?;
                Err(Error::SourcesDisagree {
                    height: fork + 1,
                    a: other.to_owned(),
                    b: source.name().to_owned(),
                    hash_a,
                    hash_b,
                })
            }
        }
    }
}

/// The last block that the source has too, as far as steps that double find it, and the source's
/// headers after it. Doesn't look beyond what a checkpoint has settled.
async fn find_fork(writer: &HeaderWriter, source: &dyn HeaderSource) -> Result<(u32, Vec<Header>)> {
    let store = writer.store();
    let tip_height = store.tip().height;
    let floor = store.params().checkpoint_below(tip_height);
    let floor = floor.map_or(0, |checkpoint| checkpoint.height);
    let mut back: u32 = 1;
    loop {
        let height = tip_height.saturating_sub(back).max(floor);
        let fork = block_at(writer, height)?;
        let headers = ask(source, fork, MAX_HEADERS).await?;
        if follow(&headers, fork.hash) {
            return Ok((height, headers));
        }
        if height == floor {
            return Err(Error::source(source.name(), "it is on another chain"));
        }
        back = back.saturating_mul(2);
    }
}

/// Whether there are headers, and the first follows that block.
fn follow(headers: &[Header], hash: BlockHash) -> bool {
    headers
        .first()
        .is_some_and(|first| first.prev_blockhash == hash)
}

/// Asks a source, and doesn't take more than was asked for.
pub(super) async fn ask(
    source: &dyn HeaderSource,
    after: BlockAt,
    count: u32,
) -> Result<Vec<Header>> {
    let mut headers = source.headers_after(after, count).await?;
    headers.truncate(count as usize);
    Ok(headers)
}

/// A stored block, as it is named to a source.
pub(super) fn block_at(writer: &HeaderWriter, height: u32) -> Result<BlockAt> {
    let hash = writer.store().header(height)?.block_hash();
    Ok(BlockAt { height, hash })
}

/// Puts an error down to a source, unless it is our own disk's.
fn blame(source: &dyn HeaderSource, error: Error) -> Result<Fault> {
    match error {
        Error::Io { .. } | Error::Damaged { .. } | Error::NotStored { .. } => Err(error),
        error => Ok(Fault {
            source: source.name().to_owned(),
            error,
        }),
    }
}

fn reason(fault: &Fault) -> String {
    match &fault.error {
        // It names the source itself.
        Error::Source { .. } => fault.error.to_string(),
        error => format!("{}: {error}", fault.source),
    }
}
