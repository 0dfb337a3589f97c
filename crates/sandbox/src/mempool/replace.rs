//! Replacing by fee, after BIP 125 and as Bitcoin Core does it now: also what doesn't signal can be replaced.

use std::collections::HashSet;

use bitcoin::{Transaction, Txid};

use super::{Mempool, rules};
use crate::Reject;

/// The most that one transaction may throw out.
const REPLACED_MAX: usize = 100;
/// What each virtual byte of the newcomer pays on top of the fees that go.
const EXTRA_FEE_MIN_SAT_PER_VB: u64 = rules::RELAY_FEE_MIN_SAT_PER_VB;

/// All that must go for `tx` to come: those that spend the same outputs, and their descendants. Refuses if it
/// doesn't pay for that.
pub(super) fn replaced(
    pool: &Mempool,
    tx: &Transaction,
    fee_sat: u64,
    vsize_vb: u64,
) -> Result<HashSet<Txid>, Reject> {
    let rivals: HashSet<_> = tx
        .input
        .iter()
        .filter_map(|input| pool.spend(&input.previous_output))
        .map(|spend| spend.txid)
        .collect();
    let gone = pool.with_descendants(rivals.iter().copied());
    if gone.len() > REPLACED_MAX {
        return Err(Reject::TooManyReplacements {
            count: gone.len(),
            max: REPLACED_MAX,
        });
    }
    for input in &tx.input {
        let parent = input.previous_output.txid;
        if gone.contains(&parent) {
            return Err(Reject::SpendsConflicting(parent));
        }
    }
    if !gone.is_empty() {
        check_fee_rate(pool, &rivals, fee_sat, vsize_vb)?;
        check_fee(pool, &gone, fee_sat, vsize_vb)?;
    }
    Ok(gone)
}

/// It must be worth more to a miner, byte by byte, than each that it conflicts with directly.
fn check_fee_rate(
    pool: &Mempool,
    rivals: &HashSet<Txid>,
    fee_sat: u64,
    vsize_vb: u64,
) -> Result<(), Reject> {
    for rival in rivals.iter().filter_map(|txid| pool.get(txid)) {
        let ours = u128::from(fee_sat) * u128::from(rival.vsize_vb);
        let theirs = u128::from(rival.fee_sat) * u128::from(vsize_vb);
        if ours <= theirs {
            return Err(Reject::ReplacementTooCheap {
                fee_sat,
                why: format!(
                    "what it conflicts with pays {:.3} sat/vB",
                    rival.fee_rate_sat_per_vb()
                ),
            });
        }
    }
    Ok(())
}

/// It must pay all the fees that go, and for its own way through the network.
fn check_fee(
    pool: &Mempool,
    gone: &HashSet<Txid>,
    fee_sat: u64,
    vsize_vb: u64,
) -> Result<(), Reject> {
    let gone_sat: u64 = gone
        .iter()
        .filter_map(|txid| pool.get(txid))
        .map(|entry| entry.fee_sat)
        .sum();
    let min_sat = gone_sat.saturating_add(vsize_vb.saturating_mul(EXTRA_FEE_MIN_SAT_PER_VB));
    if fee_sat < min_sat {
        return Err(Reject::ReplacementTooCheap {
            fee_sat,
            why: format!("at least {min_sat} sat, as what it replaces pays {gone_sat} sat"),
        });
    }
    Ok(())
}
