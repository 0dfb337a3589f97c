//! Somebody with files to stamp, and the commands that do it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use node::stamps::{Attestation, DetachedProof};

use crate::calendar::server::Calendar;
use crate::common::Home;

/// A home whose scratch folder has a folder for files.
pub struct User(Home);

impl Deref for User {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

impl User {
    pub fn new() -> Self {
        let user = Self(Home::without_model());
        fs::create_dir(user.folder()).unwrap();
        user
    }

    /// Where the files are.
    pub fn folder(&self) -> PathBuf {
        self.scratch().join("files")
    }

    /// Writes a file, whose content is its name.
    pub fn file(&self, name: &str) -> File {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        File(path)
    }

    /// A file that was stamped at this calendar.
    pub fn stamped(&self, name: &str, calendar: &Calendar) -> File {
        let file = self.file(name);
        self.ok(&["stamp", file.name(), "-c", &calendar.url()]);
        file
    }

    /// Asks until the file's proof is complete.
    pub async fn complete(&self, file: &File, calendar: &Calendar) {
        calendar.until_anchored().await;
        self.ok(&["upgrade", file.proof_name(), "-l", &calendar.url()]);
    }
}

/// A file that may have a proof beside it.
pub struct File(PathBuf);

impl File {
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// `FILE.ots`
    pub fn proof_name(&self) -> &str {
        // Leaked, so that arguments can be written in one line; a test ends soon.
        Box::leak(format!("{}.ots", self.name()).into_boxed_str())
    }

    /// `FILE.ots.bak`
    pub fn backup(&self) -> PathBuf {
        format!("{}.ots.bak", self.name()).into()
    }

    pub fn proof_bytes(&self) -> Vec<u8> {
        fs::read(self.proof_name()).unwrap()
    }

    /// The proof, which must be written as we write it.
    pub fn proof(&self) -> DetachedProof {
        let bytes = self.proof_bytes();
        let proof = DetachedProof::from_bytes(&bytes).unwrap();
        assert_eq!(proof.to_bytes().unwrap(), bytes);
        proof
    }

    /// What is attested of it.
    pub fn attested(&self) -> Vec<Attestation> {
        let all = self.proof().attestations().unwrap();
        all.into_iter()
            .map(|(_, attestation)| attestation)
            .collect()
    }

    /// The block that attests it.
    pub fn height(&self) -> Option<u64> {
        self.attested().iter().find_map(|each| match each {
            Attestation::Bitcoin { height } => Some(*height),
            _ => None,
        })
    }
}
