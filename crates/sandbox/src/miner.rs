//! Makes blocks: the coinbase, the witness commitment, and the proof of work, which regtest wants almost none of.
//!
//! Pure: it is told the time, and counts its nonces.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction,
    TxMerkleNode, TxOut, Txid, Witness, transaction,
};

use crate::mempool::Room;

/// Regtest halves the reward every 150 blocks.
const HALVING_BLOCKS: u32 = 150;
const FIRST_SUBSIDY_SAT: u64 = 50 * 100_000_000;
/// What begins a witness commitment (BIP 141), after the opcode `OP_RETURN`.
const COMMITMENT_MAGIC: [u8; 4] = [0xaa, 0x21, 0xa9, 0xed];
/// A block holds 4,000,000 weight units and 80,000 signature checks. Some are left for the header and the coinbase.
pub(crate) const ROOM: Room = Room {
    weight_wu: 3_990_000,
    sigops: 79_600,
};

/// What a block is made of.
pub(crate) struct Template {
    pub(crate) previous: BlockHash,
    pub(crate) height: u32,
    pub(crate) time_s: u32,
    pub(crate) bits: CompactTarget,
    /// Whom the reward goes to.
    pub(crate) script_pubkey: ScriptBuf,
    /// Makes this coinbase unlike that of a rival block at the same height.
    pub(crate) extra_nonce: u64,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) fees_sat: u64,
}

/// The block that the template describes, with its work done.
pub(crate) fn mine(template: Template) -> Block {
    let coinbase = coinbase(&template);
    let mut block = Block {
        header: Header {
            version: Version::NO_SOFT_FORK_SIGNALLING,
            prev_blockhash: template.previous,
            merkle_root: TxMerkleNode::all_zeros(),
            time: template.time_s,
            bits: template.bits,
            nonce: 0,
        },
        txdata: vec![coinbase],
    };
    block.txdata.extend(template.transactions);
    commit_to_witnesses(&mut block);
    if let Some(root) = block.compute_merkle_root() {
        block.header.merkle_root = root;
    }
    grind(&mut block.header);
    block
}

fn subsidy_sat(height: u32) -> u64 {
    let halvings = height / HALVING_BLOCKS;
    FIRST_SUBSIDY_SAT.checked_shr(halvings).unwrap_or(0)
}

fn coinbase(template: &Template) -> Transaction {
    // BIP 34: the height comes first.
    let script_sig = Builder::new()
        .push_int(i64::from(template.height))
        .push_slice(template.extra_nonce.to_le_bytes())
        .into_script();
    let reward = subsidy_sat(template.height).saturating_add(template.fees_sat);
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![bitcoin::TxIn {
            previous_output: OutPoint {
                txid: Txid::all_zeros(),
                vout: u32::MAX,
            },
            script_sig,
            sequence: Sequence::MAX,
            // The reserved value, which a commitment wants beside it.
            witness: Witness::from_slice(&[[0_u8; 32]]),
        }],
        output: vec![TxOut {
            value: Amount::from_sat(reward),
            script_pubkey: template.script_pubkey.clone(),
        }],
    }
}

/// Adds the output that commits to all witnesses (BIP 141). The coinbase itself counts as zeros in it.
fn commit_to_witnesses(block: &mut Block) {
    let Some(root) = block.witness_root() else {
        return;
    };
    let commitment = Block::compute_witness_commitment(&root, &[0_u8; 32]);
    let mut data = [0_u8; 36];
    let (magic, hash) = data.split_at_mut(COMMITMENT_MAGIC.len());
    magic.copy_from_slice(&COMMITMENT_MAGIC);
    hash.copy_from_slice(commitment.as_byte_array());
    if let Some(coinbase) = block.txdata.first_mut() {
        coinbase.output.push(TxOut {
            value: Amount::ZERO,
            script_pubkey: ScriptBuf::new_op_return(data),
        });
    }
}

/// Every second hash meets regtest's target.
fn grind(header: &mut Header) {
    while header.validate_pow(header.target()).is_err() {
        header.nonce = header.nonce.wrapping_add(1);
    }
}
