//! A file that grows until it is whole, hashed as it is written and never longer than allowed.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    error::{Result, StoreError},
    scratch::{self, Scratch},
};

const BUFFER_BYTES: usize = 256 * 1024;

/// What a finished file must be, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Pin {
    pub(super) size_bytes: Option<u64>,
    pub(super) sha256: Option<String>,
}

/// An unfinished file.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    len_bytes: u64,
    limit_bytes: u64,
    _scratch: Arc<Scratch>,
}

impl Part {
    /// Starts an empty file.
    pub(super) fn create(path: PathBuf, limit_bytes: u64, scratch: Arc<Scratch>) -> Result<Self> {
        let mut part = Self::resume(path, 0, scratch)?;
        part.limit_bytes = limit_bytes;
        Ok(part)
    }

    /// Goes on with what an earlier attempt left. What is longer than allowed is of no use and is
    /// dropped.
    pub(super) fn resume(path: PathBuf, limit_bytes: u64, scratch: Arc<Scratch>) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(StoreError::io("open", &path))?;
        let mut part = Self {
            path,
            file,
            hasher: Sha256::new(),
            len_bytes: 0,
            limit_bytes,
            _scratch: scratch,
        };
        let found_bytes = part
            .file
            .metadata()
            .map_err(StoreError::io("read", &part.path))?
            .len();
        if found_bytes > limit_bytes {
            part.restart()?;
        } else {
            let read = hash(&mut part.file, &mut part.hasher, |_| {});
            part.len_bytes = read.map_err(StoreError::io("read", &part.path))?;
        }
        Ok(part)
    }

    /// Forgets everything written so far.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.hasher = Sha256::new();
        self.len_bytes = 0;
        let emptied = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied
            .map(|_| ())
            .map_err(StoreError::io("truncate", &self.path))
    }

    /// How much is there.
    pub(super) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Adds to the end; too much is refused before it is written.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let len_bytes = self.len_bytes.saturating_add(bytes.len() as u64);
        if len_bytes > self.limit_bytes {
            return Err(StoreError::TooLong {
                what: "the file".into(),
                limit_bytes: self.limit_bytes,
            });
        }
        self.file
            .write_all(bytes)
            .map_err(StoreError::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.len_bytes = len_bytes;
        Ok(())
    }

    /// Proves that the file is the pinned one and puts it safely on the disk. A wrong file is
    /// deleted.
    pub(super) fn seal(self, what: &str, pin: &Pin) -> Result<PathBuf> {
        let checked = check(
            what,
            pin,
            self.len_bytes,
            &hex::encode(self.hasher.finalize()),
        );
        match checked {
            Ok(()) => self
                .file
                .sync_all()
                .map_err(StoreError::io("flush", &self.path))?,
            Err(wrong) => {
                drop(self.file);
                discard(&self.path)?;
                return Err(wrong);
            }
        }
        Ok(self.path)
    }
}

/// Deletes a part and what is known of its origin.
pub(super) fn discard(path: &Path) -> Result<()> {
    scratch::remove(&scratch::origin_of(path))?;
    scratch::remove(path)
}

/// Compares a file's size and hash with what was promised.
pub(super) fn check(what: &str, pin: &Pin, actual_bytes: u64, actual: &str) -> Result<()> {
    if let Some(expected_bytes) = pin.size_bytes.filter(|&expected| expected != actual_bytes) {
        return Err(StoreError::SizeMismatch {
            what: what.into(),
            expected_bytes,
            actual_bytes,
        });
    }
    match &pin.sha256 {
        Some(expected) if expected != actual => Err(StoreError::HashMismatch {
            what: what.into(),
            expected: expected.clone(),
            actual: actual.into(),
        }),
        _ => Ok(()),
    }
}

/// Hashes from where `file` stands to its end, and returns how much that was.
pub(super) fn hash(
    file: &mut File,
    hasher: &mut Sha256,
    mut each: impl FnMut(u64),
) -> std::io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done_bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(done_bytes);
        }
        hasher.update(&buffer[..count]);
        done_bytes += count as u64;
        each(done_bytes);
    }
}
