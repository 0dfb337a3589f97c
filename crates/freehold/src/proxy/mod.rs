//! What is sold beside the model: requests that pass the node's door go to the owner's other services.
//!
//! `mcp.rs` is for MCP servers, of which only some calls cost something. `headers.rs` says what passes, `upstream.rs` has the connections, `meter.rs` counts minutes and bytes,
//! `socket.rs` joins web sockets.

mod body;
mod headers;
mod mcp;
mod meter;
mod socket;
mod upstream;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use node::sell::{Answer, Call, Entry, Pass, SellError, Unit};
use node::{Caller, NodeError};

use crate::api::App;
use crate::api::error::{ApiError, not_found};
use crate::server::Peer;
pub use headers::is_payment;
use meter::Meter;
pub use upstream::Upstream;

/// How long an upstream may think before it answers. Models think long.
const HEAD_TIME_MAX: Duration = Duration::from_secs(300);

/// Everything that isn't a route of the node's own: perhaps it is sold.
pub async fn fallback(State(app): State<App>, request: Request) -> Response {
    match serve(&app, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn serve(app: &App, request: Request) -> Result<Response, ApiError> {
    let mut call = call(&request);
    call.is_owner = is_owner(app, &call).await;
    let Some(offer) = app.node.offer_for(&call.method, &call.path) else {
        return match app.node.enter_unsold(&call).await? {
            Some(answer) => Ok(answered(answer)),
            None => Err(not_found(request.uri().clone()).await),
        };
    };
    let app = app.clone();
    // It goes on when the buyer hangs up: a call that was made counts as one, and a payment isn't taken for a call that
    // nobody makes.
    let task = tokio::spawn(async move {
        if offer.tools.is_some() {
            return mcp::serve(&app, request, call, offer).await;
        }
        match app.node.enter(offer, call).await? {
            Entry::Answer(answer) => Ok(answered(answer)),
            Entry::Pass(pass) => forward(&app, request, *pass).await,
        }
    });
    task.await.unwrap_or_else(|_| Err(ApiError::interrupted()))
}

/// What the door looks at. Whether the owner asks is for [`is_owner`].
pub fn call(request: &Request) -> Call {
    let headers = request.headers();
    let first = |name| texts(headers, name).into_iter().next();
    let of = |name, known: &'static str| {
        let lines = texts(headers, name).into_iter();
        lines.map(move |line| (known, line))
    };
    let authorization = of(&header::AUTHORIZATION, "Authorization");
    Call {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        host: first(&header::HOST).unwrap_or_default(),
        credentials: authorization
            .chain(of(&headers::X_CASHU, "X-Cashu"))
            .collect(),
        accept_payment: first(&headers::ACCEPT_PAYMENT),
        bid: only(texts(headers, &headers::PAYMENT_BID)),
        address: address(request),
        is_owner: false,
    }
}

/// The one line of a header; several are none.
fn only(mut lines: Vec<String>) -> Option<String> {
    lines.pop().filter(|_| lines.is_empty())
}

/// Whether one of the credentials is the owner's. What isn't ours is the upstream's to judge.
async fn is_owner(app: &App, call: &Call) -> bool {
    for (_, value) in &call.credentials {
        if let Some(token) = headers::bearer(value).filter(|token| app.node.is_own_token(token))
            && matches!(app.node.authenticate(Some(token)).await, Ok(Caller::Owner))
        {
            return true;
        }
    }
    false
}

/// All lines of a header. What isn't text becomes what no payment is, and is refused as such.
fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter();
    lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
        .collect()
}

fn address(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0)
}

/// An answer of the door's own.
pub fn answered(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::PAYMENT_REQUIRED);
    let mut response = (status, answer.body.to_string()).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    append(response.headers_mut(), &answer.headers);
    response
}

/// Adds headers; those that are there already stay.
pub fn append(to: &mut HeaderMap, headers: &[(&'static str, String)]) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            to.append(name, value);
        }
    }
}

/// Asks the upstream.
async fn forward(app: &App, mut request: Request, pass: Pass) -> Result<Response, ApiError> {
    let address = address(&request);
    let client_side =
        headers::wants_websocket(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let is_broken = Arc::new(AtomicBool::new(false));
    let body = body::bounded(body, Arc::clone(&is_broken));
    let Some(outgoing) = outgoing(app, &pass, &parts, body, address, client_side.is_some()) else {
        return failed(
            pass,
            SellError::UpstreamUnreachable("its address can't be used"),
        )
        .await;
    };
    let exchange = Exchange {
        upstream: app.upstream.clone(),
        pass,
        is_broken,
        client_side,
    };
    exchange.run(outgoing).await
}

fn outgoing(
    app: &App,
    pass: &Pass,
    parts: &Parts,
    body: Body,
    address: IpAddr,
    is_websocket: bool,
) -> Option<Request> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri: Uri = format!("{}{path}", pass.offer().upstream).parse().ok()?;
    let mut outgoing = Request::new(body);
    *outgoing.method_mut() = parts.method.clone();
    *outgoing.uri_mut() = uri;
    let scheme = app.node.config().url();
    let is_https = scheme.starts_with("https://");
    *outgoing.headers_mut() =
        headers::to_upstream(&parts.headers, address, is_https, is_websocket, |token| {
            app.node.is_own_token(token)
        });
    Some(outgoing)
}

struct Exchange {
    upstream: Upstream,
    pass: Pass,
    /// True if the buyer's body broke off.
    is_broken: Arc<AtomicBool>,
    client_side: Option<OnUpgrade>,
}

impl Exchange {
    async fn run(self, outgoing: Request) -> Result<Response, ApiError> {
        let answer = tokio::time::timeout(HEAD_TIME_MAX, self.upstream.send(outgoing)).await;
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(_)) if self.is_broken.load(Ordering::Relaxed) => {
                self.pass.interrupted().await?;
                return Err(ApiError::bad_request(
                    "malformed_request",
                    "the request's body broke off",
                    "send it again with the same payment",
                ));
            }
            Ok(Err(why)) => return failed(self.pass, SellError::UpstreamUnreachable(why)).await,
            Err(_) => {
                return failed(
                    self.pass,
                    SellError::UpstreamUnreachable("it takes too long"),
                )
                .await;
            }
        };
        if response.status().is_server_error() {
            let status = response.status().as_u16();
            return failed(self.pass, SellError::UpstreamFailed(status)).await;
        }
        self.deliver(response).await
    }

    /// The upstream has answered: it counts, and goes back as it comes.
    async fn deliver(mut self, mut response: Response) -> Result<Response, ApiError> {
        let paid_with = self.pass.served().await.map_err(unsettled)?;
        let is_switch = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let upstream_side = is_switch.then(|| hyper::upgrade::on(&mut response));
        let (mut parts, body) = response.into_parts();
        headers::to_buyer(&mut parts.headers, self.pass.is_paid(), is_switch);
        append(&mut parts.headers, &paid_with);
        let is_metered = self.pass.offer().unit != Unit::Call;
        if let (Some(upstream), Some(client)) = (upstream_side, self.client_side) {
            tokio::spawn(socket::join(client, upstream, Meter::new(self.pass)));
            return Ok(Response::from_parts(parts, Body::empty()));
        }
        if !is_metered {
            return Ok(Response::from_parts(parts, body));
        }
        // What is cut off in the middle has no length that could be told before.
        parts.headers.remove(header::CONTENT_LENGTH);
        let is_sse = headers::is_event_stream(&parts.headers);
        let body = Body::from_stream(meter::metered(body, Meter::new(self.pass), is_sse));
        Ok(Response::from_parts(parts, body))
    }
}

async fn failed(pass: Pass, error: SellError) -> Result<Response, ApiError> {
    Ok(answered(pass.failed(error).await.map_err(unsettled)?))
}

fn unsettled(error: NodeError) -> ApiError {
    tracing::warn!(code = error.code(), "a paid call isn't settled: {error}");
    error.into()
}
