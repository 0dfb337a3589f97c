//! Writing the chain: appending, replacing its end, and repairing it after a crash.
//!
//! The order of writes is what makes a crash harmless:
//!
//! - **Appending**: headers, fsync, then `headers.meta`. Until then they are beyond the end that
//!   the meta file names, and are checked when the chain is opened again.
//! - **Replacing**: see `journal.rs`. The branch, fsync, rename (the decision); then the chain,
//!   fsync; then the meta file; then the journal is removed. Any of it can be done twice.
//! - **Cutting back**: the meta file first, then the chain's length.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use bitcoin::block::Header;

use super::super::chain::Point;
use super::super::flat::{Flat, encode};
use super::super::{Error, HeaderFile, Params, Result};
use super::disk::{complete_fork, lock, open_data};
use super::{DATA, FORK, HeaderStore, META, journal, load, meta};

/// How many headers are imported at once.
const IMPORT_HEADERS: u32 = 16 * 1024;

/// The stored chain, for writing. Only one at a time has it.
#[derive(Debug)]
pub struct HeaderWriter {
    store: HeaderStore,
    repair: Repair,
    _lock: File,
}

/// What had to be done when the chain was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repair {
    /// Bytes at the end that were no good, and were cut off.
    pub bytes_cut: u64,
    /// Whether the chain was checked from the genesis block on.
    pub rechecked: bool,
    /// Whether a replacement that a crash had interrupted was completed.
    pub fork_completed: bool,
}

/// What became of headers that were offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// The last block now.
    pub tip: Point,
    /// How many headers are new.
    pub added: u32,
    /// How many stored headers they replaced: the depth of the reorganisation.
    pub replaced: u32,
}

impl Extended {
    fn nothing(tip: Point) -> Self {
        Self {
            tip,
            added: 0,
            replaced: 0,
        }
    }
}

impl HeaderWriter {
    /// Opens the chain in this folder for writing, makes it if there is none, and repairs what a
    /// crash has left behind.
    pub fn open(folder: &Path, params: Arc<Params>) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
        let lock = lock(folder)?;
        match load::open(folder, &params) {
            Ok(_) => {}
            Err(Error::Empty { .. }) => {
                meta::write_atomic(&folder.join(DATA), &[&encode(&[params.genesis])])?;
            }
            Err(error) => return Err(error),
        }
        let fork_completed = complete_fork(folder, &params)?;
        let found = load::load(folder, &params)?;
        let store = HeaderStore {
            flat: Flat::new(open_data(folder)?, &folder.join(DATA), 0),
            params,
            folder: folder.to_owned(),
            tip: found.tip,
        };
        let repair = Repair {
            bytes_cut: found.bytes_beyond,
            rechecked: found.rechecked,
            fork_completed,
        };
        if !found.meta_is_current {
            store.save_meta()?;
        }
        if repair.bytes_cut > 0 {
            store.cut_file()?;
        }
        Ok(Self {
            store,
            repair,
            _lock: lock,
        })
    }

    /// The chain, for reading.
    pub fn store(&self) -> &HeaderStore {
        &self.store
    }

    /// What had to be done when the chain was opened.
    pub fn repair(&self) -> Repair {
        self.repair
    }

    /// Takes over headers, the first of which is at `from_height`. Those that are stored already
    /// are skipped. If one differs from a stored one, they replace it and all after it, but only
    /// if they have more work than these, and only above the last checkpoint passed.
    ///
    /// Either all of the headers are good and durable when this returns, or nothing has changed.
    pub fn extend(
        &mut self,
        from_height: u32,
        headers: &[Header],
        now_unix_s: u64,
    ) -> Result<Extended> {
        self.settle()?;
        let tip = self.store.tip;
        let next = tip.height + 1;
        if from_height > next {
            let from = from_height;
            return Err(Error::Gap { from, next });
        }
        let (first_new, new) = self.new_ones(from_height, headers)?;
        if new.is_empty() {
            return Ok(Extended::nothing(tip));
        }
        let fork = first_new.checked_sub(1).ok_or(Error::WrongNetwork {
            what: "the source".to_owned(),
            network: self.store.params.name(),
        })?;
        self.may_leave_after(fork)?;
        let end = self.check_branch(fork, new, now_unix_s)?;
        if fork == tip.height {
            self.append(new, end)?;
        } else if end.work > tip.work {
            self.replace(fork, new, end)?;
        } else {
            return Err(Error::NotMoreWork { fork });
        }
        Ok(Extended {
            tip: end,
            added: u32::try_from(new.len()).unwrap_or(u32::MAX),
            replaced: tip.height - fork,
        })
    }

    /// Takes over all headers of a file that starts at a height that the chain has reached.
    pub fn import(&mut self, file: &HeaderFile, now_unix_s: u64) -> Result<Extended> {
        let mut total = Extended::nothing(self.store.tip);
        let mut next = file.start_height();
        while next <= file.tip_height() {
            let count = (file.tip_height() - next + 1).min(IMPORT_HEADERS);
            let part = self.extend(next, &file.headers(next, count)?, now_unix_s)?;
            total.tip = part.tip;
            total.added = total.added.saturating_add(part.added);
            total.replaced = total.replaced.max(part.replaced);
            next += count;
        }
        Ok(total)
    }

    /// Forgets all headers above this height, for instance because they are in dispute.
    pub fn cut_back(&mut self, height: u32) -> Result<()> {
        self.settle()?;
        if height >= self.store.tip.height {
            return Ok(());
        }
        self.may_leave_after(height)?;
        self.store.tip = self.store.point_at(height)?;
        self.store.save_meta()?;
        self.store.cut_file()
    }

    /// Checks the whole chain again, and cuts it off before the first header that is no good.
    /// For a disk that has lost something; a crash doesn't need it.
    pub fn recheck(&mut self) -> Result<Repair> {
        self.settle()?;
        meta::remove(&self.store.folder.join(META))?;
        let found = load::load(&self.store.folder, &self.store.params)?;
        self.store.tip = found.tip;
        self.store.save_meta()?;
        self.store.cut_file()?;
        Ok(Repair {
            bytes_cut: found.bytes_beyond,
            rechecked: true,
            fork_completed: false,
        })
    }

    /// The headers without those that are stored already, and the height of the first.
    fn new_ones<'a>(&self, from_height: u32, headers: &'a [Header]) -> Result<(u32, &'a [Header])> {
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let overlap = (self.store.tip.height + 1)
            .saturating_sub(from_height)
            .min(count);
        let stored = self.store.flat.read(from_height, overlap)?;
        let pairs = stored.iter().zip(headers);
        let known = pairs
            .take_while(|(stored, offered)| stored == offered)
            .count();
        let first_new = from_height.saturating_add(u32::try_from(known).unwrap_or(u32::MAX));
        Ok((first_new, headers.get(known..).unwrap_or_default()))
    }

    fn may_leave_after(&self, fork: u32) -> Result<()> {
        match self.store.params.checkpoint_below(self.store.tip.height) {
            Some(passed) if fork < passed.height => Err(Error::BelowCheckpoint {
                fork,
                checkpoint: passed.height,
            }),
            _ => Ok(()),
        }
    }

    fn check_branch(&self, fork: u32, branch: &[Header], now_unix_s: u64) -> Result<Point> {
        let mut cursor = self.store.cursor_at(fork)?;
        for header in branch {
            cursor.accept(header, now_unix_s)?;
        }
        Ok(cursor.point())
    }

    fn append(&mut self, headers: &[Header], end: Point) -> Result<()> {
        self.store.write_after(self.store.tip.height, headers)?;
        self.store.tip = end;
        self.store.save_meta()
    }

    fn replace(&mut self, fork: u32, branch: &[Header], end: Point) -> Result<()> {
        let fork = self.store.point_at(fork)?;
        let path = self.store.folder.join(FORK);
        journal::save(&self.store.params, &path, &fork, branch)?;
        self.store.write_after(fork.height, branch)?;
        self.store.tip = end;
        self.store.cut_file()?;
        self.store.save_meta()?;
        meta::remove(&path)
    }

    /// Completes a replacement that an error has interrupted, before anything else is written.
    fn settle(&mut self) -> Result<()> {
        if complete_fork(&self.store.folder, &self.store.params)? {
            self.store.tip = load::load(&self.store.folder, &self.store.params)?.tip;
        }
        Ok(())
    }
}
