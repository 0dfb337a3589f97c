//! The journal: all commitments, one after the other, 44 bytes each.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{COMMITMENT_BYTES, Commitment, Error, Result, Secret};

const WHAT: &str = "the journal";
const RECORD_BYTES: u64 = COMMITMENT_BYTES as u64;

/// An append-only file of commitments in order of time. One writer, any number of readers.
#[derive(Debug)]
pub struct Journal {
    file: File,
    reader: Reader,
    last_time_unix_s: u32,
}

/// Reads a journal that somebody else appends to.
#[derive(Debug, Clone)]
pub struct Reader {
    file: Arc<File>,
    length: Arc<AtomicU64>,
}

impl Journal {
    /// Opens the journal, or begins it, and takes the sole right to write.
    ///
    /// A record that a crash tore was never acknowledged, and is cut off.
    ///
    /// # Errors
    /// `InUse`; `Journal` if the last record is another calendar's; file errors.
    pub fn open(path: &Path, secret: &Secret) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(Error::file(WHAT, "opened"))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::InUse,
            TryLockError::Error(source) => Error::file(WHAT, "locked")(source),
        })?;
        let mut length = bytes_of(&file)? / RECORD_BYTES;
        if length > 0 {
            let last = read(&file, length - 1)?;
            if is_torn(&last) {
                length -= 1;
            } else if !last.is_by(secret) {
                return Err(Error::Journal { index: length - 1 });
            }
        }
        file.set_len(length * RECORD_BYTES)
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder(path))
            .map_err(Error::file(WHAT, "repaired"))?;
        let last_time_unix_s = match length {
            0 => 0,
            _ => read(&file, length - 1)?.time_unix_s(),
        };
        let reader = Reader {
            file: Arc::new(file.try_clone().map_err(Error::file(WHAT, "opened"))?),
            length: Arc::new(AtomicU64::new(length)),
        };
        Ok(Self {
            file,
            reader,
            last_time_unix_s,
        })
    }

    /// The time to give to the next commitment: now, or the last one's if the clock went back.
    pub fn next_time_unix_s(&self, now_unix_s: u32) -> u32 {
        now_unix_s.max(self.last_time_unix_s)
    }

    /// Appends a commitment, and returns when it is on the disk. If that fails, the journal is
    /// as before.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn append(&mut self, commitment: &Commitment) -> Result<u64> {
        let index = self.reader.len();
        let offset = index * RECORD_BYTES;
        let written = self
            .file
            .write_all_at(commitment.as_bytes(), offset)
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // Whatever is left of it would be overwritten by the next record; shorter is better.
            let _ = self.file.set_len(offset);
            return Err(Error::file(WHAT, "written")(source));
        }
        self.last_time_unix_s = commitment.time_unix_s();
        self.reader.length.store(index + 1, Ordering::Release);
        Ok(index)
    }

    /// For those who only read.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }
}

impl Reader {
    /// The number of commitments on the disk.
    pub fn len(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest commitment.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn last(&self) -> Result<Option<Commitment>> {
        match self.len() {
            0 => Ok(None),
            length => read(&self.file, length - 1).map(Some),
        }
    }

    /// The place of a commitment, if it is here.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn find(&self, wanted: &Commitment) -> Result<Option<u64>> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if read(&self.file, middle)?.time_unix_s() < wanted.time_unix_s() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        for index in low..self.len() {
            let found = read(&self.file, index)?;
            if found == *wanted {
                return Ok(Some(index));
            }
            if found.time_unix_s() != wanted.time_unix_s() {
                break;
            }
        }
        Ok(None)
    }

    /// The commitments from one place up to another.
    ///
    /// # Errors
    /// If the file can't be read, or doesn't reach that far.
    pub fn range(&self, from: u64, to: u64) -> Result<Vec<Commitment>> {
        let count = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut records =
            vec![[0; COMMITMENT_BYTES]; count.min(self.len().try_into().unwrap_or(0))];
        self.file
            .read_exact_at(records.as_flattened_mut(), from * RECORD_BYTES)
            .map_err(Error::file(WHAT, "read"))?;
        Ok(records.into_iter().map(Commitment::from_bytes).collect())
    }
}

fn read(file: &File, index: u64) -> Result<Commitment> {
    let mut bytes = [0; COMMITMENT_BYTES];
    file.read_exact_at(&mut bytes, index * RECORD_BYTES)
        .map_err(Error::file(WHAT, "read"))?;
    Ok(Commitment::from_bytes(bytes))
}

/// Whether a crash came before the record's end was written: a MAC is hardly ever all zeros, and
/// one that is costs the newest commitment of one second in 600 billion years.
fn is_torn(record: &Commitment) -> bool {
    record.as_bytes().ends_with(&[0; 8])
}

fn bytes_of(file: &File) -> Result<u64> {
    let metadata = file.metadata().map_err(Error::file(WHAT, "read"))?;
    Ok(metadata.len())
}

/// Makes a new file's name durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
