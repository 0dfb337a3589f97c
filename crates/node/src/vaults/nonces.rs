//! The seeds of MuSig2 nonces between the two rounds: files that are gone before they are used.
//!
//! They are in a folder of their own, which backups must leave out: a seed that comes back from a
//! backup could sign twice, and that gives the key away.

use std::path::{Path, PathBuf};

use wallet::vault::NonceSeed;
use zeroize::Zeroizing;

use crate::error::{NodeError, Result};
use crate::files;
use crate::keys::random_hex;

pub(super) struct Nonces {
    dir: PathBuf,
}

impl Nonces {
    pub fn open(dir: PathBuf) -> Result<Self> {
        files::private_dir(&dir)?;
        Ok(Self { dir })
    }

    fn path(&self, proposal: &str, round: u32) -> PathBuf {
        self.dir.join(format!("{proposal}-{round}"))
    }

    /// A fresh seed, which is on the disk before anybody sees its nonce.
    pub fn make(&self, proposal: &str, round: u32) -> Result<NonceSeed> {
        let text = Zeroizing::new(random_hex());
        files::write_secret(&self.path(proposal, round), text.as_bytes())?;
        parse(&text).ok_or_else(|| NodeError::Config("a nonce's seed can't be made".into()))
    }

    /// The seed of a round, if it wasn't used: it is removed from the disk, durably, before it
    /// comes back.
    pub fn take(&self, proposal: &str, round: u32) -> Result<Option<NonceSeed>> {
        let path = self.path(proposal, round);
        if !path.exists() {
            return Ok(None);
        }
        let text = Zeroizing::new(files::read_secret(&path)?);
        remove(&path, &self.dir)?;
        Ok(parse(&text))
    }

    /// Forgets all seeds of a proposal that is over.
    pub fn forget(&self, proposal: &str) -> Result<()> {
        let describe = || NodeError::file(format!("reading {}", self.dir.display()));
        for entry in std::fs::read_dir(&self.dir).map_err(describe())? {
            let entry = entry.map_err(describe())?;
            if entry.file_name().to_string_lossy().starts_with(proposal) {
                remove(&entry.path(), &self.dir)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path, dir: &Path) -> Result<()> {
    let describe = || NodeError::file(format!("removing {}", path.display()));
    std::fs::remove_file(path).map_err(describe())?;
    files::sync_dir(dir)
}

fn parse(text: &str) -> Option<NonceSeed> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, &mut *bytes).ok()?;
    Some(NonceSeed::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let nonces = Nonces::open(dir.path().join("nonces")).unwrap();
        assert!(nonces.take("one", 0).unwrap().is_none());
        nonces.make("one", 0).unwrap();
        nonces.make("two", 0).unwrap();
        assert!(nonces.take("one", 1).unwrap().is_none());
        assert!(nonces.take("one", 0).unwrap().is_some());
        assert!(nonces.take("one", 0).unwrap().is_none());
        // Not after the program was started anew either.
        let again = Nonces::open(dir.path().join("nonces")).unwrap();
        assert!(again.take("one", 0).unwrap().is_none());
        again.forget("two").unwrap();
        assert!(again.take("two", 0).unwrap().is_none());
    }
}
