//! Restores a node into an empty folder: from its phrase and a backup, or from the phrase alone.
//!
//! Everything is put together in a folder beside (`restoring/`), and moved to its place when it is whole. As long as
//! that folder is there, no node starts.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use age::stream::StreamReader;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use wallet::Db;
use wallet::lightning::ChannelBackup;

use super::archive::{Archive, Part};
use super::error::BackupError;
use super::phrase;
use super::reconcile::{self, Closed};
use super::seal::BackupKeys;
use super::state::{Progress, Returning, save};
use crate::boxed;
use crate::config::Config;
use crate::error::{NodeError, Result};
use crate::keys::Seed;
use crate::{files, node};

/// Where a restore is put together.
const STAGING: &str = "restoring";
/// What a restore puts into the network's folder, the seed last.
const PIECES: [&str; 6] = [
    "freehold.db",
    "mint.db",
    "lightning",
    "config.restored.toml",
    phrase::CONFIRMED,
    "seed",
];
/// What may be in a folder that is restored into: the backup itself, the sandbox's world, and leftovers.
const HARMLESS: [&str; 6] = ["backup", "chain", "neighbour", "lock", "node.json", STAGING];

/// From what to restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A backup file.
    File(PathBuf),
    /// The phrase alone, although there may be a backup.
    PhraseOnly,
    /// The phrase alone, if there is no backup in its usual place.
    Nothing,
}

/// What a restore did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Restored {
    /// The network.
    pub network: String,
    /// When the backup was made, Unix milliseconds; none if only the phrase was there.
    pub backup_created_ms: Option<i64>,
    /// Channels that their peers will be asked to close.
    pub channels: usize,
    /// What was under way, and was closed on the safe side.
    pub closed: Closed,
    /// Where the configuration file of the backup is now, if it had one.
    pub config_file: Option<PathBuf>,
    /// What can't come back, in words.
    pub gone: Vec<String>,
}

/// Restores a node that must not be running anywhere any more. `id` is 16 random hex digits.
///
/// # Errors
/// `phrase_invalid`, `restore_not_empty`, or what is wrong with the backup: then nothing was changed.
#[boxed]
pub async fn restore(config: &Config, words: &str, from: From, id: &str) -> Result<Restored> {
    let seed = phrase::parse(words)?;
    let dir = config.network_dir();
    files::private_dir(&dir)?;
    let _lock = files::lock(&dir)?;
    require_empty(&dir)?;
    let backup = match from {
        From::File(path) => Some(path),
        From::PhraseOnly => None,
        From::Nothing => {
            let usual = super::default_path(config);
            if usual.exists() {
                return Err(BackupError::FileAtHand(usual.display().to_string()).into());
            }
            None
        }
    };
    let staging = dir.join(STAGING);
    files::private_dir(&staging)?;
    files::sync_dir(&dir)?;
    let unpacked = match unpack_all(config, &seed, backup.as_deref()) {
        Ok(unpacked) => unpacked,
        Err(error) => {
            remove(&staging)?;
            return Err(error);
        }
    };
    let restored = prepare(config, &staging, unpacked, id).await;
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => {
            remove(&staging)?;
            return Err(error);
        }
    };
    files::write_secret(&staging.join("seed"), seed.to_hex().as_bytes())?;
    // Whoever typed it has it.
    phrase::confirm(&staging)?;
    settle(&dir, &staging)?;
    Ok(restored)
}

/// Nodes don't start in the middle of a restore.
pub(crate) fn require_finished(config: &Config) -> Result<()> {
    let dir = config.network_dir();
    match dir.join(STAGING).exists() {
        true => Err(BackupError::Unfinished(dir.display().to_string()).into()),
        false => Ok(()),
    }
}

/// Makes sure that nothing is there, and clears away what an earlier restore left half done.
fn require_empty(dir: &Path) -> Result<()> {
    let staging = dir.join(STAGING);
    if staging.exists() {
        // It began in an empty folder: these are its own.
        for piece in PIECES {
            remove(&dir.join(piece))?;
        }
        remove(&staging)?;
    }
    let failed = || NodeError::file(format!("reading {}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        let is_harmless = HARMLESS.iter().any(|known| name == **known);
        if !is_harmless {
            let found = dir.join(name).display().to_string();
            return Err(BackupError::NotEmpty(found).into());
        }
    }
    Ok(())
}

/// What came out of a backup.
#[derive(Default)]
struct Unpacked {
    created_ms: Option<i64>,
    channels: Option<ChannelBackup>,
    has_mint: bool,
    has_config: bool,
    has_calendar: bool,
}

type Opened = Archive<StreamReader<BufReader<File>>>;

fn unpack_all(config: &Config, seed: &Seed, backup: Option<&Path>) -> Result<Unpacked> {
    let Some(path) = backup else {
        return Ok(Unpacked::default());
    };
    let keys = BackupKeys::of(seed)?;
    let mut archive: Opened = Archive::open(keys.open(path)?, &keys.mac)?;
    let (found, wanted) = (
        archive.manifest().network.clone(),
        config.network.to_string(),
    );
    if found != wanted {
        return Err(BackupError::Network { found, wanted }.into());
    }
    let staging = config.network_dir().join(STAGING);
    if !unpack(&mut archive, Part::Books, &staging.join("freehold.db"))? {
        return Err(BackupError::Damaged("it has no books".into()).into());
    }
    check_database(&staging.join("freehold.db"))?;
    let has_mint = unpack(&mut archive, Part::Mint, &staging.join("mint.db"))?;
    if has_mint {
        check_database(&staging.join("mint.db"))?;
    }
    Ok(Unpacked {
        created_ms: Some(archive.manifest().created_ms),
        channels: channels(&mut archive)?,
        has_mint,
        has_config: unpack(
            &mut archive,
            Part::Config,
            &staging.join("config.restored.toml"),
        )?,
        has_calendar: unpack_calendar(&mut archive, &config.data_dir)?,
    })
}

fn channels(archive: &mut Opened) -> Result<Option<ChannelBackup>> {
    let mut text = Vec::new();
    if !archive.copy(Part::Channels, &mut text)? {
        return Ok(None);
    }
    let text = String::from_utf8(text).map_err(|e| BackupError::damaged(&e))?;
    let channels = ChannelBackup::parse(&text).map_err(|e| BackupError::damaged(&e))?;
    Ok(Some(channels))
}

/// The calendar is shared by all networks: one that is there is left alone.
fn unpack_calendar(archive: &mut Opened, data_dir: &Path) -> Result<bool> {
    let folder = data_dir.join("calendar");
    if folder.exists() || !archive.manifest().parts.contains_key(&Part::CalendarSeed) {
        return Ok(false);
    }
    let beside = data_dir.join("calendar.restoring");
    remove(&beside)?;
    files::private_dir(&beside)?;
    for (part, name) in [
        (Part::CalendarSeed, "seed"),
        (Part::CalendarJournal, "journal"),
        (Part::CalendarAnchors, "anchors"),
    ] {
        unpack(archive, part, &beside.join(name))?;
    }
    let describe = NodeError::file(format!("writing {}", folder.display()));
    std::fs::rename(&beside, &folder).map_err(describe)?;
    files::sync_dir(data_dir)?;
    Ok(true)
}

/// Copies a part into a file of ours, and makes it durable.
fn unpack(archive: &mut Opened, part: Part, path: &Path) -> Result<bool> {
    if !archive.manifest().parts.contains_key(&part) {
        return Ok(false);
    }
    files::private_file(path)?;
    let describe = || NodeError::file(format!("writing {}", path.display()));
    let file = File::options().write(true).open(path).map_err(describe())?;
    let mut to = BufWriter::new(file);
    archive.copy(part, &mut to)?;
    to.flush().map_err(describe())?;
    to.get_ref().sync_all().map_err(describe())?;
    Ok(true)
}

fn check_database(path: &Path) -> Result<(), BackupError> {
    let db = Connection::open(path)?;
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match verdict.as_str() {
        "ok" => Ok(()),
        _ => Err(BackupError::Damaged(verdict)),
    }
}

/// Readies the books for what comes now: nothing is left open that could be paid twice, and the node knows that it
/// was restored.
async fn prepare(
    config: &Config,
    staging: &Path,
    unpacked: Unpacked,
    id: &str,
) -> Result<Restored> {
    let path = staging.join("freehold.db");
    files::private_file(&path)?;
    let db = Db::open(&path)?;
    let returning = Returning {
        id: id.to_owned(),
        restored_ms: node::now_ms(),
        backup_created_ms: unpacked.created_ms,
        is_embedded: config.mint_url.is_none(),
        progress: Progress::default(),
    };
    let now_ms = returning.restored_ms;
    let closed = db
        .write(move |tx| -> Result<Closed> {
            node::create_tables(tx)?;
            let closed = reconcile::close_unknown(tx, now_ms)?;
            save(tx, &returning)?;
            Ok(closed)
        })
        .await?;
    drop(db);
    let channels = unpacked
        .channels
        .as_ref()
        .map_or(0, |backup| backup.channels.len());
    if let Some(backup) = unpacked
        .channels
        .filter(|backup| !backup.channels.is_empty())
    {
        let folder = staging.join("lightning");
        files::private_dir(&folder)?;
        let restored =
            tokio::task::spawn_blocking(move || wallet::lightning::restore(&folder, &backup));
        restored.await.map_err(|_| NodeError::Stopping)??;
    }
    Ok(Restored {
        network: config.network.to_string(),
        backup_created_ms: unpacked.created_ms,
        channels,
        closed,
        config_file: unpacked
            .has_config
            .then(|| config.network_dir().join("config.restored.toml")),
        gone: gone(
            config,
            &unpacked.created_ms,
            unpacked.has_mint,
            unpacked.has_calendar,
        ),
    })
}

/// What can't come back, so that nobody waits for it.
fn gone(config: &Config, backup: &Option<i64>, has_mint: bool, has_calendar: bool) -> Vec<String> {
    let mut gone = Vec::new();
    let mut say = |text: &str| gone.push(text.to_owned());
    match backup {
        None => {
            say("books, purses and receipts: they were in the backup only");
            if config.network.has_lightning() {
                say(
                    "Lightning channels: a phrase restores coins on the chain, not channels. If a peer closes one, \
                     its part of yours waits at keys that only a restore from a backup looks for",
                );
            }
            if config.mint_url.is_none() {
                say("ecash of this node's own mint: what it signed was in the backup only");
            }
        }
        Some(_) => {
            say("what was booked after the backup: the books say what is found, not who paid whom");
            say("receipts that were issued after the backup: whoever has one can still prove it");
        }
    }
    if config.mint_url.is_none() {
        say(match has_mint {
            true => {
                "what this node's mint signed and took in after the backup: so it is closed to everybody else, until \
                 you open it"
            }
            false => {
                "all that this node's mint knew as spent: so it is closed to everybody else, until you open it"
            }
        });
    }
    if has_calendar {
        say("what the calendar promised after the backup");
    }
    gone
}

/// Moves everything to its place. The folder beside goes last: until then, the restore can begin anew.
fn settle(dir: &Path, staging: &Path) -> Result<()> {
    files::sync_dir(staging)?;
    for piece in PIECES {
        let from = staging.join(piece);
        if from.exists() {
            let describe = NodeError::file(format!("writing {}", dir.join(piece).display()));
            std::fs::rename(&from, dir.join(piece)).map_err(describe)?;
        }
    }
    files::sync_dir(dir)?;
    remove(staging)?;
    files::sync_dir(dir)
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(NodeError::file(
            format!("removing {}", path.display()),
        )(error)),
        _ => Ok(()),
    }
}
