//! What passes between buyer and upstream, and what doesn't.

use std::net::IpAddr;

use axum::http::header::{self, Entry};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::api::auth::COOKIE;
use crate::hop_by_hop;

pub const X_CASHU: HeaderName = HeaderName::from_static("x-cashu");
pub const ACCEPT_PAYMENT: HeaderName = HeaderName::from_static("accept-payment");
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub const PAYMENT_BID: HeaderName = HeaderName::from_static("payment-bid");
const PAYMENT_OFFER: HeaderName = HeaderName::from_static("payment-offer");
const PAYMENT_RECEIPT: HeaderName = HeaderName::from_static("payment-receipt");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The sold service is on the same origin as the owner's pages: nothing that it sends may run there.
const INERT: &str =
    "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether this is a credential that pays, and not one for the upstream.
pub fn is_payment(authorization: &str) -> bool {
    let scheme = authorization
        .trim_start()
        .split([' ', '\t'])
        .next()
        .unwrap_or_default();
    ["L402", "LSAT", "Payment"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

/// The token of a bearer.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

/// Whether a request asks for a web socket.
pub fn wants_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        && listed(headers, "upgrade")
}

/// Whether an answer is a stream of events.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("text/event-stream")
    })
}

/// Whether `Connection` has this option.
fn listed(headers: &HeaderMap, option: &str) -> bool {
    hop_by_hop::connection_options(headers).any(|name| name.eq_ignore_ascii_case(option))
}

/// A request's headers as the upstream gets them. Payments stay here, and so does what opens this node.
pub fn to_upstream(
    mut to: HeaderMap,
    address: IpAddr,
    is_https: bool,
    is_websocket: bool,
    is_own_token: impl Fn(&str) -> bool,
) -> HeaderMap {
    // The client library names the upstream's own host.
    let host = to.remove(header::HOST);
    hop_by_hop::remove(&mut to);
    for name in [
        X_CASHU,
        ACCEPT_PAYMENT,
        PAYMENT_BID,
        header::EXPECT,
        FORWARDED_FOR,
        FORWARDED_HOST,
        FORWARDED_PROTO,
    ] {
        to.remove(name);
    }
    retain(&mut to, &header::AUTHORIZATION, |value| {
        !is_payment(value) && !bearer(value).is_some_and(&is_own_token)
    });
    hide_cookie(&mut to);
    if let Ok(value) = HeaderValue::from_str(&address.to_string()) {
        to.insert(FORWARDED_FOR, value);
    }
    if let Some(host) = host {
        to.insert(FORWARDED_HOST, host);
    }
    to.insert(
        FORWARDED_PROTO,
        HeaderValue::from_static(if is_https { "https" } else { "http" }),
    );
    if is_websocket {
        to.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        to.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    to
}

/// What the buyer gets of the upstream's headers.
pub fn to_buyer(headers: &mut HeaderMap, is_paid: bool, is_switch: bool) {
    hop_by_hop::remove(headers);
    if is_switch {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(INERT),
    );
    headers.remove(X_CASHU);
    headers.remove(PAYMENT_RECEIPT);
    headers.remove(PAYMENT_OFFER);
    retain(headers, &header::SET_COOKIE, |value| {
        value.trim_start().split('=').next() != Some(COOKIE)
    });
    let is_private = |value: &HeaderValue| {
        let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
        value.contains("no-store") || value.contains("private")
    };
    if is_paid && !headers.get(header::CACHE_CONTROL).is_some_and(is_private) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// All headers that are text.
pub fn all_texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    texts.collect()
}

/// Keeps the values of a header that are text and wanted.
fn retain(headers: &mut HeaderMap, name: &HeaderName, is_wanted: impl Fn(&str) -> bool) {
    let Entry::Occupied(entry) = headers.entry(name) else {
        return;
    };
    let (_, values) = entry.remove_entry_mult();
    let kept: Vec<HeaderValue> = values
        .filter(|value| value.to_str().is_ok_and(&is_wanted))
        .collect();
    for value in kept {
        headers.append(name, value);
    }
}

/// Takes the owner's session out of the cookies.
fn hide_cookie(headers: &mut HeaderMap) {
    if !headers.contains_key(header::COOKIE) {
        return;
    }
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).map(str::trim);
    let kept: Vec<&str> = cookies
        .filter(|cookie| cookie.split('=').next() != Some(COOKIE))
        .collect();
    let kept = HeaderValue::from_str(&kept.join("; "));
    headers.remove(header::COOKIE);
    if let Some(kept) = kept.ok().filter(|kept| !kept.is_empty()) {
        headers.insert(header::COOKIE, kept);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn forwarded(lines: &[(&str, &str)]) -> HeaderMap {
        let address = "192.0.2.7".parse().unwrap();
        to_upstream(headers(lines), address, true, false, |token| {
            token == "owner"
        })
    }

    #[test]
    fn payments_and_what_opens_the_node_stay_here() {
        let to = forwarded(&[
            ("authorization", "L402 abc:def"),
            ("authorization", "payment eyJ9"),
            ("authorization", "Bearer owner"),
            ("authorization", "Bearer upstreams"),
            ("x-cashu", "cashuB"),
            ("accept-payment", "lightning/*"),
            ("cookie", "a=b; freehold_session=secret"),
            ("cookie", "freehold_session=secret;c=d"),
        ]);
        let authorization: Vec<_> = to.get_all("authorization").iter().collect();
        assert_eq!(authorization, ["Bearer upstreams"]);
        assert_eq!(to["cookie"], "a=b; c=d");
        assert!(!to.contains_key("x-cashu") && !to.contains_key("accept-payment"));
        assert!(!format!("{to:?}").contains("secret"));
    }

    #[test]
    fn what_is_between_neighbours_stays_between_them() {
        let to = forwarded(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("host", "shop.example"),
            ("x-forwarded-for", "203.0.113.9"),
            ("accept", "*/*"),
        ]);
        for gone in [
            "connection",
            "x-secret",
            "transfer-encoding",
            "te",
            "upgrade",
            "host",
        ] {
            assert!(!to.contains_key(gone), "{gone}");
        }
        assert_eq!(
            to["x-forwarded-for"], "192.0.2.7",
            "nobody chooses an address"
        );
        assert_eq!(to["x-forwarded-host"], "shop.example");
        assert_eq!(to["x-forwarded-proto"], "https");
        assert_eq!(to["accept"], "*/*");
    }

    #[test]
    fn what_was_paid_is_for_no_cache_and_nothing_runs() {
        let mut from = headers(&[
            ("cache-control", "public, max-age=9"),
            ("content-security-policy", "default-src *"),
            ("set-cookie", "freehold_session=x"),
            ("set-cookie", "a=b"),
            ("x-cashu", "cashuBforged"),
            ("connection", "keep-alive"),
        ]);
        to_buyer(&mut from, true, false);
        assert_eq!(from["cache-control"], "private");
        assert_eq!(from["content-security-policy"], INERT);
        assert_eq!(from["set-cookie"], "a=b");
        assert!(!from.contains_key("x-cashu") && !from.contains_key("connection"));
        let mut free = headers(&[("cache-control", "public")]);
        to_buyer(&mut free, false, false);
        assert_eq!(free["cache-control"], "public");
    }

    #[test]
    fn web_sockets_are_asked_for_by_two_headers() {
        let asks = |lines: &[(&str, &str)]| wants_websocket(&headers(lines));
        assert!(asks(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket")
        ]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade"), ("upgrade", "h2c")]));
    }
}
