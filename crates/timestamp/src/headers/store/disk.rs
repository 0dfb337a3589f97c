//! The writes themselves, and completing one that was interrupted.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bitcoin::block::Header;

use super::super::chain::ANY_TIME;
use super::super::flat::{Flat, encode};
use super::super::{Error, Params, Result};
use super::journal::{self, Journal};
use super::{DATA, FORK, HeaderStore, LOCK, META, meta};

impl HeaderStore {
    pub(super) fn write_after(&self, height: u32, headers: &[Header]) -> Result<()> {
        let path = self.flat.path();
        let file = self.flat.file();
        file.write_all_at(&encode(headers), self.flat.offset(height + 1))
            .and_then(|()| file.sync_data())
            .map_err(Error::io("writing", path))
    }

    /// Makes the file end with the tip.
    pub(super) fn cut_file(&self) -> Result<()> {
        let file = self.flat.file();
        file.set_len(self.flat.offset(self.tip.height + 1))
            .and_then(|()| file.sync_all())
            .map_err(Error::io("writing", self.flat.path()))
    }

    pub(super) fn save_meta(&self) -> Result<()> {
        meta::save(&self.params, &self.folder.join(META), &self.tip)
    }
}

/// Moves a branch from the journal into the chain, and says whether there was one.
///
/// A journal that doesn't fit the chain, or isn't good itself, is of no use and is removed. Since
/// it may have been moved in part before it went bad, the chain is then checked from its start.
pub(super) fn complete_fork(folder: &Path, params: &Arc<Params>) -> Result<bool> {
    let path = folder.join(FORK);
    if !path.exists() {
        return Ok(false);
    }
    let journal = journal::load(params, &path)?;
    let done = match &journal {
        Some(journal) => apply(folder, params, journal)?,
        None => false,
    };
    if !done {
        meta::remove(&folder.join(META))?;
    }
    meta::remove(&path)?;
    Ok(done)
}

/// Moves the branch into the chain, unless one of them is no good.
fn apply(folder: &Path, params: &Arc<Params>, journal: &Journal) -> Result<bool> {
    let mut store = HeaderStore {
        flat: Flat::new(open_data(folder)?, &folder.join(DATA), 0),
        params: Arc::clone(params),
        folder: folder.to_owned(),
        tip: journal.fork,
    };
    let end = store.header(journal.fork.height).and_then(|_| {
        let mut cursor = store.cursor_at(journal.fork.height)?;
        for header in &journal.branch {
            cursor.accept(header, ANY_TIME)?;
        }
        Ok(cursor.point())
    });
    let Ok(end) = end else {
        return Ok(false);
    };
    store.write_after(journal.fork.height, &journal.branch)?;
    store.tip = end;
    store.cut_file()?;
    store.save_meta()?;
    Ok(true)
}

pub(super) fn open_data(folder: &Path) -> Result<File> {
    let path = folder.join(DATA);
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.open(&path).map_err(Error::io("opening", &path))
}

/// Makes sure that nobody else writes, until the file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io("locking", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked {
            what: folder.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(Error::io("locking", &path)(error)),
    }
}
