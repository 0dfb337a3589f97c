//! Stamping: one digest for all files goes to the calendars.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use timestamp::aggregate::Aggregate;
use timestamp::ots::{Arg, DetachedProof, Digester, Op, Timestamp};

use super::calendars::{CalendarAnswer, submit};
use super::file::{create_proof, sync_all, with_suffix};
use super::{DEFAULT_CALENDARS, StampError};

use crate::boxed;

/// The length of a nonce. It keeps a calendar, and whoever sees a neighbour's proof, from
/// learning the digest of a file.
const NONCE_BYTES: usize = 16;

/// How to stamp.
#[derive(Debug, Clone)]
pub struct StampOptions {
    /// The calendars to ask.
    pub calendars: Vec<String>,
    /// How many of them must answer.
    pub needed: usize,
    /// How long they may take.
    pub timeout: Duration,
}

impl Default for StampOptions {
    fn default() -> Self {
        Self {
            calendars: DEFAULT_CALENDARS.map(str::to_owned).to_vec(),
            needed: 2,
            timeout: Duration::from_secs(5),
        }
    }
}

/// What is stamped: a digest, and the nonce that hides it.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    digest: [u8; 32],
    nonce: [u8; NONCE_BYTES],
}

impl Subject {
    /// A SHA-256 digest and 16 random bytes.
    #[must_use]
    pub fn new(digest: [u8; 32], nonce: [u8; NONCE_BYTES]) -> Self {
        Self { digest, nonce }
    }

    fn leaf(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.digest)
            .chain_update(self.nonce)
            .finalize()
            .into()
    }
}

/// The calendars' promises for a batch.
#[derive(Debug)]
pub struct Stamped {
    subjects: Vec<Subject>,
    tree: Aggregate,
    promises: Timestamp,
    /// What each calendar did.
    pub answers: Vec<CalendarAnswer>,
}

impl Stamped {
    /// The proof of the subject at this place, as a file.
    ///
    /// # Errors
    /// If the calendars' answers are too long for a proof.
    pub fn proof(&self, index: usize) -> Result<DetachedProof, StampError> {
        let Subject { digest, nonce } = self.subjects[index];
        let timestamp = self.promises.clone();
        let timestamp = timestamp.after(path(&self.tree, index, &nonce));
        Ok(DetachedProof::new(
            Digester::Sha256,
            digest.to_vec(),
            timestamp,
        )?)
    }
}

/// From a subject's digest to the tree's root.
fn path(tree: &Aggregate, index: usize, nonce: &[u8; NONCE_BYTES]) -> impl Iterator<Item = Op> {
    [Op::Append(Arg::from(nonce)), Op::SHA256]
        .into_iter()
        .chain(tree.path(index))
}

/// Stamps digests, all with one request to each calendar.
///
/// # Errors
/// `TooFewCalendars`.
#[boxed]
pub async fn stamp(subjects: Vec<Subject>, options: &StampOptions) -> Result<Stamped, StampError> {
    let leaves = subjects.iter().map(Subject::leaf).collect();
    let tree = Aggregate::new(leaves).ok_or_else(|| StampError::BadDigest(String::new()))?;
    let (promises, answers) = submit(
        tree.root(),
        &options.calendars,
        options.needed,
        options.timeout,
        // No path is longer than the first one's.
        path(&tree, 0, &[0; NONCE_BYTES]).count(),
    )
    .await?;
    Ok(Stamped {
        subjects,
        tree,
        promises,
        answers,
    })
}

/// A file that has a proof now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedFile {
    /// The file.
    pub file: PathBuf,
}

impl StampedFile {
    /// Its proof, `FILE.ots`. There may be very many, so it isn't kept.
    #[must_use]
    pub fn proof(&self) -> PathBuf {
        with_suffix(&self.file, "ots")
    }
}

/// Stamps files. Folders stand for the files in them; proofs, and files that have one, are left
/// out there.
///
/// `progress` hears how many files were read so far, of how many.
///
/// # Errors
/// If a file can't be read, a named file has a proof, or the calendars don't answer. No proof is
/// reported that isn't on the disk.
pub async fn stamp_files(
    paths: &[PathBuf],
    options: &StampOptions,
    random: impl Fn() -> [u8; NONCE_BYTES],
    progress: impl Fn(usize, usize),
) -> Result<(Vec<StampedFile>, Vec<CalendarAnswer>), StampError> {
    let files = collect(paths)?;
    if files.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut subjects = Vec::with_capacity(files.len());
    for (done, path) in files.iter().enumerate() {
        progress(done, files.len());
        subjects.push(Subject::new(digest_of(path)?, random()));
    }
    let stamped = stamp(subjects, options).await?;
    let mut written = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let file = StampedFile { file };
        create_proof(&file.proof(), &stamped.proof(index)?.to_bytes()?)?;
        written.push(file);
    }
    sync(&written)?;
    Ok((written, stamped.answers))
}

/// Makes the proofs durable, wherever they are.
fn sync(files: &[StampedFile]) -> Result<(), StampError> {
    use std::os::unix::fs::MetadataExt as _;
    let mut synced = Vec::new();
    for proof in files.iter().map(StampedFile::proof) {
        let metadata = fs::metadata(&proof).map_err(StampError::file(&proof))?;
        if !synced.contains(&metadata.dev()) {
            sync_all(&proof)?;
            synced.push(metadata.dev());
        }
    }
    Ok(())
}

pub(super) fn digest_of(path: &Path) -> Result<[u8; 32], StampError> {
    let mut file = File::open(path).map_err(StampError::file(path))?;
    let mut digest = [0; 32];
    let bytes = Digester::Sha256
        .digest_reader(&mut file)
        .map_err(StampError::file(path))?;
    digest.copy_from_slice(&bytes);
    Ok(digest)
}

/// The files that are meant.
fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, StampError> {
    let mut files = Vec::new();
    for path in paths {
        let is_folder = fs::metadata(path).map_err(StampError::file(path))?.is_dir();
        if is_folder {
            walk(path, &mut files)?;
        } else if with_suffix(path, "ots").exists() {
            return Err(StampError::ProofExists(with_suffix(path, "ots")));
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), StampError> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)
        .and_then(Iterator::collect)
        .map_err(StampError::file(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let kind = entry.file_type().map_err(StampError::file(&path))?;
        if kind.is_dir() && !is_hidden {
            walk(&path, files)?;
        } else if kind.is_file() && !is_hidden {
            let is_proof = path
                .extension()
                .is_some_and(|end| end == "ots" || end == "bak");
            if !is_proof && !with_suffix(&path, "ots").exists() {
                files.push(path);
            }
        }
    }
    Ok(())
}
