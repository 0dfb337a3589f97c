//! Checking a timestamp against the chain.

use serde::Serialize;
use timestamp::ots::{Attestation, Timestamp};

use super::StampError;
use super::headers::{Chain, HeaderProgress, HeaderSources};

/// Where the truth comes from.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The chain of headers.
    pub headers: HeaderSources,
    /// The time.
    pub now_unix_s: u64,
}

/// What one attestation turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// It holds: the message was there before this block.
    Bitcoin {
        /// The block's height.
        height: u32,
        /// The block's time, in Unix seconds.
        time_unix_s: u64,
        /// The block's hash.
        block_hash: String,
        /// How deep the block is: 1 for the last one.
        confirmations: u32,
        /// Where the header is from.
        by: String,
    },
    /// It is false: the block commits to something else.
    False {
        /// The block's height.
        height: u64,
        /// What is wrong.
        why: String,
    },
    /// It can't be checked now.
    Unchecked {
        /// The block's height.
        height: u64,
        /// Why not.
        why: String,
    },
    /// A calendar has promised it.
    Pending {
        /// The calendar.
        calendar: String,
    },
    /// A stand-in of a play network, which proves nothing.
    StandIn {
        /// When it was made, in Unix seconds.
        time_unix_s: u64,
    },
    /// Of a kind that this program can't check.
    Other {
        /// The attestation, as text.
        attestation: String,
    },
}

/// What a timestamp proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The attestations, those that hold first, the oldest of them foremost.
    pub findings: Vec<Finding>,
}

impl Found {
    /// The oldest attestation that holds.
    #[must_use]
    pub fn best(&self) -> Option<&Finding> {
        self.findings
            .first()
            .filter(|finding| matches!(finding, Finding::Bitcoin { .. }))
    }

    /// The error that kept an attestation from being checked, or showed it to be false.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.findings.iter().find_map(|finding| match finding {
            Finding::False { why, .. } | Finding::Unchecked { why, .. } => Some(why.as_str()),
            _ => None,
        })
    }
}

/// Checks all attestations of a timestamp.
///
/// # Errors
/// If the timestamp can't be computed, or sources of headers contradict each other.
pub async fn verify_proof(
    message: &[u8],
    timestamp: &Timestamp,
    options: &VerifyOptions,
    progress: &mut HeaderProgress<'_>,
) -> Result<Found, StampError> {
    let attested = timestamp.attestations(message)?;
    let highest = attested
        .iter()
        .filter_map(|(_, attestation)| match attestation {
            Attestation::Bitcoin { height } => u32::try_from(*height).ok(),
            _ => None,
        });
    let chain = match highest.max() {
        None => None,
        Some(highest) => Some(
            match options
                .headers
                .open(highest, options.now_unix_s, progress)
                .await
            {
                Ok(chain) => Ok(chain),
                // A contradiction must not pass for "can't be checked now".
                Err(
                    error @ StampError::Headers(timestamp::headers::Error::SourcesDisagree {
                        ..
                    }),
                ) => {
                    return Err(error);
                }
                Err(error) => Err(error.to_string()),
            },
        ),
    };
    let mut findings: Vec<Finding> = attested
        .iter()
        .map(|(message, attestation)| judge(message, attestation, chain.as_ref()))
        .collect();
    findings.sort_by_key(|finding| match finding {
        Finding::Bitcoin { height, .. } => (0, u64::from(*height)),
        Finding::False { height, .. } => (1, *height),
        Finding::Unchecked { height, .. } => (2, *height),
        _ => (3, 0),
    });
    Ok(Found { findings })
}

fn judge(
    message: &[u8],
    attestation: &Attestation,
    chain: Option<&Result<Chain, String>>,
) -> Finding {
    match attestation {
        Attestation::Pending(calendar) => Finding::Pending {
            calendar: calendar.to_string(),
        },
        Attestation::Bitcoin { height } => judge_bitcoin(message, *height, chain),
        other => match other.stand_in_time_unix_s() {
            Some(time_unix_s) => Finding::StandIn { time_unix_s },
            None => Finding::Other {
                attestation: other.to_string(),
            },
        },
    }
}

fn judge_bitcoin(message: &[u8], height: u64, chain: Option<&Result<Chain, String>>) -> Finding {
    let unchecked = |why: String| Finding::Unchecked { height, why };
    let Ok(short) = u32::try_from(height) else {
        return unchecked("no chain is that high".to_owned());
    };
    let chain = match chain {
        Some(Ok(chain)) => chain,
        Some(Err(why)) => return unchecked(why.clone()),
        None => return unchecked("there are no headers".to_owned()),
    };
    use timestamp::headers::Error;
    match chain.attest(message, short) {
        Ok(attested) => Finding::Bitcoin {
            height: attested.height,
            time_unix_s: attested.time_unix_s,
            block_hash: attested.block_hash.to_string(),
            confirmations: attested.confirmations,
            by: chain.describe(short),
        },
        Err(error @ (Error::RootMismatch { .. } | Error::DigestLength { .. })) => Finding::False {
            height,
            why: error.to_string(),
        },
        Err(error) => unchecked(format!("{error} ({})", error.hint())),
    }
}
