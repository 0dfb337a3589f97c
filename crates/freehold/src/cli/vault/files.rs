//! PSBTs and policies in files.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use node::{PSBT_BYTES_MAX, VaultError, join_qr, read_psbt};

use crate::failure::{Failure, Result};

/// A policy's text.
pub fn text(path: &Path) -> Result<String> {
    let bytes = bytes(path)?;
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("{} isn't a text file", path.display());
        Failure::user("file_error", message, "a policy is a TOML file")
    })
}

/// A PSBT in whatever form it came: bytes, base64, or the texts of QR codes, one a line. What comes
/// back is base64.
pub fn read(path: &Path) -> Result<String> {
    let bytes = bytes(path)?;
    let bytes = match std::str::from_utf8(&bytes) {
        Ok(text) if text.trim_start().starts_with("B$") => {
            let parts: Vec<&str> = text
                .lines()
                .filter(|line| !line.trim().is_empty())
                .collect();
            join_qr(&parts).map_err(refused)?
        }
        _ => bytes,
    };
    Ok(read_psbt(&bytes).map_err(refused)?.to_string())
}

/// Writes a PSBT, as bytes if the file's name says so (`.psbt`), otherwise as base64.
pub fn write(path: &Path, psbt: &str) -> Result<()> {
    let failed = |error| Failure::file("write", path, &error);
    let is_binary = path
        .extension()
        .is_some_and(|extension| extension == "psbt");
    let bytes = match is_binary {
        true => read_psbt(psbt.as_bytes()).map_err(refused)?.serialize(),
        false => format!("{psbt}\n").into_bytes(),
    };
    let mut file = File::create(path).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Writes a token: only this user may read it.
pub fn write_private(path: &Path, token: &str) -> Result<()> {
    let failed = |error| Failure::file("write", path, &error);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    writeln!(file, "{token}").map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| Failure::file("read", path, &error);
    let mut bytes = Vec::new();
    let limit = 2 * PSBT_BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

pub fn refused(error: VaultError) -> Failure {
    Failure::user(error.code(), error.to_string(), error.hint())
}
