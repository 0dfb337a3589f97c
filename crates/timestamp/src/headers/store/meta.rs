//! `headers.meta`: how far the chain was checked, so that it needn't be checked again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use bitcoin::Work;
use serde::{Deserialize, Serialize};

use super::super::chain::{MAX_HEIGHT, Point};
use super::super::{Error, Params, Result};

const VERSION: u32 = 1;
/// Four times what the longest may have.
const MAX_BYTES: u64 = 2048;

/// A [`Point`] as it is written down, together with the network it is of.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    version: u32,
    genesis: String,
    height: u32,
    hash: String,
    work: String,
}

/// A point as one line of JSON.
pub(super) fn to_line(params: &Params, point: &Point) -> Result<Vec<u8>> {
    let written = Written {
        version: VERSION,
        genesis: params.genesis.block_hash().to_string(),
        height: point.height,
        hash: point.hash.to_string(),
        work: hex::encode(point.work.to_be_bytes()),
    };
    let mut line = serde_json::to_vec(&written).map_err(|error| Error::Io {
        what: "writing a point of the chain".to_owned(),
        why: error.to_string(),
    })?;
    line.push(b'\n');
    Ok(line)
}

/// The point that a line holds, if it is one of this network.
pub(super) fn from_line(params: &Params, line: &[u8]) -> Option<Point> {
    let written: Written = serde_json::from_slice(line).ok()?;
    let is_ours = written.version == VERSION
        && written.height <= MAX_HEIGHT
        && written.genesis == params.genesis.block_hash().to_string();
    is_ours.then_some(())?;
    let mut work = [0; 32];
    hex::decode_to_slice(&written.work, &mut work).ok()?;
    Some(Point {
        height: written.height,
        hash: written.hash.parse().ok()?,
        work: Work::from_be_bytes(work),
    })
}

/// Reads the point in this file. A file that is missing or makes no sense is as good as none.
pub(super) fn load(params: &Params, path: &Path) -> Result<Option<Point>> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    Ok(bytes.and_then(|bytes| from_line(params, &bytes)))
}

/// The bytes of a file, or `None` if it doesn't exist or is longer than it can be.
pub(super) fn read_bounded(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > max_bytes => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("reading", path)(error)),
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("reading", path)(error)),
    }
}

/// Writes the point into this file.
pub(super) fn save(params: &Params, path: &Path, point: &Point) -> Result<()> {
    write_atomic(path, &[&to_line(params, point)?])
}

/// Writes a file so that it has either its old or its new content, and the new one for good when
/// this returns.
pub(super) fn write_atomic(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary).map_err(Error::io("creating", &temporary))?;
    for part in parts {
        file.write_all(part)
            .map_err(Error::io("writing", &temporary))?;
    }
    file.sync_all().map_err(Error::io("writing", &temporary))?;
    fs::rename(&temporary, path).map_err(Error::io("writing", path))?;
    sync_folder_of(path)
}

/// Removes a file for good, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("removing", path)(error)),
    }
}

/// Makes a rename or a removal durable.
fn sync_folder_of(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("writing", folder))
}
