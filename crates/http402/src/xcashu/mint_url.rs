//! Comparing mint URLs.

use url::Url;

use super::limits::TEXT_BYTES_MAX;

/// One spelling for all URLs of the same mint: scheme and host in lower case,
/// no default port, no trailing slash. The path keeps its case.
///
/// `None` for what is not an HTTP(S) URL, and for one with user, query, fragment
/// or unusual characters: two programs must never read different hosts in it.
pub fn normalize_mint_url(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX || !text.bytes().all(is_plain) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'@' | b'?' | b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mint_are_equal() {
        let wanted = Some("https://mint.example.com".to_owned());
        for same in [
            "https://mint.example.com",
            "https://mint.example.com/",
            "https://mint.example.com//",
            "HTTPS://Mint.Example.COM:443/",
            "  https://mint.example.com ",
        ] {
            assert_eq!(normalize_mint_url(same), wanted, "{same}");
        }
    }

    #[test]
    fn different_mints_stay_different() {
        let mint = normalize_mint_url("https://mint.example.com/Bitcoin");
        for other in [
            "http://mint.example.com/Bitcoin",
            "https://mint.example.com/bitcoin",
            "https://mint.example.com:8443/Bitcoin",
            "https://mint.example.com.evil.example/Bitcoin",
        ] {
            assert_ne!(normalize_mint_url(other), mint, "{other}");
        }
    }

    #[test]
    fn what_could_be_read_two_ways_is_no_mint() {
        for text in [
            "",
            "mint.example.com",
            "ftp://mint.example.com",
            "https://mint.example.com@evil.example",
            "https://evil.example\\@mint.example.com",
            "https://mint.example.com/?a=b",
            "https://mint.example.com/#a",
            "https://mint.exa\tmple.com",
            "https://",
        ] {
            assert_eq!(normalize_mint_url(text), None, "{text:?}");
        }
    }
}
