//! The world of the network `sandbox`: a chain of this node's own, and a neighbour with a Lightning node of its own, to
//! pay and to be paid by. Real bitcoin software throughout; only the chain is nobody else's, so its coins are worth
//! nothing.

mod chain;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use wallet::lightning::{
    ChainSource, InvoiceRequest, Lightning, LightningConfig, LightningError, OpenChannel,
    PayRequest, Payable, PaymentStatus,
};

use self::chain::Chain;
use crate::boxed;
use crate::config::Config;
use crate::error::{NodeError, Result};
use crate::files;
use crate::keys::Seed;
use crate::lightning::{InvoiceView, SandboxView};
use crate::node::Node;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// What a newcomer finds: a channel from the neighbour, half of it theirs, and coins on the chain.
const CHANNEL_SAT: u64 = 2_000_000;
const CHANNEL_GIFT_MSAT: u64 = 1_000_000_000;
const COINS_SAT: u64 = 1_000_000;
const NEIGHBOUR_SAT: u64 = 100_000_000;
/// So deep a channel's transaction must be.
const CHANNEL_DEPTH_BLOCKS: u32 = 6;
/// How often the miner looks whether anything waits for a block.
const MINING_PAUSE: Duration = Duration::from_secs(1);
/// How often the neighbour is called at the start.
const CALLS_MAX: u32 = 20;
const CALL_PAUSE: Duration = Duration::from_millis(250);
/// How long the neighbour's payments are waited for.
const PAYMENT_TIME_MAX: Duration = Duration::from_secs(30);

/// The chain, and who lives on it.
pub(crate) struct Neighbourhood {
    chain: Chain,
    neighbour: Lightning,
}

impl Neighbourhood {
    /// Goes on from where it was left, in the network's folder.
    pub(crate) async fn open(config: &Config, seed: &Seed) -> Result<Self> {
        let folder = config.network_dir();
        let chain = Chain::open(&folder.join("chain")).await?;
        let neighbour_folder = folder.join("neighbour");
        files::private_dir(&neighbour_folder)?;
        let url = chain.url().to_owned();
        let mut lightning = LightningConfig::new(
            config.network.chain(),
            neighbour_folder,
            seed.derive("neighbour"),
            ChainSource::Esplora { url },
        );
        lightning.listen.push(ANY_PORT);
        lightning.alias = Some("neighbour".into());
        let neighbour = Lightning::open(lightning, Arc::new(())).await?;
        Ok(Self { chain, neighbour })
    }

    /// Where the chain can be asked.
    pub(crate) fn url(&self) -> String {
        self.chain.url().to_owned()
    }

    pub(crate) async fn stop(&self) {
        self.neighbour.stop().await;
        self.chain.stop().await;
    }

    /// `NODE_ID@HOST:PORT` of the neighbour.
    fn address(&self) -> String {
        let at = self.neighbour.listening().first();
        let at = at.map(ToString::to_string).unwrap_or_default();
        format!("{}@{at}", self.neighbour.node_id())
    }

    /// Makes the newcomer at home, if that wasn't done before: coins for both, and a channel between them.
    pub(crate) async fn welcome(&self, newcomer: &Lightning) -> Result<()> {
        self.call(newcomer).await?;
        if !self.neighbour.channels().await?.is_empty() {
            return Ok(());
        }
        let theirs = self.neighbour.new_address().await?.to_string();
        let ours = newcomer.new_address().await?.to_string();
        self.chain.fund(&theirs, NEIGHBOUR_SAT).await?;
        self.chain.fund(&ours, COINS_SAT).await?;
        self.chain.mine(1).await?;
        self.sync(newcomer).await?;
        let listening = newcomer.listening().first().map(ToString::to_string);
        let open = OpenChannel {
            node_id: newcomer.node_id(),
            address: listening.unwrap_or_default(),
            amount_sat: CHANNEL_SAT,
            push_msat: CHANNEL_GIFT_MSAT,
            is_announced: false,
        };
        self.neighbour.open_channel(open).await?;
        Ok(())
    }

    /// Connects the two. The library calls the neighbour too, where it lived last time; a call of ours meanwhile only waits
    /// for that one, and fails with it.
    async fn call(&self, newcomer: &Lightning) -> Result<()> {
        let at = self.address();
        let (_, address) = at.split_once('@').unwrap_or_default();
        let id = self.neighbour.node_id();
        for _ in 1..CALLS_MAX {
            if newcomer.connect(id, address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(CALL_PAUSE).await;
        }
        Ok(newcomer.connect(id, address).await?)
    }

    async fn sync(&self, newcomer: &Lightning) -> Result<()> {
        self.neighbour.sync().await?;
        Ok(newcomer.sync().await?)
    }

    /// Mines what waits, and tells both nodes of it.
    async fn mine_what_waits(&self, newcomer: &Lightning) -> Result<bool> {
        if !self.chain.is_waiting().await? {
            return Ok(false);
        }
        self.chain.mine(CHANNEL_DEPTH_BLOCKS).await?;
        self.sync(newcomer).await?;
        Ok(true)
    }
}

impl Node {
    fn neighbourhood(&self) -> Result<&Neighbourhood> {
        self.inner
            .neighbourhood
            .as_ref()
            .ok_or(NodeError::NoSandbox)
    }

    /// On `sandbox`, makes the node at home, and mines whenever something waits for a block.
    pub(crate) async fn keep_mining(&self) {
        let (Ok(neighbourhood), Ok(cashier)) = (self.neighbourhood(), self.cashier()) else {
            return;
        };
        loop {
            let mined = neighbourhood.mine_what_waits(cashier.lightning()).await;
            if let Err(error) = mined {
                tracing::warn!(code = error.code(), "the sandbox: {error}");
            }
            if let Err(error) = self.follow_chain().await {
                tracing::warn!(code = error.code(), "the sandbox: {error}");
            }
            tokio::time::sleep(MINING_PAUSE).await;
        }
    }

    /// The sandbox at a glance.
    ///
    /// # Errors
    /// `no_sandbox` on other networks.
    #[boxed]
    pub async fn sandbox_status(&self) -> Result<SandboxView> {
        let neighbourhood = self.neighbourhood()?;
        Ok(SandboxView {
            esplora_url: neighbourhood.url(),
            height: neighbourhood.chain.height().await?,
            neighbour: neighbourhood.address(),
        })
    }

    /// Mines blocks.
    ///
    /// # Errors
    /// `no_sandbox` on other networks.
    #[boxed]
    pub async fn sandbox_mine(&self, blocks: u32) -> Result<SandboxView> {
        let neighbourhood = self.neighbourhood()?;
        neighbourhood.chain.mine(blocks).await?;
        neighbourhood.sync(self.cashier()?.lightning()).await?;
        self.sandbox_status().await
    }

    /// Abandons the last blocks for a longer branch of empty ones.
    ///
    /// # Errors
    /// `no_sandbox` on other networks.
    #[boxed]
    pub async fn sandbox_reorg(&self, depth_blocks: u32) -> Result<SandboxView> {
        let neighbourhood = self.neighbourhood()?;
        neighbourhood.chain.reorg(depth_blocks).await?;
        neighbourhood.sync(self.cashier()?.lightning()).await?;
        self.sandbox_status().await
    }

    /// Pays to an address of the chain, out of what the sandbox's miner has. Returns the transaction.
    ///
    /// # Errors
    /// `no_sandbox` on other networks, or an address that isn't of this chain.
    #[boxed]
    pub async fn sandbox_fund(&self, address: &str, amount_sat: u64) -> Result<String> {
        let neighbourhood = self.neighbourhood()?;
        let txid = neighbourhood.chain.fund(address, amount_sat).await?;
        neighbourhood.chain.mine(1).await?;
        neighbourhood.sync(self.cashier()?.lightning()).await?;
        Ok(txid)
    }

    /// An invoice, or an offer, of the neighbour's.
    ///
    /// # Errors
    /// `no_sandbox` on other networks.
    #[boxed]
    pub async fn sandbox_invoice(
        &self,
        amount_msat: Option<u64>,
        is_offer: bool,
    ) -> Result<InvoiceView> {
        let neighbour = &self.neighbourhood()?.neighbour;
        let description = "the neighbour".to_owned();
        if is_offer {
            let request = neighbour.offer(amount_msat, description, None).await?;
            return Ok(InvoiceView {
                request,
                payment_hash: None,
                amount_msat,
                expires_at_s: None,
            });
        }
        let request = InvoiceRequest {
            amount_msat,
            description,
            expiry_s: 3_600,
        };
        Ok(neighbour.invoice(request).await?.into())
    }

    /// Has the neighbour pay an invoice or an offer. Returns the proof of it, in hex, if there is one.
    ///
    /// # Errors
    /// `no_sandbox` on other networks, or why it couldn't be paid.
    #[boxed]
    pub async fn sandbox_pay(
        &self,
        request: &str,
        amount_msat: Option<u64>,
    ) -> Result<Option<String>> {
        let neighbour = &self.neighbourhood()?.neighbour;
        let what = Payable::parse(request)?;
        let request = PayRequest {
            offer_payment_id: what
                .payment_id()
                .is_none()
                .then(|| wallet::lightning::PaymentId(rand::random())),
            what,
            amount_msat,
            fee_max_msat: 10_000,
        };
        let id = neighbour.pay(request).await?;
        let paid = neighbour.wait_payment(id, PAYMENT_TIME_MAX).await?;
        match paid.status {
            PaymentStatus::Succeeded { preimage, .. } => Ok(preimage.map(|p| hex::encode(p.0))),
            PaymentStatus::Failed { reason } => Err(NodeError::PaymentFailed(reason)),
            PaymentStatus::Pending | PaymentStatus::Unsent => {
                Err(LightningError::Unknown("the neighbour's payment is under way".into()).into())
            }
        }
    }
}
