//! Commits and tags as git stores them, and how they are signed.

use super::{Error, ObjectId, Result};

/// What can be stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A tag with a message of its own; the other kind is just another name of a commit.
    Tag,
}

impl Kind {
    /// The name, as git has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }
}

/// What the first line of a commit or a tag names: the tree of the one, the object of the other.
///
/// # Errors
/// `UnknownObject` if it is something else, `BadId` if the name can't be read.
pub fn named_object(object: &[u8]) -> Result<(Kind, ObjectId)> {
    let line = object.split(|byte| *byte == b'\n').next();
    let line = line.unwrap_or_default();
    let (kind, name) = match (line.strip_prefix(b"tree "), line.strip_prefix(b"object ")) {
        (Some(name), _) => (Kind::Commit, name),
        (None, Some(name)) => (Kind::Tag, name),
        (None, None) => return Err(Error::UnknownObject),
    };
    Ok((kind, String::from_utf8_lossy(name).parse()?))
}

/// A signed object, taken apart as git does it to have the signature verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub payload: Vec<u8>,
    /// The signature, with whatever stands behind it.
    pub signature: Vec<u8>,
}

/// How a tag's signature may begin.
const SIGNATURES: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
];
/// How the headers begin that hold signatures: `gpgsig` and `gpgsig-sha256`.
const HEADER: &[u8] = b"gpgsig";

impl Signed {
    /// Takes a commit or a tag apart, or returns none if it isn't signed.
    ///
    /// # Errors
    /// As [`named_object`].
    pub fn split(object: &[u8]) -> Result<Option<Self>> {
        let (kind, id) = named_object(object)?;
        let signed = match kind {
            Kind::Commit => {
                let header: &[u8] = match id {
                    ObjectId::Sha1(_) => b"gpgsig ",
                    ObjectId::Sha256(_) => b"gpgsig-sha256 ",
                };
                split_headers(object, header)
            }
            Kind::Tag => {
                let start = signature_start(object);
                Self {
                    payload: split_headers(&object[..start], HEADER).payload,
                    signature: object[start..].to_vec(),
                }
            }
        };
        Ok((!signed.signature.is_empty()).then_some(signed))
    }
}

/// Where a tag's signature begins: at the last line that looks like it.
fn signature_start(tag: &[u8]) -> usize {
    let mut at = 0;
    let mut start = tag.len();
    for line in tag.split_inclusive(|byte| *byte == b'\n') {
        if SIGNATURES.iter().any(|begin| line.starts_with(begin)) {
            start = at;
        }
        at += line.len();
    }
    start
}

/// Takes the signature out of the header that begins so. Signatures for the other hash function
/// are in neither part. A header goes on in the lines that begin with a space.
fn split_headers(object: &[u8], ours: &[u8]) -> Signed {
    enum Within {
        Other,
        Ours,
        Theirs,
    }
    let (mut payload, mut signature) = (Vec::new(), Vec::new());
    let (mut at, mut within) = (0, Within::Other);
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\n" {
            break;
        }
        at += line.len();
        let (rest, next) = match (line, &within) {
            ([b' ', rest @ ..], Within::Ours) => (rest, Within::Ours),
            ([b' ', ..], Within::Theirs) => (line, Within::Theirs),
            _ => match line.strip_prefix(ours) {
                Some(rest) => (rest, Within::Ours),
                None if line.starts_with(HEADER) => (line, Within::Theirs),
                None => (line, Within::Other),
            },
        };
        within = next;
        match within {
            Within::Ours => signature.extend_from_slice(rest),
            Within::Other => payload.extend_from_slice(line),
            Within::Theirs => {}
        }
    }
    payload.extend_from_slice(&object[at..]);
    Signed { payload, signature }
}
