//! From a tip in a transaction to the Merkle root of its block.

use bitcoin::Transaction;
use bitcoin::consensus::serialize;

use crate::Hash;
use crate::ots::{Arg, Attestation, Error, Op, Result, Timestamp};

/// The timestamp of a tip that a transaction carries, given the hashes from the transaction's id
/// to the Merkle root of the block at `height` (in the order of bytes that blocks use), and the
/// transaction's place in the block.
///
/// # Errors
/// `Empty` if the transaction doesn't carry the tip; or if it is too large for a proof.
pub fn bitcoin_path(
    tip: &Hash,
    tx: &Transaction,
    siblings: &[[u8; 32]],
    mut position: usize,
    height: u32,
) -> Result<Timestamp> {
    // Ids are of the form without signatures, so signatures don't belong into the proof.
    let mut stripped = tx.clone();
    stripped
        .input
        .iter_mut()
        .for_each(|input| input.witness.clear());
    let bytes = serialize(&stripped);
    let place = bytes
        .windows(32)
        .position(|window| window == tip.as_bytes())
        .ok_or(Error::Empty)?;
    let mut ops = vec![
        Op::Prepend(Arg::new(&bytes[..place])?),
        Op::Append(Arg::new(&bytes[place + 32..])?),
        Op::SHA256,
        Op::SHA256,
    ];
    for sibling in siblings {
        ops.push(match position % 2 {
            0 => Op::Append(Arg::from(sibling)),
            _ => Op::Prepend(Arg::from(sibling)),
        });
        ops.extend([Op::SHA256, Op::SHA256]);
        position /= 2;
    }
    let height = height.into();
    Ok(Timestamp::attested(Attestation::Bitcoin { height }).after(ops))
}
