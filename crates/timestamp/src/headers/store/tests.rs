//! Crashes: whatever a process that dies leaves behind, the chain is whole when it is opened.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::flat::{decode, encode};
use super::super::{ANY_TIME, Cursor, Custom, HEADER_BYTES, Header, Params, Point, Work};
use super::{DATA, FORK, HeaderStore, HeaderWriter, META, journal, meta};
use crate::headers as api;

#[path = "../../../tests/headers/mine.rs"]
mod mine;

use mine::Miner;

/// A chain on disk, and the means to put it into the state that a crash leaves behind.
struct Scene {
    folder: tempfile::TempDir,
    params: Arc<Params>,
}

impl Scene {
    fn new(miner: &Miner) -> Self {
        // In memory where there is such a folder: thousands of crashes wait for thousands of fsyncs.
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let params = Arc::clone(&miner.params);
        let mut writer = HeaderWriter::open(folder.path(), Arc::clone(&params)).unwrap();
        writer.extend(0, &miner.headers, miner.now()).unwrap();
        Self { folder, params }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn writer(&self) -> HeaderWriter {
        HeaderWriter::open(self.folder.path(), Arc::clone(&self.params)).unwrap()
    }

    fn reader(&self) -> HeaderStore {
        HeaderStore::open(self.folder.path(), Arc::clone(&self.params)).unwrap()
    }

    /// Writes these bytes over the file from this offset on, and cuts nothing.
    fn write(&self, offset: usize, bytes: &[u8]) {
        let file = OpenOptions::new()
            .write(true)
            .open(self.path(DATA))
            .unwrap();
        file.write_all_at(bytes, offset as u64).unwrap();
    }
}

fn point(miner: &Miner, height: u32) -> Point {
    let part = miner.fork(height);
    Point {
        height,
        hash: part.hash(height),
        work: part.work(),
    }
}

#[track_caller]
fn check_whole(store: &HeaderStore, expected: &[Header]) {
    let tip = store.tip();
    assert_eq!(tip.height as usize, expected.len() - 1);
    let works = expected.iter().map(Header::work);
    assert_eq!(tip.work, works.reduce(|sum, work| sum + work).unwrap());
    for (height, header) in (0..).zip(expected) {
        assert_eq!(store.header(height).unwrap(), *header);
    }
}

fn cut_to(path: &Path, length: usize) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length as u64).unwrap();
}

/// The chain with those of the headers in `bytes` that follow the rules.
fn good_headers(chain: &Miner, bytes: &[u8]) -> Vec<Header> {
    let mut cursor = Cursor::genesis(&chain.params).unwrap();
    let new = decode(bytes);
    let all = chain.headers.iter().skip(1).chain(&new);
    let good = all.take_while(|header| cursor.accept(header, ANY_TIME).is_ok());
    chain.headers.iter().take(1).chain(good).copied().collect()
}

/// How the disk may look after what was not yet written.
#[derive(Debug, Clone, Copy)]
enum Rest {
    Missing,
    Zeros,
    Garbage,
}

#[test]
fn a_crash_at_any_byte_of_an_append_leaves_the_whole_headers_before_it() {
    let before = Miner::regtest(20);
    let mut after = before.clone();
    after.grow(3, 600, 1);
    let scene = Scene::new(&before);
    let start = 21 * HEADER_BYTES;
    let new = encode(&after.headers[21..]);
    let meta_before = fs::read(scene.path(META)).unwrap();
    for written in 0..=new.len() {
        for rest in [Rest::Missing, Rest::Zeros, Rest::Garbage] {
            fs::write(scene.path(META), &meta_before).unwrap();
            cut_to(&scene.path(DATA), start);
            let mut bytes = new[..written].to_vec();
            match rest {
                Rest::Missing => {}
                Rest::Zeros => bytes.resize(new.len(), 0),
                Rest::Garbage => bytes.resize(new.len(), 0xa5),
            }
            scene.write(start, &bytes);
            // Where a block takes two hashes, every other torn header is a good one by chance.
            let good = good_headers(&before, &bytes);
            assert!(good.len() >= 21 + written / HEADER_BYTES);
            check_whole(&scene.reader(), &good);
            let mut writer = scene.writer();
            check_whole(writer.store(), &good);
            let beyond = start + bytes.len() - good.len() * HEADER_BYTES;
            assert_eq!(
                writer.repair().bytes_cut,
                beyond as u64,
                "{written} {rest:?}"
            );
            assert!(!writer.repair().rechecked);
            if good.starts_with(&before.headers) && after.headers.starts_with(&good) {
                writer
                    .extend(21, &after.headers[21..], after.now())
                    .unwrap();
                check_whole(writer.store(), &after.headers);
            }
        }
    }
}

#[test]
fn a_file_cut_at_any_byte_loses_no_more_than_that() {
    let miner = Miner::regtest(5);
    let scene = Scene::new(&miner);
    let bytes = miner.bytes();
    for length in (0..bytes.len()).rev() {
        cut_to(&scene.path(DATA), length);
        let mut writer = scene.writer();
        let whole = (length / HEADER_BYTES).max(1);
        check_whole(writer.store(), &miner.headers[..whole]);
        writer.extend(0, &miner.headers, miner.now()).unwrap();
        assert_eq!(fs::read(scene.path(DATA)).unwrap(), bytes);
    }
}

/// Puts the scene where a replacement has been decided, and `written` bytes of it were moved.
fn crash_while_replacing(scene: &Scene, old: &Miner, new: &Miner, fork: u32, written: usize) {
    let branch = &new.headers[fork as usize + 1..];
    fs::write(scene.path(DATA), old.bytes()).unwrap();
    let tip = point(old, old.height());
    meta::save(&scene.params, &scene.path(META), &tip).unwrap();
    journal::save(&scene.params, &scene.path(FORK), &point(old, fork), branch).unwrap();
    let start = (fork as usize + 1) * HEADER_BYTES;
    scene.write(start, &encode(branch)[..written]);
}

/// An old chain, and a new one that leaves it after block 30 and has more work.
fn branches(new_is_longer: bool) -> (Miner, Miner) {
    let mut old = Miner::retargeting();
    old.grow(30, 4, 0);
    let mut new = old.fork(30);
    if new_is_longer {
        old.grow(2, 4, 1);
        new.grow(4, 4, 2);
    } else {
        // Block 32 begins a harder period only where those before it came fast.
        old = Miner::retargeting();
        old.grow(16, 4, 0).grow_fast(14, 0);
        new = old.fork(30);
        old.grow(6, 30, 1);
        new.grow_fast(4, 2);
    }
    assert!(new.work() > old.work());
    assert_eq!(new.height() > old.height(), new_is_longer);
    (old, new)
}

#[test]
fn a_crash_at_any_byte_of_a_replacement_leaves_the_new_chain() {
    for new_is_longer in [true, false] {
        let (old, new) = branches(new_is_longer);
        let scene = Scene::new(&old);
        let length = (new.headers.len() - 31) * HEADER_BYTES;
        for written in 0..=length {
            crash_while_replacing(&scene, &old, &new, 30, written);
            // Who can't complete it sees what both chains have.
            check_whole(&scene.reader(), &old.headers[..31]);
            let writer = scene.writer();
            assert!(writer.repair().fork_completed && !writer.repair().rechecked);
            check_whole(writer.store(), &new.headers);
            assert_eq!(fs::read(scene.path(DATA)).unwrap(), new.bytes());
            assert!(!scene.path(FORK).exists());
        }
    }
}

#[test]
fn a_crash_before_the_decision_leaves_the_old_chain_and_after_it_the_new_one() {
    let (old, new) = branches(true);
    let scene = Scene::new(&old);
    fs::write(scene.path("headers.new"), [7; 100]).unwrap();
    check_whole(scene.writer().store(), &old.headers);
    // All is done but for the removal of the journal.
    crash_while_replacing(&scene, &old, &new, 30, 0);
    let journal = fs::read(scene.path(FORK)).unwrap();
    drop(scene.writer());
    fs::write(scene.path(FORK), journal).unwrap();
    check_whole(scene.writer().store(), &new.headers);
}

#[test]
fn an_error_half_way_is_made_good_by_the_next_write() {
    let (old, new) = branches(true);
    let scene = Scene::new(&old);
    let mut writer = scene.writer();
    crash_while_replacing(&scene, &old, &new, 30, 100);
    let extended = writer.extend(0, &new.headers, new.now()).unwrap();
    assert_eq!(extended.added, 0);
    check_whole(writer.store(), &new.headers);
}

#[test]
fn a_journal_that_is_no_good_is_dropped_and_everything_checked() {
    let (old, new) = branches(true);
    let scene = Scene::new(&old);
    let spoil: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.clear(),
        |bytes| bytes.iter_mut().for_each(|byte| *byte = 0xa5),
        |bytes| {
            let middle = bytes.len() - 100;
            bytes[middle] ^= 1;
        },
    ];
    for spoil in spoil {
        crash_while_replacing(&scene, &old, &new, 30, 100);
        let mut journal = fs::read(scene.path(FORK)).unwrap();
        spoil(&mut journal);
        fs::write(scene.path(FORK), journal).unwrap();
        let writer = scene.writer();
        assert!(!writer.repair().fork_completed && writer.repair().rechecked);
        // One header of the branch had been moved, and none of the old ones follows it.
        check_whole(writer.store(), &new.headers[..32]);
    }
}

#[test]
fn a_meta_file_that_does_not_fit_only_costs_time() {
    let miner = Miner::regtest(20);
    let scene = Scene::new(&miner);
    let good = fs::read(scene.path(META)).unwrap();
    let other = Point {
        height: u32::MAX,
        ..point(&miner, 20)
    };
    let beyond = meta::to_line(&scene.params, &other).unwrap();
    let mut wrong_hash = good.clone();
    let at = String::from_utf8(good.clone())
        .unwrap()
        .find("\"hash\"")
        .unwrap()
        + 20;
    wrong_hash[at] = if wrong_hash[at] == b'0' { b'1' } else { b'0' };
    let foreign = Custom {
        ..mine::retargeting_network()
    };
    let foreign = meta::to_line(&Params::custom(foreign), &point(&miner, 20)).unwrap();
    let long = [good.clone(), vec![b' '; 4096]].concat();
    for bytes in [
        vec![],
        b"{}".to_vec(),
        vec![0xff; 300],
        beyond,
        wrong_hash,
        foreign,
        long,
    ] {
        fs::write(scene.path(META), &bytes).unwrap();
        check_whole(&scene.reader(), &miner.headers);
        let writer = scene.writer();
        assert!(writer.repair().rechecked);
        check_whole(writer.store(), &miner.headers);
        assert_eq!(fs::read(scene.path(META)).unwrap(), good);
    }
    fs::remove_file(scene.path(META)).unwrap();
    check_whole(scene.writer().store(), &miner.headers);
}

#[test]
fn a_meta_file_is_read_back() {
    let miner = Miner::regtest(3);
    let mut point = point(&miner, 3);
    point.work = Work::from_be_bytes([0xab; 32]);
    let line = meta::to_line(&miner.params, &point).unwrap();
    assert_eq!(meta::from_line(&miner.params, &line), Some(point));
}
