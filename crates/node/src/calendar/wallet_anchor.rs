//! Anchors a calendar's tip with a transaction of its own wallet.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use timestamp::Hash;
use timestamp::calendar::{Anchor, AnchorError, Prepared, Progress, bitcoin_path};
use wallet::onchain::{DataTx, Onchain, OnchainError, TxState};

/// A transaction that pays less than this share of what is asked for is replaced.
const UNDERPAYS_BELOW: f64 = 0.8;

/// One small transaction, replaced by a dearer one when blocks pass it by.
pub(super) struct WalletAnchor {
    onchain: Onchain,
    fee_rate_max_sat_per_vb: f64,
}

/// A transaction, and the height of the chain when it was made.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    tx: DataTx,
    height: u32,
}

impl WalletAnchor {
    pub fn new(onchain: Onchain, fee_rate_max_sat_per_vb: f64) -> Self {
        Self {
            onchain,
            fee_rate_max_sat_per_vb,
        }
    }

    /// Whether fees have risen so far that the transaction won't be taken, and may be paid.
    async fn underpays(&self, tx: &DataTx) -> Result<bool, AnchorError> {
        let wanted = self.onchain.fee_rate_sat_per_vb().await.map_err(fault)?;
        Ok(wanted <= self.fee_rate_max_sat_per_vb
            && tx.fee_rate_sat_per_vb() < wanted * UNDERPAYS_BELOW)
    }
}

#[async_trait]
impl Anchor for WalletAnchor {
    fn name(&self) -> String {
        "Bitcoin, by transactions of this calendar's wallet".to_owned()
    }

    async fn prepare(&self, tip: &Hash, replaces: Option<&Value>) -> Result<Prepared, AnchorError> {
        let fee_rate = self.onchain.fee_rate_sat_per_vb().await.map_err(fault)?;
        let too_high = |needed_sat_per_vb| AnchorError::FeeTooHigh {
            needed_sat_per_vb,
            ceiling_sat_per_vb: self.fee_rate_max_sat_per_vb,
        };
        if fee_rate > self.fee_rate_max_sat_per_vb {
            return Err(too_high(fee_rate));
        }
        let earlier = replaces.map(ticket).transpose()?;
        let tx = self
            .onchain
            .prepare(
                tip.as_bytes(),
                fee_rate,
                earlier.as_ref().map(|earlier| &earlier.tx),
            )
            .await
            .map_err(fault)?;
        // A replacement has to outbid what it replaces, which may lead above the ceiling too.
        if tx.costs_more_than(self.fee_rate_max_sat_per_vb) {
            return Err(too_high(tx.fee_rate_sat_per_vb()));
        }
        let height = self.onchain.height().await.map_err(fault)?;
        let ticket = serde_json::to_value(Ticket { tx, height }).map_err(unreadable)?;
        Ok(Prepared { ticket })
    }

    async fn send(&self, value: &Value) -> Result<(), AnchorError> {
        self.onchain.send(&ticket(value)?.tx).await.map_err(fault)
    }

    async fn poll(&self, tip: &Hash, value: &Value) -> Result<Progress, AnchorError> {
        let Ticket {
            tx,
            height: made_at,
        } = ticket(value)?;
        Ok(match self.onchain.state(&tx).await.map_err(fault)? {
            TxState::Replaced => Progress::Dead,
            TxState::Unknown if self.underpays(&tx).await? => Progress::Overdue { underpays: true },
            TxState::Unknown => Progress::Lost,
            TxState::Waiting => {
                let has_passed = self.onchain.height().await.map_err(fault)? > made_at;
                match has_passed {
                    true => Progress::Overdue {
                        underpays: self.underpays(&tx).await?,
                    },
                    false => Progress::Waiting,
                }
            }
            TxState::Confirmed {
                height,
                confirmations,
                siblings,
                position,
                ..
            } => Progress::Anchored {
                timestamp: bitcoin_path(tip, tx.transaction(), &siblings, position, height)
                    .map_err(|error| AnchorError::Unavailable(error.to_string()))?,
                confirmations: Some(confirmations),
            },
        })
    }
}

fn ticket(value: &Value) -> Result<Ticket, AnchorError> {
    Ticket::deserialize(value).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> AnchorError {
    AnchorError::Unavailable(format!("a stored transaction is damaged: {error}"))
}

fn fault(error: OnchainError) -> AnchorError {
    match error {
        OnchainError::Insufficient { .. } => AnchorError::Funds(error.to_string()),
        other => AnchorError::Unavailable(other.to_string()),
    }
}
