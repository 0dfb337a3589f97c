//! What can go wrong: [`Error`] for the sandbox itself, [`Reject`] for a transaction that its mempool refuses.

use bitcoin::{OutPoint, Txid};

/// What can go wrong with the sandbox.
///
/// Text and numbers inside are for people. Programs tell the cases apart by [`Error::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {what}: {why}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        why: String,
    },
    /// Bitcoin Core's engine didn't start, or lost something it should have.
    #[error("Bitcoin Core's engine cannot {what}: {why}")]
    Kernel {
        /// What was attempted.
        what: &'static str,
        /// What the engine said.
        why: String,
    },
    /// Bitcoin Core's engine found a block invalid.
    #[error("Bitcoin Core's engine refused the block: {why}")]
    BlockRefused {
        /// The kind of fault.
        why: String,
    },
    /// There is no block at this height.
    #[error("there is no block at height {height}: the tip is at {tip_height}")]
    NoSuchHeight {
        /// The height asked for.
        height: u32,
        /// The height of the tip.
        tip_height: u32,
    },
    /// So many blocks cannot be abandoned.
    #[error("a reorg must abandon between 1 and {tip_height} blocks, not {depth}")]
    ReorgDepth {
        /// The number of blocks asked for.
        depth: u32,
        /// The height of the tip, which is the most that can be abandoned.
        tip_height: u32,
    },
    /// The miner's wallet has too little.
    #[error("the miner has {available_sat} sat to spend, and {needed_sat} sat are needed")]
    InsufficientFunds {
        /// The amount with its fee.
        needed_sat: u64,
        /// What is mature and unspent.
        available_sat: u64,
    },
    /// The miner's wallet couldn't sign.
    #[error("the miner's wallet cannot sign: {why}")]
    Signing {
        /// What the signer said.
        why: String,
    },
    /// The mempool refused the wallet's own transaction.
    #[error("the mempool refused the transaction: {0}")]
    Rejected(#[from] Reject),
}

impl Error {
    /// A stable name for programs; it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::System { .. } => "system",
            Self::Kernel { .. } => "kernel",
            Self::BlockRefused { .. } => "block_refused",
            Self::NoSuchHeight { .. } => "no_such_height",
            Self::ReorgDepth { .. } => "reorg_depth",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::Signing { .. } => "signing",
            Self::Rejected(reject) => reject.code(),
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::System { .. } => "check that the temporary folder is writable and not full",
            Self::Kernel { .. } => "start another sandbox; this one is not to be trusted any more",
            Self::BlockRefused { .. } => "this is a bug in the sandbox: please report it",
            Self::NoSuchHeight { .. } => "ask for a height between 0 and the tip",
            Self::ReorgDepth { .. } => "mine more blocks first, or abandon fewer",
            Self::InsufficientFunds { .. } => {
                "mine more blocks: what a block pays can be spent 100 blocks later"
            }
            Self::Signing { .. } => "this is a bug in the sandbox: please report it",
            Self::Rejected(reject) => reject.hint(),
        }
    }

    pub(crate) fn system(what: &'static str, why: impl ToString) -> Self {
        let why = why.to_string();
        Self::System { what, why }
    }

    pub(crate) fn kernel(what: &'static str, why: impl ToString) -> Self {
        let why = why.to_string();
        Self::Kernel { what, why }
    }
}

/// Why the mempool refused a transaction. [`Reject::code`] is what Bitcoin Core calls it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// It breaks a rule that needs no context: no outputs, an input twice, more than all the money there is.
    #[error("the transaction is malformed: {why}")]
    Malformed {
        /// The kind of fault.
        why: String,
    },
    /// It is a coinbase, which only a block can carry.
    #[error("a coinbase can only come in a block")]
    Coinbase,
    /// It is too large or too small to be relayed.
    #[error("the transaction weighs {weight_wu} wu; {min_wu} to {max_wu} are relayed")]
    Size {
        /// Its weight.
        weight_wu: u64,
        /// The least that is relayed.
        min_wu: u64,
        /// The most that is relayed.
        max_wu: u64,
    },
    /// It has too many signature checks.
    #[error("its signature checks count for {sigops}, at most {max} are relayed")]
    Sigops {
        /// What they count for.
        sigops: usize,
        /// The most that is relayed.
        max: usize,
    },
    /// An output is worth less than spending it costs.
    #[error("output {vout} is dust: {amount_sat} sat, at least {min_sat} are needed")]
    Dust {
        /// Which output.
        vout: usize,
        /// What it is worth.
        amount_sat: u64,
        /// The least it may be worth.
        min_sat: u64,
    },
    /// It waits in the mempool already.
    #[error("{0} is in the mempool already")]
    InMempool(Txid),
    /// It is in a block already.
    #[error("{0} is in a block already")]
    InChain(Txid),
    /// An input doesn't exist, or a block has spent it.
    #[error("the output {0} does not exist, or is spent")]
    MissingOrSpent(OutPoint),
    /// An input is a block's reward that is too young.
    #[error("the coinbase {txid} is spent after {blocks} blocks, 100 are needed")]
    Immature {
        /// The coinbase.
        txid: Txid,
        /// Its age in the next block.
        blocks: u32,
    },
    /// The outputs are worth more than the inputs.
    #[error("the outputs are worth {out_sat} sat, the inputs only {in_sat}")]
    BelowOut {
        /// The sum of the inputs.
        in_sat: u64,
        /// The sum of the outputs.
        out_sat: u64,
    },
    /// Its lock time lies ahead.
    #[error("the transaction's lock time is not reached yet")]
    NonFinal,
    /// An input's relative lock time lies ahead.
    #[error("the relative lock time of input {vin} is not reached yet")]
    NonBip68Final {
        /// Which input.
        vin: usize,
    },
    /// The fee is below what is relayed.
    #[error("the fee of {fee_sat} sat is below {min_sat} sat, which this size takes")]
    FeeTooLow {
        /// The fee it pays.
        fee_sat: u64,
        /// The least for its size.
        min_sat: u64,
    },
    /// It spends what a transaction in the mempool spends, and doesn't pay enough to replace that.
    #[error("it conflicts with the mempool, and replacing takes more than {fee_sat} sat: {why}")]
    ReplacementTooCheap {
        /// The fee it pays.
        fee_sat: u64,
        /// The rule that it falls short of.
        why: String,
    },
    /// It would throw more transactions out of the mempool than is allowed.
    #[error("it would replace {count} transactions, {max} are allowed")]
    TooManyReplacements {
        /// How many would go.
        count: usize,
        /// How many may go.
        max: usize,
    },
    /// It spends an output of a transaction that it replaces.
    #[error("it spends an output of {0}, which it replaces")]
    SpendsConflicting(Txid),
    /// A script or a signature is wrong.
    #[error("input {vin} does not satisfy the script of what it spends: {why}")]
    Script {
        /// Which input.
        vin: usize,
        /// What the engine said.
        why: String,
    },
    /// The mempool holds as many transactions as it takes.
    #[error("the mempool is full: {max} transactions")]
    Full {
        /// How many it holds.
        max: usize,
    },
}

impl Reject {
    /// The name that Bitcoin Core gives this reason; stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "bad-txns",
            Self::Coinbase => "coinbase",
            Self::Size { .. } => "tx-size",
            Self::Sigops { .. } => "bad-txns-too-many-sigops",
            Self::Dust { .. } => "dust",
            Self::InMempool(_) => "txn-already-in-mempool",
            Self::InChain(_) => "txn-already-known",
            Self::MissingOrSpent(_) => "bad-txns-inputs-missingorspent",
            Self::Immature { .. } => "bad-txns-premature-spend-of-coinbase",
            Self::BelowOut { .. } => "bad-txns-in-belowout",
            Self::NonFinal => "non-final",
            Self::NonBip68Final { .. } => "non-BIP68-final",
            Self::FeeTooLow { .. } => "min relay fee not met",
            Self::ReplacementTooCheap { .. } => "insufficient fee",
            Self::TooManyReplacements { .. } => "too many potential replacements",
            Self::SpendsConflicting(_) => "bad-txns-spends-conflicting-tx",
            Self::Script { .. } => "mandatory-script-verify-flag-failed",
            Self::Full { .. } => "mempool full",
        }
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Coinbase | Self::BelowOut { .. } => {
                "build the transaction anew; as it is, no block can take it"
            }
            Self::Size { .. } | Self::Sigops { .. } => {
                "spread the payments over several transactions"
            }
            Self::Dust { .. } => "pay more to that output, or leave it out",
            Self::InMempool(_) | Self::InChain(_) => "nothing: it has arrived",
            Self::MissingOrSpent(_) => "send its parents first, and check that nothing spent them",
            Self::Immature { .. } | Self::NonFinal | Self::NonBip68Final { .. } => {
                "mine more blocks, and send it again"
            }
            Self::FeeTooLow { .. } | Self::ReplacementTooCheap { .. } => "pay a higher fee",
            Self::TooManyReplacements { .. } => "wait until a block has taken some of them",
            Self::SpendsConflicting(_) => "spend other inputs",
            Self::Script { .. } => "sign again, over exactly these inputs and outputs",
            Self::Full { .. } => "mine a block",
        }
    }

    /// The error code of Bitcoin Core's `sendrawtransaction` for this reason.
    pub(crate) fn rpc_code(&self) -> i32 {
        match self {
            Self::MissingOrSpent(_) => -25,
            Self::InChain(_) => -27,
            _ => -26,
        }
    }
}
