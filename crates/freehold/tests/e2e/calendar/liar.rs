//! A server that plays a calendar, and does what it must not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What it does with a request.
#[derive(Clone)]
pub enum Trick {
    /// A whole answer with this status.
    Say(u16, Vec<u8>),
    /// A redirection to another place.
    Redirect(String),
    /// Says that ten gigabytes come, and sends them.
    Flood,
    /// The same without saying how much.
    FloodInChunks,
    /// Takes the request and never answers.
    Silence,
    /// A byte now and then.
    Drip,
}

/// Ends its thread when dropped.
pub struct Liar {
    address: String,
    served: Arc<AtomicU64>,
    sent_bytes: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Liar {
    pub fn start(trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let liar = Self {
            address: listener.local_addr().unwrap().to_string(),
            served: Arc::default(),
            sent_bytes: Arc::default(),
            is_over: Arc::default(),
        };
        let (served, sent_bytes) = (liar.served.clone(), liar.sent_bytes.clone());
        let is_over = liar.is_over.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (trick, sent_bytes) = (trick.clone(), sent_bytes.clone());
                let is_over = is_over.clone();
                served.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    let mut line = Line {
                        stream: stream.unwrap(),
                        sent_bytes,
                        is_over,
                    };
                    // The other side hangs up, which is what it should do.
                    let _ = line.serve(&trick);
                });
            }
        });
        liar
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections it has had.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// How much of its answers was taken, also by the kernel.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(&self.address);
    }
}

struct Line {
    stream: TcpStream,
    sent_bytes: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Line {
    fn serve(&mut self, trick: &Trick) -> std::io::Result<()> {
        let mut request = [0; 4_096];
        let _ = self.stream.read(&mut request)?;
        match trick {
            Trick::Say(status, body) => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
                );
                self.send(&[head.as_bytes(), body].concat())
            }
            Trick::Redirect(to) => {
                let head = format!("HTTP/1.1 307 x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                self.send(head.as_bytes())
            }
            Trick::Flood => {
                self.send(b"HTTP/1.1 200 x\r\ncontent-length: 10000000000\r\n\r\n")?;
                self.again_and_again(&[7; 65_536], Duration::ZERO)
            }
            Trick::FloodInChunks => {
                self.send(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")?;
                let chunk = [b"4000\r\n", &[7; 0x4000][..], b"\r\n"].concat();
                self.again_and_again(&chunk, Duration::ZERO)
            }
            Trick::Silence => self.again_and_again(b"", Duration::from_millis(50)),
            Trick::Drip => {
                self.send(b"HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n")?;
                self.again_and_again(b"\xf0", Duration::from_millis(100))
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)?;
        self.sent_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn again_and_again(&mut self, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
        while !self.is_over.load(Ordering::Relaxed) {
            self.send(bytes)?;
            thread::sleep(pause);
        }
        Ok(())
    }
}
