//! Which headers are passed on: those of the message, not those of the connection.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::hop_by_hop;

/// What is made anew for the next connection.
const MADE_ANEW: [HeaderName; 3] = [header::CONTENT_LENGTH, header::EXPECT, header::HOST];

/// The headers to ask with. What isn't text stays behind.
pub fn of_request(headers: &HeaderMap) -> Vec<(String, String)> {
    let headers = passed_on(headers.clone());
    let texts = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    texts.collect()
}

/// The headers to answer with. What can't be a header stays behind.
pub fn of_answer(headers: &[(String, String)]) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            passed.append(name, value);
        }
    }
    passed_on(passed)
}

fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    hop_by_hop::remove(&mut headers);
    for name in MADE_ANEW {
        headers.remove(name);
    }
    headers
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
