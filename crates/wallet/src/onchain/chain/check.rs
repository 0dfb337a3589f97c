//! What a source says is compared with what it cannot make up: work, and what we knew before.

use bdk_wallet::chain::{BlockId, CheckPoint};
use bitcoin::block::Header;
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::{Network, Txid};

use super::ChainError;

/// A branch that takes back more blocks than this is not believed.
const REORG_DEPTH_BLOCKS_MAX: u32 = 144;
/// Blocks of the main chain are known to be at least this hard from that height on.
const MAINNET_DIFFICULTY_MIN: f64 = 1.0e13;
const MAINNET_DIFFICULT_FROM_HEIGHT: u32 = 700_000;
/// The main chain's first block, and a pace that it never kept up: nine minutes a block.
const MAINNET_BEGAN_UNIX_S: u64 = 1_231_006_505;
const MAINNET_FASTEST_BLOCK_S: u64 = 540;

/// Where a block is said to hold a transaction.
pub(super) struct Place<'a> {
    pub block: BlockId,
    pub header: &'a Header,
    pub siblings: &'a [[u8; 32]],
    pub position: usize,
}

/// Checks that a block, if it has the work that its header claims, holds the transaction.
pub(super) fn holds(network: Network, txid: Txid, place: &Place<'_>) -> Result<(), ChainError> {
    header(network, place.block, place.header)?;
    let leads_to = root(txid.to_byte_array(), place.siblings, place.position);
    if leads_to == place.header.merkle_root.to_byte_array() {
        Ok(())
    } else {
        let why = format!("{txid} is not in block {}", place.block.hash);
        Err(ChainError::Contradiction(why))
    }
}

/// Checks that a header is the block's, and has work.
pub(super) fn header(network: Network, block: BlockId, header: &Header) -> Result<(), ChainError> {
    let lies = |why: &str| {
        Err(ChainError::Contradiction(format!(
            "{why} of block {}",
            block.hash
        )))
    };
    if header.block_hash() != block.hash {
        return lies("another header was sent than that");
    }
    if header.validate_pow(header.target()).is_err() {
        return lies("there is no work in the header");
    }
    let is_late = network == Network::Bitcoin && block.height >= MAINNET_DIFFICULT_FROM_HEIGHT;
    if is_late && header.difficulty_float() < MAINNET_DIFFICULTY_MIN {
        return lies("there is too little work in the header");
    }
    Ok(())
}

/// Checks that a height can have been reached: a lock time is taken from it.
pub(super) fn height(network: Network, height: u32, now_unix_s: u64) -> Result<(), ChainError> {
    let most = now_unix_s.saturating_sub(MAINNET_BEGAN_UNIX_S) / MAINNET_FASTEST_BLOCK_S;
    if network == Network::Bitcoin && u64::from(height) > most {
        let why = format!("there can't be {height} blocks yet");
        return Err(ChainError::Contradiction(why));
    }
    Ok(())
}

/// Checks that the chain didn't go back, and that no more of it was replaced than is credible.
pub(super) fn grows(before: &CheckPoint, now: &CheckPoint) -> Result<(), ChainError> {
    if now.height() < before.height() {
        return Err(ChainError::Behind {
            source_height: now.height(),
            known_height: before.height(),
        });
    }
    let contradicted = before.iter().filter(|known| {
        let seen = now.get(known.height());
        seen.is_some_and(|seen| seen.hash() != known.hash())
    });
    let lowest = contradicted.map(|known| known.height()).min();
    let depth_blocks = lowest.map_or(0, |lowest| before.height() - lowest + 1);
    if depth_blocks > REORG_DEPTH_BLOCKS_MAX {
        return Err(ChainError::ReorgTooDeep { depth_blocks });
    }
    Ok(())
}

/// Where the hashes lead.
fn root(txid: [u8; 32], siblings: &[[u8; 32]], mut position: usize) -> [u8; 32] {
    let mut hash = txid;
    for sibling in siblings {
        let (left, right) = match position % 2 {
            0 => (hash, *sibling),
            _ => (*sibling, hash),
        };
        hash = sha256d::Hash::hash(&[left, right].concat()).to_byte_array();
        position /= 2;
    }
    hash
}

#[cfg(test)]
mod tests {
    use bitcoin::BlockHash;
    use bitcoin::constants::genesis_block;

    use super::*;

    fn block(height: u32, branch: u8) -> BlockId {
        let mut bytes = [branch; 32];
        bytes[..4].copy_from_slice(&height.to_le_bytes());
        let hash = BlockHash::from_byte_array(bytes);
        BlockId { height, hash }
    }

    fn chain(blocks: impl IntoIterator<Item = BlockId>) -> CheckPoint {
        CheckPoint::from_block_ids(blocks).unwrap()
    }

    #[test]
    fn the_first_block_holds_its_transaction_and_no_other() {
        let genesis = genesis_block(Network::Bitcoin);
        let place = Place {
            block: BlockId {
                height: 0,
                hash: genesis.block_hash(),
            },
            header: &genesis.header,
            siblings: &[],
            position: 0,
        };
        let txid = genesis.txdata[0].compute_txid();
        holds(Network::Bitcoin, txid, &place).unwrap();
        let other = Txid::from_byte_array([1; 32]);
        let refusal = holds(Network::Bitcoin, other, &place).unwrap_err();
        assert_eq!(refusal.code(), "chain_contradiction");
    }

    #[test]
    fn a_block_of_today_with_the_work_of_the_first_is_not_believed() {
        let genesis = genesis_block(Network::Bitcoin).header;
        let late = BlockId {
            height: 900_000,
            hash: genesis.block_hash(),
        };
        assert!(header(Network::Bitcoin, late, &genesis).is_err());
        assert!(header(Network::Regtest, late, &genesis).is_ok());
    }

    #[test]
    fn a_height_that_takes_longer_than_bitcoin_is_old_is_not_believed() {
        let in_2026 = 1_780_000_000;
        height(Network::Bitcoin, 960_000, in_2026).unwrap();
        assert!(height(Network::Bitcoin, 5_000_000, in_2026).is_err());
        height(Network::Regtest, 5_000_000, in_2026).unwrap();
    }

    #[test]
    fn a_shorter_chain_and_a_deep_contradiction_are_refused() {
        let before = chain((0..200).map(|height| block(height, 1)));
        grows(&before, &before).unwrap();
        let shorter = chain((0..199).map(|height| block(height, 1)));
        assert_eq!(grows(&before, &shorter).unwrap_err().code(), "chain_behind");
        let forked_at = |fork: u32| {
            chain((0..205).map(|height| block(height, if height < fork { 1 } else { 2 })))
        };
        grows(&before, &forked_at(194)).unwrap();
        let deep = grows(&before, &forked_at(50)).unwrap_err();
        assert!(matches!(
            deep,
            ChainError::ReorgTooDeep { depth_blocks: 150 }
        ));
    }
}
