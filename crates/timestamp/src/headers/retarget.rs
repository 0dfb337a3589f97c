//! The arithmetic of difficulty: what `nBits` says, and what it must say next.
//!
//! The `bitcoin` crate has both, but its multiplication wraps beyond 256 bits and its subtraction
//! of times panics when a period ends before it began. The first can't happen with mainnet's
//! limit and the second not on mainnet's chain, but headers come from strangers.

use bitcoin::{CompactTarget, Target};

/// The target that `bits` stands for, or `None` if it stands for none below the limit.
pub(super) fn target_of(bits: CompactTarget, limit: Target) -> Option<Target> {
    // Above that the mantissa would be shifted out of 256 bits.
    const EXPONENT_MAX: u32 = 32;
    if bits.to_consensus() >> 24 > EXPONENT_MAX {
        return None;
    }
    // A negative number becomes zero here.
    let target = Target::from_compact(bits);
    (target > Target::ZERO && target <= limit).then_some(target)
}

/// What `bits` becomes after a period that took `actual_s` instead of `planned_s`.
///
/// Nobody's clock is trusted for more than a factor of four.
pub(super) fn next_bits(
    bits: CompactTarget,
    actual_s: i64,
    planned_s: u64,
    limit: Target,
) -> CompactTarget {
    let planned_s = planned_s.max(1);
    let actual_s = u64::try_from(actual_s)
        .unwrap_or(0)
        .clamp(planned_s / 4, planned_s.saturating_mul(4));
    let old = Target::from_compact(bits);
    let new = scale(old, actual_s, planned_s).map_or(limit, |target| target.min(limit));
    new.to_compact_lossy()
}

/// Whether a retarget could have led from `old` to `new`, whatever the times were.
pub(super) fn may_follow(old: CompactTarget, new: CompactTarget, limit: Target) -> bool {
    let old = Target::from_compact(old);
    let bound = |factor, divisor| {
        let target = scale(old, factor, divisor).map_or(limit, |target| target.min(limit));
        Target::from_compact(target.to_compact_lossy())
    };
    let new = Target::from_compact(new);
    bound(1, 4) <= new && new <= bound(4, 1)
}

/// `target × factor / divisor`, or `None` if that doesn't fit into 256 bits.
fn scale(target: Target, factor: u64, divisor: u64) -> Option<Target> {
    const LIMB_BITS: u32 = 64;
    let bytes = target.to_le_bytes();
    let mut limbs = [0_u64; 5];
    let mut carry = 0_u128;
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        let value = chunk
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        carry += u128::from(value) * u128::from(factor);
        *limb = carry as u64;
        carry >>= LIMB_BITS;
    }
    limbs[4] = carry as u64;

    let mut rest = 0_u128;
    for limb in limbs.iter_mut().rev() {
        let part = rest << LIMB_BITS | u128::from(*limb);
        *limb = (part / u128::from(divisor)) as u64;
        rest = part % u128::from(divisor);
    }
    if limbs[4] != 0 {
        return None;
    }
    let mut scaled = [0; 32];
    for (chunk, limb) in scaled.chunks_exact_mut(8).zip(limbs) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    Some(Target::from_le_bytes(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_WEEKS_S: u64 = 14 * 24 * 60 * 60;

    #[track_caller]
    fn check(bits: u32, first_time: i64, last_time: i64, expected: u32) {
        let limit = Target::MAX_ATTAINABLE_MAINNET;
        let bits = CompactTarget::from_consensus(bits);
        let next = next_bits(bits, last_time - first_time, TWO_WEEKS_S, limit);
        assert_eq!(format!("{:#010x}", next), format!("{expected:#010x}"));
        assert!(may_follow(bits, next, limit));
    }

    /// Mainnet's own retargets, and one made up, as Bitcoin Core's tests have them.
    #[test]
    fn retargets_are_those_of_the_network() {
        check(0x1d00ffff, 1_261_130_161, 1_262_152_739, 0x1d00d86a);
        check(0x1d00ffff, 1_231_006_505, 1_233_061_996, 0x1d00ffff);
        check(0x1c05a3f4, 1_279_008_237, 1_279_297_671, 0x1c0168fd);
        check(0x1c387f6f, 1_263_163_443, 1_269_211_443, 0x1d00e1fd);
    }

    #[test]
    fn a_period_that_ends_before_it_began_counts_as_a_short_one() {
        check(0x1c05a3f4, 1_279_297_671, 1_279_008_237, 0x1c0168fd);
    }

    #[test]
    fn a_step_beyond_the_factor_of_four_may_not_follow() {
        let limit = Target::MAX_ATTAINABLE_MAINNET;
        let may = |old, new| {
            may_follow(
                CompactTarget::from_consensus(old),
                CompactTarget::from_consensus(new),
                limit,
            )
        };
        assert!(may(0x1c05a3f4, 0x1c0168fd));
        assert!(!may(0x1c05a3f4, 0x1c0168fc));
        assert!(may(0x1c387f6f, 0x1d00e1fd));
        assert!(!may(0x1c387f6f, 0x1d00e1fe));
        assert!(!may(0x1d00ffff, 0x1d010000));
    }

    #[test]
    fn bits_that_stand_for_no_target_are_refused() {
        let limit = Target::MAX_ATTAINABLE_MAINNET;
        let target = |bits| target_of(CompactTarget::from_consensus(bits), limit);
        assert_eq!(target(0x1d00ffff), Some(limit));
        for bits in [
            0, 0x1d010000, 0x1d80ffff, 0x1c800001, 0xff7fffff, 0xffffffff, 0x21000001,
        ] {
            assert_eq!(target(bits), None, "{bits:#x}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_bitcoin_crate(mantissa in 0x8000_u32..0x80_0000, exponent in 10_u32..0x1d, actual in 0_u64..10_000_000) {
            let bits = CompactTarget::from_consensus(exponent << 24 | mantissa);
            let ours = next_bits(bits, actual as i64, TWO_WEEKS_S, Target::MAX_ATTAINABLE_MAINNET);
            let theirs = CompactTarget::from_next_work_required(bits, actual, bitcoin::Network::Bitcoin);
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn no_bits_make_it_panic(bits: u32, actual: i64, planned: u64, limit: [u8; 32]) {
            let bits = CompactTarget::from_consensus(bits);
            let limit = Target::from_le_bytes(limit);
            let _ = target_of(bits, limit);
            if target_of(bits, Target::from_be_bytes([0xff; 32])).is_some() {
                let _ = next_bits(bits, actual, planned, limit);
            }
        }
    }
}
