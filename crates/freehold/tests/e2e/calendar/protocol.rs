//! The calendar's protocol, as anybody's client speaks it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use node::stamps::{Attestation, Timestamp};
use reqwest::{Response, StatusCode};
use serde_json::{Deserializer, Value};

use crate::calendar::chain::Chain;
use crate::calendar::promise::known;
use crate::calendar::server::{Calendar, http};
use crate::common::{Home, waiting};

const PROOF: &str = "application/vnd.opentimestamps.v1";

fn header<'a>(reply: &'a Response, name: &str) -> &'a str {
    reply.headers().get(name).unwrap().to_str().unwrap()
}

/// Hands a digest in; where its promise leads to.
async fn commitment(calendar: &Calendar, digest: &[u8]) -> Vec<u8> {
    let reply = calendar.post(digest.to_vec()).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(header(&reply, "content-type"), PROOF);
    let answer = reply.bytes().await.unwrap();
    let promise = Timestamp::from_bytes(&answer, digest.len()).unwrap();
    let attested = promise.attestations(digest).unwrap();
    let [(commitment, Attestation::Pending(uri))] = attested.as_slice() else {
        panic!("{attested:?}");
    };
    assert_eq!(uri.as_str(), calendar.url());
    commitment.clone()
}

async fn refused(reply: Response, status: u16, why: &str) {
    assert_eq!(reply.status(), status);
    let text = reply.text().await.unwrap();
    assert!(text.contains(why), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_of_1_to_64_bytes_are_taken_and_no_others() {
    let calendar = Calendar::start(&[]);
    for length in [1, 20, 32, 64] {
        assert_eq!(commitment(&calendar, &vec![7; length]).await.len(), 44);
    }
    for length in [0, 65, 1_000] {
        let reply = calendar.post(vec![7; length]).await;
        refused(reply, 400, "a digest has 1 to 64 bytes").await;
    }
    assert_eq!(calendar.status().await["commitments"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_refused_at_once_and_cost_no_memory() {
    let calendar = Calendar::start(&[]);
    calendar.post(vec![7; 32]).await;
    let before_kib = peak_kib(&calendar);
    let all = 10_000_000;
    for _ in 0..20 {
        waiting(|| {
            let mut stream = TcpStream::connect(calendar.url().split_at(7).1).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            write!(
                stream,
                "POST /digest HTTP/1.1\r\nhost: x\r\ncontent-length: {all}\r\n\r\n"
            )
            .unwrap();
            let mut reply = [0; 12];
            stream.write_all(&[7; 100]).unwrap();
            stream.read_exact(&mut reply).unwrap();
            assert_eq!(&reply, b"HTTP/1.1 400");
            // Whoever goes on sending is not listened to.
            let block = [7; 65_536];
            let sent = (0..all / block.len()).take_while(|_| stream.write_all(&block).is_ok());
            assert!(sent.count() < all / block.len());
        });
    }
    let grown_kib = peak_kib(&calendar) - before_kib;
    assert!(grown_kib < 4_096, "{grown_kib} KiB more");
}

/// The most memory that the calendar has had so far.
fn peak_kib(calendar: &Calendar) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", calendar.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    words[1].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_commitment_of_this_calendar_is_not_found() {
    let calendar = Calendar::start(&[]);
    let other = Calendar::start(&[]);
    let theirs = hex::encode(commitment(&other, &[7; 32]).await);
    for unknown in ["00".repeat(44), "ff".repeat(44), theirs] {
        let reply = calendar.get(&format!("/timestamp/{unknown}")).await;
        assert_eq!(header(&reply, "cache-control"), "public, max-age=60");
        refused(reply, 404, "Commitment not found").await;
    }
    for bad in ["xyz", "00", &"00".repeat(45), &"0g".repeat(44)] {
        let reply = calendar.get(&format!("/timestamp/{bad}")).await;
        refused(reply, 400, "no digest in hex").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_pending_until_it_is_kept() {
    // Anchors are looked after at once, and then in a while.
    let calendar = Calendar::start(&["--tick", "3"]);
    let commitment = commitment(&calendar, &[7; 32]).await;
    let path = format!("/timestamp/{}", hex::encode(&commitment));
    let reply = calendar.get(&path).await;
    assert_eq!(header(&reply, "cache-control"), "public, max-age=60");
    refused(reply, 404, "Pending").await;
    calendar.until_anchored().await;
    let reply = calendar.get(&path).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(header(&reply, "content-type"), PROOF);
    assert_eq!(header(&reply, "cache-control"), "public, max-age=31536000");
    // Pages of other sites may use a calendar, as they may use the public ones.
    assert_eq!(header(&reply, "access-control-allow-origin"), "*");
    let found = known(&calendar, &commitment).await.unwrap().unwrap();
    assert_eq!(found.attestations(&commitment).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tip_is_in_the_transaction_that_is_under_way() {
    let chain = Chain::start();
    assert_eq!(chain.calendar.get("/tip").await.status(), 204);
    commitment(&chain.calendar, &[7; 32]).await;
    let tx = chain.next_tx(&[]).await;
    let tip = chain.calendar.get("/tip").await.bytes().await.unwrap();
    assert_eq!(tip.len(), 32);
    let mut scripts = tx.output.iter().map(|output| &output.script_pubkey);
    let note = scripts.find(|script| script.is_op_return()).unwrap();
    assert!(note.as_bytes().ends_with(&tip));
    chain.anchor().await;
    assert_eq!(chain.calendar.get("/tip").await.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_a_page_and_programs_a_status() {
    let calendar = Calendar::start(&[]);
    let page = calendar.get("/").await;
    assert!(header(&page, "content-type").starts_with("text/html"));
    let page = page.text().await.unwrap();
    assert!(page.contains("OpenTimestamps calendar") && page.contains("prove nothing"));
    let status = calendar.status().await;
    assert_eq!(status["is_stand_in"], true);
    assert_eq!(calendar.get("/healthz").await.text().await.unwrap(), "ok\n");
    assert_eq!(calendar.get("/nowhere").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_refused() {
    let calendar = Calendar::start(&[]);
    let url = calendar.url();
    for (request, path) in [
        (http().get(format!("{url}/digest")), "/digest"),
        (http().put(format!("{url}/digest")), "/digest"),
        (http().post(format!("{url}/tip")), "/tip"),
        (http().delete(format!("{url}/timestamp/00")), "/timestamp"),
    ] {
        assert_eq!(request.send().await.unwrap().status(), 405, "{path}");
    }
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn port_0_takes_a_free_port_and_says_which() {
    let home = Home::without_model();
    let mut command = home.command(&["calendar", "--json", "--calendar-listen", "127.0.0.1:0"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let stdout = running.0.stdout.take().unwrap();
    let said: Value = waiting(|| Deserializer::from_reader(stdout).into_iter().next())
        .unwrap()
        .unwrap();
    let url = said["url"].as_str().unwrap();
    let reply = http().get(format!("{url}/healthz")).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    // Its folder is below the data directory, if none is named.
    assert!(home.data_dir().join("calendar/journal").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_said() {
    let calendar = Calendar::start(&[]);
    let home = Home::without_model();
    let folder = calendar.file("");
    let folder = folder.to_str().unwrap();
    let listen = ["calendar", "--calendar-listen"];
    let refused = |args: &[&str]| {
        let (exit, error) = home.error(&[&listen, args].concat());
        assert_eq!(exit, 1, "{error}");
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(&["127.0.0.1:0", "--dir", folder]),
        "calendar_in_use"
    );
    assert_eq!(refused(&["0.0.0.0:0"]), "listen_remote");
    let taken = calendar.url().replace("http://", "");
    assert_eq!(refused(&[&taken]), "listen_failed");
    let chain = ["127.0.0.1:0", "--wallet", "http://127.0.0.1:1"];
    let unknown = [&chain[..], &["--calendar-chain", "dogecoin"]].concat();
    assert_eq!(refused(&unknown), "unknown_chain");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_promise_when_it_stops_gets_it() {
    let calendar = Calendar::start(&["--round", "1"]);
    let (url, http) = (calendar.url(), http());
    let asked = tokio::spawn(async move {
        let request = http.post(format!("{url}/digest")).body(vec![7; 32]);
        request.send().await.unwrap().status()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    calendar.stop();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(asked.await.unwrap(), StatusCode::OK);
}
