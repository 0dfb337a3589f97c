//! What the seller's door stands in front of: a service that knows nothing of payments, and isn't always well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::any;

/// What it has answered, by deal.
#[derive(Default)]
struct Seen {
    asked: HashMap<String, u32>,
    delivered: HashMap<String, u32>,
}

#[derive(Clone)]
pub struct Shop {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Shop {
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
        };
        let router = Router::new()
            .route("/api/{manner}/{deal}", any(answer))
            .with_state(shop.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        shop
    }

    /// How often the goods of a deal left the shop.
    pub fn delivered(&self, deal: &str) -> u32 {
        let seen = self.seen.lock().unwrap();
        seen.delivered.get(deal).copied().unwrap_or(0)
    }
}

async fn answer(
    State(shop): State<Shop>,
    Path((manner, deal)): Path<(String, String)>,
) -> (StatusCode, String) {
    let is_first = {
        let mut seen = shop.seen.lock().unwrap();
        let asked = seen.asked.entry(deal.clone()).or_default();
        *asked += 1;
        *asked == 1
    };
    match manner.as_str() {
        "stumbles" if is_first => return (StatusCode::BAD_GATEWAY, "a moment".into()),
        "slow" => tokio::time::sleep(Duration::from_millis(120)).await,
        _ => {}
    }
    let mut seen = shop.seen.lock().unwrap();
    *seen.delivered.entry(deal.clone()).or_default() += 1;
    (StatusCode::OK, format!("goods of {deal}"))
}
