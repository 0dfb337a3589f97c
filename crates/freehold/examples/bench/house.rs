//! A real node in a directory of its own, and a client for it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, io};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::outsider::Outsider;
use crate::programs::on_core;

const MODEL: &str = "smollm2-135m-instruct";
const MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const UP_WITHIN: Duration = Duration::from_secs(60);

/// A running node, with a purse and an outsider who has money.
pub struct House {
    dir: tempfile::TempDir,
    child: Child,
    url: String,
    http: Client,
    owner: String,
    purse: String,
    pub outsider: Outsider,
    serial: AtomicU64,
}

/// Who asks, and so how it is paid.
#[derive(Clone)]
pub enum Payer {
    Owner,
    Purse,
    Ecash(String),
}

/// What a client saw of one answer, in milliseconds since it asked.
pub struct Seen {
    pub first_ms: f64,
    pub last_text_ms: f64,
    /// The last word is under way for a while when the node is busy booking already; the one
    /// before it isn't.
    pub last_but_one_ms: f64,
    pub end_ms: f64,
    pub prompt_tokens: f64,
    pub completion_tokens: f64,
}

impl House {
    pub async fn start() -> Result<Self, String> {
        Self::start_with(command).await
    }

    /// The same, on one core.
    pub async fn start_on(core: usize) -> Result<Self, String> {
        Self::start_with(|program, dir| settled(on_core(core, program), dir)).await
    }

    async fn start_with(command: impl Fn(&Path, &Path) -> Command) -> Result<Self, String> {
        let told = |error: io::Error| error.to_string();
        let program = program()?;
        // Not in memory, where a temporary directory may be: durable writes are to cost what they do.
        let dir = tempfile::tempdir_in(program.with_file_name("examples")).map_err(told)?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        drop(listener);
        let models = models_dir(dir.path(), &program)?;
        let config = dir.path().join("config.toml");
        fs::write(&config, format!("models_dir = '{}'\n", models.display())).map_err(told)?;
        let log = fs::File::create(dir.path().join("node.log")).map_err(told)?;
        let child = command(&program, dir.path())
            .env("FREEHOLD_CONFIG", config)
            .args(["up", "--listen", &address.to_string()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(told)?;
        let url = format!("http://{address}");
        let http = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120))
            .build();
        let http = http.map_err(|error| error.to_string())?;
        let mut house = Self {
            dir,
            child,
            outsider: Outsider::at(&url).await,
            url,
            http,
            owner: String::new(),
            purse: String::new(),
            serial: AtomicU64::new(0),
        };
        house.settle_in().await?;
        Ok(house)
    }

    /// Waits for the node, hands out money, and warms everything up.
    async fn settle_in(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + UP_WITHIN;
        while !self.is_up().await {
            if Instant::now() > deadline || self.child.try_wait().is_ok_and(|end| end.is_some()) {
                let log = fs::read_to_string(self.dir.path().join("node.log"));
                return Err(format!("the node isn't up: {}", log.unwrap_or_default()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let token = self.dir.path().join("data/play/owner.token");
        self.owner = fs::read_to_string(token).unwrap().trim().to_owned();
        let limit = 100_000;
        let budget = json!({"per_payment_sat": limit, "per_day_sat": limit, "total_sat": limit});
        let made = self
            .api("/api/purses", json!({"name": "bench", "policy": budget}))
            .await;
        self.purse = made["token"].as_str().unwrap().to_owned();
        self.api("/api/purses/bench/fund", json!({"amount_sat": 50_000}))
            .await;
        self.outsider.fund(20_000).await;
        for _ in 0..2 {
            for payer in [
                Payer::Owner,
                Payer::Purse,
                Payer::Ecash(self.outsider.token(64).await),
            ] {
                self.ask(&payer, &self.new_prompt(), 8).await;
            }
        }
        Ok(())
    }

    async fn is_up(&self) -> bool {
        let reply = self.http.get(format!("{}/healthz", self.url)).send().await;
        reply.is_ok_and(|reply| reply.status().is_success())
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// The owner's token.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// A prompt that nobody asked before, new from its first word on: what the model remembers
    /// for one payer must not make it look faster than for another.
    pub fn new_prompt(&self) -> String {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        format!("You are number {}.", 100_000 + serial * 7_919)
    }

    /// Asks the owner's API.
    pub async fn api(&self, path: &str, input: Value) -> Value {
        let url = format!("{}{path}", self.url);
        let reply = self
            .http
            .post(url)
            .bearer_auth(&self.owner)
            .json(&input)
            .send()
            .await
            .unwrap();
        assert!(
            reply.status().is_success(),
            "{path}: {}",
            reply.text().await.unwrap()
        );
        reply.json().await.unwrap()
    }

    fn request(&self, payer: &Payer, body: &Value) -> RequestBuilder {
        let request = self
            .http
            .post(format!("{}/v1/chat/completions", self.url))
            .json(body);
        match payer {
            Payer::Owner => request.bearer_auth(&self.owner),
            Payer::Purse => request.bearer_auth(&self.purse),
            Payer::Ecash(token) => request.header("X-Cashu", token),
        }
    }

    /// Asks for a streamed answer, and watches it come.
    pub async fn ask(&self, payer: &Payer, prompt: &str, max_tokens: u32) -> Seen {
        let mut body = question(prompt, max_tokens);
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
        let start = Instant::now();
        let ms = || start.elapsed().as_secs_f64() * 1_000.0;
        let mut reply = self.request(payer, &body).send().await.unwrap();
        let status = reply.status();
        let (mut bytes, mut first_ms, mut text_ms) = (Vec::new(), None, [0.0; 2]);
        while let Some(piece) = reply.chunk().await.unwrap() {
            first_ms.get_or_insert_with(ms);
            // The last words come together with the reason why they are the last, or before it.
            if piece.windows(9).any(|part| part == b"\"content\"") {
                text_ms = [text_ms[1], ms()];
            }
            bytes.extend_from_slice(&piece);
        }
        let end_ms = ms();
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            status.is_success() && text.ends_with("data: [DONE]\n\n"),
            "{status}: {text}"
        );
        let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let events = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let usage = events
            .map(|event| event["usage"].clone())
            .find(Value::is_object)
            .unwrap();
        Seen {
            first_ms: first_ms.unwrap(),
            last_text_ms: text_ms[1],
            last_but_one_ms: text_ms[0],
            end_ms,
            prompt_tokens: usage["prompt_tokens"].as_f64().unwrap(),
            completion_tokens: usage["completion_tokens"].as_f64().unwrap(),
        }
    }

    /// What a stranger without money is told, and how long that took.
    pub async fn price_ms(&self, prompt: &str, max_tokens: u32) -> f64 {
        let body = question(prompt, max_tokens);
        let url = format!("{}/v1/chat/completions", self.url);
        let start = Instant::now();
        let reply = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 402);
        reply.bytes().await.unwrap();
        start.elapsed().as_secs_f64() * 1_000.0
    }
}

/// The prompt comes before the question, which is always the same.
fn question(prompt: &str, max_tokens: u32) -> Value {
    json!({
        "model": MODEL,
        "messages": [
            {"role": "system", "content": prompt},
            {"role": "user", "content": "Tell me a long story about the sea."},
        ],
        "max_tokens": max_tokens,
    })
}

impl Drop for House {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that was built into the directory above the examples'.
pub fn program() -> Result<PathBuf, String> {
    let here = env::current_exe().map_err(|error| error.to_string())?;
    let program = here.ancestors().nth(2).map(|dir| dir.join("freehold"));
    program.filter(|path| path.is_file()).ok_or_else(|| {
        "the program isn't built: run `cargo build --release -p freehold`, or `make bench`".into()
    })
}

pub fn command(program: &Path, dir: &Path) -> Command {
    settled(Command::new(program), dir)
}

/// A command that knows of no other settings than its directory.
pub fn settled(mut command: Command, dir: &Path) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("FREEHOLD_") {
            command.env_remove(name);
        }
    }
    command
        .env("FREEHOLD_DATA_DIR", dir.join("data"))
        .stdin(Stdio::null());
    command
}

/// The models of this machine, or a copy of the default one made from a downloaded file.
fn models_dir(dir: &Path, program: &Path) -> Result<PathBuf, String> {
    let base = |variable: &str, below_home: &str| {
        let given = env::var_os(variable).map(PathBuf::from);
        given.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(below_home)))
    };
    if let Some(data) = base("XDG_DATA_HOME", ".local/share") {
        let models = data.join("freehold/models");
        if models.join(MODEL).is_dir() {
            return Ok(models);
        }
    }
    let cached =
        base("XDG_CACHE_HOME", ".cache").map(|c| c.join("freehold/models").join(MODEL_FILE));
    let given = env::var_os("FREEHOLD_TEST_MODEL").map(PathBuf::from);
    let files = [given, cached].into_iter().flatten();
    let Some(file) = files.into_iter().find(|path| path.is_file()) else {
        return Err("there is no model: run `freehold model pull`".into());
    };
    let pull = command(program, dir)
        .args(["model", "pull", "--quiet", "--from"])
        .arg(file)
        .status();
    match pull {
        Ok(status) if status.success() => Ok(dir.join("data/models")),
        other => Err(format!("the model can't be installed: {other:?}")),
    }
}
