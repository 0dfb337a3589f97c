//! Stands before a node's RPC, so that a test can take the node away, and say what a byte costs: a chain that was made
//! a second ago has no estimates.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox::bitcoin::base64::Engine as _;
use sandbox::bitcoin::base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(60);
const SAT_PER_VB_IN_BTC_PER_KVB: f64 = 1.0e-5;
const BAD_GATEWAY: u16 = 502;

/// A status and a body.
type Reply = (u16, Vec<u8>);

pub struct Relay {
    port: u16,
    settings: Arc<Mutex<Settings>>,
}

#[derive(Clone, Copy)]
struct Settings {
    is_over: bool,
    is_paused: bool,
    estimate_sat_per_vb: f64,
}

impl Relay {
    pub fn start(node_port: u16) -> Self {
        let settings = Arc::new(Mutex::new(Settings {
            is_over: false,
            is_paused: false,
            estimate_sat_per_vb: 2.0,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&settings);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().is_over {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream?, node_port, &shared));
            }
        });
        Self { port, settings }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set_paused(&self, is_paused: bool) {
        self.settings.lock().unwrap().is_paused = is_paused;
    }

    pub fn set_fee_estimate_sat_per_vb(&self, estimate: f64) {
        self.settings.lock().unwrap().estimate_sat_per_vb = estimate;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.settings.lock().unwrap().is_over = true;
        // So that it looks.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Answers one connection's requests, until it is closed.
fn serve(stream: TcpStream, node_port: u16, settings: &Mutex<Settings>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let (mut length, mut login) = (0, None);
        let mut line = String::new();
        while requests.read_line(&mut line)? > 2 {
            let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap_or(0),
                "authorization" => login = Some(value.to_owned()),
                _ => {}
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        requests.read_exact(&mut body)?;
        let now = *settings.lock().unwrap();
        let (status, reply) = match now.is_paused {
            true => (BAD_GATEWAY, Vec::new()),
            false => answer(node_port, now.estimate_sat_per_vb, login.as_deref(), &body),
        };
        let head = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n", reply.len());
        answers.write_all(head.as_bytes())?;
        answers.write_all(b"Content-Type: application/json\r\n\r\n")?;
        answers.write_all(&reply)?;
    }
}

fn answer(node_port: u16, estimate_sat_per_vb: f64, login: Option<&str>, body: &[u8]) -> Reply {
    let call: Value = serde_json::from_slice(body).unwrap_or_default();
    if call["method"] == "estimatesmartfee" {
        let rate = (estimate_sat_per_vb * SAT_PER_VB_IN_BTC_PER_KVB * 1.0e8).round() / 1.0e8;
        let result = json!({"feerate": rate, "blocks": call["params"][0]});
        let reply = json!({"result": result, "error": null, "id": call["id"]});
        return (200, reply.to_string().into_bytes());
    }
    forward(node_port, login, body).unwrap_or((BAD_GATEWAY, Vec::new()))
}

/// Asks a node's RPC as this user.
pub fn ask(port: u16, user: &str, password: &str, body: &[u8]) -> Result<Reply, String> {
    let login = STANDARD.encode(format!("{user}:{password}"));
    forward(port, Some(&format!("Basic {login}")), body)
}

fn forward(port: u16, login: Option<&str>, body: &[u8]) -> Result<Reply, String> {
    let text = |why: std::io::Error| why.to_string();
    let mut node = TcpStream::connect(("127.0.0.1", port)).map_err(text)?;
    node.set_read_timeout(Some(TIMEOUT)).map_err(text)?;
    let login = login.map_or(String::new(), |login| format!("Authorization: {login}\r\n"));
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n{login}Content-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    node.write_all(head.as_bytes()).map_err(text)?;
    node.write_all(body).map_err(text)?;
    let mut reply = Vec::new();
    node.read_to_end(&mut reply).map_err(text)?;
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or("no answer")?;
    let status = reply.get(9..12).and_then(|s| std::str::from_utf8(s).ok());
    let status = status.and_then(|status| status.parse().ok());
    Ok((status.ok_or("no status")?, reply.split_off(end + 4)))
}
