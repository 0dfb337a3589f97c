//! A service that answers at once, and its buyers: each sends a request, waits for the answer, and sends the next.
//!
//! They are this program once more, on a core of their own, and speak the least HTTP that will do: what is measured is
//! between them.

use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::numbers::{percentile, rounded};
use crate::programs::{json_of, on_core};

/// The core of the service and its buyers; the proxies have the first.
const CORE: usize = 1;
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello";
const ANSWER_END: &[u8] = b"\r\n\r\nhello";
const SERVED: &[u8] = b"HTTP/1.1 200 ";

/// The service, in a process of its own.
pub struct Service {
    child: Child,
    /// Its host and port.
    pub address: String,
}

impl Service {
    pub fn start() -> Result<Self, String> {
        let mut command = on_core(CORE, &itself()?);
        command
            .arg("--upstream")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut address = String::new();
        let said = child.stdout.take().map(io::BufReader::new);
        let read = said.ok_or("no pipe")?.read_line(&mut address);
        read.map_err(|error| error.to_string())?;
        let address = address.trim().to_owned();
        Ok(Self { child, address })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What so many clients at once see of `address` in so many seconds.
pub fn measure(
    address: &str,
    authorization: Option<&str>,
    clients: usize,
    seconds: f64,
) -> Result<Value, String> {
    // What pays is no argument: those can be seen by everybody on the machine.
    let mut secret = tempfile::tempfile().map_err(|error| error.to_string())?;
    let written = secret.write_all(authorization.unwrap_or_default().as_bytes());
    written.map_err(|error| error.to_string())?;
    io::Seek::rewind(&mut secret).map_err(|error| error.to_string())?;
    let mut command: Command = on_core(CORE, &itself()?);
    command.args([
        "--load",
        address,
        &clients.to_string(),
        &seconds.to_string(),
    ]);
    json_of(command.stdin(secret))
}

fn itself() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| error.to_string())
}

/// `bench --upstream`: prints its address, and serves until it is killed.
pub fn serve() -> Result<(), String> {
    let runtime = runtime()?;
    let serving: io::Result<()> = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = io::stdout();
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(answer(stream));
        }
    });
    serving.map_err(|error| error.to_string())
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut asked = Vec::with_capacity(8_192);
    loop {
        asked.clear();
        // The requests have no bodies.
        while !asked.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut asked).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(ANSWER).await?;
    }
}

/// `bench --load ADDRESS CLIENTS SECONDS`, with the value of `Authorization` on standard input.
pub fn run(args: &[String]) -> Result<Value, String> {
    let usage = "--load ADDRESS CLIENTS SECONDS";
    let [address, clients, seconds] = args else {
        return Err(usage.to_owned());
    };
    let (Ok(clients), Ok(seconds)) = (clients.parse::<usize>(), seconds.parse::<f64>()) else {
        return Err(usage.to_owned());
    };
    let authorization = io::read_to_string(io::stdin()).map_err(|error| error.to_string())?;
    let mut request = format!("GET /sold HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n");
    if !authorization.is_empty() {
        request += &format!("authorization: {authorization}\r\n");
    }
    let request: Arc<[u8]> = (request + "\r\n").into_bytes().into();
    runtime()?.block_on(crowd(
        address,
        &request,
        clients,
        Duration::from_secs_f64(seconds),
    ))
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| error.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
async fn crowd(
    address: &str,
    request: &Arc<[u8]>,
    clients: usize,
    time: Duration,
) -> Result<Value, String> {
    let mut streams = Vec::with_capacity(clients);
    for _ in 0..clients {
        let stream = TcpStream::connect(address).await;
        streams.push(stream.map_err(|error| format!("{address}: {error}"))?);
    }
    let started = Instant::now();
    let mut all = JoinSet::new();
    for stream in streams {
        all.spawn(client(stream, Arc::clone(request), started + time));
    }
    let mut took_us = Vec::new();
    while let Some(one) = all.join_next().await {
        let one = one.map_err(|error| error.to_string())?;
        took_us.extend(one.map_err(|error| format!("{address}: {error}"))?);
    }
    let per_s = took_us.len() as f64 / started.elapsed().as_secs_f64();
    Ok(json!({
        "count": took_us.len(),
        "per_s": per_s.round(),
        "p50_us": rounded(percentile(&took_us, 50)),
        "p99_us": rounded(percentile(&took_us, 99)),
    }))
}

/// What each request took, in microseconds.
async fn client(mut stream: TcpStream, request: Arc<[u8]>, end: Instant) -> io::Result<Vec<f64>> {
    stream.set_nodelay(true)?;
    let (mut took_us, mut answer) = (Vec::with_capacity(8_192), Vec::with_capacity(8_192));
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok(took_us);
        }
        let exchange = exchange(&mut stream, &request, &mut answer);
        tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .map_err(io::Error::other)??;
        took_us.push(asked.elapsed().as_secs_f64() * 1e6);
    }
}

/// One request, and all of its answer.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(request).await?;
    answer.clear();
    while !answer.ends_with(ANSWER_END) {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if answer.len() >= SERVED.len() && !answer.starts_with(SERVED) {
            return Err(io::Error::other(
                String::from_utf8_lossy(answer).into_owned(),
            ));
        }
    }
    Ok(())
}
