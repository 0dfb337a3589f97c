//! Recovery: one phrase, one encrypted file, and the way back from them.
//!
//! - `phrase.rs`: the 24 words that are the seed, and that the owner has shown to have them.
//! - `archive.rs` (what is in a backup), `seal.rs` (its encryption), `snapshot.rs` (how it is made),
//!   `keeper.rs` (when it is made by itself).
//! - `restore.rs`: a backup, or the phrase alone, becomes a node again. Needs no mint and no chain.
//! - `returning.rs`: what a restored node does then: it looks for its ecash at the mint, brings the books to what is
//!   found (`reconcile.rs`), and waits for its channels to be closed.
//!
//! What is *not* in a backup is as deliberate as what is. A channel's state: whoever starts from an old one loses the
//! channel. The ecash wallets: an old copy would use secrets again; they are found by the seed. The seed.

mod archive;
mod error;
mod keeper;
mod phrase;
mod reconcile;
mod restore;
mod returning;
mod seal;
mod snapshot;
mod state;

use std::io::Cursor;
use std::path::PathBuf;

pub use archive::{Archive, MacKey, Manifest, Part, PartInfo, VERSION};
pub use error::BackupError;
pub(crate) use keeper::Keeper;
pub use keeper::{BackupView, CopyView, Written};
pub use phrase::{Phrase, QUESTIONS, WORDS, is_confirmed};
pub(crate) use phrase::{require_confirmed, seed};
pub use reconcile::{Closed, Corrections};
pub(crate) use restore::require_finished;
pub use restore::{From, Restored, restore};
pub(crate) use returning::Return;
pub use returning::{ReturnView, Scan, SweepView};
pub(crate) use seal::BackupKeys;
pub use state::{EcashFound, Progress, Returning};

use crate::config::Config;
use crate::error::Result;

/// Where the backup is unless told otherwise.
#[must_use]
pub fn default_path(config: &Config) -> PathBuf {
    let name = format!("freehold-{}.age", config.network);
    config.network_dir().join("backup").join(name)
}

/// The `age` identity that opens this node's backups with any program that reads `age` files. A secret.
///
/// # Errors
/// If the seed can't be read.
pub fn identity(config: &Config) -> Result<(zeroize::Zeroizing<String>, String)> {
    let keys = BackupKeys::of(&seed(config)?)?;
    Ok((keys.identity(), keys.recipient()))
}

/// Reads an archive that was decrypted already, all of it, and says what is in it. For other programs, and for fuzzing.
///
/// # Errors
/// `backup_damaged`, `backup_version` or `backup_too_large`.
pub fn inspect(archive: &[u8], key: &MacKey) -> Result<Manifest, BackupError> {
    let mut archive = Archive::open(Cursor::new(archive), key)?;
    for part in Part::ALL {
        archive.copy(part, &mut std::io::sink())?;
    }
    Ok(archive.manifest().clone())
}
