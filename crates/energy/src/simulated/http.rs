//! A small HTTP server for the devices that speak it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// The longest head that is taken, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most headers that are taken.
const HEADERS_MAX: usize = 64;
/// The largest body that is taken, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// What comes after `?`.
    pub query: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body, if it is text.
    pub body: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body; HTML if it begins with `<`, otherwise JSON.
    pub body: String,
}

impl Reply {
    /// 200 with a body.
    pub fn ok(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            body: body.into(),
        }
    }

    /// Another status, without a body.
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            body: String::new(),
        }
    }
}

/// Servers that end when this is dropped.
#[derive(Debug, Default)]
pub struct Served {
    tasks: Vec<AbortHandle>,
}

impl Served {
    /// Keeps the servers of another with its own.
    pub fn join(&mut self, mut other: Self) {
        self.tasks.append(&mut other.tasks);
    }

    pub(super) fn task(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            tasks: vec![tokio::spawn(task).abort_handle()],
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Answers requests at an address. `None` is no answer, ever. Gives the address, for port 0.
///
/// # Errors
/// When the address can't be taken.
pub async fn serve_http(
    address: SocketAddr,
    answer: impl Fn(Request) -> Option<Reply> + Send + Sync + 'static,
) -> io::Result<(SocketAddr, Served)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    let served = Served::task(async move {
        // Connections end with their server.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            _ = stream.set_nodelay(true);
            let answer = answer.clone();
            connections.spawn(async move {
                // Whoever hangs up, or speaks something else, is left alone.
                _ = converse(stream, &*answer).await;
            });
        }
    });
    Ok((address, served))
}

/// Answers one request after the other, for as long as the client stays.
async fn converse(
    mut stream: TcpStream,
    answer: &(dyn Fn(Request) -> Option<Reply> + Send + Sync),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some((mut asked, head_bytes, body_bytes)) = head(&mut stream, &mut buffer).await?
        else {
            return Ok(());
        };
        while buffer.len() < head_bytes + body_bytes {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let body = buffer.drain(..head_bytes + body_bytes).skip(head_bytes);
        asked.body = String::from_utf8(body.collect()).unwrap_or_default();
        let Some(reply) = answer(asked) else {
            return std::future::pending().await;
        };
        stream.write_all(written(&reply).as_bytes()).await?;
    }
}

/// The head of the next request, its length and that of its body; `None` when the client has gone.
async fn head(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<(Request, usize, usize)>> {
    loop {
        if let Some(parsed) = parse(buffer)? {
            return Ok(Some(parsed));
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("the head is too long"));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse(buffer: &[u8]) -> io::Result<Option<(Request, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = parsed.parse(buffer).map_err(io::Error::other)?
    else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = parsed
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    if header("transfer-encoding").is_some() {
        return Err(io::Error::other("a body in chunks isn't taken"));
    }
    let body_bytes = header("content-length").map_or(Ok(0), str::parse::<usize>);
    let body_bytes = body_bytes.map_err(io::Error::other)?;
    if body_bytes > BODY_BYTES_MAX {
        return Err(io::Error::other("the body is too long"));
    }
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: header("authorization").map(str::to_owned),
        body: String::new(),
    };
    Ok(Some((asked, head_bytes, body_bytes)))
}

fn written(reply: &Reply) -> String {
    let kind = if reply.body.starts_with('<') {
        "text/html"
    } else {
        "application/json"
    };
    format!(
        "HTTP/1.1 {} \r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{}",
        reply.status,
        reply.body.len(),
        reply.body
    )
}
