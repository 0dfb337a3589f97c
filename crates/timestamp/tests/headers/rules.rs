//! The rules, against chains that follow them and chains that don't.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, Work};
use timestamp::headers::{ANY_TIME, Checkpoint, Cursor, Custom, Error, Header, Params};

use crate::mine::{INTERVAL, Miner, mine, retargeting_network, with_work, without_work};

/// Walks along a whole chain, genesis included.
fn walk<'a>(params: &'a Params, headers: &[Header], now: u64) -> Result<Cursor<'a>, Error> {
    let mut cursor = Cursor::genesis(params)?;
    for header in headers.iter().skip(1) {
        cursor.accept(header, now)?;
    }
    Ok(cursor)
}

/// A chain whose blocks came fast, slow, and in between, over four retargets.
fn eventful() -> Miner {
    let mut miner = Miner::retargeting();
    miner
        .grow(20, 1, 0)
        .grow(20, 3, 0)
        .grow_fast(20, 0)
        .grow(10, 1, 0);
    miner
}

/// Changes the chain's last header, and says what the rules say of it.
#[track_caller]
fn check_last(miner: &Miner, now: u64, change: impl Fn(Header) -> Header, code: &str) {
    let (last, before) = miner.headers.split_last().unwrap();
    let mut cursor = walk(&miner.params, before, ANY_TIME).unwrap();
    let point = cursor.point();
    let error = cursor.accept(&change(*last), now).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.hint().is_empty());
    assert_eq!(cursor.point(), point, "an error moves the cursor nowhere");
    cursor.accept(last, ANY_TIME).unwrap();
}

#[test]
fn a_chain_with_retargets_is_accepted_and_its_work_added_up() {
    let miner = eventful();
    let cursor = walk(&miner.params, &miner.headers, miner.now()).unwrap();
    assert_eq!(cursor.point().height, miner.height());
    assert_eq!(cursor.point().hash, miner.tip().block_hash());
    assert_eq!(cursor.point().work, miner.work());
    assert_eq!(cursor.retargets_checked(), miner.height() / INTERVAL);
    assert_eq!(cursor.retargets_unchecked(), 0);
    let mut bits: Vec<_> = miner.headers.iter().map(|header| header.bits).collect();
    bits.dedup();
    assert!(bits.len() > 3, "the difficulty must have changed: {bits:?}");
}

#[test]
fn a_header_that_does_not_follow_is_refused() {
    let change = |header: Header| {
        with_work(Header {
            prev_blockhash: BlockHash::all_zeros(),
            ..header
        })
    };
    check_last(&eventful(), ANY_TIME, change, "header_broken_link");
}

#[test]
fn a_header_without_its_work_is_refused() {
    check_last(&eventful(), ANY_TIME, without_work, "header_weak_work");
}

#[test]
fn another_difficulty_is_refused_within_a_period_and_at_its_end() {
    let easier = |header: Header| {
        let bits = CompactTarget::from_consensus(header.bits.to_consensus() + 1);
        with_work(Header { bits, ..header })
    };
    check_last(&eventful(), ANY_TIME, easier, "header_wrong_bits");
    let mut at_retarget = Miner::retargeting();
    at_retarget.grow_fast(INTERVAL * 2, 0);
    check_last(&at_retarget, ANY_TIME, easier, "header_wrong_bits");
    // Going on as before is wrong where a change is due.
    let unchanged = |header: Header| {
        let bits = at_retarget.headers[INTERVAL as usize * 2 - 1].bits;
        with_work(Header { bits, ..header })
    };
    check_last(&at_retarget, ANY_TIME, unchanged, "header_wrong_bits");
}

#[test]
fn a_header_must_be_younger_than_the_median_of_eleven() {
    let mut miner = Miner::retargeting();
    miner.grow(15, 10, 0);
    let at = |header: Header, time| with_work(Header { time, ..header });
    // The eleven before the last are at 5 to 15 steps, so the median is 6 steps before it.
    let median = miner.headers[15 - 6].time;
    check_last(
        &miner,
        ANY_TIME,
        |header| at(header, median),
        "header_time_too_old",
    );
    let before = &miner.headers[..15];
    let mut cursor = walk(&miner.params, before, ANY_TIME).unwrap();
    cursor
        .accept(&at(miner.tip(), median + 1), ANY_TIME)
        .unwrap();
}

#[test]
fn a_header_may_be_two_hours_ahead_and_no_more() {
    let mut miner = Miner::retargeting();
    miner.grow(3, 10, 0);
    let time = u64::from(miner.tip().time);
    check_last(&miner, time - 7201, |header| header, "header_time_too_new");
    let before = &miner.headers[..3];
    let mut cursor = walk(&miner.params, before, ANY_TIME).unwrap();
    cursor.accept(&miner.tip(), time - 7200).unwrap();
}

#[test]
fn a_known_block_rules_out_all_others() {
    let mut miner = Miner::retargeting();
    miner.grow(20, 1, 0);
    let known = |height, hash| {
        let checkpoints = vec![Checkpoint { height, hash }];
        Params::custom(Custom {
            checkpoints,
            ..retargeting_network()
        })
    };
    let right = known(12, miner.hash(12));
    walk(&right, &miner.headers, ANY_TIME).unwrap();
    let wrong = known(12, miner.hash(11));
    let error = walk(&wrong, &miner.headers, ANY_TIME).unwrap_err();
    let expected = Error::CheckpointMismatch {
        height: 12,
        expected: miner.hash(11),
        found: miner.hash(12),
    };
    assert_eq!(error, expected);
}

#[test]
fn a_real_period_has_2016_blocks() {
    let genesis = Params::regtest().genesis();
    let params = Params::custom(Custom {
        genesis,
        spacing_s: 600,
        interval: 2016,
        checkpoints: Vec::new(),
        min_work: Work::from_be_bytes([0; 32]),
    });
    let mut cursor = Cursor::genesis(&params).unwrap();
    let mut last = genesis;
    for _ in 1..2016 {
        last = mine(&last, last.time + 300, genesis.bits, 0);
        cursor.accept(&last, ANY_TIME).unwrap();
    }
    // 2015 steps of half the time: by the network's count, a little less than half of a period.
    let same = mine(&last, last.time + 300, genesis.bits, 0);
    let Err(Error::WrongBits {
        height, expected, ..
    }) = cursor.accept(&same, ANY_TIME)
    else {
        panic!("the difficulty must change");
    };
    assert_eq!((height, expected), (2016, 0x203f_f7de));
    let harder = mine(
        &last,
        last.time + 300,
        CompactTarget::from_consensus(expected),
        0,
    );
    cursor.accept(&harder, ANY_TIME).unwrap();
    assert_eq!(cursor.retargets_checked(), 1);
}

#[test]
fn testnet4_has_an_easy_block_after_twenty_minutes_and_only_then() {
    let params = Params::testnet4();
    let mut cursor = Cursor::genesis(&params).unwrap();
    let genesis = params.genesis();
    let mut header = Header {
        prev_blockhash: genesis.block_hash(),
        time: genesis.time + 1201,
        bits: CompactTarget::from_consensus(0x1c00_ffff),
        ..genesis
    };
    // No work is needed to see which difficulty is demanded.
    let wrong = cursor.accept(&header, ANY_TIME).unwrap_err();
    assert!(
        matches!(
            wrong,
            Error::WrongBits {
                expected: 0x1d00_ffff,
                ..
            }
        ),
        "{wrong}"
    );
    header.bits = genesis.bits;
    assert_eq!(
        cursor.accept(&header, ANY_TIME),
        Err(Error::WeakWork { height: 1 })
    );
}

/// The first blocks of a regtest chain that Bitcoin Core itself has made (from its test data).
#[test]
fn a_chain_by_bitcoin_core_is_accepted() {
    let hex = [
        "0000002006226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f295badc0bdd9a2bc0955d12f337491eae4c87ba4660078c0156310284d47c6ff9a242d66ffff7f2000000000",
        "00000020a629da61ccd6c9de14dd22d4dcf06ac4b98828801fb58275af1ed2c89e361b79677daedb5fc7781c5907a88133cd461b4865e9a4881fecfb362304ad1806acf3a7242d66ffff7f2001000000",
        "00000020621716dbbd2d4109ecf95e3ad14f2e205cc2dc52e286e127009b8941d255495a16bb39e1ed66dcf600fd7eabd1b8ee77ec894a77c2eac0dcc3ef2a4400707f56a7242d66ffff7f2000000000",
    ];
    let params = Arc::new(Params::regtest());
    let mut cursor = Cursor::genesis(&params).unwrap();
    for text in hex {
        let header: Header = bitcoin::consensus::encode::deserialize_hex(text).unwrap();
        cursor.accept(&header, ANY_TIME).unwrap();
    }
    assert_eq!(cursor.point().height, 3);
}
