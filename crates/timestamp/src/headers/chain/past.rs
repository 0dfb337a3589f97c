//! What a cursor remembers of the headers behind it: their times, and what their work was worth.

use bitcoin::block::Header;
use bitcoin::{BlockHash, CompactTarget, Target, Work};

use super::super::retarget::target_of;
use super::super::{Error, Params, Result};

/// The median of so many times is the time that a block must be younger than.
pub(super) const MEDIAN_OF: usize = 11;

/// What a block of some difficulty has to meet, and what it is worth. Kept, since the difficulty
/// rarely changes and the division is dear.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    pub(super) bits: CompactTarget,
    pub(super) target: Target,
    pub(super) work: Work,
}

/// The times of the last headers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    ring: [u32; MEDIAN_OF],
    known: usize,
    next: usize,
    /// Whether there is nothing before the first of them.
    pub(super) from_genesis: bool,
}

impl Price {
    pub(super) fn of(params: &Params, height: u32, bits: CompactTarget) -> Result<Self> {
        let target = target_of(bits, params.limit).ok_or(Error::ImpossibleBits {
            height,
            bits: bits.to_consensus(),
        })?;
        let work = target.to_work();
        Ok(Self { bits, target, work })
    }
}

/// The header's hash, if it meets the target that the header itself names.
pub(in super::super) fn own_work(
    params: &Params,
    height: u32,
    header: &Header,
) -> Result<BlockHash> {
    let price = Price::of(params, height, header.bits)?;
    let hash = header.block_hash();
    if price.target.is_met_by(hash) {
        Ok(hash)
    } else {
        Err(Error::WeakWork { height })
    }
}

pub(super) fn no_work() -> Work {
    Work::from_be_bytes([0; 32])
}

/// The work of headers that have been checked.
pub(in super::super) fn total_work(
    params: &Params,
    first: u32,
    headers: &[Header],
) -> Result<Work> {
    let mut total = no_work();
    let mut price: Option<Price> = None;
    for (height, header) in (first..).zip(headers) {
        let known = price.filter(|price| price.bits == header.bits);
        let current = known.map_or_else(|| Price::of(params, height, header.bits), Ok)?;
        total = total + current.work;
        price = Some(current);
    }
    Ok(total)
}

impl Times {
    pub(super) fn push(&mut self, time: u32) {
        self.ring[self.next] = time;
        self.next = (self.next + 1) % MEDIAN_OF;
        self.known = (self.known + 1).min(MEDIAN_OF);
    }

    /// The median, unless times before the first known one may belong to it.
    pub(super) fn median(&self) -> Option<u32> {
        if self.known < MEDIAN_OF && !self.from_genesis {
            return None;
        }
        let mut sorted = self.ring;
        let sorted = &mut sorted[..self.known];
        sorted.sort_unstable();
        sorted.get(self.known / 2).copied()
    }
}
