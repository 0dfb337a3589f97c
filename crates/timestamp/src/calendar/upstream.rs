//! Another calendar as the anchor: for those who have no wallet, or want no fees.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Anchor, AnchorError, Prepared, Progress, RemoteCalendar, RemoteError};
use crate::Hash;
use crate::ots::{Attestation, Timestamp};

/// Hands the tip to another calendar, and asks it later.
#[derive(Debug)]
pub struct Upstream {
    calendar: RemoteCalendar,
}

impl Upstream {
    /// Anchors in this calendar.
    pub fn new(calendar: RemoteCalendar) -> Self {
        Self { calendar }
    }
}

#[async_trait]
impl Anchor for Upstream {
    fn name(&self) -> String {
        format!("the calendar {}", self.calendar.uri())
    }

    /// A calendar's promise costs nothing, so it is fetched before it is recorded: one that a
    /// crash forgets is fetched again.
    async fn prepare(&self, tip: &Hash, _: Option<&Value>) -> Result<Prepared, AnchorError> {
        let promise = self.calendar.submit(tip.as_bytes()).await.map_err(fault)?;
        let bytes = promise.to_bytes().map_err(fault)?;
        Ok(Prepared {
            ticket: json!({ "promise": hex::encode(bytes) }),
        })
    }

    async fn send(&self, _: &Value) -> Result<(), AnchorError> {
        Ok(())
    }

    async fn poll(&self, tip: &Hash, ticket: &Value) -> Result<Progress, AnchorError> {
        let promise = ticket["promise"].as_str().unwrap_or_default();
        let promise = hex::decode(promise).map_err(fault)?;
        let mut timestamp = Timestamp::from_bytes(&promise, 32).map_err(fault)?;
        for (commitment, attestation) in timestamp.attestations(tip.as_bytes()).map_err(fault)? {
            // Whatever address the promise names, only the calendar that was chosen is asked.
            if matches!(attestation, Attestation::Pending(_))
                && let Some(found) = self.calendar.timestamp(&commitment).await.map_err(fault)?
            {
                timestamp
                    .upgrade(tip.as_bytes(), &commitment, &found)
                    .map_err(fault)?;
            }
        }
        let attested = timestamp.attestations(tip.as_bytes()).map_err(fault)?;
        let is_complete = attested
            .iter()
            .any(|(_, attestation)| !matches!(attestation, Attestation::Pending(_)));
        Ok(if is_complete {
            Progress::Anchored {
                timestamp,
                confirmations: None,
            }
        } else {
            Progress::Waiting
        })
    }
}

fn fault(error: impl Into<RemoteError>) -> AnchorError {
    AnchorError::Unavailable(error.into().to_string())
}
