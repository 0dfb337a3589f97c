//! Stands before a node's RPC, so that a test can take the node away, and say what a byte costs: a chain that was made
//! a second ago has no estimates.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::oneshot;

const TIMEOUT: Duration = Duration::from_secs(60);
const SAT_PER_VB_IN_BTC_PER_KVB: f64 = 1.0e-5;

pub struct Relay {
    shared: Shared,
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    node_port: u16,
    settings: Arc<Mutex<Settings>>,
}

#[derive(Clone, Copy)]
struct Settings {
    is_paused: bool,
    estimate_sat_per_vb: f64,
}

impl Relay {
    pub fn start(node_port: u16) -> Self {
        let settings = Settings {
            is_paused: false,
            estimate_sat_per_vb: 2.0,
        };
        let shared = Shared {
            node_port,
            settings: Arc::new(Mutex::new(settings)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).unwrap()
        };
        let router = Router::new()
            .route("/", post(relay))
            .with_state(shared.clone());
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            tokio::select! {
                _ = axum::serve(listener, router).into_future() => {}
                _ = stopped => {}
            }
        };
        Self {
            shared,
            port,
            stop: Some(stop),
            thread: Some(std::thread::spawn(move || runtime.block_on(serve))),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set_paused(&self, is_paused: bool) {
        self.shared.settings.lock().unwrap().is_paused = is_paused;
    }

    pub fn set_fee_estimate_sat_per_vb(&self, estimate: f64) {
        self.shared.settings.lock().unwrap().estimate_sat_per_vb = estimate;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn relay(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let settings = *shared.settings.lock().unwrap();
    if settings.is_paused {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let call: Value = serde_json::from_slice(&body).unwrap_or_default();
    if call["method"] == "estimatesmartfee" {
        let rate = settings.estimate_sat_per_vb * SAT_PER_VB_IN_BTC_PER_KVB;
        let rate = (rate * 1.0e8).round() / 1.0e8;
        let result = json!({"feerate": rate, "blocks": call["params"][0]});
        let reply = json!({"result": result, "error": null, "id": call["id"]});
        return axum::Json(reply).into_response();
    }
    let login = headers.get(header::AUTHORIZATION).cloned();
    let forward = move || {
        let login = login.as_ref().and_then(|login| login.to_str().ok());
        forward(shared.node_port, login, &body)
    };
    match tokio::task::spawn_blocking(forward).await.unwrap() {
        Ok((status, reply)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::CONTENT_TYPE, "application/json")], reply).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Asks a node's RPC as this user: the status and the body.
pub fn ask(port: u16, login: Option<(&str, &str)>, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
    use sandbox::bitcoin::base64::Engine as _;
    use sandbox::bitcoin::base64::engine::general_purpose::STANDARD;
    let basic = login.map(|(user, password)| {
        let login = STANDARD.encode(format!("{user}:{password}"));
        format!("Basic {login}")
    });
    forward(port, basic.as_deref(), body)
}

fn forward(port: u16, login: Option<&str>, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
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
    let status = reply
        .get(9..12)
        .and_then(|status| std::str::from_utf8(status).ok());
    let status = status.and_then(|status| status.parse().ok());
    Ok((status.ok_or("no status")?, reply.split_off(end + 4)))
}
