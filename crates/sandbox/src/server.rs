//! The HTTP server: a thread with a runtime of its own, so that a sandbox works in tests with and without async.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::oneshot;

use crate::world::World;
use crate::{Error, esplora, rpc};

/// The largest transaction that is relayed, in hex, with room for JSON around it.
const BODY_MAX_BYTES: usize = 1 << 20;

/// The world, shared between the sandbox and its server.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    world: Mutex<World>,
    paused: AtomicBool,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Inner {
            world: Mutex::new(world),
            paused: AtomicBool::new(false),
        }))
    }

    /// Waits for its turn. A test that panicked meanwhile has failed already, so the lock is taken all the same.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let world = self.0.world.lock();
        world.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::SeqCst);
    }
}

/// The running server. Dropping it cuts all connections.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(shared: Shared, listen: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind(listen).map_err(|why| Error::system("listen", why))?;
        let address = listener
            .local_addr()
            .and_then(|address| listener.set_nonblocking(true).map(|()| address))
            .map_err(|why| Error::system("prepare the listener", why))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Error::system("start a runtime", why))?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)
                .map_err(|why| Error::system("prepare the listener", why))?
        };
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            tokio::select! {
                _ = axum::serve(listener, router(shared)).into_future() => {}
                _ = stopped => {}
            }
        };
        let thread = std::thread::Builder::new()
            .name("sandbox-server".into())
            .spawn(move || runtime.block_on(serve))
            .map_err(|why| Error::system("start a thread", why))?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Neither can fail in a way that matters: if the thread is gone already, that is what is wanted.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn router(shared: Shared) -> Router {
    esplora::router()
        .route("/", post(rpc::answer))
        .fallback(async || (StatusCode::NOT_FOUND, "endpoint does not exist"))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(from_fn_with_state(shared.clone(), refuse_while_paused))
        .with_state(shared)
}

async fn refuse_while_paused(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    if shared.0.paused.load(Ordering::SeqCst) {
        return (StatusCode::BAD_GATEWAY, "the sandbox's API is paused").into_response();
    }
    next.run(request).await
}
