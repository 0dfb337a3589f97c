//! How fast it is. Run it with `cargo test --release -p timestamp --test headers -- --ignored --nocapture`.

use std::fs;
use std::time::Instant;

use timestamp::headers::{HeaderStore, HeaderWriter};

use crate::mine::Miner;

const BLOCKS: u32 = 900_000;

#[test]
#[ignore = "mines for a second, and measures"]
fn a_whole_chain_is_checked_in_a_second_and_opened_in_a_millisecond() {
    let start = Instant::now();
    let miner = Miner::regtest(BLOCKS);
    println!("mined {BLOCKS} headers in {:?}", start.elapsed());
    let folder = tempfile::tempdir().unwrap();
    let params = || miner.params.clone();

    let mut writer = HeaderWriter::open(folder.path(), params()).unwrap();
    let start = Instant::now();
    writer.extend(0, &miner.headers, miner.now()).unwrap();
    println!("checked and wrote them in {:?}", start.elapsed());
    drop(writer);

    fs::remove_file(folder.path().join("headers.meta")).unwrap();
    let start = Instant::now();
    let writer = HeaderWriter::open(folder.path(), params()).unwrap();
    let recheck = start.elapsed();
    assert!(writer.repair().rechecked);
    println!("checked them again from disk in {recheck:?}");

    let start = Instant::now();
    const ROUNDS: u32 = 100;
    for round in 0..ROUNDS {
        let store = HeaderStore::open(folder.path(), params()).unwrap();
        store.header(358_391 + round).unwrap();
    }
    let open = start.elapsed() / ROUNDS;
    println!("opened the chain and read one header in {open:?}");
    assert!(recheck.as_millis() < 2000 && open.as_micros() < 1000);
}
