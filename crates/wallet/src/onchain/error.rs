//! The errors of the on-chain wallet.

use bitcoin::{Network, OutPoint, Txid};

use super::ChainError;

/// What can go wrong with bitcoin on the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnchainError {
    /// Whoever shows us the chain failed or refused.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet's file can't be read or written.
    #[error("the on-chain wallet's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The wallet's file can't be made.
    #[error("the on-chain wallet's file can't be used: {0}")]
    File(String),
    /// Another process has the wallet's file open.
    #[error("another process is using the on-chain wallet {0}")]
    InUse(String),
    /// The wallet's file is of another seed, other descriptors or another network.
    #[error("the on-chain wallet's file does not belong to these keys: {0}")]
    OtherKeys(String),
    /// The coins don't cover the amount and the fee.
    #[error("the wallet can spend {available_sat} sat; {needed_sat} sat are needed")]
    Insufficient {
        /// What can be spent.
        available_sat: u64,
        /// The amount and the fee.
        needed_sat: u64,
    },
    /// An amount that no transaction can pay.
    #[error("{amount_sat} sat can't be paid on the chain; {least_sat} sat is the least")]
    Dust {
        /// The amount.
        amount_sat: u64,
        /// The smallest output of that kind.
        least_sat: u64,
    },
    /// What was given isn't an address.
    #[error("{0:?} is not a Bitcoin address")]
    Address(String),
    /// The address is of another network.
    #[error("the address is not of {expected}")]
    AddressNetwork {
        /// The wallet's network.
        expected: Network,
    },
    /// The fee is far above what is reasonable, or above what was said.
    #[error("the fee would be {fee_sat} sat ({fee_rate_sat_per_vb:.1} sat/vB): {why}")]
    FeeTooHigh {
        /// The fee.
        fee_sat: u64,
        /// What that is for each byte.
        fee_rate_sat_per_vb: f64,
        /// Which bound it breaks.
        why: String,
    },
    /// A replacement has to pay more.
    #[error("a replacement has to pay at least {least_sat_per_vb:.1} sat/vB")]
    FeeTooLow {
        /// The least that is relayed.
        least_sat_per_vb: f64,
    },
    /// A fee rate that isn't a positive number.
    #[error("{0} sat/vB is no fee rate")]
    FeeRate(f64),
    /// The wallet has no such coin.
    #[error("the wallet has no coin {0} to spend")]
    CoinUnknown(OutPoint),
    /// The coin is frozen.
    #[error("the coin {0} is frozen")]
    CoinFrozen(OutPoint),
    /// The wallet knows no such transaction.
    #[error("the wallet knows no transaction {0}")]
    TxUnknown(Txid),
    /// The transaction's fee can't be raised.
    #[error("the fee of {txid} can't be raised: {why}")]
    NotBumpable {
        /// The transaction.
        txid: Txid,
        /// Why not.
        why: &'static str,
    },
    /// The same id was used for something else.
    #[error("{0:?} is the id of another payment")]
    IdempotencyConflict(String),
    /// A payment's id that can't be stored.
    #[error("a payment's id has 1 to {0} characters")]
    Id(usize),
    /// A payment that the network had refused before.
    #[error("payment {id} was refused: {reason}")]
    RefusedBefore {
        /// The payment.
        id: String,
        /// What the network said.
        reason: String,
    },
    /// The wallet has no keys to sign with.
    #[error("the wallet only watches: its keys are not on this machine")]
    WatchOnly,
    /// The descriptor or key can't be read.
    #[error("the descriptor can't be used: {0}")]
    Descriptor(String),
    /// The descriptor is of another network.
    #[error("the descriptor is not of {expected}")]
    DescriptorNetwork {
        /// The wallet's network.
        expected: Network,
    },
    /// There is a private key in the descriptor.
    #[error("there is a private key in the descriptor")]
    DescriptorPrivate,
    /// This machine can spend what the descriptor receives.
    #[error("this machine holds the keys of that descriptor")]
    DescriptorOwn,
    /// The descriptor has one address only.
    #[error("the descriptor has one address only")]
    DescriptorFixed,
    /// A name for a wallet that isn't acceptable.
    #[error("{0:?} can't be a wallet's name")]
    Name(String),
    /// No wallet has this name.
    #[error("there is no watch-only wallet named {0:?}")]
    UnknownWallet(String),
    /// The name is taken.
    #[error("there is a watch-only wallet named {0:?} already")]
    WalletExists(String),
    /// A label that is too long.
    #[error("a label has at most {0} characters")]
    Label(usize),
    /// The partially signed transaction can't be read, or isn't one for this wallet.
    #[error("the partially signed transaction can't be used: {0}")]
    Psbt(String),
    /// Signatures are missing.
    #[error("signatures are missing")]
    PsbtIncomplete,
    /// A transaction can't be built or signed.
    #[error("the transaction can't be made: {0}")]
    Transaction(String),
    /// No savings destination is set.
    #[error("no savings are set up")]
    NoSavings,
    /// The program is stopping.
    #[error("the on-chain wallet is stopping")]
    Stopping,
}

impl OnchainError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::Database(_) => "onchain_database",
            Self::File(_) => "file_error",
            Self::InUse(_) => "onchain_wallet_in_use",
            Self::OtherKeys(_) => "onchain_other_keys",
            Self::Insufficient { .. } => "onchain_insufficient",
            Self::Dust { .. } => "amount_dust",
            Self::Address(_) => "address_invalid",
            Self::AddressNetwork { .. } => "address_wrong_network",
            Self::FeeTooHigh { .. } => "fee_too_high",
            Self::FeeTooLow { .. } => "fee_too_low",
            Self::FeeRate(_) => "fee_rate_invalid",
            Self::CoinUnknown(_) => "coin_unknown",
            Self::CoinFrozen(_) => "coin_frozen",
            Self::TxUnknown(_) => "transaction_unknown",
            Self::NotBumpable { .. } => "transaction_not_bumpable",
            Self::IdempotencyConflict(_) => "idempotency_conflict",
            Self::Id(_) => "payment_id_invalid",
            Self::RefusedBefore { .. } => "transaction_refused",
            Self::WatchOnly => "wallet_watch_only",
            Self::Descriptor(_) => "descriptor_invalid",
            Self::DescriptorNetwork { .. } => "descriptor_wrong_network",
            Self::DescriptorPrivate => "descriptor_has_private_keys",
            Self::DescriptorOwn => "descriptor_keys_are_here",
            Self::DescriptorFixed => "descriptor_not_ranged",
            Self::Name(_) => "wallet_name_invalid",
            Self::UnknownWallet(_) => "wallet_unknown",
            Self::WalletExists(_) => "wallet_exists",
            Self::Label(_) => "label_invalid",
            Self::Psbt(_) => "psbt_invalid",
            Self::PsbtIncomplete => "psbt_incomplete",
            Self::Transaction(_) => "transaction_invalid",
            Self::NoSavings => "savings_off",
            Self::Stopping => "stopping",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.hint(),
            Self::Database(_) => "check the disk's free space and health; nothing was sent",
            Self::File(_) => "check the path, its permissions and the disk's free space",
            Self::InUse(_) => "stop the other process",
            Self::OtherKeys(_) => "restore the seed that the wallet was made with",
            Self::Insufficient { .. } => {
                "receive more, wait until what is on its way is in a block, or take a lower fee"
            }
            Self::Dust { .. } => "pay more, or pay it another way",
            Self::Address(_) => "copy the address again, whole",
            Self::AddressNetwork { .. } => "ask for an address of this network",
            Self::FeeTooHigh { .. } => "take a lower rate, or force it if it is meant",
            Self::FeeTooLow { .. } => "take a higher rate",
            Self::FeeRate(_) => "give the rate in sat/vB, 1 or more",
            Self::CoinUnknown(_) => "`freehold onchain coins` lists the coins",
            Self::CoinFrozen(_) => "unfreeze it first, or choose other coins",
            Self::TxUnknown(_) => "`freehold onchain history` lists the transactions",
            Self::NotBumpable { .. } => "wait for a block",
            Self::IdempotencyConflict(_) => "use a new id for a new payment",
            Self::Id(_) => "use a short id, or none",
            Self::RefusedBefore { .. } => "nothing was paid; use a new id to try another way",
            Self::WatchOnly => "export a partially signed transaction, and sign where the keys are",
            Self::Descriptor(_) => {
                "give an xpub, or a descriptor of public keys such as tr(xpub…/<0;1>/*)"
            }
            Self::DescriptorNetwork { .. } => "export the descriptor again, for this network",
            Self::DescriptorPrivate => {
                "export the public descriptor; consider that private key as exposed"
            }
            Self::DescriptorOwn => "name keys that are somewhere else: a hardware wallet's, say",
            Self::DescriptorFixed => "give one that ends in /*, so that each payment has its own",
            Self::Name(_) => "use 1 to 32 of a-z, 0-9 and '-', beginning with a letter",
            Self::UnknownWallet(_) => "`freehold onchain watch list` shows them",
            Self::WalletExists(_) => "choose another name",
            Self::Label(_) => "take a shorter one",
            Self::Psbt(_) => "export it again, in base64 or as a file",
            Self::PsbtIncomplete => "have the other keys sign too, and combine",
            Self::Transaction(_) => "check the wallet with `freehold onchain balance`",
            Self::NoSavings => "run `freehold savings set DESCRIPTOR --above AMOUNT`",
            Self::Stopping => "ask again when it is back; what is recorded is sent then",
        }
    }

    /// The HTTP status that says this to a client.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Chain(ChainError::Refused(_)) | Self::RefusedBefore { .. } => 409,
            Self::Chain(ChainError::Setup(_)) | Self::Database(_) | Self::File(_) => 500,
            Self::OtherKeys(_) => 500,
            Self::Chain(_) => 502,
            Self::InUse(_) | Self::IdempotencyConflict(_) | Self::WalletExists(_) => 409,
            Self::Insufficient { .. } => 402,
            Self::TxUnknown(_) | Self::UnknownWallet(_) | Self::CoinUnknown(_) => 404,
            Self::Stopping => 503,
            _ => 400,
        }
    }
}
