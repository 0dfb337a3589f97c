//! MCP servers whose tools are sold (Streamable HTTP). What is asked is read whole; what is answered passes as it comes,
//! until the result that was paid for is there, which settles the call.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use node::sell::{Call, Message, Offer, SellError, ToolEntry, ToolPass};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{HEAD_TIME_MAX, Upstream, answered, headers, unsettled};
use crate::api::App;
use crate::api::error::{ApiError, method_not_allowed};
use crate::api::guard::{self, Bounds};

/// What is asked.
const REQUEST: Bounds = Bounds {
    bytes_max: 4 << 20,
    time_max: Duration::from_secs(60),
};
/// Bytes of an answer that is one message, and of one event of a stream.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// How long a buyer may take for what comes.
const SEND_TIME_MAX: Duration = Duration::from_secs(60);
/// Events that wait for the buyer.
const EVENTS_WAITING: usize = 16;

/// Serves a request for an MCP server: what calls a tool that is sold meets the door, all else passes for nothing.
pub async fn serve(
    app: &App,
    request: Request,
    call: Call,
    offer: Arc<Offer>,
) -> Result<Response, ApiError> {
    let is_socket = headers::wants_websocket(request.headers());
    match *request.method() {
        Method::GET | Method::DELETE | Method::OPTIONS | Method::HEAD if !is_socket => {
            let pass = app.node.free_pass(&offer);
            return super::forward(app, request, pass).await;
        }
        Method::POST => {}
        // Tools might be called in a way that isn't read here.
        _ => {
            let (parts, _) = request.into_parts();
            return Ok(not_read(parts.method, parts.uri).await);
        }
    }
    let (mut parts, body) = request.into_parts();
    let body = guard::read(&parts.headers, body, &REQUEST).await?;
    // It is written anew, and what is answered is read.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::ACCEPT_ENCODING);
    match app.node.read_message(&offer, &body) {
        Message::Refused(answer) => Ok(answered(answer)),
        Message::Free(body) => {
            let request = Request::from_parts(parts, Body::from(body));
            super::forward(app, request, app.node.free_pass(&offer)).await
        }
        Message::Call(tool) => {
            let address = call.address;
            match app.node.enter_tool(*tool, call).await? {
                ToolEntry::Answer(answer) => Ok(answered(answer)),
                ToolEntry::Pass(tool) => forward(app, &parts, address, *tool).await,
            }
        }
    }
}

async fn not_read(method: Method, uri: Uri) -> Response {
    let mut refused = method_not_allowed(method, uri).await.into_response();
    let allowed = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS");
    refused.headers_mut().insert(header::ALLOW, allowed);
    refused
}

/// Calls the tool.
async fn forward(
    app: &App,
    parts: &Parts,
    address: IpAddr,
    tool: ToolPass,
) -> Result<Response, ApiError> {
    let body = Body::from(tool.body().to_vec());
    let outgoing = tool
        .pass()
        .and_then(|pass| super::outgoing(app, pass, parts, body, address, false));
    let exchange = Exchange {
        upstream: app.upstream.clone(),
        tool,
    };
    exchange.run(outgoing).await
}

struct Exchange {
    upstream: Upstream,
    tool: ToolPass,
}

impl Exchange {
    async fn run(mut self, outgoing: Option<Request>) -> Result<Response, ApiError> {
        let Some(outgoing) = outgoing else {
            return self.fail("its address can't be used").await;
        };
        let response = match timeout(HEAD_TIME_MAX, self.upstream.send(outgoing)).await {
            Ok(Ok(response)) => response,
            Ok(Err(why)) => return self.fail(why).await,
            Err(_) => return self.fail("it takes too long").await,
        };
        let (mut parts, body) = response.into_parts();
        headers::to_buyer(&mut parts.headers, true, false);
        parts.headers.remove(header::CONTENT_LENGTH);
        if !parts.status.is_success() {
            // It is none of MCP's answers: what it says is for the buyer, and costs nothing.
            let error = SellError::UpstreamFailed(parts.status.as_u16());
            self.tool.failed(error).await.map_err(unsettled)?;
            return Ok(Response::from_parts(parts, body));
        }
        if headers::is_event_stream(&parts.headers) {
            let (to, events) = mpsc::channel(EVENTS_WAITING);
            tokio::spawn(self.stream(body, to));
            let events = stream::unfold(events, async |mut events| {
                let event = events.recv().await?;
                Some((event, events))
            });
            return Ok(Response::from_parts(parts, Body::from_stream(events)));
        }
        let body = timeout(HEAD_TIME_MAX, to_bytes(body, MESSAGE_BYTES_MAX)).await;
        let Ok(Ok(body)) = body else {
            return self.fail("its answer is too long, or broke off").await;
        };
        let body = match self.tool.hear(&body).await.map_err(unsettled)? {
            Some(receipted) => Bytes::from(receipted),
            None => body,
        };
        // It took the call, and says nothing of it here.
        self.tool.served().await.map_err(unsettled)?;
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    async fn fail(mut self, why: &'static str) -> Result<Response, ApiError> {
        let answer = self.tool.failed(SellError::UpstreamUnreachable(why)).await;
        let answer = answer.map_err(unsettled)?;
        Ok(answer.map_or_else(|| StatusCode::BAD_GATEWAY.into_response(), answered))
    }

    /// Passes events on as they come, and reads each. Whoever hangs up before the result has paid for it all the same.
    async fn stream(mut self, body: Body, to: mpsc::Sender<io::Result<Bytes>>) {
        let (mut pieces, mut events) = (body.into_data_stream(), Events::default());
        while let Ok(Some(Ok(piece))) = timeout(HEAD_TIME_MAX, pieces.next()).await {
            events.buffer.extend_from_slice(&piece);
            while let Some(event) = events.take() {
                let Ok(event) = self.hear(event).await else {
                    return;
                };
                let sent = timeout(SEND_TIME_MAX, to.send(Ok(event))).await;
                if !matches!(sent, Ok(Ok(()))) && self.tool.pass().is_none() {
                    return;
                }
            }
            if events.buffer.len() > MESSAGE_BYTES_MAX {
                break;
            }
        }
        let why = SellError::UpstreamUnreachable("its answer broke off");
        match self.tool.failed(why).await {
            Ok(Some(answer)) => {
                let event = format!("event: message\ndata: {}\n\n", answer.body);
                let _ = to.send(Ok(event.into())).await;
            }
            Ok(None) => {}
            Err(error) => _ = unsettled(error),
        }
    }

    /// The event for the buyer.
    async fn hear(&mut self, event: Vec<u8>) -> Result<Bytes, ApiError> {
        let heard = match data(&event) {
            Some(message) => self.tool.hear(&message).await.map_err(unsettled)?,
            None => None,
        };
        Ok(match heard {
            Some(message) => with_data(&event, &message),
            None => event.into(),
        })
    }
}

/// What came of a stream and isn't a whole event yet.
#[derive(Default)]
struct Events {
    buffer: Vec<u8>,
    /// How much of it holds no end of an event.
    searched: usize,
}

impl Events {
    /// Takes the first whole event, with the empty line that ends it.
    fn take(&mut self) -> Option<Vec<u8>> {
        let marks = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"];
        let from = self.searched;
        let new = &self.buffer[from..];
        let end = |mark: &&[u8]| {
            let at = new.windows(mark.len()).position(|window| window == *mark);
            at.map(|at| from + at + mark.len())
        };
        let Some(end) = marks.iter().filter_map(end).min() else {
            // An end may be half there.
            self.searched = self.buffer.len().saturating_sub(3);
            return None;
        };
        self.searched = 0;
        let rest = self.buffer.split_off(end);
        Some(std::mem::replace(&mut self.buffer, rest))
    }
}

/// What an event says: its lines of data, joined.
fn data(event: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(event).ok()?;
    let lines = text.split(['\n', '\r']);
    let lines = lines.filter_map(|line| line.strip_prefix("data:"));
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n").into_bytes())
}

/// The event with other data, which is one line.
fn with_data(event: &[u8], data: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(event);
    let others = text.split(['\n', '\r']);
    let others = others.filter(|line| !line.is_empty() && !line.starts_with("data:"));
    let mut written = Vec::new();
    for line in others {
        written.extend_from_slice(line.as_bytes());
        written.push(b'\n');
    }
    written.extend_from_slice(b"data: ");
    written.extend_from_slice(data);
    written.extend_from_slice(b"\n\n");
    written.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_events_wherever_it_was_cut_before() {
        let stream = b": hi\n\nid: 1\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nevent: x\ndata:2\n\nrest";
        for size in 1..stream.len() {
            let (mut events, mut heard) = (Events::default(), Vec::new());
            for piece in stream.chunks(size) {
                events.buffer.extend_from_slice(piece);
                while let Some(event) = events.take() {
                    heard.push(data(&event));
                }
            }
            let wanted = [None, Some(b"{\"a\":\n1}".to_vec()), Some(b"2".to_vec())];
            assert_eq!(heard, wanted, "{size}");
            assert_eq!(events.buffer, b"rest");
        }
    }

    #[test]
    fn an_event_keeps_its_name() {
        let event = b"id: 7\r\nevent: message\r\ndata: {}\r\n\r\n";
        let written = with_data(event, b"{\"a\":1}");
        assert_eq!(&written[..], b"id: 7\nevent: message\ndata: {\"a\":1}\n\n");
    }
}
