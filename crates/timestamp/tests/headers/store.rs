//! The chain on disk.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use timestamp::headers::{
    ANY_TIME, Checkpoint, Custom, Error, HeaderStore, HeaderWriter, Params, Work,
};

use crate::mine::{Miner, retargeting_network};

struct Stored {
    folder: tempfile::TempDir,
    params: Arc<Params>,
}

impl Stored {
    fn new(miner: &Miner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let params = Arc::clone(&miner.params);
        let stored = Self { folder, params };
        stored
            .writer()
            .extend(0, &miner.headers, miner.now())
            .unwrap();
        stored
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn writer(&self) -> HeaderWriter {
        HeaderWriter::open(self.path(), Arc::clone(&self.params)).unwrap()
    }

    fn reader(&self) -> HeaderStore {
        HeaderStore::open(self.path(), Arc::clone(&self.params)).unwrap()
    }
}

#[track_caller]
fn check_holds(store: &HeaderStore, miner: &Miner) {
    assert_eq!(store.tip().height, miner.height());
    assert_eq!(store.tip().hash, miner.tip().block_hash());
    assert_eq!(store.tip().work, miner.work());
    for (height, header) in (0..).zip(&miner.headers) {
        assert_eq!(store.header(height).unwrap(), *header);
    }
}

#[test]
fn what_is_stored_is_read_back_by_others_too() {
    let mut miner = Miner::regtest(30);
    let stored = Stored::new(&miner);
    check_holds(&stored.reader(), &miner);
    let mut writer = stored.writer();
    assert_eq!(writer.repair(), Default::default());
    check_holds(writer.store(), &miner);
    let first = miner.height() + 1;
    miner.grow(5, 600, 1);
    let extended = writer
        .extend(first, &miner.headers[first as usize..], miner.now())
        .unwrap();
    assert_eq!((extended.added, extended.replaced), (5, 0));
    check_holds(&stored.reader(), &miner);
    assert_eq!(
        stored.reader().header(36).unwrap_err().code(),
        "header_not_stored"
    );
    assert_eq!(
        fs::read(stored.path().join("headers.dat")).unwrap(),
        miner.bytes()
    );
}

#[test]
fn a_new_chain_begins_with_genesis_and_a_missing_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let params = Arc::new(Params::mainnet());
    let none = HeaderStore::open(folder.path(), Arc::clone(&params)).unwrap_err();
    assert_eq!(none.code(), "headers_empty");
    let writer = HeaderWriter::open(folder.path(), Arc::clone(&params)).unwrap();
    assert_eq!(writer.store().tip().height, 0);
    assert_eq!(writer.store().header(0).unwrap(), params.genesis());
    let status = writer.store().status().unwrap();
    assert!(!status.has_min_work && status.checkpoint_height.is_none());
}

#[test]
fn two_cannot_write_but_one_can_read_meanwhile() {
    let stored = Stored::new(&Miner::regtest(3));
    let writer = stored.writer();
    let second = HeaderWriter::open(stored.path(), Arc::clone(&stored.params)).unwrap_err();
    assert_eq!(second.code(), "headers_locked");
    assert_eq!(stored.reader().tip().height, 3);
    drop(writer);
    stored.writer();
}

#[test]
fn another_networks_chain_is_left_alone() {
    let stored = Stored::new(&Miner::regtest(3));
    let before = fs::read(stored.path().join("headers.dat")).unwrap();
    let error = HeaderWriter::open(stored.path(), Arc::new(Params::signet())).unwrap_err();
    assert_eq!(error.code(), "headers_wrong_network");
    assert_eq!(fs::read(stored.path().join("headers.dat")).unwrap(), before);
    let mut writer = stored.writer();
    let foreign = [Params::signet().genesis()];
    assert_eq!(
        writer.extend(0, &foreign, 0).unwrap_err().code(),
        "headers_wrong_network"
    );
}

#[test]
fn bad_headers_and_gaps_change_nothing() {
    let mut miner = Miner::regtest(10);
    let stored = Stored::new(&miner);
    let mut writer = stored.writer();
    miner.grow(5, 600, 0);
    let (gap, now) = (&miner.headers[12..], miner.now());
    assert_eq!(
        writer.extend(12, gap, now).unwrap_err(),
        Error::Gap { from: 12, next: 11 }
    );
    let mut broken = miner.headers[11..].to_vec();
    broken[3].time += 1;
    assert!(writer.extend(11, &broken, now).is_err());
    let future = writer
        .extend(11, &miner.headers[11..], now - 90_000)
        .unwrap_err();
    assert_eq!(future.code(), "header_time_too_new");
    check_holds(writer.store(), &miner.fork(10));
    check_holds(&stored.reader(), &miner.fork(10));
}

#[test]
fn the_branch_with_more_work_replaces_the_end() {
    let miner = Miner::regtest(20);
    let stored = Stored::new(&miner);
    let mut writer = stored.writer();
    let mut other = miner.fork(15);
    for (blocks, wins) in [(4, false), (1, false), (1, true)] {
        other.grow(blocks, 600, 7);
        let result = writer.extend(16, &other.headers[16..], other.now());
        match (wins, result) {
            (false, Err(error)) => assert_eq!(error, Error::NotMoreWork { fork: 15 }),
            (true, Ok(extended)) => assert_eq!((extended.added, extended.replaced), (6, 5)),
            (_, result) => panic!("{result:?}"),
        }
    }
    check_holds(writer.store(), &other);
    check_holds(&stored.reader(), &other);
    // Again, with everything that is known already before it.
    assert_eq!(
        writer.extend(0, &other.headers, other.now()).unwrap().added,
        0
    );
    drop(writer);
    assert_eq!(stored.writer().repair(), Default::default());
}

#[test]
fn more_work_may_be_in_fewer_blocks() {
    let mut slow = Miner::retargeting();
    slow.grow(35, 4, 1);
    // Blocks that come fast make those after them up to four times harder.
    let mut hard = Miner::retargeting();
    hard.grow_fast(31, 2);
    let stored = Stored::new(&slow);
    assert!(hard.work() > slow.work() && hard.height() < slow.height());
    let mut writer = stored.writer();
    let extended = writer.extend(1, &hard.headers[1..], ANY_TIME).unwrap();
    assert_eq!((extended.added, extended.replaced), (31, 35));
    check_holds(&stored.reader(), &hard);
}

#[test]
fn what_a_checkpoint_has_settled_is_not_replaced() {
    let mut miner = Miner::retargeting();
    miner.grow(20, 1, 0);
    let checkpoint = Checkpoint {
        height: 10,
        hash: miner.hash(10),
    };
    miner.params = Arc::new(Params::custom(Custom {
        checkpoints: vec![checkpoint],
        ..retargeting_network()
    }));
    let stored = Stored::new(&miner);
    let mut writer = stored.writer();
    let mut other = miner.fork(9);
    other.grow(30, 1, 1);
    let error = writer
        .extend(10, &other.headers[10..], ANY_TIME)
        .unwrap_err();
    let expected = Error::BelowCheckpoint {
        fork: 9,
        checkpoint: 10,
    };
    assert_eq!(error, expected);
    assert_eq!(writer.cut_back(9).unwrap_err(), expected);
    let mut other = miner.fork(10);
    other.grow(30, 1, 1);
    writer.extend(11, &other.headers[11..], ANY_TIME).unwrap();
    writer.cut_back(10).unwrap();
    check_holds(&stored.reader(), &miner.fork(10));
}

#[test]
fn nothing_is_attested_before_the_chain_has_its_work() {
    let mut miner = Miner::retargeting();
    miner.grow(20, 1, 5);
    let root = [5; 32];
    let attest = |params: Custom, height| {
        let mut with = miner.clone();
        with.params = Arc::new(Params::custom(params));
        Stored::new(&with).reader().attest(&root, height)
    };
    assert_eq!(attest(retargeting_network(), 18).unwrap().confirmations, 3);
    let min_work = Work::from_be_bytes([1; 32]);
    let poor = Custom {
        min_work,
        ..retargeting_network()
    };
    let error = attest(poor.clone(), 18).unwrap_err();
    assert_eq!(
        error,
        Error::TooLittleWork {
            height: 18,
            tip: 20
        }
    );
    let known = Custom {
        checkpoints: vec![Checkpoint {
            height: 18,
            hash: miner.hash(18),
        }],
        ..poor
    };
    attest(known.clone(), 18).unwrap();
    assert_eq!(
        attest(known.clone(), 19).unwrap_err().code(),
        "headers_too_little_work"
    );
    assert_eq!(attest(known, 21).unwrap_err().code(), "header_not_stored");
}

#[test]
fn cutting_back_forgets_the_end_only() {
    let miner = Miner::regtest(20);
    let stored = Stored::new(&miner);
    let mut writer = stored.writer();
    writer.cut_back(20).unwrap();
    writer.cut_back(12).unwrap();
    check_holds(writer.store(), &miner.fork(12));
    writer
        .extend(13, &miner.headers[13..], miner.now())
        .unwrap();
    check_holds(&stored.reader(), &miner);
}

#[test]
fn a_damaged_middle_is_noticed_and_can_be_cut_off() {
    let miner = Miner::regtest(40);
    let stored = Stored::new(&miner);
    let path = stored.path().join("headers.dat");
    let mut bytes = miner.bytes();
    bytes[80 * 25 + 50] ^= 4;
    fs::write(&path, &bytes).unwrap();
    // Opening doesn't read it.
    let mut writer = stored.writer();
    assert_eq!(writer.store().tip().height, 40);
    assert_eq!(
        writer.store().header(25).unwrap_err(),
        Error::Damaged { height: 25 }
    );
    let repair = writer.recheck().unwrap();
    assert!(repair.rechecked && repair.bytes_cut >= 80 * 15);
    let height = writer.store().tip().height;
    assert!((24..=25).contains(&height), "{height}");
    for height in 0..height {
        writer.store().header(height).unwrap();
    }
    writer.cut_back(24).unwrap();
    writer
        .extend(25, &miner.headers[25..], miner.now())
        .unwrap();
    check_holds(&stored.reader(), &miner);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Even where a block takes two hashes, so that half of all changes still have their work.
    #[test]
    fn a_changed_bit_is_noticed_when_the_header_is_read(bits in prop::collection::vec(0_usize..21 * 640, 200)) {
        let miner = Miner::regtest(20);
        let stored = Stored::new(&miner);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).open(stored.path().join("headers.dat")).unwrap();
        let bytes = miner.bytes();
        let store = stored.reader();
        for bit in bits {
            let (at, byte) = (bit / 8, bytes[bit / 8]);
            file.write_all_at(&[byte ^ 1 << (bit % 8)], at as u64).unwrap();
            let height = (bit / 640) as u32;
            prop_assert_eq!(store.header(height), Err(Error::Damaged { height }), "bit {}", bit);
            file.write_all_at(&[byte], at as u64).unwrap();
            prop_assert!(store.header(height).is_ok());
        }
    }
}
