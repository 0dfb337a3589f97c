//! The chain as a signer's own node sees it. What a PSBT says about coins is checked against this.

use bitcoin::{OutPoint, TxOut};

use super::definition::Place;

/// A coin of the vault that nothing spends yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Where it is on the chain.
    pub outpoint: OutPoint,
    /// What it is.
    pub output: TxOut,
    /// Where in the vault it is.
    pub place: Place,
    /// The block that it came in. `None`: it waits for one.
    pub height: Option<u32>,
}

/// A vault's coins at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainView {
    /// The height of the chain.
    pub height: u32,
    /// What the vault has.
    pub coins: Vec<Coin>,
    /// The first address of each keychain that nobody has used: beyond it and a gap nobody looks
    /// for coins.
    pub next_index: [u32; 2],
}

impl ChainView {
    /// The coin at an outpoint.
    #[must_use]
    pub fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.coins.iter().find(|coin| coin.outpoint == *outpoint)
    }

    /// How many blocks must pass before a coin can be in a block with this relative lock.
    /// A coin that waits for a block has all of it before it.
    #[must_use]
    pub fn blocks_left(&self, coin: &Coin, delay_blocks: u32) -> u32 {
        let next = self.height.saturating_add(1);
        let from = coin.height.unwrap_or(next);
        from.saturating_add(delay_blocks).saturating_sub(next)
    }
}
