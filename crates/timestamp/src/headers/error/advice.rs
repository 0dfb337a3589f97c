//! What an error is called by programs, and what a person can do about it.

use super::Error;

impl Error {
    /// A stable name for programs; it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BrokenLink { .. } => "header_broken_link",
            Self::WeakWork { .. } => "header_weak_work",
            Self::WrongBits { .. } => "header_wrong_bits",
            Self::ImpossibleBits { .. } => "header_impossible_bits",
            Self::TimeTooOld { .. } => "header_time_too_old",
            Self::TimeTooNew { .. } => "header_time_too_new",
            Self::CheckpointMismatch { .. } => "header_checkpoint_mismatch",
            Self::TooLong { .. } => "headers_too_long",
            Self::WrongNetwork { .. } => "headers_wrong_network",
            Self::TooLittleWork { .. } => "headers_too_little_work",
            Self::Gap { .. } => "headers_gap",
            Self::NotMoreWork { .. } => "headers_not_more_work",
            Self::BelowCheckpoint { .. } => "headers_below_checkpoint",
            Self::NotStored { .. } => "header_not_stored",
            Self::Empty { .. } => "headers_empty",
            Self::Damaged { .. } => "header_damaged",
            Self::Locked { .. } => "headers_locked",
            Self::Io { .. } => "headers_io",
            Self::Malformed { .. } => "header_file_malformed",
            Self::StartHeightNeeded { .. } => "header_file_start_height_needed",
            Self::DigestLength { .. } => "attestation_digest_length",
            Self::RootMismatch { .. } => "attestation_root_mismatch",
            Self::Source { .. } => "header_source_failed",
            Self::NoSource { .. } => "header_no_source",
            Self::SourcesDisagree { .. } => "header_sources_disagree",
            Self::Address { .. } => "header_source_address",
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BrokenLink { .. }
            | Self::WeakWork { .. }
            | Self::WrongBits { .. }
            | Self::ImpossibleBits { .. }
            | Self::TimeTooOld { .. }
            | Self::CheckpointMismatch { .. } => {
                "do not rely on these headers: they are not the network's; take them from elsewhere"
            }
            Self::TimeTooNew { .. } => "check this machine's clock",
            Self::TooLong { .. } => "check that this is the right network",
            Self::WrongNetwork { .. } => "choose the other network, or another folder",
            Self::TooLittleWork { .. } => "fetch the rest of the headers first",
            Self::Gap { .. } => "offer the headers in order",
            Self::NotMoreWork { .. } => "nothing is to be done: the chain with more work is kept",
            Self::BelowCheckpoint { .. } => {
                "do not use this source: it is not on the network's chain"
            }
            Self::NotStored { .. } => "fetch newer headers, or wait until the block is found",
            Self::Empty { .. } => "fetch headers, or give a header file",
            Self::Damaged { .. } => {
                "open the headers again, which repairs them if they were being written to; if it \
                 stays, have them checked from the beginning"
            }
            Self::Locked { .. } => "stop the other process, or wait for it",
            Self::Io { .. } => "check the file's permissions and the free space",
            Self::Malformed { .. } => "a header file is 80 bytes for each header and nothing else",
            Self::StartHeightNeeded { .. } => "say at which height the file starts",
            Self::DigestLength { .. } => "the proof is wrong; a calendar may have a better one",
            Self::RootMismatch { .. } => {
                "the proof does not hold for this block; look at its other attestations"
            }
            Self::Source { .. } | Self::NoSource { .. } => {
                "check the address and the connection, or name another source"
            }
            Self::SourcesDisagree { .. } => {
                "do not rely on anything after that height: ask a node that you run yourself"
            }
            Self::Address { .. } => "correct the address",
        }
    }
}
