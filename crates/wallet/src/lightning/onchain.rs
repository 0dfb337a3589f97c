//! The node's own coins: what channels are made of, and where they come back to.

use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, FeeRate, Network, Txid};
use ldk_node::NodeError;

use super::{Lightning, LightningError};

use crate::boxed;

impl Lightning {
    /// A fresh address to pay into.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn new_address(&self) -> Result<Address, LightningError> {
        self.call(|node| Ok(node.onchain_payment().new_address()?))
            .await
    }

    /// Sends coins. What is kept for closing channels isn't touched.
    ///
    /// Not idempotent: a caller that dies in the middle finds out by the wallet's transactions.
    ///
    /// # Errors
    /// `Invalid`, `Insufficient` or `Transaction`.
    #[boxed]
    pub async fn send_onchain(
        &self,
        address: &str,
        amount_sat: u64,
        fee_rate_sat_per_vb: Option<u64>,
    ) -> Result<Txid, LightningError> {
        let address = parse(address, self.inner.config.network)?;
        let fee_rate = fee_rate(fee_rate_sat_per_vb)?;
        self.call(move |node| {
            let sent = node
                .onchain_payment()
                .send_to_address(&address, amount_sat, fee_rate);
            sent.map_err(|error| match error {
                NodeError::InsufficientFunds => LightningError::Insufficient {
                    needed_sat: amount_sat,
                    available_sat: node.list_balances().spendable_onchain_balance_sats,
                },
                other => other.into(),
            })
        })
        .await
    }

    /// Sends all coins but what is kept for closing channels.
    ///
    /// # Errors
    /// `Invalid` or `Transaction`.
    #[boxed]
    pub async fn send_all_onchain(
        &self,
        address: &str,
        fee_rate_sat_per_vb: Option<u64>,
    ) -> Result<Txid, LightningError> {
        let address = parse(address, self.inner.config.network)?;
        let fee_rate = fee_rate(fee_rate_sat_per_vb)?;
        self.call(move |node| {
            let onchain = node.onchain_payment();
            Ok(onchain.send_all_to_address(&address, true, fee_rate)?)
        })
        .await
    }
}

fn parse(text: &str, network: Network) -> Result<Address, LightningError> {
    let invalid = |_| LightningError::Invalid("bitcoin address");
    let address: Address<NetworkUnchecked> = text.trim().parse().map_err(invalid)?;
    address.require_network(network).map_err(invalid)
}

fn fee_rate(sat_per_vb: Option<u64>) -> Result<Option<FeeRate>, LightningError> {
    let rate = |sat_per_vb| {
        FeeRate::from_sat_per_vb(sat_per_vb).ok_or(LightningError::Invalid("fee rate"))
    };
    sat_per_vb.map(rate).transpose()
}
