//! Kills a calendar with SIGKILL under load, again and again: what it has promised, it keeps.
//!
//! Half of the kills come at any moment; the others within a few milliseconds of a write to the
//! journal or to the list of anchors, where an answer or an anchor is half made. SIGKILL keeps
//! what was written, so after some kills the test itself tears the files as a power cut would:
//! only behind their ends, because all before was synced.

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::calendar::promise::{Promise, RECORD_BYTES, check_all, check_journal, known};
use crate::calendar::server::{Calendar, http};
use crate::common::rng::{Rng, any_seed, number};
use crate::common::{loudly, waiting};

const KILLS: u64 = 8;
const CLIENTS: usize = 32;
/// Promises that are asked for after each kill.
const SAMPLE: u64 = 20;
/// A moment that never comes isn't waited for longer than this.
const WATCH_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_promise_is_kept_whatever_is_killed() {
    let seed = number("FREEHOLD_CRASH_SEED").unwrap_or_else(any_seed);
    let kills = number("FREEHOLD_CALENDAR_KILLS").unwrap_or(KILLS);
    println!("FREEHOLD_CRASH_SEED={seed} FREEHOLD_CALENDAR_KILLS={kills}");
    let mut rng = Rng::new(seed);
    let calendar = Calendar::start(&["--round", "0.1", "--tick", "0.1"]);
    let crowd = Crowd::new(&calendar.url());
    let start = Instant::now();
    let mut torn = 0;
    for kill in 1..=kills {
        wait_for_moment(&calendar, &mut rng).await;
        calendar.kill9();
        if rng.chance(40) {
            tear(&calendar, &mut rng);
            torn += 1;
        }
        if rng.chance(25) {
            // Killed again while it starts.
            calendar.respawn();
            tokio::time::sleep(rng.pause(60)).await;
            calendar.kill9();
        }
        calendar.restart();
        check_some(&calendar, &crowd, &mut rng, kill).await;
    }
    let (promises, unanswered) = crowd.leave().await;
    // The last word is that of the files alone.
    calendar.kill9();
    calendar.restart();
    calendar.until_anchored().await;
    let rounds = check_all(&calendar, &promises).await;
    let journal = check_journal(&calendar).await;
    loudly(&format!(
        "calendar's crash test, seed {seed}: {kills} kills ({torn} with torn files) in {:.0} s; \
         {} promises in {rounds} rounds kept ({journal} rounds in the journal), {unanswered} \
         requests unanswered",
        start.elapsed().as_secs_f32(),
        promises.len(),
    ));
    let least = usize::try_from(kills).unwrap();
    assert!(promises.len() > 20 * least && rounds >= least && unanswered >= least);
}

/// Any moment, or one when a file has just grown.
async fn wait_for_moment(calendar: &Calendar, rng: &mut Rng) {
    // Something is to be promised between two kills.
    tokio::time::sleep(Duration::from_millis(150) + rng.pause(400)).await;
    if rng.chance(50) {
        return;
    }
    let file = calendar.file(rng.pick(&["anchors", "journal"]));
    let length = || fs::metadata(&file).map_or(0, |metadata| metadata.len());
    let (before, deadline) = (length(), Instant::now() + WATCH_MAX);
    waiting(|| {
        while length() == before && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    tokio::time::sleep(rng.pause(3)).await;
}

/// What a power cut leaves of a write that was under way: a part of it, or the room for it.
fn tear(calendar: &Calendar, rng: &mut Rng) {
    let append = |name: &str, bytes: &[u8]| {
        let path = calendar.file(name);
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    };
    let record = [0xa5; RECORD_BYTES];
    let part = usize::try_from(rng.within(1, RECORD_BYTES as u64 - 7)).unwrap();
    match rng.within(0, 4) {
        0 => append("journal", &record[..part]),
        1 => append("journal", &[0; RECORD_BYTES]),
        2 => append(
            "journal",
            &[&record[..part], &[0; RECORD_BYTES][part..]].concat(),
        ),
        _ => append("anchors", br#"{"submitted":{"from":12,"to":1"#),
    }
}

/// Earlier promises are still known, as soon as it listens.
async fn check_some(calendar: &Calendar, crowd: &Crowd, rng: &mut Rng, kill: u64) {
    let promises = crowd.so_far();
    for _ in 0..SAMPLE.min(promises.len() as u64) {
        let promise = &promises[usize::try_from(rng.within(0, promises.len() as u64)).unwrap()];
        let reply = known(calendar, &promise.commitment()).await;
        assert!(reply.is_ok(), "after kill {kill}: {reply:?}");
    }
}

/// Clients that hand digests in, one after the other, whatever happens.
struct Crowd {
    promises: Arc<std::sync::Mutex<Vec<Promise>>>,
    unanswered: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn new(url: &str) -> Self {
        let mut crowd = Self {
            promises: Arc::default(),
            unanswered: Arc::default(),
            is_over: Arc::default(),
            clients: Vec::new(),
        };
        crowd.clients = (0..CLIENTS).map(|_| crowd.client(url)).collect();
        crowd
    }

    fn client(&self, url: &str) -> JoinHandle<()> {
        let (http, url) = (http(), url.to_owned());
        let (promises, unanswered) = (self.promises.clone(), self.unanswered.clone());
        let is_over = self.is_over.clone();
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                match Promise::get(&http, &url).await {
                    Some(promise) => promises.lock().unwrap().push(promise),
                    None => {
                        unanswered.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        })
    }

    fn so_far(&self) -> Vec<Promise> {
        self.promises.lock().unwrap().clone()
    }

    /// All promises, and how many requests got none.
    async fn leave(self) -> (Vec<Promise>, usize) {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let promises = self.promises.lock().unwrap().clone();
        (promises, self.unanswered.load(Ordering::Relaxed))
    }
}
