//! The rules that one transaction must meet by itself and against the chain, with Bitcoin Core's defaults.

use std::collections::HashMap;

use bitcoin::absolute::LockTime;
use bitcoin::blockdata::locktime::absolute::LOCK_TIME_THRESHOLD;
use bitcoin::constants::COINBASE_MATURITY;
use bitcoin::{Amount, Transaction};

use super::View;
use crate::Reject;
use crate::index::Coin;

/// A tenth of a block: no more is relayed.
const WEIGHT_MAX_WU: u64 = 400_000;
/// Without its witness a transaction has at least 65 bytes: one of 64 could pass for a node of the Merkle tree.
const WEIGHT_MIN_WU: u64 = 65 * 4;
/// What a virtual byte must pay to be relayed.
pub(crate) const RELAY_FEE_MIN_SAT_PER_VB: u64 = 1;
/// A fifth of what a block may have: no more signature checks are relayed in one transaction.
const SIGOPS_MAX: usize = 16_000;
/// BIP 68 counts time in units of 2^9 seconds.
const RELATIVE_TIME_BITS: u32 = 9;
/// With this bit an input's sequence says nothing about time.
const SEQUENCE_NO_LOCK: u32 = 1 << 31;
/// With this bit an input's sequence counts time, otherwise blocks.
const SEQUENCE_IS_TIME: u32 = 1 << 22;
/// These bits of an input's sequence are the number.
const SEQUENCE_VALUE: u32 = 0xffff;

/// What can be said without looking at anything else.
pub(super) fn check_alone(tx: &Transaction) -> Result<(), Reject> {
    if tx.is_coinbase() {
        return Err(Reject::Coinbase);
    }
    let weight_wu = tx.weight().to_wu();
    if tx.base_size() < 65 || weight_wu > WEIGHT_MAX_WU {
        return Err(Reject::Size {
            weight_wu,
            min_wu: WEIGHT_MIN_WU,
            max_wu: WEIGHT_MAX_WU,
        });
    }
    for (vout, output) in tx.output.iter().enumerate() {
        let min = output.script_pubkey.minimal_non_dust();
        if output.value < min {
            return Err(Reject::Dust {
                vout,
                amount_sat: output.value.to_sat(),
                min_sat: min.to_sat(),
            });
        }
    }
    Ok(())
}

/// Refuses to spend rewards that are too young for the next block.
pub(super) fn check_maturity(
    tx: &Transaction,
    inputs: &[Coin],
    view: &impl View,
) -> Result<(), Reject> {
    for (input, coin) in tx.input.iter().zip(inputs) {
        let blocks = view.next_height().saturating_sub(coin.height);
        if coin.is_coinbase && blocks < COINBASE_MATURITY {
            let txid = input.previous_output.txid;
            return Err(Reject::Immature { txid, blocks });
        }
    }
    Ok(())
}

/// What the inputs are worth beyond the outputs.
pub(super) fn fee_sat(tx: &Transaction, inputs: &[Coin]) -> Result<u64, Reject> {
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| {
        amounts.fold(0_u64, |sum, amount| sum.saturating_add(amount.to_sat()))
    };
    let in_sat = sum(&mut inputs.iter().map(|coin| coin.output.value));
    let out_sat = sum(&mut tx.output.iter().map(|output| output.value));
    let fee = in_sat.checked_sub(out_sat);
    fee.ok_or(Reject::BelowOut { in_sat, out_sat })
}

/// Refuses fees below the minimum for relaying.
pub(super) fn check_fee(fee_sat: u64, vsize_vb: u64) -> Result<(), Reject> {
    let min_sat = vsize_vb.saturating_mul(RELAY_FEE_MIN_SAT_PER_VB);
    if fee_sat < min_sat {
        return Err(Reject::FeeTooLow { fee_sat, min_sat });
    }
    Ok(())
}

/// What the signature checks count for, weighted as a block's limit wants it. Refuses too many.
pub(super) fn sigops(tx: &Transaction, inputs: &[Coin]) -> Result<usize, Reject> {
    let spent = tx.input.iter().map(|input| input.previous_output);
    let spent: HashMap<_, _> = spent.zip(inputs).collect();
    let sigops = tx.total_sigop_cost(|outpoint| Some(spent.get(outpoint)?.output.clone()));
    if sigops > SIGOPS_MAX {
        let max = SIGOPS_MAX;
        return Err(Reject::Sigops { sigops, max });
    }
    Ok(sigops)
}

/// Refuses what the next block could not take because of a lock time, absolute or relative (BIP 68, BIP 113).
pub(super) fn check_final(
    tx: &Transaction,
    inputs: &[Coin],
    view: &impl View,
) -> Result<(), Reject> {
    if !is_absolutely_final(tx, view) {
        return Err(Reject::NonFinal);
    }
    if tx.version.0 < 2 {
        return Ok(());
    }
    for (vin, (input, coin)) in tx.input.iter().zip(inputs).enumerate() {
        let sequence = input.sequence.to_consensus_u32();
        if sequence & SEQUENCE_NO_LOCK == 0 && !is_relatively_final(sequence, coin, view) {
            return Err(Reject::NonBip68Final { vin });
        }
    }
    Ok(())
}

fn is_absolutely_final(tx: &Transaction, view: &impl View) -> bool {
    let lock = tx.lock_time.to_consensus_u32();
    let now = if lock < LOCK_TIME_THRESHOLD {
        view.next_height()
    } else {
        view.median_time_s(view.next_height().saturating_sub(1))
    };
    tx.lock_time == LockTime::ZERO || lock < now || !tx.is_lock_time_enabled()
}

fn is_relatively_final(sequence: u32, coin: &Coin, view: &impl View) -> bool {
    let value = sequence & SEQUENCE_VALUE;
    if sequence & SEQUENCE_IS_TIME == 0 {
        return view.next_height() >= coin.height.saturating_add(value);
    }
    // Time runs from the block before the coin's to the block before the next.
    let since_s = view.median_time_s(coin.height.saturating_sub(1));
    let now_s = view.median_time_s(view.next_height().saturating_sub(1));
    now_s >= since_s.saturating_add(value << RELATIVE_TIME_BITS)
}
