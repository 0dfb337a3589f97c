//! Timestamps of git's commits and tags. Everything goes through the program `git`: it knows
//! packs, partial clones, worktrees and whom it trusts.
//!
//! A proof is either in an object's signature, where `git commit -S` put it, or in a note below
//! `refs/notes/ots`, which can be pushed and fetched.

mod cat_file;
mod error;
mod gpg;
mod hashes;
mod notes;
mod program;
mod proof;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use timestamp::git::{Error, Hashes, Kind, ObjectId, TreeTimestamper, named_object};

use cat_file::CatFile;

pub use error::GitError;
pub use gpg::{run_gpg, sign};
pub use notes::NOTES_REF;
pub use proof::{GitProof, Place};
pub use timestamp::git::{Armored, Commitment, Digest, FileInTree, signed_message};

/// The longest commit or tag that is read.
pub const MAX_OBJECT_BYTES: usize = 16 * 1024 * 1024;

/// A commit or a tag.
#[derive(Debug, Clone)]
pub struct GitObject {
    /// Its name.
    pub id: ObjectId,
    /// Which of the two.
    pub kind: Kind,
    /// What git stores, and what is stamped.
    pub raw: Vec<u8>,
}

/// A repository, open for questions.
#[derive(Debug)]
pub struct Repository {
    folder: PathBuf,
    objects: CatFile,
}

/// Does something with the repository that a folder is in, on a thread that may block.
///
/// # Errors
/// Those of [`Repository::open`] and of `work`.
pub async fn with_repository<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce(&mut Repository) -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    let folder = folder.to_owned();
    let work = move || work(&mut Repository::open(&folder)?);
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(GitError::Failed(error.to_string())),
    }
}

impl Repository {
    /// Opens the repository that a folder is in.
    ///
    /// # Errors
    /// `NotARepository`, `NoGit`.
    pub fn open(folder: &Path) -> Result<Self, GitError> {
        // It says what is wrong, where the other would just end.
        program::line(folder, &["rev-parse", "--git-dir"])?;
        Ok(Self {
            folder: folder.to_owned(),
            objects: CatFile::start(folder)?,
        })
    }

    /// A commit or a tag.
    ///
    /// # Errors
    /// `UnknownRevision`, or if it is something else.
    pub fn object(&mut self, rev: &str) -> Result<GitObject, GitError> {
        let (header, raw) = self.objects.read(rev, MAX_OBJECT_BYTES)?;
        let kind = match header.kind.as_str() {
            "commit" => Kind::Commit,
            "tag" => Kind::Tag,
            _ => return Err(Error::UnknownObject.into()),
        };
        let id = header.id;
        Ok(GitObject { id, kind, raw })
    }

    /// What is to be stamped of an object whose first message this is: the object, and the tree
    /// that it names, if there is anything in it. It needs no signature to name one.
    ///
    /// # Errors
    /// If git doesn't have all of it.
    pub fn commitment(&mut self, message: Digest, object: &[u8]) -> Result<Commitment, GitError> {
        let Some(tree) = self.tree(object)? else {
            return Ok(Commitment::new(message, None));
        };
        let root = self.hashing(|timestamper| timestamper.root(&tree));
        match root {
            Ok(root) => Ok(Commitment::new(message, Some(root))),
            Err(GitError::Format(Error::EmptyTree)) => Ok(Commitment::new(message, None)),
            Err(error) => Err(error),
        }
    }

    /// A file in an object's tree. The path is one from the root of the repository, in the form
    /// that [`Self::path_inside`] returns.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn file(&mut self, object: &[u8], path: &[u8]) -> Result<FileInTree, GitError> {
        let tree = self.tree(object)?.ok_or(Error::WithoutTree)?;
        self.hashing(|timestamper| timestamper.file(&tree, path))
    }

    /// The path from the root of the repository, for one from the folder.
    ///
    /// # Errors
    /// `Outside`.
    pub fn path_inside(&self, path: &Path) -> Result<Vec<u8>, GitError> {
        let outside = || GitError::Outside(path.to_owned());
        let path_here = if path.is_absolute() {
            let top = program::line(&self.folder, &["rev-parse", "--show-toplevel"])?;
            let top = PathBuf::from(OsString::from_vec(top));
            path.strip_prefix(top).map_err(|_| outside())?.to_owned()
        } else {
            let prefix = program::line(&self.folder, &["rev-parse", "--show-prefix"])?;
            PathBuf::from(OsString::from_vec(prefix)).join(path)
        };
        let mut parts = Vec::new();
        for part in path_here.components() {
            match part {
                Component::Normal(name) => parts.push(name.as_bytes()),
                Component::ParentDir => drop(parts.pop().ok_or_else(outside)?),
                _ => {}
            }
        }
        Ok(parts.join(&b'/'))
    }

    /// The tree that an object names; a tag may be of something without one.
    fn tree(&mut self, object: &[u8]) -> Result<Option<ObjectId>, GitError> {
        let (kind, named) = named_object(object)?;
        if kind == Kind::Commit {
            return Ok(Some(named));
        }
        let mut target = self.objects.header(&named.to_string())?;
        if target.kind != "tree" {
            let tree = self.objects.header(&format!("{named}^{{tree}}"));
            target = match tree {
                Ok(tree) => tree,
                Err(GitError::UnknownRevision(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        Ok(Some(target.id))
    }

    /// Hashes with what was learned before, and keeps what is learned now.
    fn hashing<T>(
        &mut self,
        work: impl FnOnce(&mut TreeTimestamper<'_, CatFile>) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let common = program::line(&self.folder, &["rev-parse", "--git-common-dir"])?;
        let common = self.folder.join(OsString::from_vec(common));
        let mut known: Hashes = hashes::load(&common);
        let before = known.len();
        let result = work(&mut TreeTimestamper::new(&mut self.objects, &mut known));
        if known.len() > before {
            hashes::save(&common, &known);
        }
        result
    }
}
