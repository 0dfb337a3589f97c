//! The blocks of a sandbox that outlives its process, in a file, in the order in which the engine took them.
//!
//! Nothing else is kept: from the blocks, abandoned branches among them, the engine arrives at the same chain again.
//! A record is the block's length (four bytes, the least significant first) and its consensus encoding.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use bitcoin::Block;
use bitcoin::consensus::encode::{deserialize, serialize};

use crate::Error;

const LOCK_ATTEMPTS: u32 = 150;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// An open file of blocks, which only grows.
pub(crate) struct History {
    file: File,
}

impl History {
    /// Opens the file, or makes it, and reads what it holds. What a crash left of a last record is cut off.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Block>), Error> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(|why| Error::system("open the file of blocks", why))?;
        lock(&file)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|why| Error::system("read the file of blocks", why))?;
        let (blocks, whole_bytes) = read(&bytes);
        if whole_bytes < bytes.len() {
            file.set_len(whole_bytes as u64)
                .map_err(|why| Error::system("mend the file of blocks", why))?;
        }
        Ok((Self { file }, blocks))
    }

    /// Adds a block. It is on the disk when this returns.
    pub(crate) fn append(&mut self, block: &Block) -> Result<(), Error> {
        let block = serialize(block);
        let write = |file: &mut File| -> io::Result<()> {
            let length = u32::try_from(block.len()).map_err(io::Error::other)?;
            let mut record = length.to_le_bytes().to_vec();
            record.extend_from_slice(&block);
            file.write_all(&record)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(|why| Error::system("keep a block", why))
    }
}

/// Takes the file for this process. One that was killed a moment ago may still be on its way out.
fn lock(file: &File) -> Result<(), Error> {
    let taken = |why: TryLockError| Error::system("take the file of blocks", why);
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(why @ TryLockError::Error(_)) => return Err(taken(why)),
        }
    }
    file.try_lock().map_err(taken)
}

/// The whole records at the beginning, and how many bytes they are.
fn read(bytes: &[u8]) -> (Vec<Block>, usize) {
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some(block) = tail.get(..length).and_then(|raw| deserialize(raw).ok()) else {
            break;
        };
        blocks.push(block);
        rest = &tail[length..];
    }
    (blocks, bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use bitcoin::Network;
    use bitcoin::constants::genesis_block;

    use super::*;

    #[test]
    fn a_torn_record_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocks");
        let block = genesis_block(Network::Regtest);
        let (mut history, none) = History::open(&path).unwrap();
        assert!(none.is_empty());
        history.append(&block).unwrap();
        drop(history);
        let whole = std::fs::read(&path).unwrap();
        for torn_bytes in [1, 4, 5, whole.len() - 1] {
            let torn = [&whole[..], &whole[..torn_bytes]].concat();
            std::fs::write(&path, torn).unwrap();
            let (mut history, blocks) = History::open(&path).unwrap();
            assert_eq!(blocks, std::slice::from_ref(&block), "{torn_bytes}");
            history.append(&block).unwrap();
            drop(history);
            assert_eq!(History::open(&path).unwrap().1.len(), 2, "{torn_bytes}");
        }
    }

    #[test]
    fn two_do_not_write_into_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocks");
        let held = History::open(&path).unwrap();
        assert!(History::open(&path).is_err());
        drop(held);
        History::open(&path).unwrap();
    }
}
