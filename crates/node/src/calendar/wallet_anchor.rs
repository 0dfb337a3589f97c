//! Anchors a calendar's tip with a transaction of its own wallet.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use timestamp::Hash;
use timestamp::calendar::{Anchor, AnchorError, Prepared, Progress, bitcoin_path};
use wallet::onchain::{ChainError, DataTx, OnchainError, OnchainWallet, TxState};

use crate::node::now_ms;

/// A transaction that pays less than this share of what is asked for is replaced.
const UNDERPAYS_BELOW: f64 = 0.8;
/// How many blocks a transaction may take: about an hour.
const TARGET_BLOCKS: u16 = 6;

/// One small transaction, replaced by a dearer one when blocks pass it by.
pub(super) struct WalletAnchor {
    wallet: OnchainWallet,
    fee_rate_max_sat_per_vb: f64,
}

/// A transaction, and the height of the chain when it was made.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    tx: DataTx,
    height: u32,
}

impl WalletAnchor {
    pub fn new(wallet: OnchainWallet, fee_rate_max_sat_per_vb: f64) -> Self {
        Self {
            wallet,
            fee_rate_max_sat_per_vb,
        }
    }

    async fn fee_rate_sat_per_vb(&self) -> Result<f64, AnchorError> {
        let rates = self.wallet.chain().fee_rates().await;
        Ok(rates.map_err(chain_fault)?.sat_per_vb(TARGET_BLOCKS))
    }

    /// Whether fees have risen so far that the transaction won't be taken, and may be paid.
    async fn underpays(&self, tx: &DataTx) -> Result<bool, AnchorError> {
        let wanted = self.fee_rate_sat_per_vb().await?;
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
        let fee_rate = self.fee_rate_sat_per_vb().await?;
        let too_high = |needed_sat_per_vb| AnchorError::FeeTooHigh {
            needed_sat_per_vb,
            ceiling_sat_per_vb: self.fee_rate_max_sat_per_vb,
        };
        if fee_rate > self.fee_rate_max_sat_per_vb {
            return Err(too_high(fee_rate));
        }
        let earlier = replaces.map(ticket).transpose()?;
        let now_ms = now_ms();
        let height = self.wallet.sync(now_ms).await.map_err(fault)?.height;
        let replaces = earlier.as_ref().map(|earlier| &earlier.tx);
        let tx = self
            .wallet
            .prepare_data(tip.as_bytes(), fee_rate, replaces, now_ms)
            .await
            .map_err(fault)?;
        // A replacement has to outbid what it replaces, which may lead above the ceiling too.
        if tx.costs_more_than(self.fee_rate_max_sat_per_vb) {
            return Err(too_high(tx.fee_rate_sat_per_vb()));
        }
        let ticket = serde_json::to_value(Ticket { tx, height }).map_err(unreadable)?;
        Ok(Prepared { ticket })
    }

    async fn send(&self, value: &Value) -> Result<(), AnchorError> {
        let tx = ticket(value)?.tx;
        self.wallet.send_data(&tx).await.map_err(fault)
    }

    async fn poll(&self, tip: &Hash, value: &Value) -> Result<Progress, AnchorError> {
        let Ticket {
            tx,
            height: made_at,
        } = ticket(value)?;
        Ok(match self.wallet.data_state(&tx).await.map_err(fault)? {
            TxState::Replaced => Progress::Dead,
            TxState::Unknown if self.underpays(&tx).await? => Progress::Overdue { underpays: true },
            TxState::Unknown => Progress::Lost,
            TxState::Waiting => {
                let tip = self.wallet.chain().tip().await.map_err(chain_fault)?;
                let has_passed = tip.height > made_at;
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

fn chain_fault(error: ChainError) -> AnchorError {
    fault(error.into())
}

fn fault(error: OnchainError) -> AnchorError {
    match error {
        OnchainError::Insufficient { .. } => AnchorError::Funds(error.to_string()),
        other => AnchorError::Unavailable(other.to_string()),
    }
}
