//! `CONNECT`: bytes both ways, unread (RFC 9110, section 9.3.6).

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::failure::Failure;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// No tunnel stays open for longer.
const TUNNEL_TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// Connects to where the request says; the answer's connection becomes the tunnel.
///
/// # Errors
/// `connect_failed`.
pub async fn open(request: Request) -> Result<Response, Failure> {
    let failed = |why: String| {
        let hint = "check the address; what goes by CONNECT is passed through, and never paid for";
        Failure::user("connect_failed", why, hint)
    };
    let target = request.uri().authority().map(ToString::to_string);
    let target = target.ok_or_else(|| failed("CONNECT names no host and port".into()))?;
    let connecting = TcpStream::connect(&target);
    let mut far = match tokio::time::timeout(CONNECT_TIME_MAX, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failed(format!("{target}: {error}"))),
        Err(_) => return Err(failed(format!("{target} doesn't answer"))),
    };
    tokio::spawn(async move {
        let Ok(near) = hyper::upgrade::on(request).await else {
            return;
        };
        let mut near = TokioIo::new(near);
        let copied = tokio::io::copy_bidirectional(&mut near, &mut far);
        // Ends are everyday life: nobody waits for them.
        let _ = tokio::time::timeout(TUNNEL_TIME_MAX, copied).await;
    });
    Ok(Response::new(Body::empty()))
}
