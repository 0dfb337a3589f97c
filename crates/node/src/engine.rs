//! The model and the process that runs it, started when first needed.

use std::ffi::OsString;
use std::path::PathBuf;

use inference::store::{InstalledModel, ModelStore};
use inference::{Engine, EngineConfig, worker};
use tokio::sync::Mutex;

use crate::boxed;
use crate::config::Config;
use crate::error::{NodeError, Result};

/// The program that runs models: usually this very program with a hidden subcommand.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Runs the worker's side in this process until its parent goes away.
///
/// # Errors
/// If the model can't be run, or the parent sends nonsense.
pub fn run_inference_worker() -> Result<()> {
    Ok(worker::run()?)
}

/// The models of this data directory; no node needed.
///
/// # Errors
/// If the folder can't be made.
pub fn model_store(config: &Config) -> Result<ModelStore> {
    Ok(ModelStore::open(&config.models_dir)?)
}

/// A running model.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub model: InstalledModel,
    pub engine: Engine,
}

/// Starts the engine with the selected model, and keeps it.
#[derive(Debug)]
pub(crate) struct Engines {
    store: ModelStore,
    worker: Worker,
    config: Config,
    running: Mutex<Option<Running>>,
}

impl Engines {
    pub fn new(config: &Config, worker: Worker) -> Result<Self> {
        Ok(Self {
            store: model_store(config)?,
            worker,
            config: config.clone(),
            running: Mutex::new(None),
        })
    }

    /// The selected model's engine, started if need be.
    #[boxed]
    pub async fn get(&self) -> Result<Running> {
        let mut running = self.running.lock().await;
        if let Some(running) = &*running {
            return Ok(running.clone());
        }
        let model = self.store.selected()?.ok_or(NodeError::ModelMissing)?;
        let settings = &self.config.engine;
        let mut config = EngineConfig::new(&self.worker.program, &self.worker.args, &model.path);
        config.context_tokens = settings.context_tokens;
        config.threads = settings.threads.unwrap_or(config.threads);
        config.parallel = settings.parallel;
        let engine = Engine::start(config).await?;
        Ok(running.insert(Running { model, engine }).clone())
    }

    /// What is running, without starting anything or waiting for a start.
    pub fn peek(&self) -> Option<Running> {
        self.running.try_lock().ok()?.clone()
    }

    /// The selected model, running or not.
    pub fn selected(&self) -> Result<Option<InstalledModel>> {
        Ok(self.store.selected()?)
    }

    /// Selects a model; a running engine changes to it.
    #[boxed]
    pub async fn select(&self, name: &str) -> Result<InstalledModel> {
        let model = self.store.get(name)?;
        let mut running = self.running.lock().await;
        if let Some(running) = &mut *running {
            running.engine.load(&model.path).await?;
            running.model = model;
        }
        Ok(self.store.select(name)?)
    }

    #[boxed]
    pub async fn shutdown(&self) {
        if let Some(running) = self.running.lock().await.take() {
            running.engine.shutdown().await;
        }
    }
}
