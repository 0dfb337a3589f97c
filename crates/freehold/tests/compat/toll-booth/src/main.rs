//! Sells greetings behind `toll-booth`. Its Lightning node is the neighbour of a sandbox, asked through the API of the
//! node in `NODE_URL` with the token in `NODE_TOKEN`. Prints its own address, and ends with its standard input.

use std::collections::HashMap;
use std::error::Error;
use std::io::Read as _;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use toll_booth::{
    BackendError, Invoice, InvoiceStatus, L402Rail, L402RailConfig, LightningBackend, MemoryStorage, PricingEntry,
    RootKey, TollBoothConfig, TollBoothEngine, TollBoothLayer,
};

const PRICE_SAT: u64 = 12;

struct Neighbour {
    http: reqwest::Client,
    url: String,
    token: String,
}

#[async_trait]
impl LightningBackend for Neighbour {
    async fn create_invoice(&self, amount_sats: u64, _: Option<&str>) -> Result<Invoice, BackendError> {
        let failed = |error: reqwest::Error| BackendError::Request(error.to_string());
        let request = self.http.post(&self.url).bearer_auth(&self.token);
        let request = request.json(&json!({"amount_msat": amount_sats * 1_000}));
        let view: Value = request.send().await.map_err(failed)?.json().await.map_err(failed)?;
        let text = |name: &str| {
            let text = view[name].as_str().map(str::to_owned);
            text.ok_or_else(|| BackendError::Request(view.to_string()))
        };
        Ok(Invoice { bolt11: text("request")?, payment_hash: text("payment_hash")? })
    }

    async fn check_invoice(&self, _: &str) -> Result<InvoiceStatus, BackendError> {
        Err(BackendError::NotSupported)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = || RootKey::from_hex(&"a1".repeat(32)).map_err(|error| error.to_string());
    let storage = Arc::new(MemoryStorage::new());
    let backend = Neighbour {
        http: reqwest::Client::builder().no_proxy().build()?,
        url: format!("{}/api/sandbox/invoice", std::env::var("NODE_URL")?),
        token: std::env::var("NODE_TOKEN")?,
    };
    let rail = L402Rail::new(L402RailConfig {
        root_key: key()?,
        storage: storage.clone(),
        default_amount: PRICE_SAT,
        backend: Some(Arc::new(backend)),
        service_name: Some("greetings".into()),
    });
    let engine = TollBoothEngine::new(TollBoothConfig {
        storage,
        pricing: HashMap::from([("/greeting".into(), PricingEntry::Simple(PRICE_SAT))]),
        rails: vec![Box::new(rail)],
        ..TollBoothConfig::default()
    });
    let engine = engine.map_err(|error| error.to_string())?;
    let router = Router::new().route("/greeting", get(|| async { "hello from toll-booth" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    axum::serve(listener, router.layer(TollBoothLayer::new(engine))).await?;
    Ok(())
}
