//! Serving the router over TCP, with everything bounded: connections, the time that a request's
//! head may take, and the time that a client may refuse to take its answer.

mod connection;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use connection::Connection;

/// The most connections of a node at a time; more wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// How long a request's head may take, and how long a connection may idle between requests.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long answers under way may take to finish when the node stops.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(10);
/// A pause after an error that would repeat at once, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where a request came from, among its extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Tells everything that runs when the node is to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops when the sender is set to true, or is gone.
    pub fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    /// Waits until the node is to stop.
    pub async fn requested(&mut self) {
        let stop = self.0.wait_for(|stop| *stop).await;
        // Without a sender nobody could stop us any more, so that counts as well.
        drop(stop);
    }
}

/// Serves at most `connections_max` at a time until `stop` says so, then lets the answers under way finish.
pub async fn serve(listener: TcpListener, router: Router, mut stop: Stop, connections_max: usize) {
    let permits = Arc::new(Semaphore::new(connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            _ = stop.requested() => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let connection = Connection::new(stream, permit);
                connections.spawn(answer(connection, peer, router.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection couldn't be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GOODBYE_TIME_MAX, all).await.is_err() {
        tracing::warn!("answers under way were cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    // Pieces of a stream are small and must not wait for one another.
    stream.set_nodelay(true)?;
    Ok((stream, Peer(address.ip()), permit))
}

/// Answers the requests of one connection.
async fn answer(connection: Connection, peer: Peer, router: Router, mut stop: Stop) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX);
    let router = TowerToHyperService::new(router);
    let service =
        hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
    let served = http
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades();
    tokio::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        _ = stop.requested() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        // Clients that hang up are everyday life.
        tracing::debug!(%error, "a connection ended early");
    }
}
