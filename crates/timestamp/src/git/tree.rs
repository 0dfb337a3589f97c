//! A commit's tree, hashed anew: the reference's `GitTreeTimestamper`.

use std::collections::HashMap;

use super::level::Level;
use super::{Digest, Error, ObjectId, Result, sha256};
use crate::ots::Op;

/// How many folders deep a tree may be. Git itself stops at 2,048.
pub const MAX_TREE_DEPTH: usize = 512;

/// What git knows.
pub trait TreeSource {
    /// Why it can't be had.
    type Error: From<Error>;

    /// A tree, as git stores it.
    ///
    /// # Errors
    /// If it isn't there.
    fn tree(&mut self, id: &ObjectId) -> std::result::Result<Vec<u8>, Self::Error>;

    /// The SHA-256 of a file's content.
    ///
    /// # Errors
    /// If it isn't there.
    fn blob_digest(&mut self, id: &ObjectId) -> std::result::Result<Digest, Self::Error>;
}

/// The digests of trees and files that are known already. An object never changes, so they stay
/// right for ever.
pub type Hashes = HashMap<ObjectId, Digest>;

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link. Its content is the path that it points to.
    Link,
    /// A commit of another repository.
    Submodule,
}

impl EntryKind {
    fn of_mode(mode: u32) -> Result<Self> {
        match mode >> 12 {
            0o04 => Ok(Self::Folder),
            0o10 => Ok(Self::File),
            0o12 => Ok(Self::Link),
            0o16 => Ok(Self::Submodule),
            _ => Err(Error::BadTree("an entry is of an unknown kind")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::File => "file",
            Self::Link => "symbolic link",
            Self::Submodule => "submodule",
        }
    }
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub kind: EntryKind,
    /// Its name, in whatever encoding.
    pub name: &'a [u8],
    /// The object.
    pub id: ObjectId,
}

/// Reads a tree whose objects' names are as long as this one's.
///
/// # Errors
/// `BadTree`.
pub fn entries<'a>(mut tree: &'a [u8], like: &ObjectId) -> Result<Vec<Entry<'a>>> {
    let id_bytes = like.as_bytes().len();
    let cut_off = Error::BadTree("it is cut off");
    let mut all = Vec::new();
    while !tree.is_empty() {
        let space = tree.iter().position(|byte| *byte == b' ');
        let (mode, rest) = tree.split_at(space.ok_or(cut_off.clone())?);
        let end = rest.iter().position(|byte| *byte == 0);
        let (name, rest) = rest.split_at(end.ok_or(cut_off.clone())?);
        let id = rest.get(1..=id_bytes).ok_or(cut_off.clone())?;
        all.push(Entry {
            kind: EntryKind::of_mode(octal(mode)?)?,
            name: &name[1..],
            id: ObjectId::from_bytes(id).ok_or(cut_off.clone())?,
        });
        tree = &rest[1 + id_bytes..];
    }
    Ok(all)
}

fn octal(mode: &[u8]) -> Result<u32> {
    let is_mode =
        (1..=6).contains(&mode.len()) && mode.iter().all(|digit| b"01234567".contains(digit));
    if !is_mode {
        return Err(Error::BadTree("an entry's mode can't be read"));
    }
    Ok(mode
        .iter()
        .fold(0, |mode, digit| mode << 3 | u32::from(digit - b'0')))
}

/// A file, and its way to the root of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInTree {
    /// The SHA-256 of its content.
    pub digest: Digest,
    /// The operations from the digest to the root.
    pub ops: Vec<Op>,
}

/// Hashes trees anew.
#[derive(Debug)]
pub struct TreeTimestamper<'a, S> {
    source: &'a mut S,
    known: &'a mut Hashes,
}

impl<'a, S: TreeSource> TreeTimestamper<'a, S> {
    /// Takes what is known from `known`, and leaves there what it learns.
    pub fn new(source: &'a mut S, known: &'a mut Hashes) -> Self {
        Self { source, known }
    }

    /// The root of a tree.
    ///
    /// # Errors
    /// If something isn't there, is damaged, or has nothing in it.
    pub fn root(&mut self, tree: &ObjectId) -> std::result::Result<Digest, S::Error> {
        self.tree(tree, MAX_TREE_DEPTH)
    }

    /// A file's way to the root of a tree. The path's parts are separated by `/`.
    ///
    /// # Errors
    /// As [`Self::root`], and if there is no such file.
    pub fn file(
        &mut self,
        tree: &ObjectId,
        path: &[u8],
    ) -> std::result::Result<FileInTree, S::Error> {
        let readable = || String::from_utf8_lossy(path).into_owned();
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        let (mut folder, mut ops) = (*tree, Vec::new());
        while let Some(part) = parts.next().filter(|_| ops.len() < MAX_TREE_DEPTH) {
            let raw = self.source.tree(&folder)?;
            let entries = entries(&raw, &folder)?;
            let Some(index) = entries.iter().position(|entry| entry.name == part) else {
                break;
            };
            let Entry { kind, id, .. } = entries[index];
            let level = self.level(&entries, MAX_TREE_DEPTH)?;
            ops.push(level.path(index));
            match (kind, parts.peek()) {
                (EntryKind::Folder, Some(_)) => folder = id,
                (EntryKind::File, None) => {
                    let digest = self.entry(&entries[index], MAX_TREE_DEPTH)?;
                    let ops = ops.into_iter().rev().flatten().collect();
                    return Ok(FileInTree { digest, ops });
                }
                (_, Some(_)) => break,
                (_, None) => {
                    let (path, what) = (readable(), kind.name());
                    return Err(Error::NotAFile { path, what }.into());
                }
            }
        }
        Err(Error::NoSuchPath { path: readable() }.into())
    }

    fn tree(&mut self, id: &ObjectId, depth: usize) -> std::result::Result<Digest, S::Error> {
        if let Some(digest) = self.known.get(id) {
            return Ok(*digest);
        }
        let Some(depth) = depth.checked_sub(1) else {
            let max = MAX_TREE_DEPTH;
            return Err(Error::TreeTooDeep { max }.into());
        };
        let raw = self.source.tree(id)?;
        let root = self.level(&entries(&raw, id)?, depth)?.root();
        self.known.insert(*id, root);
        Ok(root)
    }

    fn level(
        &mut self,
        entries: &[Entry<'_>],
        depth: usize,
    ) -> std::result::Result<Level, S::Error> {
        let digests = entries.iter().map(|entry| self.entry(entry, depth));
        let digests = digests.collect::<std::result::Result<Vec<Digest>, S::Error>>()?;
        Ok(Level::new(digests)?)
    }

    fn entry(&mut self, entry: &Entry<'_>, depth: usize) -> std::result::Result<Digest, S::Error> {
        match entry.kind {
            EntryKind::Folder => self.tree(&entry.id, depth),
            // There need not be more of it here than its name.
            EntryKind::Submodule => Ok(sha256(&[entry.id.as_bytes()])),
            EntryKind::File | EntryKind::Link => {
                if let Some(digest) = self.known.get(&entry.id) {
                    return Ok(*digest);
                }
                let digest = self.source.blob_digest(&entry.id)?;
                self.known.insert(entry.id, digest);
                Ok(digest)
            }
        }
    }
}
