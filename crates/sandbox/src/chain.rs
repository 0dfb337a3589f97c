//! Bitcoin Core's own engine: it stores the blocks, validates them and decides which branch is the chain.
//!
//! Nothing else in this crate touches `bitcoinkernel`. The data folder is temporary and goes with the chain.

use std::sync::{Arc, Mutex, Once, PoisonError};

use bitcoin::hashes::Hash as _;
use bitcoin::{Block, BlockHash, Transaction, TxOut, consensus::encode::serialize};
use bitcoinkernel::prelude::*;
use bitcoinkernel::{
    BlockValidationStateRef, ChainType, ChainstateManager, Context, ContextBuilder,
    PrecomputedTransactionData, ScriptPubkey, TxCheckResult, VERIFY_ALL, ValidationMode,
};
use tempfile::TempDir;

use crate::{Error, Reject};

/// The engine buffers its log until somebody asks for it. Nobody will, so that is turned off, once per process.
static QUIET: Once = Once::new();

/// A regtest chain in a temporary folder.
pub(crate) struct Chain {
    // Fields are dropped in this order: the folder must go last.
    manager: ChainstateManager,
    _context: Context,
    last_fault: Arc<Mutex<Option<String>>>,
    _folder: TempDir,
}

impl Chain {
    /// A chain that has its genesis block only.
    pub(crate) fn open() -> Result<Self, Error> {
        QUIET.call_once(bitcoinkernel::disable_logging);
        let folder = tempfile::Builder::new()
            .prefix("freehold-sandbox-")
            .tempdir()
            .map_err(|why| Error::system("make a temporary folder", why))?;
        let last_fault = Arc::new(Mutex::new(None));
        let context =
            context(Arc::clone(&last_fault)).map_err(|why| Error::kernel("make a context", why))?;
        let data = path_text(&folder, "data")?;
        let blocks = path_text(&folder, "blocks")?;
        let manager = ChainstateManager::builder(&context, &data, &blocks)
            .and_then(|builder| {
                // One thread: sandboxes are many, and their blocks are small.
                let builder = builder.worker_threads(0);
                let builder = builder.block_tree_db_in_memory(true);
                builder.chainstate_db_in_memory(true).build()
            })
            .map_err(|why| Error::kernel("open its data", why))?;
        manager
            .import_blocks()
            .map_err(|why| Error::kernel("lay the genesis block", why))?;
        Ok(Self {
            manager,
            _context: context,
            last_fault,
            _folder: folder,
        })
    }

    /// Hands a block to the engine, which checks it in full if it extends the best branch. On a branch with less
    /// work it is only stored, and checked when that branch takes over.
    pub(crate) fn process(&self, block: &Block) -> Result<(), Error> {
        self.set_fault(None);
        let raw = serialize(block);
        let block = bitcoinkernel::Block::new(&raw).map_err(|why| Error::BlockRefused {
            why: why.to_string(),
        })?;
        let accepted = self.manager.process_block(&block);
        // A block that can be stored but not connected counts as accepted, so its verdict is asked for too.
        let fault = self.fault();
        if accepted.is_new_block() && fault.is_none() {
            return Ok(());
        }
        Err(Error::BlockRefused {
            why: fault.unwrap_or_else(|| format!("{accepted:?}")),
        })
    }

    /// The height of the best branch's last block.
    pub(crate) fn tip_height(&self) -> u32 {
        u32::try_from(self.manager.active_chain().height()).unwrap_or(0)
    }

    /// The block at a height of the best branch.
    pub(crate) fn hash_at(&self, height: u32) -> Option<BlockHash> {
        let chain = self.manager.active_chain();
        let entry = chain.at_height(usize::try_from(height).ok()?)?;
        Some(BlockHash::from_byte_array(entry.block_hash().to_bytes()))
    }

    fn fault(&self) -> Option<String> {
        let fault = self.last_fault.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_fault(&self, fault: Option<String>) {
        let mut slot = self.last_fault.lock();
        **slot.as_mut().unwrap_or_else(|poison| poison.get_mut()) = fault;
    }
}

/// A regtest context that notes why a block was found invalid.
fn context(fault: Arc<Mutex<Option<String>>>) -> Result<Context, bitcoinkernel::KernelError> {
    let note = move |_: bitcoinkernel::Block, state: BlockValidationStateRef<'_>| {
        if state.mode() != ValidationMode::Valid {
            let why = format!("{:?}", state.result());
            *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        }
    };
    ContextBuilder::new()
        .chain_type(ChainType::Regtest)
        .with_block_checked_validation(note)
        .build()
}

fn path_text(folder: &TempDir, name: &str) -> Result<String, Error> {
    let path = folder.path().join(name);
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::system("use the temporary folder", "its path is not UTF-8"))
}

/// The rules that need no context: sizes, sums, no input twice.
pub(crate) fn check_shape(tx: &Transaction) -> Result<(), Reject> {
    match engine_transaction(tx)?.check() {
        TxCheckResult::Valid => Ok(()),
        TxCheckResult::Invalid(why) => Err(malformed(format!("{why:?}"))),
    }
}

/// Runs the script of every input under all consensus rules. `spent` are the outputs that the inputs spend, in
/// their order.
pub(crate) fn check_scripts(tx: &Transaction, spent: &[TxOut]) -> Result<(), Reject> {
    let engine_tx = engine_transaction(tx)?;
    let mut outputs = Vec::with_capacity(spent.len());
    for output in spent {
        let script = ScriptPubkey::new(output.script_pubkey.as_bytes()).map_err(malformed)?;
        let amount_sat = i64::try_from(output.value.to_sat()).map_err(malformed)?;
        let output = bitcoinkernel::TxOut::new(&script, amount_sat);
        outputs.push((script, amount_sat, output));
    }
    let all: Vec<_> = outputs
        .iter()
        .map(|(_, _, output)| output.as_ref())
        .collect();
    let hashes = PrecomputedTransactionData::new(&engine_tx, &all).map_err(malformed)?;
    for (vin, (script, amount_sat, _)) in outputs.iter().enumerate() {
        let flags = Some(VERIFY_ALL);
        bitcoinkernel::verify(script, Some(*amount_sat), &engine_tx, vin, flags, &hashes).map_err(
            |why| Reject::Script {
                vin,
                why: why.to_string(),
            },
        )?;
    }
    Ok(())
}

fn engine_transaction(tx: &Transaction) -> Result<bitcoinkernel::Transaction, Reject> {
    bitcoinkernel::Transaction::new(&serialize(tx)).map_err(malformed)
}

fn malformed(why: impl ToString) -> Reject {
    let why = why.to_string();
    Reject::Malformed { why }
}
