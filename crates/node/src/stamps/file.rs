//! Proof files on disk.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use timestamp::ots::{DetachedProof, MAX_PROOF_BYTES, Timestamp};

use super::StampError;

/// Reads a proof file.
///
/// # Errors
/// If it can't be read, or is no proof.
pub fn read_proof(path: &Path) -> Result<DetachedProof, StampError> {
    let mut bytes = Vec::new();
    File::open(path)
        // A little more than is allowed, so that too long is told from cut off.
        .and_then(|file| {
            file.take(MAX_PROOF_BYTES as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(StampError::file(path))?;
    Ok(DetachedProof::from_bytes(&bytes)?)
}

/// Puts another proof into a file's place. The old one is kept as `FILE.bak`, unless an older one
/// is there already, and stands until the new one is wholly on the disk.
///
/// # Errors
/// If the disk is full or broken; then the old proof is as it was.
pub fn replace_proof(path: &Path, proof: &DetachedProof) -> Result<(), StampError> {
    let backup = with_suffix(path, "bak");
    let new = beside(path, &proof.to_bytes()?, true)?;
    match fs::hard_link(path, &backup) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            // Some file systems have no links.
            fs::copy(path, &backup).map_err(StampError::file(&backup))?;
        }
        _ => {}
    }
    new.persist(path)
        .map_err(|error| StampError::file(path)(error.error))?;
    sync_folder(path)
}

/// Writes a proof where none is yet: all of it, or nothing.
///
/// # Errors
/// `ProofExists`, or if the disk is full or broken.
pub fn write_proof(path: &Path, proof: &DetachedProof) -> Result<(), StampError> {
    place(beside(path, &proof.to_bytes()?, true)?, path)?;
    sync_folder(path)
}

/// Writes a proof that isn't there yet. It is on the disk only after [`sync_all`].
pub(super) fn create_proof(path: &Path, bytes: &[u8]) -> Result<(), StampError> {
    place(beside(path, bytes, false)?, path)
}

fn place(new: tempfile::NamedTempFile, path: &Path) -> Result<(), StampError> {
    match new.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(StampError::ProofExists(path.to_owned()))
        }
        Err(error) => Err(StampError::file(path)(error.error)),
    }
}

/// Makes everything durable that was written to the file system of this file: once for a hundred
/// thousand proofs, instead of as many times.
pub(super) fn sync_all(path: &Path) -> Result<(), StampError> {
    let file = File::open(path).map_err(StampError::file(path))?;
    sync_file_system(&file).map_err(StampError::file(path))
}

#[cfg(target_os = "linux")]
fn sync_file_system(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &File) -> std::io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

/// Whether a timestamp of a message of this length, once written, will be read again: together,
/// parts that are short enough may be too deep, or too much work.
pub(super) fn readable(
    timestamp: &Timestamp,
    message_bytes: usize,
) -> Result<(), timestamp::ots::Error> {
    Timestamp::from_bytes(&timestamp.to_bytes()?, message_bytes).map(drop)
}

/// The name of a file's proof, or of its backup.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn beside(
    path: &Path,
    bytes: &[u8],
    is_synced: bool,
) -> Result<tempfile::NamedTempFile, StampError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let describe = || StampError::file(path);
    let mut new = tempfile::Builder::new()
        .prefix(".ots-")
        .permissions(as_usual())
        .tempfile_in(folder)
        .map_err(describe())?;
    new.write_all(bytes).map_err(describe())?;
    if is_synced {
        new.as_file().sync_all().map_err(describe())?;
    }
    Ok(new)
}

/// As other files are made: a proof is no secret. The umask takes off what the user wants off.
fn as_usual() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o666)
}

fn sync_folder(path: &Path) -> Result<(), StampError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StampError::file(path))
}
