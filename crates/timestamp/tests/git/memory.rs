//! A repository in memory, with folders that are made up.

use std::collections::HashMap;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use timestamp::git::{self, Digest, Hashes, ObjectId, TreeSource, TreeTimestamper};

use crate::sample::Rng;

#[derive(Default)]
pub struct Memory {
    pub objects: HashMap<ObjectId, (&'static str, Vec<u8>)>,
    /// How many times something was asked for.
    pub asked: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    Missing,
    Git(git::Error),
}

impl From<git::Error> for Failure {
    fn from(error: git::Error) -> Self {
        Self::Git(error)
    }
}

impl TreeSource for Memory {
    type Error = Failure;

    fn tree(&mut self, id: &ObjectId) -> Result<Vec<u8>, Failure> {
        self.asked += 1;
        let (_, bytes) = self.objects.get(id).ok_or(Failure::Missing)?;
        Ok(bytes.clone())
    }

    fn blob_digest(&mut self, id: &ObjectId) -> Result<Digest, Failure> {
        Ok(Sha256::digest(self.tree(id)?).into())
    }
}

/// What is in a folder: mode, name, object.
pub type Content = Vec<(&'static str, String, ObjectId)>;

impl Memory {
    pub fn add(&mut self, kind: &'static str, bytes: &[u8]) -> ObjectId {
        let header = format!("{kind} {}\0", bytes.len());
        let id = Sha1::new().chain_update(header).chain_update(bytes);
        let id = ObjectId::Sha1(id.finalize().into());
        self.objects.insert(id, (kind, bytes.to_vec()));
        id
    }

    /// A folder, in git's order.
    pub fn folder(&mut self, mut content: Content) -> ObjectId {
        content.sort_by_key(|(mode, name, _)| match *mode {
            "40000" => format!("{name}/"),
            _ => name.clone(),
        });
        let mut raw = Vec::new();
        for (mode, name, id) in content {
            raw.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            raw.extend_from_slice(id.as_bytes());
        }
        self.add("tree", &raw)
    }

    /// Files of these names, in one folder.
    pub fn files(&mut self, files: &[(&str, &[u8])]) -> ObjectId {
        let content = files.iter().map(|(name, bytes)| {
            let id = self.add("blob", bytes);
            ("100644", (*name).to_owned(), id)
        });
        let content = content.collect();
        self.folder(content)
    }

    pub fn root(&mut self, tree: &ObjectId) -> Result<Digest, Failure> {
        TreeTimestamper::new(self, &mut Hashes::new()).root(tree)
    }

    /// A folder with anything in it. Adds the paths of its files.
    pub fn random(&mut self, rng: &mut Rng, prefix: &str, paths: &mut Vec<String>) -> ObjectId {
        let depth = prefix.matches('/').count();
        let mut content = Content::new();
        for index in 0..=rng.below(if depth == 0 { 12 } else { 5 }) {
            // Some names begin like others, and `a-b` sorts before `a/`.
            let name = ["a", "a-b", "ab", "ä", "b c", "d.txt"][rng.below(6)];
            let name = format!(
                "{name}{}",
                if index < 6 {
                    String::new()
                } else {
                    index.to_string()
                }
            );
            if content.iter().any(|(_, known, _)| *known == name) {
                continue;
            }
            let path = format!("{prefix}{name}");
            content.push(match rng.below(10) {
                0 => ("120000", name, self.add("blob", b"does/not/exist")),
                1 => (
                    "160000",
                    name,
                    ObjectId::Sha1([rng.next().to_le_bytes()[0]; 20]),
                ),
                2..5 if depth < 5 => ("40000", name, self.random(rng, &format!("{path}/"), paths)),
                kind => {
                    paths.push(path);
                    // Equal contents are not rare, and empty ones neither.
                    let bytes = vec![b'x'; rng.below(4)];
                    let mode = if kind == 9 { "100755" } else { "100644" };
                    (mode, name, self.add("blob", &bytes))
                }
            });
        }
        self.folder(content)
    }
}
