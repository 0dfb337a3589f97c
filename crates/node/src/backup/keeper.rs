//! Keeps the backup current: after each change of the channels at once, and after all else within some minutes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;
use wallet::lightning::Event;

use super::seal::BackupKeys;
use super::snapshot::{self, LeftOut, Now};
use super::{default_path, phrase};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::files;
use crate::node::{Node, now_ms};

/// How often it is looked whether anything moved.
const TICK: Duration = Duration::from_secs(10);
/// The databases whose changes count, and the journals in which they are first.
const WATCHED: [&str; 4] = ["freehold.db", "freehold.db-wal", "mint.db", "mint.db-wal"];
/// The digest of the channels that the last backup knows of.
const CHANNELS_KEY: &str = "backed_up_channels";

/// The backups of a node at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// Where the backup is.
    pub path: PathBuf,
    /// When it was last written, Unix milliseconds; none if it never was.
    pub written_ms: Option<i64>,
    /// Why it couldn't be written the last time.
    pub error: Option<String>,
    /// What is left out of it, and why.
    pub left_out: Vec<String>,
    /// How many channels it knows of; none if it wasn't written since the node started.
    pub channels: Option<usize>,
    /// Its copies.
    pub copies: Vec<CopyView>,
    /// Whether the owner has shown to have the recovery phrase.
    pub is_phrase_confirmed: bool,
}

/// A copy of the backup in another place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// Where.
    pub path: PathBuf,
    /// When it was last written, Unix milliseconds.
    pub written_ms: Option<i64>,
    /// Why it couldn't be written the last time.
    pub error: Option<String>,
}

impl BackupView {
    /// The first thing that is wrong with backups, if anything is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let copies = self.copies.iter().filter_map(|copy| {
            let error = copy.error.as_ref()?;
            Some(format!("{}: {error}", copy.path.display()))
        });
        self.error.clone().into_iter().chain(copies).next()
    }
}

/// A backup that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// As of when, Unix milliseconds.
    pub created_ms: i64,
    /// Its length.
    pub bytes: u64,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// Its copies, if it is the one that is kept current.
    pub copies: Vec<CopyView>,
}

/// What is known of the databases' last change.
type Seen = Vec<Option<(SystemTime, u64)>>;

pub(crate) struct Keeper {
    keys: BackupKeys,
    view: Mutex<BackupView>,
    /// The databases as the last backup has them.
    seen: Mutex<Option<Seen>>,
    /// One backup at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Keeper {
    pub fn new(keys: BackupKeys, config: &crate::config::Config) -> Self {
        let path = default_path(config);
        let copies = config.backup.copies.iter().map(|folder| {
            let path = folder.join(path.file_name().unwrap_or_default());
            CopyView {
                written_ms: modified_ms(&path),
                path,
                error: None,
            }
        });
        let view = BackupView {
            written_ms: modified_ms(&path),
            copies: copies.collect(),
            is_phrase_confirmed: phrase::is_confirmed(config),
            path,
            ..BackupView::default()
        };
        Self {
            keys,
            view: Mutex::new(view),
            seen: Mutex::new(None),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    fn view(&self) -> BackupView {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.clone()
    }
}

fn modified_ms(path: &Path) -> Option<i64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

impl Node {
    /// How the backups are.
    #[must_use]
    pub fn backup_view(&self) -> BackupView {
        BackupView {
            is_phrase_confirmed: phrase::is_confirmed(&self.inner.config),
            ..self.inner.keeper.view()
        }
    }

    /// Writes a backup now: to `path`, or to where it is kept current, with its copies.
    ///
    /// # Errors
    /// If it can't be made or written. What goes wrong with a copy is in [`Written::copies`].
    #[boxed]
    pub async fn write_backup(&self, path: Option<PathBuf>) -> Result<Written> {
        let node = self.clone();
        self.uninterrupted(async move { node.write_backup_once(path).await })
            .await
    }

    async fn write_backup_once(&self, path: Option<PathBuf>) -> Result<Written> {
        let keeper = &self.inner.keeper;
        let _alone = keeper.writing.lock().await;
        let is_kept = path.is_none();
        let path = path.unwrap_or_else(|| default_path(&self.inner.config));
        // What changes from here on may be in the backup or not: it counts as not.
        let (seen, created_ms) = (self.seen(), now_ms());
        let channels = self.channels_text().await;
        let count = channels
            .as_ref()
            .map_or(0, |text| count_of(text.as_deref()));
        let written = match channels {
            Ok(channels) => self.snapshot(path.clone(), channels, created_ms).await,
            Err(error) => Err(error),
        };
        if is_kept {
            self.note_written(&written, created_ms, count);
        }
        let (left_out, digest) = written?;
        let copies = match is_kept {
            true => {
                self.note_channels(digest).await?;
                *keeper.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
                self.copy_backup(created_ms).await
            }
            false => Vec::new(),
        };
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok(Written {
            path,
            created_ms,
            bytes,
            left_out,
            copies,
        })
    }

    async fn snapshot(
        &self,
        path: PathBuf,
        channels: Option<String>,
        created_ms: i64,
    ) -> Result<(LeftOut, String)> {
        let digest = hex::encode(Sha256::digest(channels.as_deref().unwrap_or_default()));
        let node = self.clone();
        let write = move || -> Result<LeftOut> {
            if path == default_path(&node.inner.config)
                && let Some(folder) = path.parent()
            {
                files::private_dir(folder)?;
            }
            let now = Now {
                config: &node.inner.config,
                keys: &node.inner.keeper.keys,
                channels,
                created_ms,
            };
            Ok(snapshot::write(&now, &path)?)
        };
        let left_out = tokio::task::spawn_blocking(write).await;
        Ok((left_out.map_err(|_| NodeError::Stopping)??, digest))
    }

    /// Which channels there are, as text.
    async fn channels_text(&self) -> Result<Option<String>> {
        match &self.inner.cashier {
            Some(cashier) => Ok(Some(cashier.lightning().channel_backup().await?.to_text())),
            None => Ok(None),
        }
    }

    fn note_written(&self, written: &Result<(LeftOut, String)>, created_ms: i64, channels: usize) {
        let mut view = self
            .inner
            .keeper
            .view
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok((left_out, _)) => {
                view.written_ms = Some(created_ms);
                view.error = None;
                view.channels = Some(channels);
                view.left_out.clone_from(left_out);
            }
            Err(error) => view.error = Some(error.to_string()),
        }
    }

    /// Remembers which channels the backup has, so that a node which died before it could write one sees that at its
    /// next start.
    async fn note_channels(&self, digest: String) -> Result<()> {
        if self.channels_noted().await? == Some(digest.clone()) {
            return Ok(());
        }
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value";
                tx.execute(sql, [CHANNELS_KEY, &digest])?;
                Ok(())
            })
            .await
    }

    async fn channels_noted(&self) -> Result<Option<String>> {
        use rusqlite::OptionalExtension as _;
        self.inner
            .db
            .write(|tx| -> Result<_> {
                let sql = "SELECT value FROM meta WHERE key = ?1";
                Ok(tx
                    .query_row(sql, [CHANNELS_KEY], |row| row.get(0))
                    .optional()?)
            })
            .await
    }

    async fn copy_backup(&self, created_ms: i64) -> Vec<CopyView> {
        let (node, view) = (self.clone(), self.inner.keeper.view());
        let copy = move || {
            let mut copies = view.copies;
            for copy in &mut copies {
                match snapshot::copy(&view.path, &copy.path) {
                    Ok(()) => (copy.written_ms, copy.error) = (Some(created_ms), None),
                    Err(error) => copy.error = Some(error.to_string()),
                }
            }
            let mut view = node
                .inner
                .keeper
                .view
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            view.copies.clone_from(&copies);
            copies
        };
        tokio::task::spawn_blocking(copy).await.unwrap_or_default()
    }

    /// When the databases last changed.
    fn seen(&self) -> Seen {
        let dir = self.inner.config.network_dir();
        let look = |name: &&str| {
            let metadata = std::fs::metadata(dir.join(name)).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        WATCHED.iter().map(look).collect()
    }

    /// Writes the backup whenever it has to be, for as long as the node runs. A backup that can't be written never
    /// stops the node: `status` and `doctor` show it.
    pub(crate) async fn keep_backed_up(&self) {
        let mut events = self
            .inner
            .cashier
            .as_ref()
            .map(|cashier| cashier.lightning().events());
        let mut tick = tokio::time::interval(TICK.min(self.inner.config.backup.interval()));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let channels_moved = tokio::select! {
                _ = tick.tick() => self.have_channels_moved().await,
                moved = channel_event(&mut events) => moved,
            };
            if (channels_moved || self.is_backup_due())
                && let Err(error) = self.write_backup(None).await
            {
                tracing::warn!(code = error.code(), "the backup: {error}");
            }
        }
    }

    async fn have_channels_moved(&self) -> bool {
        let Ok(Some(text)) = self.channels_text().await else {
            return false;
        };
        let digest = hex::encode(Sha256::digest(&text));
        match self.channels_noted().await {
            Ok(noted) => noted.is_some_and(|noted| noted != digest),
            Err(_) => false,
        }
    }

    fn is_backup_due(&self) -> bool {
        let view = self.inner.keeper.view();
        let age_ms = view.written_ms.map(|written_ms| now_ms() - written_ms);
        let interval_ms = i64::try_from(self.inner.config.backup.interval().as_millis());
        if age_ms.is_some_and(|age_ms| age_ms < interval_ms.unwrap_or(i64::MAX)) {
            return false;
        }
        let seen = self
            .inner
            .keeper
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        view.error.is_some() || *seen != Some(self.seen())
    }
}

/// How many channels a list of them names.
fn count_of(text: Option<&str>) -> usize {
    let lines = text.unwrap_or_default().lines();
    lines.filter(|line| line.starts_with("channel ")).count()
}

/// Waits for a channel to be opened or closed. Without Lightning it waits for ever.
async fn channel_event(events: &mut Option<broadcast::Receiver<Event>>) -> bool {
    let Some(events) = events else {
        return std::future::pending().await;
    };
    loop {
        match events.recv().await {
            Ok(
                Event::ChannelPending { .. }
                | Event::ChannelReady { .. }
                | Event::ChannelClosed { .. },
            ) => return true,
            // It may have been among those that were missed.
            Err(broadcast::error::RecvError::Lagged(_)) => return true,
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
            Ok(_) => {}
        }
    }
}
