//! Taking a model from a file on this machine.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    catalog::ModelSpec,
    error::{Result, StoreError},
    part::{self, Part},
    progress::{Meter, Phase},
    scratch::Scratch,
};

/// How much is copied between two reports. The standard library copies in the kernel, and on file
/// systems that can do so without copying at all.
const COPY_BYTES: u64 = 64 * 1024 * 1024;
const MAGIC: [u8; 4] = *b"GGUF";

/// Copies `from` into the store's scratch folder and proves that the copy is the pinned model.
pub(super) fn copy(
    from: &Path,
    spec: &ModelSpec,
    scratch: Arc<Scratch>,
    meter: &mut Meter,
) -> Result<PathBuf> {
    let source = open(from)?;
    let found_bytes = source
        .metadata()
        .map_err(StoreError::io("read", from))?
        .len();
    if found_bytes != spec.size_bytes {
        let what = from.display().to_string();
        return Err(StoreError::SizeMismatch {
            what,
            expected_bytes: spec.size_bytes,
            actual_bytes: found_bytes,
        });
    }
    let path = scratch.model_part();
    part::discard(&path)?;
    let copied = copy_bytes(&source, &path, spec.size_bytes, meter).and_then(|()| {
        // Hashing the copy, not the original, proves what the store will hold.
        let part = Part::resume(path.clone(), spec.size_bytes, scratch)?;
        part.seal(&from.display().to_string(), &spec.pin())
    });
    copied.inspect_err(|_| {
        // A copy cannot be resumed, and after a full disk its space is needed.
        let _ = part::discard(&path);
    })
}

/// Copies at most `size_bytes`, in case the file grows meanwhile.
fn copy_bytes(source: &File, path: &Path, size_bytes: u64, meter: &mut Meter) -> Result<()> {
    let mut target = File::create_new(path).map_err(StoreError::io("create", path))?;
    let mut copied_bytes = 0;
    while copied_bytes < size_bytes {
        let mut piece = source.take(COPY_BYTES.min(size_bytes - copied_bytes));
        match io::copy(&mut piece, &mut target).map_err(StoreError::io("copy to", path))? {
            0 => break,
            count => copied_bytes += count,
        }
        meter.report(Phase::Copying, copied_bytes);
    }
    meter.report(Phase::Verifying, copied_bytes);
    Ok(())
}

/// The size and SHA-256 of a GGUF file.
pub(super) fn measure(path: &Path, meter: &mut Meter) -> Result<(u64, String)> {
    let mut file = open(path)?;
    let mut magic = [0; MAGIC.len()];
    match file.read_exact(&mut magic) {
        Ok(()) if magic == MAGIC => {}
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            return Err(StoreError::io("read", path)(error));
        }
        _ => {
            return Err(StoreError::NotGguf {
                path: path.to_owned(),
            });
        }
    }
    meter.set_total(file.metadata().map_err(StoreError::io("read", path))?.len());
    let mut hasher = Sha256::new_with_prefix(magic);
    let offset_bytes = MAGIC.len() as u64;
    let rest_bytes = part::hash(&mut file, &mut hasher, |bytes| {
        meter.report(Phase::Verifying, offset_bytes + bytes)
    });
    let size_bytes = offset_bytes + rest_bytes.map_err(StoreError::io("read", path))?;
    Ok((size_bytes, hex::encode(hasher.finalize())))
}

/// Opens a regular file; a pipe or a device would block or never end.
fn open(path: &Path) -> Result<File> {
    let found = fs::metadata(path).map_err(StoreError::io("read", path))?;
    if !found.is_file() {
        return Err(StoreError::NotGguf {
            path: path.to_owned(),
        });
    }
    File::open(path).map_err(StoreError::io("open", path))
}
