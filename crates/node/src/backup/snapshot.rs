//! Makes a backup file: consistent copies of the databases, packed, encrypted, and put in its place in one step.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Cursor, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::archive::{Part, Writer};
use super::error::BackupError;
use super::seal::BackupKeys;
use crate::config::Config;
use crate::files;

/// A calendar's files are part of the backup up to this size.
const CALENDAR_BYTES_MAX: u64 = 1 << 30;
/// A configuration file has at most so much.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Everything that goes into a backup besides what is on the disk.
pub(super) struct Now<'a> {
    pub config: &'a Config,
    pub keys: &'a BackupKeys,
    /// Which channels there are, as text.
    pub channels: Option<String>,
    pub created_ms: i64,
}

/// What was left out of a backup, and why.
pub(super) type LeftOut = Vec<String>;

/// Writes the backup to `path`: beside it first, then renamed. Blocks.
pub(super) fn write(now: &Now<'_>, path: &Path) -> Result<LeftOut, BackupError> {
    let dir = now.config.network_dir();
    let scratch = tempfile::Builder::new()
        .prefix(".backup-")
        .tempdir_in(&dir)
        .map_err(BackupError::file(format!("writing in {}", dir.display())))?;
    put(path, |to| {
        let mut writer = Writer::new(now.keys.seal(to)?);
        for (part, name) in [(Part::Books, "freehold.db"), (Part::Mint, "mint.db")] {
            let copy = scratch.path().join(name);
            if copy_database(&dir.join(name), &copy)? {
                let file = File::open(&copy).map_err(BackupError::file("reading the copy"))?;
                writer.add(part, BufReader::new(file))?;
            }
        }
        if let Some(channels) = &now.channels {
            writer.add(Part::Channels, Cursor::new(channels))?;
        }
        let left_out = add_files(&mut writer, now.config)?;
        let network = now.config.network.to_string();
        let sealed = writer.finish(&network, now.created_ms, &now.keys.mac)?;
        let to = sealed.finish();
        Ok((
            to.map_err(BackupError::file("encrypting the backup"))?,
            left_out,
        ))
    })
}

/// The files that may be there or not. One that is too large is left out, and told.
fn add_files<W: Write>(writer: &mut Writer<W>, config: &Config) -> Result<LeftOut, BackupError> {
    let calendar = config.data_dir.join("calendar");
    let optional = [
        (Part::Config, config.file.clone(), CONFIG_BYTES_MAX),
        (
            Part::CalendarSeed,
            Some(calendar.join("seed")),
            CONFIG_BYTES_MAX,
        ),
        (
            Part::CalendarJournal,
            Some(calendar.join("journal")),
            CALENDAR_BYTES_MAX,
        ),
        (
            Part::CalendarAnchors,
            Some(calendar.join("anchors")),
            CALENDAR_BYTES_MAX,
        ),
    ];
    let mut left_out = Vec::new();
    for (part, path, bytes_max) in optional {
        let Some(path) = path else {
            continue;
        };
        let failed = || BackupError::file(format!("reading {}", path.display()));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed()(error)),
        };
        let metadata = file.metadata().map_err(failed())?;
        if !metadata.is_file() {
            continue;
        }
        if metadata.len() > bytes_max {
            left_out.push(format!(
                "{} is larger than {bytes_max} bytes",
                path.display()
            ));
            continue;
        }
        writer.add(part, BufReader::new(file))?;
    }
    Ok(left_out)
}

/// A copy as of one moment, while others write. `false` if there is no such database.
fn copy_database(from: &Path, to: &Path) -> Result<bool, BackupError> {
    if !from.exists() {
        return Ok(false);
    }
    // SQLite would make it readable to all.
    files::private_file(to).map_err(|error| BackupError::Damaged(error.to_string()))?;
    let db = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    Ok(true)
}

/// Copies a finished backup to another place.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    put(to, |mut file| {
        let failed = || BackupError::file(format!("copying to {}", to.display()));
        let mut from = File::open(from).map_err(failed())?;
        std::io::copy(&mut from, &mut file).map_err(failed())?;
        Ok((file, ()))
    })
}

/// A file is whole and durable, or as it was before.
fn put<T>(
    path: &Path,
    fill: impl FnOnce(BufWriter<File>) -> Result<(BufWriter<File>, T), BackupError>,
) -> Result<T, BackupError> {
    let failed = || BackupError::file(format!("writing {}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let beside = beside(path);
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed())?;
    let filled = fill(BufWriter::new(file)).and_then(|(file, value)| {
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        let synced = file.and_then(|file| file.sync_all());
        synced.map_err(failed())?;
        Ok(value)
    });
    let value = match filled {
        Ok(value) => value,
        Err(error) => {
            // Half a file is of no use, and its place may be needed.
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
    };
    std::fs::rename(&beside, path).map_err(failed())?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed())?;
    Ok(value)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.age");
        let write = |text: &'static [u8]| {
            put(&path, |mut file| {
                file.write_all(text).unwrap();
                Ok((file, ()))
            })
        };
        write(b"one").unwrap();
        let failed: Result<(), _> = put(&path, |mut file| {
            file.write_all(b"half").unwrap();
            Err(BackupError::Damaged("in the middle".into()))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write(b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        let names = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 1, "something was left beside it");
    }

    #[test]
    fn a_database_is_copied_with_what_is_only_in_its_journal() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.db"), dir.path().join("b.db"));
        let db = Connection::open(&from).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);")
            .unwrap();
        // Somebody is in the middle of writing.
        db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2);")
            .unwrap();
        assert!(copy_database(&from, &to).unwrap());
        let copy = Connection::open(&to).unwrap();
        let count: u32 = copy
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 1);
        assert!(!copy_database(&dir.path().join("none"), &to).unwrap());
    }
}
