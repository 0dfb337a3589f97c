//! The digests of trees and files, kept in the repository: without them each commit would have
//! all of its files hashed anew.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use timestamp::Hash;
use timestamp::git::{Digest, Hashes, ObjectId};

const MAGIC: &[u8] = b"freehold tree hashes, version 1\n";
const DIGEST_BYTES: usize = size_of::<Digest>();
/// Above it, the file is begun anew: a million entries.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Beside the reference's own.
fn file(git_dir: &Path) -> PathBuf {
    git_dir.join("ots/freehold-tree-hashes")
}

/// What was learned before. A file that can't be read is none.
pub(super) fn load(git_dir: &Path) -> Hashes {
    let mut bytes = Vec::new();
    let read = fs::File::open(file(git_dir))
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 <= MAX_BYTES => parse(&bytes).unwrap_or_default(),
        _ => Hashes::new(),
    }
}

/// Keeps what is known. It can be learned again, so a failure is none.
pub(super) fn save(git_dir: &Path, known: &Hashes) {
    let path = file(git_dir);
    let Some(folder) = path.parent() else { return };
    let written = fs::create_dir_all(folder)
        .and_then(|()| tempfile::NamedTempFile::new_in(folder))
        .and_then(|mut new| {
            new.write_all(&to_bytes(known))?;
            new.persist(&path).map_err(|error| error.error)
        });
    if let Err(error) = written {
        tracing::debug!(%error, "the hashes of trees can't be kept");
    }
}

fn to_bytes(known: &Hashes) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (id, digest) in known {
        let id = id.as_bytes();
        // 20 or 32.
        bytes.push(id.len().to_le_bytes()[0]);
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(digest);
    }
    bytes.extend_from_slice(Hash::of(&bytes).as_bytes());
    bytes
}

/// None if anything is wrong: a single false digest would make false proofs.
fn parse(bytes: &[u8]) -> Option<Hashes> {
    let (content, sum) = bytes.split_last_chunk::<DIGEST_BYTES>()?;
    if Hash::of(content).as_bytes() != sum {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    let mut known = Hashes::new();
    while let Some((length, after)) = rest.split_first() {
        let (id, after) = after.split_at_checked(usize::from(*length))?;
        let (digest, after) = after.split_first_chunk::<DIGEST_BYTES>()?;
        known.insert(ObjectId::from_bytes(id)?, *digest);
        rest = after;
    }
    Some(known)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_none() {
        let known: Hashes = [
            (ObjectId::Sha1([1; 20]), [2; 32]),
            (ObjectId::Sha256([3; 32]), [4; 32]),
        ]
        .into();
        let bytes = to_bytes(&known);
        assert_eq!(parse(&bytes), Some(known.clone()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(parse(&damaged), None, "byte {at}");
            assert_eq!(parse(&bytes[..at]), None, "{at} bytes");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).is_empty());
        save(folder.path(), &known);
        assert_eq!(load(folder.path()), known);
    }
}
