//! The clients of a calendar under load: each connection hands a digest in, waits for the answer,
//! and hands in the next. Run as `bench --crowd ADDRESS CONNECTIONS SECONDS SERVER_PID`.
//!
//! They speak the least HTTP that will do, since they have one core for themselves.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::numbers::{percentile, rounded};
use crate::programs::cpu_s;

/// What happens before is not counted: connections are made, and rounds find their pace.
const WARM_UP: Duration = Duration::from_secs(4);
/// How many connections are made at a time.
const CONNECTING: usize = 64;
/// An answer takes a round; one that takes longer than this is lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const HEAD: &[u8] = b"POST /digest HTTP/1.1\r\nhost: calendar\r\n\
    accept: application/vnd.opentimestamps.v1\r\ncontent-length: 32\r\n\r\n";

/// What all connections saw.
#[derive(Default)]
struct Seen {
    waits_ms: Vec<f64>,
    errors: usize,
    error: Option<String>,
}

/// Runs the crowd on this thread.
pub fn run(args: &[String]) -> Result<Value, String> {
    let [address, numbers @ ..] = args else {
        return Err("--crowd ADDRESS CONNECTIONS SECONDS PID".to_owned());
    };
    let numbers: Result<Vec<u32>, _> = numbers.iter().map(|number| number.parse()).collect();
    let Ok(&[connections, seconds, pid]) = numbers.as_deref() else {
        return Err("--crowd ADDRESS CONNECTIONS SECONDS PID".to_owned());
    };
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let all = crowd(address, connections as usize, seconds.into(), pid);
    LocalSet::new().block_on(&runtime, all)
}

async fn crowd(address: &str, connections: usize, seconds: u64, pid: u32) -> Result<Value, String> {
    let mut streams = Vec::with_capacity(connections);
    while streams.len() < connections {
        let some = (connections - streams.len()).min(CONNECTING);
        let connecting = (0..some).map(|_| TcpStream::connect(address));
        for stream in futures::future::join_all(connecting).await {
            streams.push(stream.map_err(|error| format!("connecting: {error}"))?);
        }
    }
    let start = Instant::now() + WARM_UP;
    let end = start + Duration::from_secs(seconds);
    let seen = Rc::new(RefCell::new(Seen::default()));
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::task::spawn_local(client(stream, start, end, seen.clone())))
        .collect();
    tokio::time::sleep_until(start.into()).await;
    let before = cpu_s(pid);
    tokio::time::sleep_until(end.into()).await;
    let server_cpu_s = cpu_s(pid) - before;
    for task in tasks {
        task.await.map_err(|error| error.to_string())?;
    }
    Ok(report(&seen.borrow(), seconds, server_cpu_s))
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn report(seen: &Seen, seconds: u64, server_cpu_s: f64) -> Value {
    let count = seen.waits_ms.len() as f64;
    json!({
        "seconds": seconds,
        "per_s": rounded(count / seconds as f64),
        "p50_ms": rounded(percentile(&seen.waits_ms, 50)),
        "p99_ms": rounded(percentile(&seen.waits_ms, 99)),
        "max_ms": rounded(percentile(&seen.waits_ms, 100)),
        "errors": seen.errors,
        "error": seen.error,
        "server_cpu_s": rounded(server_cpu_s),
        "per_cpu_s": rounded(count / server_cpu_s),
    })
}

async fn client(mut stream: TcpStream, start: Instant, end: Instant, seen: Rc<RefCell<Seen>>) {
    let fail = |error: String| {
        let mut seen = seen.borrow_mut();
        seen.errors += 1;
        seen.error.get_or_insert(error);
    };
    if let Err(error) = stream.set_nodelay(true) {
        return fail(error.to_string());
    }
    let mut request = [HEAD, &[0; 32]].concat();
    let mut answer = Vec::with_capacity(4_096);
    loop {
        let asked = Instant::now();
        if asked >= end {
            return;
        }
        rand::fill(&mut request[HEAD.len()..]);
        let exchange = exchange(&mut stream, &request, &mut answer);
        match tokio::time::timeout(ANSWER_WITHIN, exchange).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return fail(error.to_string()),
            Err(_) => return fail("no answer in time".to_owned()),
        }
        let now = Instant::now();
        if asked >= start && now <= end + Duration::from_secs(1) {
            let wait_ms = (now - asked).as_secs_f64() * 1_000.0;
            seen.borrow_mut().waits_ms.push(wait_ms);
        }
    }
}

/// One request, and all of its answer.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(request).await?;
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&answer[..head]);
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if !text.starts_with("HTTP/1.1 200") || length < 64 {
            return Err(io::Error::other(text.into_owned()));
        }
        if answer.len() == head + 4 + length {
            return Ok(());
        }
    }
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    // If it can't be raised, connecting says so.
    let _ = setrlimit(Resource::Nofile, limit);
}
