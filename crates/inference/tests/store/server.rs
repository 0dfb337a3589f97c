//! A web server for the tests: small, on the loopback interface, and as badly behaved as a test
//! wants.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How the server treats one path.
#[derive(Clone, Default)]
pub struct Page {
    pub body: Vec<u8>,
    pub content_type: &'static str,
    pub etag: Option<&'static str>,
    /// Answers every range with the whole.
    pub ignores_range: bool,
    /// Closes the connection when it has sent this much, as often as the counter says.
    pub cut: Option<(usize, u32)>,
    /// Sends this much and then nothing more.
    pub hangs_after: Option<usize>,
    /// Leaves out `Content-Length`, so that only the end of the connection ends the body.
    pub unmeasured: bool,
    /// Pauses after each kilobyte.
    pub slow: bool,
    /// Answers ranges with this status instead.
    pub range_status: Option<u16>,
}

impl Page {
    pub fn new(body: &[u8]) -> Self {
        Self {
            body: body.to_vec(),
            content_type: "application/octet-stream",
            etag: Some("\"v1\""),
            ..Self::default()
        }
    }
}

#[derive(Default)]
struct State {
    pages: Mutex<HashMap<String, Page>>,
    requests: Mutex<Vec<String>>,
    body_bytes: AtomicU64,
}

/// A running server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Server {
    pub url: String,
    state: Arc<State>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let server = Self {
            url,
            state: Arc::clone(&state),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                // A client that goes away is part of the tests.
                tokio::spawn(async move { serve(stream, &state).await.ok() });
            }
        });
        server
    }

    pub fn put(&self, path: &str, page: Page) {
        self.state.pages.lock().unwrap().insert(path.into(), page);
    }

    /// How many bytes of bodies were sent in all.
    pub fn body_bytes(&self) -> u64 {
        self.state.body_bytes.load(Ordering::SeqCst)
    }

    /// The requests so far: path, range and `If-Range`.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let header = |name: &str| {
        let found = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix(name)
                .map(str::to_owned)
        });
        found.unwrap_or_default().trim().to_owned()
    };
    let (range, condition) = (header("range:"), header("if-range:"));
    state
        .requests
        .lock()
        .unwrap()
        .push(format!("{path} {range} {condition}").trim_end().to_owned());

    let page = state.pages.lock().unwrap().get(&path).cloned();
    let Some(mut page) = page else {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    let offset = range
        .strip_prefix("bytes=")
        .and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
    let current = condition.is_empty() || Some(condition.as_str()) == page.etag;
    let offset = offset.filter(|_| !page.ignores_range && current);
    if let (Some(_), Some(status)) = (offset, page.range_status) {
        return stream
            .write_all(format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .await;
    }
    let total = page.body.len();
    let body = page.body.split_off(offset.unwrap_or(0).min(total));
    stream
        .write_all(answer_head(&page, offset, body.len(), total).as_bytes())
        .await?;
    send_body(stream, state, &path, &page, &body).await
}

fn answer_head(page: &Page, offset: Option<usize>, length: usize, total: usize) -> String {
    let mut head = match offset {
        Some(start) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\n",
            total - 1
        ),
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    head += &format!(
        "Connection: close\r\nContent-Type: {}\r\n",
        page.content_type
    );
    if let Some(etag) = page.etag {
        head += &format!("ETag: {etag}\r\n");
    }
    if !page.unmeasured {
        head += &format!("Content-Length: {length}\r\n");
    }
    head + "\r\n"
}

async fn send_body(
    mut stream: TcpStream,
    state: &State,
    path: &str,
    page: &Page,
    body: &[u8],
) -> std::io::Result<()> {
    let cut = page
        .cut
        .filter(|(_, times)| *times > 0)
        .map(|(bytes, _)| bytes);
    if let Some((_, times)) = state
        .pages
        .lock()
        .unwrap()
        .get_mut(path)
        .and_then(|page| page.cut.as_mut())
    {
        *times = times.saturating_sub(1);
    }
    let end = cut
        .or(page.hangs_after)
        .unwrap_or(body.len())
        .min(body.len());
    for chunk in body[..end].chunks(1024) {
        stream.write_all(chunk).await?;
        state
            .body_bytes
            .fetch_add(chunk.len() as u64, Ordering::SeqCst);
        if page.slow {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    stream.flush().await?;
    if page.hangs_after.is_some() && cut.is_none() {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    stream.shutdown().await
}
