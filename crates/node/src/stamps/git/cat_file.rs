//! `git cat-file --batch`: any number of objects from one process.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use timestamp::git::{Digest, ObjectId, TreeSource};
use timestamp::ots::Digester;

use super::program::{command, no_git};
use super::{GitError, MAX_OBJECT_BYTES};

/// The longest name of an object that is asked for.
const MAX_NAME_BYTES: usize = 4096;
/// The longest tree that is read: more than a million files in one folder.
const MAX_TREE_BYTES: usize = 4 * MAX_OBJECT_BYTES;

/// What git says of an object before its content.
#[derive(Debug)]
pub(super) struct Header {
    pub id: ObjectId,
    pub kind: String,
    bytes: u64,
}

/// The process.
#[derive(Debug)]
pub(super) struct CatFile {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl CatFile {
    pub fn start(folder: &Path) -> Result<Self, GitError> {
        let mut child = command(folder)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(no_git)?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(broken)?;
        Ok(Self {
            child,
            input,
            output: BufReader::with_capacity(64 * 1024, output),
        })
    }

    /// What an object is, without its content.
    pub fn header(&mut self, name: &str) -> Result<Header, GitError> {
        let header = self.ask(name)?;
        self.content(header.bytes, |content| {
            io::copy(content, &mut io::sink()).map(drop)
        })?;
        Ok(header)
    }

    /// An object that isn't too long.
    pub fn read(&mut self, name: &str, max: usize) -> Result<(Header, Vec<u8>), GitError> {
        let header = self.ask(name)?;
        let is_short = usize::try_from(header.bytes).is_ok_and(|bytes| bytes <= max);
        let content = self.content(header.bytes, |content| {
            let mut bytes = Vec::new();
            if is_short {
                content.read_to_end(&mut bytes)?;
            }
            // What is left would be taken for the next answer.
            io::copy(content, &mut io::sink())?;
            Ok(bytes)
        })?;
        match is_short {
            true => Ok((header, content)),
            false => Err(GitError::TooLong {
                what: format!("{} {}", header.kind, header.id),
                max,
            }),
        }
    }

    fn ask(&mut self, name: &str) -> Result<Header, GitError> {
        let unknown = || GitError::UnknownRevision(name.chars().take(80).collect());
        // It is one line to git.
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(['\n', '\0']) {
            return Err(unknown());
        }
        let input = self.input.as_mut().ok_or_else(broken)?;
        input.write_all(format!("{name}\n").as_bytes())?;
        input.flush()?;
        let mut line = Vec::new();
        let max = MAX_NAME_BYTES as u64 + 100;
        (&mut self.output).take(max).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(broken().into());
        }
        let line = String::from_utf8_lossy(&line);
        parse(line.trim_end()).ok_or_else(unknown)
    }

    /// Hands the content to `read`, which must read all of it, and takes the line's end off.
    fn content<T>(
        &mut self,
        bytes: u64,
        read: impl FnOnce(&mut io::Take<&mut BufReader<ChildStdout>>) -> io::Result<T>,
    ) -> Result<T, GitError> {
        let mut content = (&mut self.output).take(bytes);
        let result = read(&mut content)?;
        if content.limit() != 0 {
            return Err(broken().into());
        }
        self.output.read_exact(&mut [0])?;
        Ok(result)
    }
}

/// `<name> <kind> <length>`; anything else, such as `<name> missing`, is none.
fn parse(line: &str) -> Option<Header> {
    let mut words = line.split(' ');
    let header = Header {
        id: words.next()?.parse().ok()?,
        kind: words.next()?.to_owned(),
        bytes: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(header)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ended")
}

impl TreeSource for CatFile {
    type Error = GitError;

    fn tree(&mut self, id: &ObjectId) -> Result<Vec<u8>, GitError> {
        Ok(self.read(&id.to_string(), MAX_TREE_BYTES)?.1)
    }

    fn blob_digest(&mut self, id: &ObjectId) -> Result<Digest, GitError> {
        let header = self.ask(&id.to_string())?;
        let read = self.content(header.bytes, |content| {
            Digester::Sha256.digest_reader(content)
        })?;
        let mut digest = Digest::default();
        digest.copy_from_slice(&read);
        Ok(digest)
    }
}

impl Drop for CatFile {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_an_object() {
        let id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        assert!(parse(&format!("{id} tree 0")).is_some());
        for line in ["", id, "HEAD missing", "x ambiguous"] {
            assert!(parse(line).is_none(), "{line}");
        }
        assert!(parse(&format!("{id} missing")).is_none());
        assert!(parse(&format!("{id} tree 0 0")).is_none());
        assert!(parse(&format!("{id} tree -1")).is_none());
    }
}
