//! The node's small files: its lock, its secrets, and where it listens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{NodeError, Result};

/// A node of this data directory that says it is running.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunningNode {
    /// Where it listens.
    pub url: String,
    /// Its process.
    pub pid: u32,
}

/// Where a node of this data directory says it listens. The file may have outlived
/// its node: ask `/healthz` before believing it.
#[must_use]
pub fn running(config: &Config) -> Option<RunningNode> {
    let text = std::fs::read(config.network_dir().join("node.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Tells other processes of this user where the node listens.
///
/// # Errors
/// If the file can't be written.
pub fn announce(config: &Config, url: &str) -> Result<()> {
    let node = RunningNode {
        url: url.to_owned(),
        pid: std::process::id(),
    };
    let path = config.network_dir().join("node.json");
    let text = serde_json::to_vec(&node).unwrap_or_default();
    write_secret(&path, &text)
}

/// Takes back what [`announce`] told.
pub fn retract(config: &Config) {
    // Gone already is as good as removed.
    let _ = std::fs::remove_file(config.network_dir().join("node.json"));
}

/// The owner's token of this data directory.
///
/// # Errors
/// If there is none yet, or it is exposed to other users.
pub fn read_owner_token(config: &Config) -> Result<String> {
    read_secret(&config.network_dir().join("owner.token"))
}

/// Creates `dir` for this user only.
pub(crate) fn private_dir(dir: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(NodeError::file(format!("creating {}", dir.display())))
}

/// Makes sure that only this user can read the file, and that there is one: SQLite makes
/// a new database readable to all, and its journals like the database.
pub(crate) fn private_file(path: &Path) -> Result<()> {
    let describe = || NodeError::file(format!("creating {}", path.display()));
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    let private = std::fs::Permissions::from_mode(0o600);
    file.map_err(describe())?
        .set_permissions(private)
        .map_err(describe())
}

/// Locks the data directory until the returned file is dropped (or the process dies).
pub(crate) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let describe = || NodeError::file(format!("locking {}", path.display()));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(describe())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NodeError::AlreadyRunning(dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(describe()(error)),
    }
}

/// Reads a secret, or makes and stores it with `make` if there is none.
pub(crate) fn secret(path: &Path, make: impl FnOnce() -> String) -> Result<String> {
    if !path.exists() {
        write_secret(path, make().as_bytes())?;
    }
    read_secret(path)
}

pub(crate) fn read_secret(path: &Path) -> Result<String> {
    let describe = || NodeError::file(format!("reading {}", path.display()));
    let file = File::open(path).map_err(describe())?;
    let mode = file.metadata().map_err(describe())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(NodeError::SecretExposed(path.display().to_string()));
    }
    let mut text = String::new();
    file.take(4_096)
        .read_to_string(&mut text)
        .map_err(describe())?;
    Ok(text.trim().to_owned())
}

/// Writes beside, fsyncs, renames: a secret is whole or not there.
pub(crate) fn write_secret(path: &Path, text: &[u8]) -> Result<()> {
    let describe = || NodeError::file(format!("writing {}", path.display()));
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)
        .map_err(describe())?;
    file.write_all(text).map_err(describe())?;
    file.sync_all().map_err(describe())?;
    std::fs::rename(&beside, path).map_err(describe())?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes durable what was made, renamed or removed in a directory.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(NodeError::file(format!("syncing {}", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_refused_when_others_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert_eq!(secret(&path, || "one".into()).unwrap(), "one");
        assert_eq!(secret(&path, || "two".into()).unwrap(), "one");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(
            secret(&path, || "two".into()).unwrap_err().code(),
            "secret_exposed"
        );
    }

    #[test]
    fn the_lock_admits_one() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        assert_eq!(lock(dir.path()).unwrap_err().code(), "already_running");
        drop(held);
        lock(dir.path()).unwrap();
    }
}
