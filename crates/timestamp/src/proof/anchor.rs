//! The anchor of a checkpoint's root: what it claims, and what that is worth by itself.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Serialize, Serializer};

use crate::ots::{Attestation, Timestamp};
use crate::text::serde_as_text;
use crate::{Error, Hash, Result};

/// The largest anchor that is read or written, in bytes before base64.
pub const MAX_ANCHOR_BYTES: usize = 16 * 1024;

const ROOT_BYTES: usize = 32;
const WHAT: &str = "the anchor";

/// An OpenTimestamps proof that starts from a log's root. In text it is base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor(Timestamp);

impl Anchor {
    /// Takes a timestamp of a log's root, if it is short enough to be kept in a proof.
    pub fn new(timestamp: Timestamp) -> Result<Self> {
        let anchor = Self(timestamp);
        anchor.to_bytes()?;
        Ok(anchor)
    }

    /// Reads the bytes, which must be in the one form that [`Anchor::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        check_length(bytes.len())?;
        let timestamp = Timestamp::from_bytes(bytes, ROOT_BYTES)?;
        if timestamp.to_bytes()? != bytes {
            return Err(Error::malformed(WHAT, "it is not in its canonical form"));
        }
        Ok(Self(timestamp))
    }

    /// The bytes of the timestamp.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let bytes = self.0.to_bytes()?;
        check_length(bytes.len())?;
        Ok(bytes)
    }

    /// The timestamp.
    pub fn timestamp(&self) -> &Timestamp {
        &self.0
    }
}

fn check_length(length: usize) -> Result<()> {
    if length > MAX_ANCHOR_BYTES {
        return Err(Error::TooLarge {
            what: WHAT,
            max: MAX_ANCHOR_BYTES,
        });
    }
    Ok(())
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One that can't be written can't have been made.
        let bytes = self.0.to_bytes().map_err(|_| fmt::Error)?;
        f.write_str(&BASE64.encode(bytes))
    }
}

impl FromStr for Anchor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Before it is decoded: base64 has four characters for three bytes.
        check_length(text.len() / 4 * 3)?;
        let bytes = BASE64
            .decode(text)
            .map_err(|_| Error::malformed(WHAT, "it is not base64"))?;
        Self::from_bytes(&bytes)
    }
}

serde_as_text!(Anchor);

/// What the best attestation of an anchor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorStatus {
    /// There is no anchor.
    NotAnchored,
    /// Nothing but attestations of unknown kinds, which count for nothing.
    Unknown,
    /// Nothing but a stand-in of a play network, which proves nothing.
    StandIn,
    /// A calendar has promised to anchor it.
    Pending,
    /// It claims to be in a Bitcoin block, which is true if the block's header says so.
    Claimed,
}

/// What an anchor says. None of it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchoring {
    /// The best of what follows.
    pub status: AnchorStatus,
    /// The Bitcoin blocks that it claims to be in, lowest first.
    pub blocks: Vec<BlockClaim>,
    /// The calendars that have promised more.
    pub calendars: Vec<String>,
    /// When stand-ins were made, in seconds since 1970.
    pub stand_ins_unix_s: Vec<u64>,
    /// How many attestations there are that this program can't check.
    pub others: usize,
}

/// The claim that a message is the Merkle root of a Bitcoin block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BlockClaim {
    /// The block's height.
    pub height: u64,
    /// What must be the block's Merkle root, in the byte order of the header.
    #[serde(serialize_with = "as_hex")]
    pub message: Vec<u8>,
}

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

impl Anchoring {
    pub(super) fn of(anchor: Option<&Anchor>, root: &Hash) -> Result<Self> {
        let mut found = Self {
            status: AnchorStatus::NotAnchored,
            blocks: Vec::new(),
            calendars: Vec::new(),
            stand_ins_unix_s: Vec::new(),
            others: 0,
        };
        if let Some(Anchor(timestamp)) = anchor {
            timestamp.replay(root.as_bytes(), &mut |message, attestation| {
                found.add(message, attestation);
            })?;
            found.blocks.sort();
            found.status = found.best();
        }
        Ok(found)
    }

    fn add(&mut self, message: &[u8], attestation: &Attestation) {
        match attestation {
            Attestation::Bitcoin { height } => self.blocks.push(BlockClaim {
                height: *height,
                message: message.to_vec(),
            }),
            Attestation::Pending(uri) => self.calendars.push(uri.to_string()),
            other => match other.stand_in_time_unix_s() {
                Some(time_unix_s) => self.stand_ins_unix_s.push(time_unix_s),
                None => self.others += 1,
            },
        }
    }

    fn best(&self) -> AnchorStatus {
        if !self.blocks.is_empty() {
            AnchorStatus::Claimed
        } else if !self.calendars.is_empty() {
            AnchorStatus::Pending
        } else if !self.stand_ins_unix_s.is_empty() {
            AnchorStatus::StandIn
        } else {
            AnchorStatus::Unknown
        }
    }

    /// In plain words.
    pub fn words(&self) -> String {
        match self.status {
            AnchorStatus::NotAnchored => "not anchored yet".to_owned(),
            AnchorStatus::Unknown => format!(
                "not anchored as far as this program can tell: it knows none of the {} kinds of \
                 attestation",
                self.others
            ),
            AnchorStatus::StandIn => {
                "a stand-in of the play network, which proves nothing".to_owned()
            }
            AnchorStatus::Pending => format!("pending at {}", self.calendars.join(", ")),
            AnchorStatus::Claimed => {
                let heights = self.blocks.iter().map(|claim| claim.height.to_string());
                let heights: Vec<_> = heights.collect();
                format!("claims Bitcoin block {}", heights.join(", "))
            }
        }
    }

    /// What isn't proven as long as nobody has checked the claims.
    pub fn warning(&self) -> String {
        let words = self.words();
        match self.status {
            AnchorStatus::Claimed => format!(
                "{words}: whether it is there takes the block's header to tell, which was not \
                 looked at"
            ),
            _ => format!("{words}: the time is the node's own word"),
        }
    }
}
