//! The installed models: what is on disk, and the one step by which a model appears there or goes
//! away.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    ModelStore,
    catalog::ModelSpec,
    error::{Result, StoreError},
    name,
    scratch::{self, Scratch},
};

const MODEL_FILE: &str = "model.gguf";
const MANIFEST_FILE: &str = "model.json";
const SELECTED_FILE: &str = ".selected";
const PARTIAL_FOLDER: &str = ".partial";
const REMOVED_PREFIX: &str = "removed-";

/// A model that is on this machine, whole.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct InstalledModel {
    /// What the model is; its sources are not remembered.
    #[serde(flatten)]
    pub spec: ModelSpec,
    /// Which source it came from, as progress reports call it.
    pub origin: String,
    /// The GGUF file.
    pub path: PathBuf,
}

/// The same without the path, which follows from where the manifest lies.
#[derive(Serialize, Deserialize)]
struct Manifest {
    #[serde(flatten)]
    spec: ModelSpec,
    origin: String,
}

impl ModelStore {
    /// Opens the store in `folder`, which is created if it is not there.
    ///
    /// # Errors
    /// If the folder cannot be created or read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let store = Self {
            folder: folder.into(),
        };
        let partial = store.partial();
        fs::create_dir_all(&partial).map_err(StoreError::io("create", &partial))?;
        for name in folder_names(&partial)?.filter(|name| name.starts_with(REMOVED_PREFIX)) {
            // A removal that a crash cut short. Another process may be at the same, so a failure is
            // no matter.
            let _ = scratch::remove(&partial.join(name));
        }
        Ok(store)
    }

    /// The installed models, by name. Damaged ones are left out and logged.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn list(&self) -> Result<Vec<InstalledModel>> {
        let mut names: Vec<_> = folder_names(&self.folder)?
            .filter(|name| name::check(name).is_ok())
            .collect();
        names.sort();
        let read = |name: String| {
            self.get(&name)
                .inspect_err(|error| tracing::warn!(%error, "a model is left out"))
                .ok()
        };
        Ok(names.into_iter().filter_map(read).collect())
    }

    /// One installed model.
    ///
    /// # Errors
    /// [`StoreError::NotInstalled`], or [`StoreError::Damaged`] if a file is missing or has the
    /// wrong size.
    pub fn get(&self, name: &str) -> Result<InstalledModel> {
        name::check(name)?;
        let folder = self.folder.join(name);
        if !folder.is_dir() {
            return Err(StoreError::NotInstalled { name: name.into() });
        }
        let damaged = |reason: String| StoreError::Damaged {
            name: name.into(),
            reason,
        };
        let manifest = fs::read(folder.join(MANIFEST_FILE))
            .map_err(|error| damaged(format!("its manifest: {error}")))?;
        let Manifest { mut spec, origin } = serde_json::from_slice(&manifest)
            .map_err(|error| damaged(format!("its manifest: {error}")))?;
        spec.name = name.into();
        let path = folder.join(MODEL_FILE);
        match fs::metadata(&path) {
            Ok(found) if found.len() == spec.size_bytes => {
                Ok(InstalledModel { spec, origin, path })
            }
            Ok(found) => Err(damaged(format!(
                "it has {} bytes, not {}",
                found.len(),
                spec.size_bytes
            ))),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// Removes an installed model, damaged or not. A process that has it open can go on using it on
    /// Unix.
    ///
    /// # Errors
    /// [`StoreError::NotInstalled`] if there is none of this name.
    pub fn remove(&self, name: &str) -> Result<()> {
        name::check(name)?;
        // Renamed first, so that no one ever sees half a model.
        let doomed = self
            .partial()
            .join(format!("{REMOVED_PREFIX}{name}-{}", std::process::id()));
        scratch::remove(&doomed)?;
        let folder = self.folder.join(name);
        fs::rename(&folder, &doomed).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::NotInstalled { name: name.into() },
            _ => StoreError::io("remove", &folder)(error),
        })?;
        scratch::sync_folder(&self.folder)?;
        scratch::remove(&doomed)
    }

    /// Makes an installed model the one in use.
    ///
    /// # Errors
    /// As [`ModelStore::get`], or if the choice cannot be written down.
    pub fn select(&self, name: &str) -> Result<InstalledModel> {
        let model = self.get(name)?;
        scratch::write_atomically(&self.folder.join(SELECTED_FILE), name.as_bytes())?;
        scratch::sync_folder(&self.folder)?;
        Ok(model)
    }

    /// The model in use: the selected one, or else the default, or else any; none if there is none.
    ///
    /// # Errors
    /// If the store cannot be read, or the selected model is damaged.
    pub fn selected(&self) -> Result<Option<InstalledModel>> {
        let choice = fs::read_to_string(self.folder.join(SELECTED_FILE)).unwrap_or_default();
        for name in [choice.trim(), super::DEFAULT_MODEL]
            .into_iter()
            .filter(|name| !name.is_empty())
        {
            match self.get(name) {
                Err(StoreError::NotInstalled { .. } | StoreError::InvalidName { .. }) => {}
                found => return found.map(Some),
            }
        }
        Ok(self.list()?.into_iter().next())
    }

    pub(super) fn partial(&self) -> PathBuf {
        self.folder.join(PARTIAL_FOLDER)
    }

    /// The installed model of this name, if it is the pinned one. A damaged one makes room.
    pub(super) fn find_pinned(&self, spec: &ModelSpec) -> Result<Option<InstalledModel>> {
        match self.get(&spec.name) {
            Ok(model) if model.spec.sha256 == spec.sha256 => Ok(Some(model)),
            Ok(_) => Err(StoreError::NameTaken {
                name: spec.name.clone(),
            }),
            Err(StoreError::NotInstalled { .. }) => Ok(None),
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(%error, "the model is replaced");
                self.remove(&spec.name).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets a proven part appear in the store, whole and with its manifest, by one rename.
    pub(super) fn publish(
        &self,
        part: &Path,
        spec: ModelSpec,
        origin: &str,
        scratch: &Scratch,
    ) -> Result<InstalledModel> {
        let (staging, folder) = (scratch.staging(), self.folder.join(&spec.name));
        let manifest = Manifest {
            spec,
            origin: origin.into(),
        };
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| StoreError::io("write", &staging)(error.into()))?;
        scratch::remove(&staging)?;
        fs::create_dir(&staging).map_err(StoreError::io("create", &staging))?;
        scratch::write_atomically(&staging.join(MANIFEST_FILE), &text)?;
        fs::rename(part, staging.join(MODEL_FILE)).map_err(StoreError::io("move", part))?;
        scratch::sync_folder(&staging)?;
        let Manifest { mut spec, origin } = manifest;
        if let Err(error) = fs::rename(&staging, &folder) {
            scratch.clear()?;
            return Err(if folder.exists() {
                StoreError::NameTaken { name: spec.name }
            } else {
                StoreError::io("create", &folder)(error)
            });
        }
        scratch::sync_folder(&self.folder)?;
        scratch.clear()?;
        spec.sources.clear();
        Ok(InstalledModel {
            spec,
            origin,
            path: folder.join(MODEL_FILE),
        })
    }
}

/// The names of the folders in `folder` that are text.
fn folder_names(folder: &Path) -> Result<impl Iterator<Item = String>> {
    let entries = fs::read_dir(folder).map_err(StoreError::io("read", folder))?;
    Ok(entries.filter_map(|entry| {
        let entry = entry.ok().filter(|entry| entry.path().is_dir())?;
        entry.file_name().into_string().ok()
    }))
}
