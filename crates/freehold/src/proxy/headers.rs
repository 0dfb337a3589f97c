//! Which headers a proxy passes on: those of the message, not those of the connection (RFC 9110, section 7.6.1).

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection, or made anew on the next one.
const NOT_PASSED_ON: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The headers to ask with. What isn't text stays behind.
pub fn of_request(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = named_by_connection(headers.get_all("connection").iter());
    let passes = |name: &HeaderName| is_passed_on(name.as_str(), &named);
    let texts = headers
        .iter()
        .filter(|(name, _)| passes(name))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    texts.collect()
}

/// The headers to answer with.
pub fn of_answer(headers: &[(String, String)]) -> HeaderMap {
    let connection = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let values: Vec<HeaderValue> = connection
        .filter_map(|(_, value)| HeaderValue::from_str(value).ok())
        .collect();
    let named = named_by_connection(values.iter());
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        if !is_passed_on(&name.to_ascii_lowercase(), &named) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            passed.append(name, value);
        }
    }
    passed
}

fn is_passed_on(name: &str, named: &[String]) -> bool {
    !NOT_PASSED_ON.contains(&name) && !named.iter().any(|one| one == name)
}

/// The headers that `Connection` says are of the connection too.
fn named_by_connection<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> Vec<String> {
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
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
