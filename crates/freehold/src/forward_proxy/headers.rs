//! Which headers a proxy passes on: those of the message, not those of the connection.

use axum::http::header::{CONTENT_LENGTH, EXPECT, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::proxy::remove_hop_by_hop;

/// The headers to ask with. What isn't text stays behind, and what is made anew.
pub fn of_request(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut passed = headers.clone();
    remove_hop_by_hop(&mut passed);
    for name in [CONTENT_LENGTH, EXPECT, HOST] {
        passed.remove(name);
    }
    let texts = passed
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    texts.collect()
}

/// The headers to answer with.
pub fn of_answer(headers: &[(String, String)]) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            passed.append(name, value);
        }
    }
    remove_hop_by_hop(&mut passed);
    passed.remove(CONTENT_LENGTH);
    passed
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_connection_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("accept", "text/plain"),
            ("accept", "text/html"),
            ("connection", "Keep-Alive, X-Hop"),
            ("x-hop", "1"),
            ("proxy-authorization", "Basic c2VjcmV0"),
            ("host", "shop.example"),
            ("content-length", "3"),
        ] {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [text("accept", "text/plain"), text("accept", "text/html")];
        assert_eq!(of_request(&headers), expected);
        let answer = [
            text("Content-Type", "text/plain"),
            text("Connection", "close, x-hop"),
            text("X-Hop", "1"),
            text("Transfer-Encoding", "chunked"),
            text("bad name", "x"),
        ];
        let passed = of_answer(&answer);
        assert_eq!(passed.len(), 1);
        assert_eq!(passed["content-type"], "text/plain");
    }
}
