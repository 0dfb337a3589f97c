//! Cosignatures: what an ML-DSA-44 key says of a checkpoint (C2SP `tlog-cosignature`, type 0x06).
//!
//! A note line carries `u64 time ‖ signature` (both numbers big-endian), and what is signed is not
//! the note's text but a structure of its own:
//!
//! ```text
//! "subtree/v1\n\0" ‖ u8 length ‖ cosigner's name ‖ u64 time
//!                  ‖ u8 length ‖ log's origin ‖ u64 start ‖ u64 end ‖ 32-byte root
//! ```
//!
//! The time is in seconds since 1970. It says that this was the largest tree then; zero says
//! nothing of the kind. For a checkpoint `start` is 0 and `end` the tree's size. Extension lines
//! are not covered, so the logs of this crate have none.
//!
//! The specification names no context string for FIPS 204, so the empty one is used, as by the
//! implementations that were found.

use crate::checkpoint::Checkpoint;
use crate::note::{Cosigner, CosignerKey, MAX_NAME_BYTES, Signature};
use crate::{Error, Result};

const LABEL: &[u8; 12] = b"subtree/v1\n\0";
const TIME_BYTES: usize = 8;

/// The time of a cosignature that doesn't say when its tree was the largest.
pub const NO_TIME: u64 = 0;
/// The latest time that the specification allows.
pub const MAX_TIME_UNIX_S: u64 = i64::MAX as u64;

/// The bytes that `cosigner` signs to cosign a checkpoint.
pub fn cosigned_message(
    cosigner: &str,
    time_unix_s: u64,
    checkpoint: &Checkpoint,
) -> Result<Vec<u8>> {
    if time_unix_s > MAX_TIME_UNIX_S {
        return Err(Error::InvalidField {
            field: "time",
            why: "must be below 2⁶³ seconds",
        });
    }
    let mut message = LABEL.to_vec();
    push_text(&mut message, "key name", cosigner)?;
    message.extend_from_slice(&time_unix_s.to_be_bytes());
    push_text(&mut message, "origin", &checkpoint.origin)?;
    message.extend_from_slice(&0_u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size.to_be_bytes());
    message.extend_from_slice(checkpoint.root.as_bytes());
    Ok(message)
}

/// The signature line that cosigns a checkpoint.
pub(crate) fn cosign(
    cosigner: &Cosigner,
    time_unix_s: u64,
    checkpoint: &Checkpoint,
) -> Result<Signature> {
    let key = cosigner.verifier();
    let message = cosigned_message(key.name(), time_unix_s, checkpoint)?;
    let signature = cosigner.sign_bytes(&message)?;
    Ok(Signature {
        name: key.name().to_owned(),
        key_id: key.key_id(),
        bytes: [time_unix_s.to_be_bytes().as_slice(), &signature].concat(),
    })
}

/// Whether the bytes of a signature line cosign the checkpoint.
pub(crate) fn verifies(key: &CosignerKey, bytes: &[u8], checkpoint: &Checkpoint) -> bool {
    let Some((time, signature)) = bytes.split_first_chunk::<TIME_BYTES>() else {
        return false;
    };
    cosigned_message(key.name(), u64::from_be_bytes(*time), checkpoint)
        .is_ok_and(|message| key.verifies(&message, signature))
}

fn push_text(message: &mut Vec<u8>, field: &'static str, text: &str) -> Result<()> {
    match u8::try_from(text.len()) {
        Ok(length @ 1..) => message.push(length),
        _ => {
            let why = "must have 1 to 255 bytes";
            return Err(Error::InvalidField { field, why });
        }
    }
    debug_assert!(text.len() <= MAX_NAME_BYTES);
    message.extend_from_slice(text.as_bytes());
    Ok(())
}
