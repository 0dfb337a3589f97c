//! A node that dies between payment and answer.

use std::time::Duration;

use reqwest::Method;

use crate::common::{Home, Node, Outsider, Pay, eventually};
use crate::selling::buyer::{ask, code, sell};
use crate::selling::upstream::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_before_a_crash_is_served_once_after_it() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &[]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(50).await;
    let token = outsider.token(6).await;
    let request = node
        .request(Method::GET, "/api/slow", Pay::Ecash(&token))
        .timeout(Duration::from_secs(30));
    let lost = tokio::spawn(async move { request.send().await });
    eventually("the upstream is asked", async || shop.hits() == 1).await;
    node.kill9();
    assert!(lost.await.unwrap().is_err());
    node.restart().await;
    let served = ask(&node, "/api/slow", &[("x-cashu", &token)]).await;
    assert_eq!((served.status, served.text().as_str()), (200, "done"));
    assert_eq!(outsider.redeem(served.header("x-cashu").unwrap()).await, 1);
    let again = ask(&node, "/api/slow", &[("x-cashu", &token)]).await;
    assert_eq!(code(&again), "payment_used");
    assert_eq!(shop.hits(), 2);
    home.assert_ledger_sound();
}
