//! The network `sandbox`, in a program that was built without it.

use serde::{Deserialize, Serialize};
use wallet::lightning::Lightning;

use crate::config::Config;
use crate::error::{NodeError, Result};
use crate::keys::Seed;
use crate::lightning::InvoiceView;
use crate::node::Node;

/// There is none.
pub(crate) enum Neighbourhood {}

/// The sandbox at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxView {
    /// Its Esplora server.
    pub esplora_url: String,
    /// The chain's height.
    pub height: u32,
    /// The neighbour's Lightning node.
    pub neighbour: String,
}

impl Neighbourhood {
    pub(crate) async fn open(_: &Config, _: &Seed) -> Result<Self> {
        Err(NodeError::Config(
            "this program was built without the network `sandbox`: build it with `--features sandbox`".into(),
        ))
    }

    pub(crate) fn url(&self) -> String {
        match *self {}
    }

    pub(crate) async fn stop(&self) {
        match *self {}
    }

    pub(crate) async fn welcome(&self, _: &Lightning) -> Result<()> {
        match *self {}
    }
}

impl Node {
    pub(crate) async fn keep_mining(&self) {}

    /// The sandbox at a glance.
    ///
    /// # Errors
    /// `no_sandbox`
    pub fn sandbox_status(&self) -> Result<SandboxView> {
        Err(NodeError::NoSandbox)
    }

    /// Mines blocks.
    ///
    /// # Errors
    /// `no_sandbox`
    pub async fn sandbox_mine(&self, _: u32) -> Result<SandboxView> {
        Err(NodeError::NoSandbox)
    }

    /// Abandons the last blocks.
    ///
    /// # Errors
    /// `no_sandbox`
    pub async fn sandbox_reorg(&self, _: u32) -> Result<SandboxView> {
        Err(NodeError::NoSandbox)
    }

    /// Pays to an address of the chain.
    ///
    /// # Errors
    /// `no_sandbox`
    pub async fn sandbox_fund(&self, _: &str, _: u64) -> Result<String> {
        Err(NodeError::NoSandbox)
    }

    /// An invoice of the neighbour's.
    ///
    /// # Errors
    /// `no_sandbox`
    pub async fn sandbox_invoice(&self, _: Option<u64>, _: bool) -> Result<InvoiceView> {
        Err(NodeError::NoSandbox)
    }

    /// Has the neighbour pay.
    ///
    /// # Errors
    /// `no_sandbox`
    pub async fn sandbox_pay(&self, _: &str, _: Option<u64>) -> Result<()> {
        Err(NodeError::NoSandbox)
    }
}
