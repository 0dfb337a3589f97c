//! Finding out how far the chain on disk is good. Changes nothing on disk.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::super::chain::{ANY_TIME, Cursor, MAX_HEIGHT, Point};
use super::super::flat::Flat;
use super::super::{Error, HEADER_BYTES, Params, Result};
use super::{DATA, FORK, META, journal, meta};

/// The chain as it was found.
pub(super) struct Loaded {
    pub(super) flat: Flat,
    /// The last good header.
    pub(super) tip: Point,
    /// The bytes after the last good header.
    pub(super) bytes_beyond: u64,
    /// Whether `headers.meta` names the tip.
    pub(super) meta_is_current: bool,
    /// Whether the chain had to be checked from the genesis block on.
    pub(super) rechecked: bool,
}

/// Opens the chain and finds its end.
///
/// The headers up to the one that `headers.meta` names were checked before; what comes after it
/// was being written when the process died, and is checked now.
pub(super) fn load(folder: &Path, params: &Params) -> Result<Loaded> {
    let (flat, count) = open(folder, params)?;
    let last = count.saturating_sub(1).min(MAX_HEIGHT);
    // A writer died while it replaced the end: what both branches share is good in any case.
    let fork = journal::load(params, &folder.join(FORK))?.map(|journal| journal.fork);
    let known = match fork {
        Some(fork) => Some(fork),
        None => meta::load(params, &folder.join(META))?,
    };
    let base = known.filter(|point| fits(&flat, point, last));
    let (tip, rechecked) = match base {
        Some(base) if base.height == last || fork.is_some() => (base, false),
        base => {
            let resumed = base.and_then(|base| resume(&flat, params, base).ok());
            let rechecked = resumed.is_none() && last > 0;
            let cursor = resumed.map_or_else(|| Cursor::genesis(params), Ok)?;
            (good_until(&flat, cursor, last)?, rechecked)
        }
    };
    let good_bytes = (u64::from(tip.height) + 1) * HEADER_BYTES as u64;
    Ok(Loaded {
        bytes_beyond: flat.len_bytes()?.saturating_sub(good_bytes),
        flat,
        meta_is_current: fork.is_none() && base == Some(tip),
        rechecked,
        tip,
    })
}

/// Opens the file and makes sure that it is this network's. Returns the number of headers, too.
pub(super) fn open(folder: &Path, params: &Params) -> Result<(Flat, u32)> {
    let path = folder.join(DATA);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(empty(&path)),
        Err(error) => return Err(Error::io("opening", &path)(error)),
    };
    let flat = Flat::new(file, &path, 0);
    let count = flat.count()?;
    if count == 0 {
        return Err(empty(&path));
    }
    if flat.read_one(0)?.block_hash() != params.genesis.block_hash() {
        return Err(Error::WrongNetwork {
            what: path.display().to_string(),
            network: params.name(),
        });
    }
    Ok((flat, count))
}

/// Whether the header that a point names is where it says.
fn fits(flat: &Flat, point: &Point, last: u32) -> bool {
    point.height <= last
        && flat
            .read_one(point.height)
            .is_ok_and(|header| header.block_hash() == point.hash)
}

fn resume<'a>(flat: &Flat, params: &'a Params, base: Point) -> Result<Cursor<'a>> {
    let from = Cursor::needed_from(params, base.height);
    let headers = flat.read(from, base.height - from + 1)?;
    Cursor::resume(params, base, &headers)
}

/// Checks all headers after the cursor, and returns the last good one.
fn good_until(flat: &Flat, mut cursor: Cursor<'_>, last: u32) -> Result<Point> {
    let first = cursor.point().height + 1;
    let mut broken = false;
    flat.for_each_chunk(first, last, |_, headers| {
        // A bad header isn't an error here: the chain simply ends before it.
        broken = broken
            || headers
                .iter()
                .any(|header| cursor.accept(header, ANY_TIME).is_err());
        Ok(())
    })?;
    Ok(cursor.point())
}

fn empty(path: &Path) -> Error {
    Error::Empty {
        what: path.display().to_string(),
    }
}
