//! A buyer that shows its proof and hangs up, at any moment of the door's work: what it paid is delivered once, to nobody if
//! need be, or is still good for whoever stays.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::buyer::{ask, challenges, parameter};
use super::lightning::paid;
use super::upstream::Shop;
use crate::common::{Node, eventually};

/// A restarted node gives out invoices for so many at once.
const PAYMENTS: usize = 6;
/// The moments at which a payment is hung up on are so far from each other, up to the last.
const STEP: Duration = Duration::from_micros(300);
const STEPS: u32 = 20;

pub async fn hang_ups(node: &Node, shop: &Shop) {
    for _ in 0..PAYMENTS {
        let hits = shop.hits();
        let challenge = challenges(&ask(node, "/api/echo", &[]).await)[0].clone();
        let preimage = paid(node, &parameter(&challenge, "invoice").unwrap());
        let macaroon = parameter(&challenge, "macaroon").unwrap();
        let authorization = format!("L402 {macaroon}:{preimage}");
        for step in 0..STEPS {
            hang_up(node, &authorization, STEP * step).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            if shop.hits() > hits {
                break;
            }
        }
        let last = ask(node, "/api/echo", &[("authorization", &authorization)]).await;
        let is_delivered = || async { shop.hits() == hits + 1 };
        eventually("what was paid is delivered", is_delivered).await;
        // 503: the call is still under way.
        assert!(matches!(last.status, 200 | 402 | 503), "{}", last.text());
    }
}

/// Asks, and is gone after that time.
async fn hang_up(node: &Node, authorization: &str, after: Duration) {
    let address = node.home().address();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "GET /api/echo HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let start = Instant::now();
    while start.elapsed() < after {
        tokio::task::yield_now().await;
    }
}
