//! The rules that a chain of headers follows. Pure: the time comes in as a value.

mod past;
mod point;

use bitcoin::block::Header;
use bitcoin::{BlockHash, CompactTarget, Target};

use self::past::{MEDIAN_OF, Price, Times, no_work};
use super::retarget::{may_follow, next_bits};
use super::{Error, Params, Result};

pub(super) use self::past::{own_work, total_work};
pub use self::point::Point;

/// The highest block that this program is willing to store: 640 MB of headers.
pub const MAX_HEIGHT: u32 = 8_000_000;
/// Passed as the time of now, lets headers be from whatever future: for those that have been
/// checked once, since a clock that was set back must not undo them.
pub const ANY_TIME: u64 = u64::MAX;

/// How far ahead of our clock a header may be.
const MAX_AHEAD_S: u64 = 2 * 60 * 60;
/// How far before the end of the last period a period may begin (BIP 94).
const MAX_TIMEWARP_S: u64 = 600;

/// Walks along a chain and checks every header that is put before it.
///
/// From the genesis block on it checks everything. A cursor that starts elsewhere
/// ([`Cursor::detached`]) lacks the past that some rules look at, and counts what it let pass.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    params: &'a Params,
    point: Point,
    last: Header,
    /// The first header of the period that `last` is in.
    period: Option<Header>,
    /// The difficulty without the easy blocks of testnets.
    real_bits: Option<CompactTarget>,
    times: Times,
    price: Price,
    retargets_checked: u32,
    retargets_unchecked: u32,
}

impl<'a> Cursor<'a> {
    /// At the network's first header.
    pub fn genesis(params: &'a Params) -> Result<Self> {
        let mut cursor = Self::start(params, 0, &params.genesis)?;
        cursor.times.from_genesis = true;
        Ok(cursor)
    }

    /// At a header somewhere in the chain, about which no more is known than its own work.
    pub fn detached(params: &'a Params, height: u32, header: &Header) -> Result<Self> {
        if height == 0 && header.block_hash() == params.genesis.block_hash() {
            return Self::genesis(params);
        }
        if height > MAX_HEIGHT {
            return Err(Error::TooLong { max: MAX_HEIGHT });
        }
        Self::start(params, height, header)
    }

    /// Where a check of `headers` ended that was made before. They end with that of the `point`,
    /// and begin at or below [`Cursor::needed_from`]. Since they come from a disk, the links
    /// between them are looked at again, so that no source is blamed for what the disk has done.
    pub(super) fn resume(params: &'a Params, point: Point, headers: &[Header]) -> Result<Self> {
        let height = point.height;
        let missing = || Error::NotStored {
            height: Self::needed_from(params, height),
            first: height,
            tip: height,
        };
        let first_height = u32::try_from(headers.len())
            .ok()
            .and_then(|count| height.checked_add(1)?.checked_sub(count))
            .filter(|first| *first <= Self::needed_from(params, height))
            .ok_or_else(missing)?;
        let (first, rest) = headers.split_first().ok_or_else(missing)?;
        let damaged = |_| Error::Damaged {
            height: first_height,
        };
        let mut cursor = Self {
            price: Price::of(params, first_height, first.bits).map_err(damaged)?,
            ..Self::placed(params, first_height, first)
        };
        cursor.times.from_genesis = true;
        let mut hash = first.block_hash();
        for header in rest {
            if header.prev_blockhash != hash {
                return Err(Error::Damaged {
                    height: cursor.point.height + 1,
                });
            }
            hash = header.block_hash();
            cursor.advance(hash, header);
        }
        if hash != point.hash {
            return Err(Error::Damaged { height });
        }
        cursor.point = point;
        Ok(cursor)
    }

    /// The first height that the rules look at when they judge the header after `height`.
    pub(super) fn needed_from(params: &Params, height: u32) -> u32 {
        let period = height - height % params.interval;
        period.min(height.saturating_sub(MEDIAN_OF as u32 - 1))
    }

    fn start(params: &'a Params, height: u32, header: &Header) -> Result<Self> {
        let mut cursor = Self::placed(params, height, header);
        cursor.price = Price::of(params, height, header.bits)?;
        let hash = header.block_hash();
        if !cursor.price.target.is_met_by(hash) {
            return Err(Error::WeakWork { height });
        }
        params.check_checkpoint(height, hash)?;
        cursor.point = Point {
            height,
            hash,
            work: cursor.price.work,
        };
        Ok(cursor)
    }

    fn placed(params: &'a Params, height: u32, header: &Header) -> Self {
        let begins_period = height.is_multiple_of(params.interval);
        let is_real = begins_period || header.bits != params.easiest_bits();
        let mut times = Times::default();
        times.push(header.time);
        Self {
            params,
            point: Point {
                height,
                hash: header.prev_blockhash,
                work: no_work(),
            },
            last: *header,
            period: begins_period.then_some(*header),
            real_bits: is_real.then_some(header.bits),
            times,
            price: Price {
                bits: header.bits,
                target: Target::ZERO,
                work: no_work(),
            },
            retargets_checked: 0,
            retargets_unchecked: 0,
        }
    }

    /// The last header that was accepted.
    pub fn point(&self) -> Point {
        self.point
    }

    /// How many changes of difficulty were checked.
    pub fn retargets_checked(&self) -> u32 {
        self.retargets_checked
    }

    /// How many changes of difficulty could not be checked but for the factor of four.
    pub fn retargets_unchecked(&self) -> u32 {
        self.retargets_unchecked
    }

    /// Checks the next header and steps onto it. After an error the cursor is where it was.
    pub fn accept(&mut self, header: &Header, now_unix_s: u64) -> Result<BlockHash> {
        let height = self.point.height.saturating_add(1);
        if height > MAX_HEIGHT {
            return Err(Error::TooLong { max: MAX_HEIGHT });
        }
        if header.prev_blockhash != self.point.hash {
            return Err(Error::BrokenLink { height });
        }
        let retarget_checked = self.check_bits(height, header)?;
        self.check_time(height, header, now_unix_s)?;
        let price = self.price_of(height, header.bits)?;
        let hash = header.block_hash();
        if !price.target.is_met_by(hash) {
            return Err(Error::WeakWork { height });
        }
        self.params.check_checkpoint(height, hash)?;
        match retarget_checked {
            Some(true) => self.retargets_checked += 1,
            Some(false) => self.retargets_unchecked += 1,
            None => {}
        }
        self.price = price;
        self.point.work = self.point.work + price.work;
        self.advance(hash, header);
        Ok(hash)
    }

    /// Whether a change of difficulty was due, and if so whether it could be checked.
    fn check_bits(&self, height: u32, header: &Header) -> Result<Option<bool>> {
        let due = self.params.retargets && height.is_multiple_of(self.params.interval);
        match self.expected_bits(height, header) {
            Some(expected) if expected != header.bits => Err(Error::WrongBits {
                height,
                expected: expected.to_consensus(),
                found: header.bits.to_consensus(),
            }),
            Some(_) => Ok(due.then_some(true)),
            // Easy blocks may hide the difficulty that the step starts from.
            None if due && !self.params.easy_when_late => {
                if may_follow(self.last.bits, header.bits, self.params.limit) {
                    Ok(Some(false))
                } else {
                    let bits = header.bits.to_consensus();
                    Err(Error::ImpossibleBits { height, bits })
                }
            }
            None => Ok(due.then_some(false)),
        }
    }

    /// What the rules demand, if enough of the past is known to say it.
    fn expected_bits(&self, height: u32, header: &Header) -> Option<CompactTarget> {
        let params = self.params;
        if height.is_multiple_of(params.interval) {
            if !params.retargets {
                return Some(self.last.bits);
            }
            // The network counts one block too few, and has to for ever.
            let first = self.period?;
            let actual_s = i64::from(self.last.time) - i64::from(first.time);
            let bits = if params.bip94 {
                first.bits
            } else {
                self.last.bits
            };
            return Some(next_bits(bits, actual_s, params.period_s(), params.limit));
        }
        if !params.easy_when_late {
            return Some(self.last.bits);
        }
        let late_from =
            u64::from(self.last.time).saturating_add(params.spacing_s.saturating_mul(2));
        if u64::from(header.time) > late_from {
            Some(params.easiest_bits())
        } else {
            self.real_bits
        }
    }

    fn check_time(&self, height: u32, header: &Header, now_unix_s: u64) -> Result<()> {
        let time_unix_s = u64::from(header.time);
        let mut min_unix_s = self
            .times
            .median()
            .map_or(0, |median| u64::from(median) + 1);
        if self.params.bip94 && height.is_multiple_of(self.params.interval) {
            min_unix_s = min_unix_s.max(u64::from(self.last.time).saturating_sub(MAX_TIMEWARP_S));
        }
        if time_unix_s < min_unix_s {
            return Err(Error::TimeTooOld {
                height,
                time_unix_s,
                min_unix_s,
            });
        }
        if time_unix_s > now_unix_s.saturating_add(MAX_AHEAD_S) {
            return Err(Error::TimeTooNew {
                height,
                time_unix_s,
                now_unix_s,
            });
        }
        Ok(())
    }

    fn price_of(&self, height: u32, bits: CompactTarget) -> Result<Price> {
        if bits == self.price.bits {
            Ok(self.price)
        } else {
            Price::of(self.params, height, bits)
        }
    }

    fn advance(&mut self, hash: BlockHash, header: &Header) {
        let height = self.point.height + 1;
        self.point.height = height;
        self.point.hash = hash;
        self.last = *header;
        self.times.push(header.time);
        let begins_period = height.is_multiple_of(self.params.interval);
        if begins_period {
            self.period = Some(*header);
        }
        if begins_period || header.bits != self.params.easiest_bits() {
            self.real_bits = Some(header.bits);
        }
    }
}
