//! Whether a request's path is below another path.

/// Whether `path` is `base`, or below it by whole segments: `/v1/chat` is below
/// `/v1` and `/v1/`, and `/v10` is not. A query is not part of a path.
///
/// A path that servers read in different ways (with `..`, `//`, `\`, or with an
/// encoded `.`, `/`, `\` or `%`) is below none: this check and the router behind
/// it must not see two different paths.
pub fn is_within(path: &str, base: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let base = base.strip_suffix('/').unwrap_or(base);
    let below = path.strip_prefix(base);
    is_plain(path) && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// Whether this is an absolute path without a query, which every server reads in
/// the same way.
pub fn is_plain(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else {
        return false;
    };
    let encoded = ["%2e", "%2f", "%5c", "%25"];
    let lower = path.to_ascii_lowercase();
    let mut inner = segments.strip_suffix('/').unwrap_or(segments).split('/');
    path.bytes()
        .all(|b| b.is_ascii_graphic() && !b"\\?#".contains(&b))
        && !encoded.iter().any(|byte| lower.contains(byte))
        && (segments.is_empty() || inner.all(|s| !matches!(s, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_whole_segments_only() {
        for (path, base) in [
            ("/", "/"),
            ("/v1", "/"),
            ("/v1", "/v1"),
            ("/v1", "/v1/"),
            ("/v1/", "/v1"),
            ("/v1/chat?a=../b", "/v1"),
            ("/v1/a%20b", "/v1"),
        ] {
            assert!(is_within(path, base), "{path} {base}");
        }
        for (path, base) in [
            ("/v10", "/v1"),
            ("/v1/../admin", "/v1"),
            ("/v1/%2E%2e/admin", "/v1"),
            ("/v1/..%2fadmin", "/v1"),
            ("/v1/%252e/admin", "/v1"),
            ("/v1/..\\admin", "/v1"),
            ("/v1//admin", "/v1"),
            ("//v1", "/"),
            ("v1", "/"),
            ("", "/"),
            ("", ""),
            ("/V1", "/v1"),
        ] {
            assert!(!is_within(path, base), "{path} {base}");
        }
    }
}
