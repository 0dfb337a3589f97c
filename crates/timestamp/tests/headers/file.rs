//! Header files: whole chains, parts of them, and single headers.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use timestamp::headers::{
    ANY_TIME, Anchor, Checkpoint, Custom, Error, HeaderFile, HeaderStore, HeaderWriter, Params,
};

use crate::mine::{INTERVAL, Miner, retargeting_network};
use crate::verify::{block_358391, root_358391};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("headers");
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn eventful() -> Miner {
    let mut miner = Miner::retargeting();
    miner.grow(20, 1, 0).grow(20, 3, 0).grow(30, 1, 0);
    miner
}

fn open(miner: &Miner, bytes: &[u8], start: Option<u32>) -> Result<HeaderFile, Error> {
    let folder = Folder::new();
    let path = folder.file(bytes);
    HeaderFile::open(&path, start, Arc::clone(&miner.params), miner.now())
}

#[test]
fn a_file_from_genesis_is_checked_as_a_whole() {
    let miner = eventful();
    for start in [None, Some(0)] {
        let file = open(&miner, &miner.bytes(), start).unwrap();
        let coverage = file.coverage();
        assert_eq!(coverage.anchor, Anchor::Genesis);
        assert_eq!(coverage.work, miner.work());
        assert_eq!(coverage.retargets_checked, 70 / INTERVAL);
        assert_eq!(coverage.retargets_unchecked, 0);
        assert!(coverage.is_conclusive_at(70) && !coverage.is_conclusive_at(71));
        for height in [0, 1, 16, 69, 70] {
            assert_eq!(
                file.header_at(height).unwrap(),
                miner.headers[height as usize]
            );
        }
        assert_eq!(file.header_at(71).unwrap_err().code(), "header_not_stored");
    }
}

#[test]
fn a_part_says_what_it_could_not_check() {
    let miner = eventful();
    let file = open(&miner, &miner.bytes()[80 * 20..], Some(20)).unwrap();
    let coverage = file.coverage();
    assert_eq!(coverage.anchor, Anchor::Nothing);
    assert_eq!((coverage.first_height, coverage.last_height), (20, 70));
    // The one at 32 depends on what was before the file; those at 48 and 64 don't.
    assert_eq!(
        (coverage.retargets_checked, coverage.retargets_unchecked),
        (2, 1)
    );
    assert!(!coverage.is_conclusive_at(40));
    let shown = coverage.to_string();
    assert!(
        shown.contains("not connected to genesis: trusted for its own work only"),
        "{shown}"
    );
    assert!(
        shown.contains("1 change of difficulty could not be checked"),
        "{shown}"
    );
    assert_eq!(file.header_at(19).unwrap_err().code(), "header_not_stored");
    assert_eq!(file.header_at(20).unwrap(), miner.headers[20]);
    assert_eq!(file.header_at(70).unwrap(), miner.tip());
}

#[test]
fn a_part_with_a_known_block_is_certain_up_to_it() {
    let mut miner = eventful();
    let checkpoint = Checkpoint {
        height: 50,
        hash: miner.hash(50),
    };
    miner.params = Arc::new(Params::custom(Custom {
        checkpoints: vec![checkpoint],
        min_work: bitcoin::Work::from_be_bytes([1; 32]),
        ..retargeting_network()
    }));
    let coverage = open(&miner, &miner.bytes()[80 * 20..], Some(20))
        .unwrap()
        .coverage();
    assert_eq!(coverage.anchor, Anchor::Checkpoint);
    assert_eq!(coverage.checkpoint_height, Some(50));
    assert!(coverage.is_conclusive_at(50) && !coverage.is_conclusive_at(51));
    assert!(
        coverage.to_string().contains("certain up to block 50"),
        "{coverage}"
    );
    let shifted = open(&miner, &miner.bytes()[80 * 20..], Some(21)).unwrap_err();
    assert!(
        [
            "header_checkpoint_mismatch",
            "header_wrong_bits",
            "header_impossible_bits"
        ]
        .contains(&shifted.code()),
        "{shifted}"
    );
}

#[test]
fn a_single_header_of_the_real_chain_is_enough_for_a_verdict() {
    let folder = Folder::new();
    let path = folder.file(&bitcoin::consensus::serialize(&block_358391()));
    let params = Arc::new(Params::mainnet());
    let open = |start| HeaderFile::open(&path, start, Arc::clone(&params), ANY_TIME);
    let file = open(Some(358_391)).unwrap();
    assert_eq!(file.coverage().anchor, Anchor::Nothing);
    assert!(
        (67.0..69.0).contains(&file.coverage().work.log2()),
        "{}",
        file.coverage()
    );
    let attested = file.attest(&root_358391(), 358_391).unwrap();
    assert_eq!(attested.confirmations, 1);
    assert!(!file.coverage().is_conclusive_at(358_391));
    let error = file.attest(&[0; 32], 358_391).unwrap_err();
    assert_eq!(error.code(), "attestation_root_mismatch");
    assert_eq!(
        open(None).unwrap_err().code(),
        "header_file_start_height_needed"
    );
    assert_eq!(open(Some(0)).unwrap_err().code(), "headers_wrong_network");
    // Another block is known to be there.
    assert_eq!(
        open(Some(363_725)).unwrap_err().code(),
        "header_checkpoint_mismatch"
    );
    assert_eq!(open(Some(u32::MAX)).unwrap_err().code(), "headers_too_long");
}

#[test]
fn files_that_are_none_are_refused() {
    let miner = eventful();
    let bytes = miner.bytes();
    for length in [0, 1, 79, 81, 161] {
        let error = open(&miner, &bytes[..length], None).unwrap_err();
        assert_eq!(error.code(), "header_file_malformed", "{length}");
    }
    assert_eq!(
        open(&miner, &bytes, Some(7)).unwrap_err().code(),
        "header_file_malformed"
    );
    let mut flipped = bytes.clone();
    flipped[80 * 30 + 40] ^= 1;
    let error = open(&miner, &flipped, None).unwrap_err();
    assert!(
        ["header_weak_work", "header_broken_link"].contains(&error.code()),
        "{error}"
    );
    let nowhere = PathBuf::from("/nowhere/headers");
    let error = HeaderFile::open(&nowhere, None, Arc::clone(&miner.params), 0).unwrap_err();
    assert_eq!(error.code(), "headers_io");
}

#[test]
fn a_file_that_changes_afterwards_is_noticed() {
    let miner = eventful();
    let folder = Folder::new();
    let path = folder.file(&miner.bytes());
    let file = HeaderFile::open(&path, None, Arc::clone(&miner.params), ANY_TIME).unwrap();
    let mut other = miner.fork(40);
    other.grow(30, 1, 9);
    fs::write(&path, other.bytes()).unwrap();
    assert_eq!(file.header_at(70).unwrap_err().code(), "header_damaged");
}

#[test]
fn a_file_fills_the_store() {
    let miner = eventful();
    let file = open(&miner, &miner.bytes(), None).unwrap();
    let folder = Folder::new();
    let mut writer = HeaderWriter::open(folder.0.path(), Arc::clone(&miner.params)).unwrap();
    let extended = writer.import(&file, ANY_TIME).unwrap();
    assert_eq!((extended.added, extended.replaced), (70, 0));
    assert_eq!(writer.import(&file, ANY_TIME).unwrap().added, 0);
    let store = HeaderStore::open(folder.0.path(), Arc::clone(&miner.params)).unwrap();
    assert_eq!(store.tip().work, miner.work());
    let part = open(&miner, &miner.bytes()[80 * 80 - 800..], Some(70)).unwrap();
    assert_eq!(writer.import(&part, ANY_TIME).unwrap().added, 0);
}

proptest! {
    #[test]
    fn nonsense_is_refused_without_a_panic(bytes in prop::collection::vec(any::<[u8; 80]>(), 1..5), start: Option<u32>) {
        let folder = Folder::new();
        let path = folder.file(&bytes.concat());
        for params in [Params::mainnet(), Params::testnet4(), Params::regtest()] {
            prop_assert!(HeaderFile::open(&path, start, Arc::new(params), ANY_TIME).is_err());
        }
    }
}
