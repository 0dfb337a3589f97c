//! Sources of headers, against servers and peers that are made for the test.

mod esplora;
mod http;
mod node_rpc;
mod peer;
mod sync;

use timestamp::headers::sources::{BlockAt, HeaderSource};
use timestamp::headers::{Header, Result};

use crate::mine::Miner;

fn at(miner: &Miner, height: u32) -> BlockAt {
    BlockAt {
        height,
        hash: miner.hash(height),
    }
}

/// Asks for headers after every so many heights, and compares them with the chain.
async fn check_serves(source: &dyn HeaderSource, miner: &Miner) {
    assert_eq!(source.tip_height().await.unwrap(), miner.height());
    for height in [0, 1, 7, miner.height() - 1, miner.height()] {
        for count in [1, 2, 10, 11, 35, 2000] {
            let headers = source
                .headers_after(at(miner, height), count)
                .await
                .unwrap();
            let expected = miner.headers.iter().skip(height as usize + 1);
            let expected: Vec<_> = expected.take(count as usize).copied().collect();
            assert!(headers == expected, "{count} after {height}");
        }
    }
}

async fn ask(source: &dyn HeaderSource, miner: &Miner, count: u32) -> Result<Vec<Header>> {
    source.headers_after(at(miner, 0), count).await
}
