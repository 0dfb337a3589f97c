//! The mempool as a whole.

use serde::Serialize;

use crate::mempool::{Entry, Mempool};

/// How many of the latest arrivals are shown, as electrs does.
const RECENT: usize = 10;
/// About how much of a block each bar of the histogram stands for.
const HISTOGRAM_BAR_VB: u64 = 50_000;

/// Count, size and fees.
#[derive(Serialize)]
pub(in crate::esplora) struct MempoolShape {
    count: usize,
    vsize: u64,
    total_fee: u64,
    fee_histogram: Vec<(f64, u64)>,
}

impl MempoolShape {
    pub(in crate::esplora) fn new(mempool: &Mempool) -> Self {
        let entries: Vec<_> = mempool.arrivals().into_iter().map(|(_, e)| e).collect();
        Self {
            count: entries.len(),
            vsize: entries.iter().map(|entry| entry.vsize_vb).sum(),
            total_fee: entries.iter().map(|entry| entry.fee_sat).sum(),
            fee_histogram: histogram(entries),
        }
    }
}

/// Bars of the lowest fee rate in them and their size, from the best paying down.
fn histogram(mut entries: Vec<&Entry>) -> Vec<(f64, u64)> {
    let rate = |entry: &Entry| entry.fee_rate_sat_per_vb();
    entries.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
    let mut bars = Vec::new();
    let (mut bar_vb, mut lowest) = (0, 0.0);
    for entry in entries {
        if bar_vb > HISTOGRAM_BAR_VB && rate(entry) < lowest {
            bars.push((lowest, bar_vb));
            bar_vb = 0;
        }
        bar_vb += entry.vsize_vb;
        lowest = rate(entry);
    }
    if bar_vb > 0 {
        bars.push((lowest, bar_vb));
    }
    bars
}

/// One of the latest arrivals.
#[derive(Serialize)]
pub(in crate::esplora) struct RecentShape {
    txid: String,
    fee: u64,
    vsize: u64,
    value: u64,
}

impl RecentShape {
    pub(in crate::esplora) fn newest(mempool: &Mempool) -> Vec<Self> {
        let arrivals = mempool.arrivals().into_iter().rev().take(RECENT);
        arrivals
            .map(|(txid, entry)| Self {
                txid: txid.to_string(),
                fee: entry.fee_sat,
                vsize: entry.vsize_vb,
                value: entry.tx.output.iter().map(|o| o.value.to_sat()).sum(),
            })
            .collect()
    }
}
