//! Errors of the Lightning rail, sorted by what they mean for the money.

use ldk_node::NodeError;

/// What went wrong on Lightning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LightningError {
    /// The configuration can't be used.
    #[error("the Lightning node can't be set up: {0}")]
    Config(String),
    /// Another process, or another handle in this one, has the folder.
    #[error("another process is using the Lightning node's folder")]
    InUse,
    /// The disk doesn't take or give what the node needs: it stands still until it does.
    #[error("the Lightning node's storage failed: {0}")]
    Storage(String),
    /// The node was stopped, or has died of an error.
    #[error("the Lightning node isn't running")]
    NotRunning,
    /// The source of blocks can't be reached, or answers nonsense.
    #[error("the chain source can't be reached or doesn't answer as it should: {0}")]
    ChainUnreachable(String),
    /// No invoice or offer can be made.
    #[error("no invoice or offer can be made now")]
    CannotReceive,
    /// The peer can't be reached.
    #[error("the peer can't be reached")]
    PeerUnreachable,
    /// An address of a peer, a node id, a channel or a bitcoin address can't be read.
    #[error("this isn't a valid {0}")]
    Invalid(&'static str),
    /// Not an invoice or an offer, or one that we don't read.
    #[error("the invoice or offer can't be read: {0}")]
    InvoiceInvalid(String),
    /// The invoice or the offer is for another network.
    #[error("the invoice or offer is for another network")]
    InvoiceNetwork,
    /// The invoice or the offer is too old to be paid.
    #[error("the invoice or offer has expired")]
    InvoiceExpired,
    /// The invoice leaves the amount to the payer, who named none.
    #[error("the invoice names no amount, and neither does the payment")]
    AmountMissing,
    /// The amount isn't the invoice's, or not one that can be paid.
    #[error("{given_msat} msat can't be paid here{}", match wanted_msat { Some(wanted) => format!(": it asks for {wanted} msat"), None => String::new() })]
    AmountInvalid {
        /// What was to be paid.
        given_msat: u64,
        /// What the invoice asks for.
        wanted_msat: Option<u64>,
    },
    /// Channels or wallet hold too little.
    #[error("there is too little to spend for {needed_sat} sat: {available_sat} sat")]
    Insufficient {
        /// What the operation needs, without fees.
        needed_sat: u64,
        /// What there is.
        available_sat: u64,
    },
    /// No way to the payee, or none within the fee limit. Nothing was paid.
    #[error("no route to the payee was found within the fee limit")]
    NoRoute,
    /// The same id was used for something else.
    #[error("payment {0} exists already with other details")]
    IdempotencyConflict(String),
    /// No such payment.
    #[error("no such payment")]
    PaymentUnknown,
    /// No such channel.
    #[error("there is no such channel")]
    ChannelUnknown,
    /// The channel can't be opened or closed.
    #[error("the channel can't be {0}")]
    Channel(&'static str),
    /// Nobody sells us channels, or the price is above the limit.
    #[error("no just-in-time channel: {0}")]
    Liquidity(&'static str),
    /// The preimage isn't that of the invoice.
    #[error("the preimage doesn't belong to this payment")]
    PreimageWrong,
    /// A backup that can't be read, or doesn't fit.
    #[error("the channel backup can't be used: {0}")]
    Backup(String),
    /// The transaction can't be made or isn't taken.
    #[error("the transaction can't be sent: {0}")]
    Transaction(String),
    /// What became of the operation isn't known: ask for the payment.
    #[error("the outcome isn't known yet: {0}")]
    Unknown(String),
}

impl LightningError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "lightning_config",
            Self::CannotReceive => "lightning_cannot_receive",
            Self::InUse => "lightning_in_use",
            Self::Storage(_) => "lightning_storage",
            Self::NotRunning => "lightning_not_running",
            Self::ChainUnreachable(_) => "lightning_chain_unreachable",
            Self::PeerUnreachable => "lightning_peer_unreachable",
            Self::Invalid(_) => "lightning_invalid",
            Self::InvoiceInvalid(_) => "invoice_invalid",
            Self::InvoiceNetwork => "invoice_network",
            Self::InvoiceExpired => "invoice_expired",
            Self::AmountMissing => "amount_missing",
            Self::AmountInvalid { .. } => "amount_invalid",
            Self::Insufficient { .. } => "lightning_insufficient",
            Self::NoRoute => "lightning_no_route",
            Self::IdempotencyConflict(_) => "idempotency_conflict",
            Self::PaymentUnknown => "lightning_payment_unknown",
            Self::ChannelUnknown => "lightning_channel_unknown",
            Self::Channel(_) => "lightning_channel",
            Self::Liquidity(_) => "lightning_liquidity",
            Self::PreimageWrong => "lightning_preimage_wrong",
            Self::Backup(_) => "lightning_backup",
            Self::Transaction(_) => "lightning_transaction",
            Self::Unknown(_) => "lightning_unknown",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Config(_) => "correct the Lightning settings",
            Self::CannotReceive => {
                "connect to a peer that you have a channel with: an offer names a way to you"
            }
            Self::InUse => "stop the other process; two on one folder would lose the money",
            Self::Storage(_) => "make room on the disk, or check its health; nothing is lost",
            Self::NotRunning => "start the node again",
            Self::ChainUnreachable(_) => "check the chain source's address and the network",
            Self::PeerUnreachable => "check the peer's address, or wait until it is back",
            Self::Invalid(_) => "check what you typed",
            Self::InvoiceInvalid(_) => "ask the payee for a new invoice",
            Self::InvoiceNetwork => "ask for an invoice of this node's network",
            Self::InvoiceExpired => "ask the payee for a new invoice",
            Self::AmountMissing => "name the amount to pay",
            Self::AmountInvalid { .. } => "pay the amount that the invoice names",
            Self::Insufficient { .. } => "fund the wallet, or open a channel that is large enough",
            Self::NoRoute => "allow a higher fee, or open a channel nearer to the payee",
            Self::IdempotencyConflict(_) => "use a new id for a new payment",
            Self::PaymentUnknown => "check the payment's id",
            Self::ChannelUnknown => "list the channels for their ids",
            Self::Channel(_) => "check the peer's limits and the wallet's funds",
            Self::Liquidity(_) => "name a liquidity provider, or allow a higher fee",
            Self::PreimageWrong => "use the preimage whose SHA-256 is the payment hash",
            Self::Backup(_) => "use the newest backup of this very node",
            Self::Transaction(_) => "check the address, the amount and the fee rate",
            Self::Unknown(_) => "ask for the payment again; repeating it never pays twice",
        }
    }

    /// True if the operation may still have happened.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Storage(_) | Self::NotRunning)
    }
}

impl From<NodeError> for LightningError {
    fn from(error: NodeError) -> Self {
        use NodeError as E;
        match error {
            E::NotRunning | E::AlreadyRunning => Self::NotRunning,
            E::ConnectionFailed => Self::PeerUnreachable,
            E::PersistenceFailed => Self::Storage(error.to_string()),
            E::FeerateEstimationUpdateFailed
            | E::FeerateEstimationUpdateTimeout
            | E::TxSyncFailed
            | E::TxSyncTimeout
            | E::WalletOperationFailed
            | E::WalletOperationTimeout => Self::ChainUnreachable(error.to_string()),
            E::InvalidSocketAddress => Self::Invalid("network address"),
            E::InvalidAddress => Self::Invalid("bitcoin address"),
            E::InvalidInvoice | E::InvalidOffer | E::UnsupportedCurrency => {
                Self::InvoiceInvalid(error.to_string())
            }
            E::InvoiceCreationFailed | E::OfferCreationFailed => Self::CannotReceive,
            E::InvalidPaymentHash => Self::PaymentUnknown,
            E::InvalidPaymentPreimage => Self::PreimageWrong,
            E::ChannelCreationFailed => Self::Channel("opened"),
            E::ChannelClosingFailed => Self::Channel("closed"),
            E::LiquiditySourceUnavailable => Self::Liquidity("there is no provider"),
            E::LiquidityRequestFailed => Self::Liquidity("the provider doesn't answer"),
            E::LiquidityFeeTooHigh => Self::Liquidity("the provider wants too much"),
            E::OnchainTxCreationFailed | E::OnchainTxSigningFailed | E::InvalidFeeRate => {
                Self::Transaction(error.to_string())
            }
            E::PaymentSendingFailed | E::InvoiceRequestCreationFailed => Self::NoRoute,
            other => Self::Unknown(other.to_string()),
        }
    }
}
