//! Paying, and raising what a payment costs.

use serde::{Deserialize, Serialize};
use wallet::onchain::{
    FeeLimit, HowMuch, OnchainError, OnchainWallet, PsbtView, Spend, SpendRequest, Txid,
};

use super::coin;
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// In how many blocks a payment is to be, unless told: about an hour.
const TARGET_BLOCKS: u16 = 6;

/// What a payment may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeeChoice {
    /// For each byte; wins over the blocks.
    pub fee_rate_sat_per_vb: Option<f64>,
    /// In how many blocks it is to be: 6 unless told.
    pub target_blocks: Option<u16>,
    /// The most in all.
    pub max_fee_sat: Option<u64>,
    /// Whether the usual bounds are lifted.
    pub force: bool,
}

impl FeeChoice {
    pub(super) const fn limit(&self) -> FeeLimit {
        FeeLimit {
            max_fee_sat: self.max_fee_sat,
            is_forced: self.force,
        }
    }

    pub(super) async fn rate(&self, wallet: &OnchainWallet) -> Result<f64> {
        if let Some(rate) = self.fee_rate_sat_per_vb {
            return Ok(rate);
        }
        let rates = wallet.chain().fee_rates().await;
        let target_blocks = self.target_blocks.unwrap_or(TARGET_BLOCKS);
        Ok(rates.map_err(OnchainError::from)?.sat_per_vb(target_blocks))
    }
}

/// A payment to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendInput {
    /// The payment's id, by which it happens once; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// The wallet, for a transaction that is signed elsewhere; the own one unless named.
    #[serde(default)]
    pub wallet: Option<String>,
    /// Where to.
    pub address: String,
    /// How much; none means all.
    #[serde(default)]
    pub amount_sat: Option<u64>,
    /// Has to be true if it is to be all.
    #[serde(default)]
    pub all: bool,
    /// The coins to spend, `txid:vout`; none means any.
    #[serde(default)]
    pub coins: Vec<String>,
    /// What it may cost.
    #[serde(default)]
    pub fee: FeeChoice,
    /// What to call it.
    #[serde(default)]
    pub label: Option<String>,
}

impl SendInput {
    fn request(&self) -> Result<SpendRequest> {
        let amount = match (self.amount_sat, self.all) {
            (Some(amount_sat), false) => HowMuch::Sat(amount_sat),
            (None, true) => HowMuch::All,
            _ => return Err(NodeError::OnchainAmount),
        };
        let coins = self.coins.iter().map(|text| coin(text));
        Ok(SpendRequest {
            coins: coins.collect::<Result<_>>()?,
            limit: self.fee.limit(),
            ..SpendRequest::new(self.address.clone(), amount)
        })
    }
}

/// A transaction whose fee is to be raised.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BumpInput {
    /// The id, by which it happens once; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// The transaction.
    pub txid: String,
    /// What it may cost.
    #[serde(default)]
    pub fee: FeeChoice,
}

impl Node {
    /// Pays from the own wallet. If the chain source is lost after the payment is recorded, it is sent
    /// later; the state says so.
    ///
    /// # Errors
    /// The chain source's, or the wallet's; then nothing was paid.
    #[boxed]
    pub async fn onchain_send(&self, input: SendInput) -> Result<Spend> {
        let node = self.clone();
        self.uninterrupted(async move {
            let request = input.request()?;
            let wallet = node.onchain_wallet(None).await?;
            wallet.sync(now_ms()).await?;
            let rate = input.fee.rate(&wallet).await?;
            let id = input.id.clone().unwrap_or_else(new_id);
            let spend = wallet.send(&id, &request, rate, now_ms()).await?;
            if let Some(label) = &input.label {
                wallet.set_label(&spend.txid, label).await?;
            }
            node.book_onchain_spend(&spend);
            Ok(spend)
        })
        .await
    }

    /// Raises the fee of a transaction that waits: one of ours by a dearer one in its place, another's
    /// by one that spends it.
    ///
    /// # Errors
    /// `transaction_not_bumpable`, `fee_too_low`, and like [`Self::onchain_send`].
    #[boxed]
    pub async fn onchain_bump(&self, input: BumpInput) -> Result<Spend> {
        let node = self.clone();
        self.uninterrupted(async move {
            let txid = txid(&input.txid)?;
            let wallet = node.onchain_wallet(None).await?;
            wallet.sync(now_ms()).await?;
            let rate = input.fee.rate(&wallet).await?;
            let id = input.id.clone().unwrap_or_else(new_id);
            let limit = input.fee.limit();
            let spend = wallet.bump(&id, txid, rate, limit, now_ms()).await?;
            node.book_onchain_spend(&spend);
            Ok(spend)
        })
        .await
    }

    /// Makes a transaction to be signed elsewhere, from any wallet.
    ///
    /// # Errors
    /// Like [`Self::onchain_send`].
    #[boxed]
    pub async fn onchain_psbt_create(&self, input: &SendInput) -> Result<PsbtView> {
        let request = input.request()?;
        let wallet = self.onchain_wallet(input.wallet.as_deref()).await?;
        wallet.sync(now_ms()).await?;
        let rate = input.fee.rate(&wallet).await?;
        Ok(wallet.psbt_create(&request, rate).await?)
    }
}

pub(super) fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn txid(text: &str) -> Result<Txid> {
    text.trim().parse().map_err(|_| NodeError::NotFound {
        what: "transaction",
        id: text.chars().take(100).collect(),
    })
}
