//! Filling the store and comparing sources.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bitcoin::hashes::Hash;
use timestamp::headers::sources::{BlockAt, HeaderSource, Progress, Synced, sync};
use timestamp::headers::{
    ANY_TIME, Checkpoint, Custom, Error, Header, HeaderWriter, Params, Result,
};

use crate::mine::{Miner, retargeting_network, without_work};

/// A source in memory, by height as nodes and servers are, or by hash as peers are.
struct Fake {
    name: &'static str,
    headers: Vec<Header>,
    by_hash: bool,
    /// How many answers it gives before it fails.
    answers: AtomicU32,
    per_answer: usize,
}

impl Fake {
    fn new(name: &'static str, miner: &Miner) -> Self {
        Self {
            name,
            headers: miner.headers.clone(),
            by_hash: false,
            answers: AtomicU32::new(u32::MAX),
            per_answer: 10,
        }
    }

    fn by_hash(self) -> Self {
        Self {
            by_hash: true,
            ..self
        }
    }

    fn failing_after(self, answers: u32) -> Self {
        Self {
            answers: AtomicU32::new(answers),
            ..self
        }
    }

    fn boxed(self) -> Box<dyn HeaderSource> {
        Box::new(self)
    }
}

#[async_trait]
impl HeaderSource for Fake {
    fn name(&self) -> &str {
        self.name
    }

    async fn tip_height(&self) -> Result<u32> {
        Ok(self.headers.len() as u32 - 1)
    }

    async fn headers_after(&self, after: BlockAt, count: u32) -> Result<Vec<Header>> {
        if self.answers.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Error::Source {
                name: self.name.to_owned(),
                why: "it fell silent".to_owned(),
            });
        }
        let known = if self.by_hash {
            let mut hashes = self.headers.iter().map(Header::block_hash);
            hashes.position(|hash| hash == after.hash).unwrap_or(0)
        } else {
            after.height as usize
        };
        let count = (count as usize).min(self.per_answer);
        Ok(self
            .headers
            .iter()
            .skip(known + 1)
            .take(count)
            .copied()
            .collect())
    }
}

struct House {
    folder: tempfile::TempDir,
    writer: HeaderWriter,
}

impl House {
    fn new(params: &Arc<Params>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = HeaderWriter::open(folder.path(), Arc::clone(params)).unwrap();
        Self { folder, writer }
    }

    async fn sync(&mut self, sources: &[Box<dyn HeaderSource>]) -> Result<Synced> {
        sync(&mut self.writer, sources, ANY_TIME, &mut |_| {}).await
    }

    fn holds(&self, miner: &Miner) -> bool {
        let tip = self.writer.store().tip();
        tip.hash == miner.tip().block_hash() && tip.work == miner.work()
    }
}

fn chain(blocks: u32) -> Miner {
    let mut miner = Miner::retargeting();
    miner.grow(blocks, 2, 0);
    miner
}

/// Another chain that leaves this one after `fork`.
fn branch(miner: &Miner, fork: u32, blocks: u32) -> Miner {
    let mut branch = miner.fork(fork);
    branch.grow(blocks, 2, 9);
    branch
}

#[tokio::test]
async fn the_chain_is_filled_and_the_sources_agree() {
    let miner = chain(57);
    let mut house = House::new(&miner.params);
    let sources = [
        Fake::new("a", &miner).boxed(),
        Fake::new("b", &miner).by_hash().boxed(),
        Fake::new("c", &miner.fork(50)).by_hash().boxed(),
        Fake::new("d", &miner.fork(30)).boxed(),
        Fake::new("e", &miner.fork(0)).boxed(),
    ];
    let mut seen = Vec::new();
    let mut progress = |progress: Progress<'_>| {
        assert_eq!((progress.source, progress.target_height), ("a", 57));
        seen.push(progress.height);
    };
    let synced = sync(&mut house.writer, &sources, ANY_TIME, &mut progress)
        .await
        .unwrap();
    assert_eq!(seen, [10, 20, 30, 40, 50, 57]);
    assert!(house.holds(&miner));
    assert_eq!((synced.added, synced.replaced), (57, 0));
    assert_eq!(synced.agreed, ["a", "b", "c", "d", "e"]);
    assert_eq!(synced.faults, []);
    let again = house.sync(&sources).await.unwrap();
    assert_eq!((again.added, again.tip), (0, synced.tip));
}

#[tokio::test]
async fn what_one_has_more_than_the_other_is_added() {
    let miner = chain(57);
    let mut house = House::new(&miner.params);
    let sources = [
        Fake::new("a", &miner.fork(40)).boxed(),
        Fake::new("b", &miner).by_hash().boxed(),
    ];
    let synced = house.sync(&sources).await.unwrap();
    assert_eq!((synced.added, synced.agreed.len()), (57, 2));
    assert!(house.holds(&miner));
}

#[tokio::test]
async fn near_the_tip_the_branch_with_more_work_wins() {
    let miner = chain(40);
    let longer = branch(&miner, 36, 6);
    for by_hash in [false, true] {
        let source = |name, miner| Fake {
            by_hash,
            ..Fake::new(name, miner)
        };
        let mut house = House::new(&miner.params);
        let sources = [source("a", &miner).boxed(), source("b", &longer).boxed()];
        let synced = house.sync(&sources).await.unwrap();
        assert_eq!((synced.replaced, synced.agreed.len()), (4, 2));
        assert!(house.holds(&longer));
        // The loser of a race keeps its chain for a while, which harms nobody.
        let synced = house.sync(&sources).await.unwrap();
        assert_eq!(
            (synced.added, synced.replaced, synced.agreed.len()),
            (0, 0, 2)
        );
        assert!(house.holds(&longer));
    }
}

#[tokio::test]
async fn a_different_buried_block_is_an_error_and_everything_after_it_forgotten() {
    let miner = chain(60);
    for (fork, blocks) in [(20, 40), (20, 30), (20, 50), (52, 8), (0, 60)] {
        for by_hash in [false, true] {
            let other = branch(&miner, fork, blocks);
            let mut house = House::new(&miner.params);
            let b = Fake::new("b", &other);
            let sources = [
                Fake::new("a", &miner).boxed(),
                Fake { by_hash, ..b }.boxed(),
            ];
            let error = house.sync(&sources).await.unwrap_err();
            let expected = Error::SourcesDisagree {
                height: fork + 1,
                a: "a".to_owned(),
                b: "b".to_owned(),
                hash_a: miner.hash(fork + 1),
                hash_b: other.hash(fork + 1),
            };
            assert_eq!(error, expected);
            assert!(house.holds(&miner.fork(fork)), "after {fork}");
        }
    }
}

#[tokio::test]
async fn a_source_that_lies_without_work_is_named_and_passed_over() {
    let miner = chain(60);
    let mut liar = branch(&miner, 20, 40);
    liar.headers[21] = without_work(liar.headers[21]);
    for place in [0, 1] {
        let mut house = House::new(&miner.params);
        let mut sources = vec![Fake::new("honest", &miner).boxed()];
        sources.insert(place, Fake::new("liar", &liar).boxed());
        let synced = house.sync(&sources).await.unwrap();
        assert!(house.holds(&miner));
        assert_eq!(synced.agreed, ["honest"]);
        assert_eq!(synced.faults.len(), 1);
        assert_eq!(synced.faults[0].source, "liar");
        let code = synced.faults[0].error.code();
        assert_eq!(code, "header_weak_work");
    }
}

#[tokio::test]
async fn a_source_that_contradicts_a_checkpoint_cannot_start_a_dispute() {
    let mut miner = chain(60);
    let liar = branch(&miner, 20, 60);
    miner.params = Arc::new(Params::custom(Custom {
        checkpoints: vec![Checkpoint {
            height: 30,
            hash: miner.hash(30),
        }],
        ..retargeting_network()
    }));
    let codes = [
        (0, "header_checkpoint_mismatch"),
        (1, "headers_below_checkpoint"),
    ];
    for (place, code) in codes {
        let mut house = House::new(&miner.params);
        let mut sources = vec![Fake::new("honest", &miner).boxed()];
        sources.insert(place, Fake::new("liar", &liar).boxed());
        let result = house.sync(&sources).await;
        assert!(house.holds(&miner), "{place}: {result:?}");
        let synced = result.unwrap();
        assert_eq!(
            (synced.agreed.len(), synced.faults[0].error.code()),
            (1, code)
        );
    }
}

#[tokio::test]
async fn a_source_that_falls_silent_is_replaced_by_the_next() {
    let miner = chain(57);
    let mut house = House::new(&miner.params);
    let sources = [
        Fake::new("a", &miner).failing_after(3).boxed(),
        Fake::new("b", &miner).boxed(),
    ];
    let synced = house.sync(&sources).await.unwrap();
    assert_eq!(synced.faults[0].error.to_string(), "a: it fell silent");
    assert_eq!(synced.agreed, ["b"]);
    assert!(house.holds(&miner));
}

#[tokio::test]
async fn what_was_fetched_before_the_connection_broke_is_kept() {
    let miner = chain(57);
    let mut house = House::new(&miner.params);
    let broken = [Fake::new("a", &miner).failing_after(3).boxed()];
    let error = house.sync(&broken).await.unwrap_err();
    let reasons = vec!["a: it fell silent".to_owned()];
    assert_eq!(error, Error::NoSource { reasons });
    assert!(house.holds(&miner.fork(30)));
    let synced = house.sync(&[Fake::new("a", &miner).boxed()]).await.unwrap();
    assert_eq!(synced.added, 27);
    assert!(house.holds(&miner));
    assert_eq!(
        house.sync(&[]).await.unwrap_err().code(),
        "header_no_source"
    );
}

#[tokio::test]
async fn a_source_that_overstates_its_height_or_sends_garbage_is_at_fault() {
    let miner = chain(40);
    let mut garbage = miner.clone();
    garbage.headers[34].merkle_root = bitcoin::TxMerkleNode::from_byte_array([3; 32]);
    let mut house = House::new(&miner.params);
    let sources = [
        Fake::new("a", &miner).boxed(),
        Fake::new("b", &garbage).boxed(),
        Fake {
            per_answer: 0,
            ..Fake::new("c", &miner)
        }
        .boxed(),
    ];
    let synced = house.sync(&sources).await.unwrap();
    assert_eq!(synced.agreed, ["a"]);
    let blamed: Vec<_> = synced
        .faults
        .iter()
        .map(|fault| fault.source.as_str())
        .collect();
    assert_eq!(blamed, ["b", "c"]);
    assert!(house.holds(&miner));
}

#[tokio::test]
async fn a_longer_chain_than_a_false_one_heals_the_store() {
    let miner = chain(60);
    let false_one = branch(&miner, 20, 30);
    let mut house = House::new(&miner.params);
    house
        .sync(&[Fake::new("bad", &false_one).boxed()])
        .await
        .unwrap();
    assert!(house.holds(&false_one));
    for by_hash in [true, false] {
        let good = Fake::new("good", &miner);
        let synced = house
            .sync(&[Fake { by_hash, ..good }.boxed()])
            .await
            .unwrap();
        assert_eq!(synced.replaced, if by_hash { 30 } else { 0 });
        assert!(house.holds(&miner));
    }
}

#[tokio::test]
async fn it_can_run_as_a_task_of_its_own() {
    let miner = chain(20);
    let mut house = House::new(&miner.params);
    let sources = [Fake::new("a", &miner).boxed()];
    let task = tokio::spawn(async move { house.sync(&sources).await });
    assert_eq!(task.await.unwrap().unwrap().added, 20);
}

#[tokio::test]
async fn a_damaged_disk_is_not_put_down_to_the_source() {
    let miner = chain(40);
    let mut house = House::new(&miner.params);
    house
        .sync(&[Fake::new("a", &miner.fork(36)).boxed()])
        .await
        .unwrap();
    let path = house.folder.path().join("headers.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    // The time of a header that the next retarget is reckoned from.
    bytes[80 * 33 + 68] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = house
        .sync(&[Fake::new("a", &miner).boxed()])
        .await
        .unwrap_err();
    assert_eq!(error.code(), "header_damaged");
}
