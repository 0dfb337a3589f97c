//! Reading a page of a Python package index, as JSON (PEP 691) or as HTML (PEP 503).

use reqwest::Url;
use serde::Deserialize;

use super::{catalog::is_sha256, part::Pin};

/// What an index is asked for: JSON at best, any HTML at worst.
pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
    application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// One file that the index offers.
#[derive(Clone, Debug)]
pub(super) struct IndexFile {
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) pin: Pin,
}

#[derive(Deserialize)]
struct JsonPage {
    files: Vec<JsonFile>,
}

#[derive(Deserialize)]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: serde_json::Map<String, serde_json::Value>,
    size: Option<u64>,
}

/// The project's name as it stands in the index's URLs.
pub(super) fn normalise(project: &str) -> String {
    let words = project
        .split(['-', '_', '.'])
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Whether this is the file name of a wheel of just that version.
pub(super) fn is_wheel_of(file_name: &str, package: &str, version: &str) -> bool {
    let Some(stem) = file_name.strip_suffix(".whl") else {
        return false;
    };
    let mut fields = stem.split('-');
    fields
        .next()
        .is_some_and(|name| normalise(name) == normalise(package))
        && fields.next() == Some(version)
}

/// Reads a JSON page that came from `base`. Files with unusable addresses are left out.
pub(super) fn parse_json(base: &Url, body: &[u8]) -> Result<Vec<IndexFile>, serde_json::Error> {
    let page: JsonPage = serde_json::from_slice(body)?;
    let read = |file: JsonFile| {
        let sha256 = file
            .hashes
            .get("sha256")
            .and_then(|hash| hash.as_str())
            .map(str::to_owned)
            .filter(|hash| is_sha256(hash));
        Some(IndexFile {
            name: file.filename,
            url: join(base, &file.url)?,
            pin: Pin {
                size_bytes: file.size,
                sha256,
            },
        })
    };
    Ok(page.files.into_iter().filter_map(read).collect())
}

/// Reads the links of an HTML page that came from `base`. Any text is a page, if maybe one without
/// links.
pub(super) fn parse_html(base: &Url, body: &str) -> Vec<IndexFile> {
    let declared = tags(body, "base")
        .find_map(|tag| attribute(tag, "href"))
        .and_then(|href| join(base, &href));
    let base = declared.unwrap_or_else(|| base.clone());
    let read = |tag| {
        let mut url = join(&base, &attribute(tag, "href")?)?;
        let sha256 = url
            .fragment()
            .and_then(|fragment| fragment.strip_prefix("sha256="))
            .map(str::to_owned);
        url.set_fragment(None);
        let name = url.path_segments()?.next_back()?.to_owned();
        Some(IndexFile {
            name,
            url,
            pin: Pin {
                size_bytes: None,
                sha256: sha256.filter(|hash| is_sha256(hash)),
            },
        })
    };
    tags(body, "a").filter_map(read).collect()
}

/// Resolves a link. A mirror that wants a password for its page wants it for its files, too.
fn join(base: &Url, link: &str) -> Option<Url> {
    let mut url = base
        .join(link)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))?;
    if url.origin() == base.origin() && url.username().is_empty() {
        url.set_username(base.username()).ok()?;
        url.set_password(base.password()).ok()?;
    }
    Some(url)
}

/// The insides of all opening tags of this name, attributes and all.
fn tags<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    html.split('<').skip(1).filter_map(move |tag| {
        let rest = tag
            .get(..name.len())
            .filter(|start| start.eq_ignore_ascii_case(name))
            .map(|start| &tag[start.len()..])?;
        rest.starts_with(|next: char| next.is_ascii_whitespace())
            .then_some(rest)
    })
}

/// The value of one attribute, quoted or bare, without character references.
fn attribute(mut tag: &str, wanted: &str) -> Option<String> {
    loop {
        tag = tag.trim_start();
        let end = tag.find(|next: char| next.is_ascii_whitespace() || matches!(next, '=' | '>'))?;
        let (name, rest) = tag.split_at(end);
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix('=') {
            Some(rest) => value(rest.trim_start())?,
            None if rest.starts_with('>') => return None,
            None => ("", rest),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(unescape(value));
        }
        tag = rest;
    }
}

/// Splits an attribute's value from what follows it.
fn value(text: &str) -> Option<(&str, &str)> {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote);
        }
    }
    let end = text.find(|next: char| next.is_ascii_whitespace() || next == '>')?;
    Some(text.split_at(end))
}

/// Puts characters for the few references that an address can need.
fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ];
    named
        .into_iter()
        .fold(text.to_owned(), |text, (reference, character)| {
            text.replace(reference, character)
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
#[path = "simple_index_tests.rs"]
mod tests;
