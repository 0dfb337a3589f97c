//! Which `Host` names are ours, and whether a request comes from our own pages.
//!
//! A page on the web can point a name of its own at 127.0.0.1 and so make a browser speak to
//! this node as if it were that page's server (DNS rebinding). It can't do that with an address
//! in place of a name: so addresses and `localhost` are fine, and of names only the public one.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};

use super::error::ApiError;

/// The names that we are reached by.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    public: Option<String>,
}

impl Hosts {
    /// `localhost`, every address, and the host of the public URL.
    pub fn of(public_url: Option<&str>) -> Self {
        let host = |url: &str| {
            let uri: axum::http::Uri = url.parse().ok()?;
            uri.host().map(str::to_ascii_lowercase)
        };
        Self {
            public: public_url.and_then(host),
        }
    }

    /// Refuses a request that was meant for another host.
    pub fn check(&self, host: Option<&str>) -> Result<(), ApiError> {
        if host.is_some_and(|host| self.is_ours(host)) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host_not_ours",
            format!("this node isn't called {:?}", host.unwrap_or_default()),
            "use its address, or start it with --public-url to give it this name",
        ))
    }

    fn is_ours(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host().to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || address.parse::<IpAddr>().is_ok() || self.public == Some(name)
    }
}

/// Refuses a request that a page of another site may have caused: with our cookie, but not from
/// our own pages.
pub fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    match (origin, text(header::HOST)) {
        (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "the request didn't come from this node's own pages",
            "programs use a token in the Authorization header instead of the cookie",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_our_names_are_ours() {
        let hosts = Hosts::of(Some("https://House.example:8443/x"));
        for ours in [
            "localhost",
            "LOCALHOST:8402",
            "127.0.0.1:8402",
            "[::1]:8402",
            "192.168.1.7",
            "house.example",
            "house.example:8443",
        ] {
            assert!(hosts.check(Some(ours)).is_ok(), "{ours}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "house.example.evil",
            "a b",
        ] {
            assert!(hosts.check(Some(foreign)).is_err(), "{foreign}");
        }
        assert!(hosts.check(None).is_err());
        assert!(Hosts::of(None).check(Some("house.example")).is_err());
    }

    #[test]
    fn the_origin_must_be_the_host() {
        let check = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:8402"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            check_origin(&headers)
        };
        assert!(check(Some("http://127.0.0.1:8402")).is_ok());
        for foreign in ["http://127.0.0.1:9999", "https://evil.example", "null"] {
            assert!(check(Some(foreign)).is_err(), "{foreign}");
        }
        assert!(check(None).is_err());
    }
}
