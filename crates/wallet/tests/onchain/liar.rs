//! A chain source that lies: it stands before an honest one, and changes what it says.

use std::sync::{Arc, Mutex};

use sandbox::bitcoin::Network;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wallet::onchain::ChainSource;

use crate::world::{TIMEOUT, World};

/// From the path that was asked for, to the one that is asked, and a change of the answer.
type Lie = fn(path: &str) -> Option<(String, fn(String) -> String)>;

/// The server, which lies as it is told.
struct Liar {
    url: String,
    lie: Arc<Mutex<Option<Lie>>>,
    task: JoinHandle<()>,
}

impl Liar {
    async fn before(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let honest = world.chain.url().trim_start_matches("http://").to_owned();
        let lie: Arc<Mutex<Option<Lie>>> = Arc::default();
        let told = Arc::clone(&lie);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let lie = *told.lock().unwrap();
                tokio::spawn(answer(stream, honest.clone(), lie));
            }
        });
        Self { url, lie, task }
    }

    fn tell(&self, lie: Option<Lie>) {
        *self.lie.lock().unwrap() = lie;
    }

    fn source(&self) -> ChainSource {
        ChainSource::esplora(&self.url, Network::Regtest, TIMEOUT).unwrap()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request on a connection. Whoever hangs up in the middle is not our concern.
async fn answer(mut stream: TcpStream, honest: String, lie: Option<Lie>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => request.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8(request).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let (path, change) = lie
        .and_then(|lie| lie(path))
        .unwrap_or_else(|| (path.to_owned(), std::convert::identity));
    let mut upstream = TcpStream::connect(&honest).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    upstream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    upstream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, body) = (head.lines().next().unwrap(), change(body.to_owned()));
    let kind = match body.starts_with(['{', '[']) {
        true => "application/json",
        false => "text/plain",
    };
    let length = body.len();
    let reply = format!(
        "{status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(reply.as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_another_network_is_refused() {
    let world = World::new();
    let liar = Liar::before(&world).await;
    liar.tell(Some(|path| {
        let mainnets: fn(String) -> String =
            |_| "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f".to_owned();
        (path == "/block-height/0").then(|| (path.to_owned(), mainnets))
    }));
    let wallet = world.wallet_at("1.db", 1, liar.source()).await.unwrap();
    let refusal = wallet.sync(world.now_ms()).await.unwrap_err();
    assert_eq!(refusal.code(), "chain_wrong_network");
    let refusal = wallet.chain().fee_rates().await.unwrap_err();
    assert_eq!(refusal.code(), "chain_wrong_network");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_in_a_block_is_believed_only_with_a_proof() {
    let world = World::new();
    let honest = world
        .wallet_at("honest.db", 1, world.esplora())
        .await
        .unwrap();
    world.pay(&honest, 100_000).await;
    world.chain.mine(1).unwrap();

    let liar = Liar::before(&world).await;
    let wallet = world.wallet_at("1.db", 1, liar.source()).await.unwrap();
    let lies: [Lie; 3] = [
        // Another place in the block than the proof leads to.
        |path| {
            path.ends_with("/merkle-proof").then(|| {
                let change: fn(String) -> String = |body| body.replace("\"pos\":1", "\"pos\":0");
                (path.to_owned(), change)
            })
        },
        // Another header than the block has.
        |path| {
            path.ends_with("/header").then(|| {
                let change: fn(String) -> String = |body| format!("{}ffffffff", &body[..152]);
                (path.to_owned(), change)
            })
        },
        // A proof that never ends.
        |path| {
            path.ends_with("/merkle-proof").then(|| {
                let change: fn(String) -> String = |body| {
                    let many = vec![format!("\"{}\"", "ab".repeat(32)); 40].join(",");
                    body.replace("\"merkle\":[", &format!("\"merkle\":[{many},"))
                };
                (path.to_owned(), change)
            })
        },
    ];
    for lie in lies {
        liar.tell(Some(lie));
        let refusal = wallet.sync(world.now_ms()).await.unwrap_err();
        assert_eq!(refusal.code(), "chain_contradiction", "{refusal}");
        assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 0);
    }
    liar.tell(None);
    world.sync(&wallet).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_back_is_refused_and_nothing_is_forgotten() {
    let world = World::new();
    let liar = Liar::before(&world).await;
    let wallet = world.wallet_at("1.db", 1, liar.source()).await.unwrap();
    world.pay(&wallet, 100_000).await;
    world.chain.mine(3).unwrap();
    world.sync(&wallet).await;
    let tip = wallet.tip().await.unwrap();
    assert_eq!(tip.height, 104);
    // What it had when the payment waited.
    liar.tell(Some(|path| {
        let as_it_is: fn(String) -> String = |body| body;
        (path == "/blocks").then(|| ("/blocks/101".to_owned(), as_it_is))
    }));
    let refusal = wallet.sync(world.now_ms()).await.unwrap_err();
    assert_eq!(refusal.code(), "chain_behind", "{refusal}");
    assert_eq!(wallet.tip().await.unwrap(), tip);
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);
    liar.tell(None);
    world.sync(&wallet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_an_error_and_no_panic() {
    let world = World::new();
    let liar = Liar::before(&world).await;
    let wallet = world.wallet_at("1.db", 1, liar.source()).await.unwrap();
    let nonsense: [Lie; 4] = [
        |path| Some((path.to_owned(), |_| String::new())),
        |path| Some((path.to_owned(), |_| "[]".to_owned())),
        |path| Some((path.to_owned(), |_| "{\"a\":".to_owned())),
        |path| Some((path.to_owned(), |_| "é".repeat(5_000))),
    ];
    for lie in nonsense {
        liar.tell(Some(lie));
        let refusal = wallet.sync(world.now_ms()).await.unwrap_err();
        assert!(refusal.code().starts_with("chain_"), "{refusal}");
    }
}
