//! Requests and answers on their way: lost, late, twice, and in any order.

use std::future::pending;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use tokio::sync::oneshot;

use super::world::{MINUTE_MS, Machine, SECOND_MS, W};

/// A request as a server sees it.
#[derive(Clone)]
pub(crate) struct Call {
    pub method: String,
    pub host: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

impl Call {
    pub fn get(host: &str, path: &str, headers: Vec<(String, String)>) -> Self {
        Self {
            method: "GET".into(),
            host: host.into(),
            path: path.into(),
            headers,
        }
    }
}

/// A server's answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        all.next().map(|(_, value)| value.as_str())
    }
}

/// A server.
pub(crate) trait Host {
    fn machine(&self) -> Machine;
    /// None if it lets the connection break off.
    fn answer(self: Rc<Self>, call: Call) -> LocalBoxFuture<'static, Option<Reply>>;
}

/// Sends a request; none if no answer comes in time.
pub(crate) async fn send(world: &W, call: Call, timeout_ms: i64) -> Result<Reply, String> {
    let answer = world.timeout(timeout_ms, exchange(world, call)).await;
    answer.unwrap_or_else(|| Err("no answer in time".into()))
}

async fn exchange(world: &W, call: Call) -> Result<Reply, String> {
    let host = world.hosts.borrow().get(&call.host).cloned();
    let host = host.ok_or("no such host")?;
    latency(world).await;
    if world.fails("request lost", 40) {
        return lost(world).await;
    }
    if world.fails("request late", 20) {
        world.sleep(world.between(SECOND_MS, 20 * MINUTE_MS)).await;
    }
    if !world.is_up(host.machine()) {
        return Err("connection refused".into());
    }
    if world.fails("request twice", 20) {
        again(world, Rc::clone(&host), call.clone());
    }
    let (answer, answered) = oneshot::channel();
    world.spawn(host.machine(), {
        let answering = Rc::clone(&host).answer(call);
        async move {
            let _ = answer.send(answering.await);
        }
    });
    let reply = answered.await.ok().flatten();
    let reply = reply.ok_or("the connection broke off")?;
    if world.fails("answer lost", 40) {
        return lost(world).await;
    }
    if world.fails("answer late", 20) {
        world.sleep(world.between(SECOND_MS, 20 * MINUTE_MS)).await;
    }
    latency(world).await;
    Ok(reply)
}

async fn latency(world: &W) {
    world.sleep(world.between(5, 400)).await;
}

/// Either end finds out, or nobody does.
async fn lost(world: &W) -> Result<Reply, String> {
    match world.chance(700) {
        true => Err("the connection was reset".into()),
        false => pending().await,
    }
}

fn again(world: &W, host: Rc<dyn Host>, call: Call) {
    let later = Rc::clone(world);
    world.spawn(super::world::OUTSIDE, async move {
        later.sleep(later.between(0, 2 * MINUTE_MS)).await;
        if later.is_up(host.machine()) {
            later.spawn(host.machine(), async move {
                host.answer(call).await;
            });
        }
    });
}
