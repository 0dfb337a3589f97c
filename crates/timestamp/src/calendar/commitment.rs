//! Commitments: what a calendar promises to timestamp, one for each round.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::Hash;
use crate::ots::{Arg, Op};

/// The length of a commitment.
pub const COMMITMENT_BYTES: usize = TIME_BYTES + ROOT_BYTES + MAC_BYTES;

const TIME_BYTES: usize = 4;
const ROOT_BYTES: usize = 32;
const MAC_BYTES: usize = 8;

/// The calendar's key. It only tells commitments of this calendar from others', so that a
/// stranger's question costs no search, and a torn record is known for what it is.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes a random key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `time (4 bytes, big-endian, Unix seconds) ‖ root of the round ‖ MAC (8 bytes)`, the form that
/// the reference's calendar gave it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commitment([u8; COMMITMENT_BYTES]);

impl Commitment {
    /// Commits to a round's root at a time.
    pub fn new(time_unix_s: u32, root: &[u8; ROOT_BYTES], secret: &Secret) -> Self {
        let mut bytes = [0; COMMITMENT_BYTES];
        bytes[..TIME_BYTES].copy_from_slice(&time_unix_s.to_be_bytes());
        bytes[TIME_BYTES..TIME_BYTES + ROOT_BYTES].copy_from_slice(root);
        let mac = mac(secret, &bytes[..TIME_BYTES + ROOT_BYTES]);
        bytes[TIME_BYTES + ROOT_BYTES..].copy_from_slice(&mac);
        Self(bytes)
    }

    /// Takes 44 bytes for a commitment; see [`Commitment::is_by`].
    pub fn from_bytes(bytes: [u8; COMMITMENT_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; COMMITMENT_BYTES] {
        &self.0
    }

    /// When the round ended, in Unix seconds.
    pub fn time_unix_s(&self) -> u32 {
        self.0
            .first_chunk()
            .map_or(0, |time| u32::from_be_bytes(*time))
    }

    /// Whether the calendar with this key made it.
    pub fn is_by(&self, secret: &Secret) -> bool {
        let (signed, theirs) = self.0.split_at(TIME_BYTES + ROOT_BYTES);
        mac(secret, signed) == theirs
    }

    /// The operations that lead from the round's root here.
    pub fn path(&self) -> [Op; 2] {
        let (time, rest) = self.0.split_at(TIME_BYTES);
        // Neither is empty.
        let arg = |bytes: &[u8]| Arg::new(bytes).ok();
        match (arg(time), arg(&rest[ROOT_BYTES..])) {
            (Some(time), Some(mac)) => [Op::Prepend(time), Op::Append(mac)],
            _ => unreachable!("four and eight bytes are arguments"),
        }
    }

    /// The leaf that stands for it in the tree below the anchor.
    pub fn leaf(&self) -> [u8; 32] {
        Hash::of(&self.0).0
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

fn mac(secret: &Secret, bytes: &[u8]) -> [u8; MAC_BYTES] {
    let mut out = [0; MAC_BYTES];
    // HMAC takes keys of any length.
    if let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&secret.0) {
        hmac.update(bytes);
        out.copy_from_slice(&hmac.finalize().into_bytes()[..MAC_BYTES]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_from_the_root_to_the_commitment() {
        let secret = Secret::new([7; 32]);
        let commitment = Commitment::new(1_700_000_000, &[9; 32], &secret);
        let mut message = vec![9; 32];
        for op in commitment.path() {
            op.apply(&mut message).unwrap();
        }
        assert_eq!(message, commitment.as_bytes());
        assert_eq!(commitment.time_unix_s(), 1_700_000_000);
    }

    #[test]
    fn others_commitments_are_told_apart() {
        let secret = Secret::new([7; 32]);
        let commitment = Commitment::new(1, &[9; 32], &secret);
        assert!(commitment.is_by(&secret));
        assert!(!commitment.is_by(&Secret::new([8; 32])));
        for byte in 0..COMMITMENT_BYTES {
            let mut bytes = *commitment.as_bytes();
            bytes[byte] ^= 1;
            assert!(!Commitment::from_bytes(bytes).is_by(&secret), "{byte}");
        }
    }
}
