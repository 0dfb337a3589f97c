//! What is sold: an upstream's paths at a price.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use http402::haggle::OfferId;
use http402::l402::{is_plain, is_within};

use super::{Haggle, SellError, Tools};

/// The dearest unit, in sat: a bitcoin. What costs more isn't sold by the call.
const PRICE_SAT_MAX: u64 = 100_000_000;
/// The deepest deposit of a session, in sat.
const DEPOSIT_SAT_MAX: u64 = 100_000_000;
/// How many units the usual deposit pays for.
const DEPOSIT_UNITS: u64 = 100;
/// How many calls one payment may buy.
const CALLS_MAX: u32 = 10_000;
/// Bytes of a description: it stands in invoices and headers.
const DESCRIPTION_BYTES_MAX: usize = 200;
/// Bytes of a path.
const PATH_BYTES_MAX: usize = 200;
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What the price is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// A request and its answer, however long.
    #[default]
    #[serde(rename = "call")]
    Call,
    /// A minute of an answer or a web socket, each begun one counting as whole.
    #[serde(rename = "minute")]
    Minute,
    /// 2^20 bytes of an answer, each begun one counting as whole.
    #[serde(rename = "MiB")]
    MiB,
}

impl Unit {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Minute => "minute",
            Self::MiB => "MiB",
        }
    }

    pub(super) fn of(text: &str) -> Self {
        match text {
            "minute" => Self::Minute,
            "MiB" => Self::MiB,
            _ => Self::Call,
        }
    }
}

/// What the owner wants to sell.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOffer {
    /// The server whose answers are sold.
    pub upstream: String,
    /// The price of a unit.
    pub price_sat: u64,
    /// The path that is sold, and all below it; `/` if nothing is said.
    #[serde(default)]
    pub path: Option<String>,
    /// The method that is sold; all of them if nothing is said.
    #[serde(default)]
    pub method: Option<String>,
    /// What the price is for.
    #[serde(default)]
    pub unit: Unit,
    /// How many calls one payment buys.
    #[serde(default)]
    pub calls: Option<u32>,
    /// How many calls each address has for nothing, in any 24 hours.
    #[serde(default)]
    pub free_per_day: u32,
    /// What it is, for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The deposit of a session; 0 for no sessions. As much as 100 units if nothing is said.
    #[serde(default)]
    pub deposit_sat: Option<u64>,
    /// How the price may be haggled over; not at all if nothing is said.
    #[serde(default)]
    pub haggle: Option<Haggle>,
    /// What is sold of an MCP server; without it, every answer of an HTTP server is.
    #[serde(default)]
    pub tools: Option<Tools>,
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Names it. It follows from method and path, so that what was paid for an offer outlives its renewal.
    pub id: String,
    /// The server whose answers are sold.
    pub upstream: String,
    /// The path that is sold, and all below it.
    pub path: String,
    /// The method that is sold; none for all.
    pub method: Option<String>,
    /// The price of a unit.
    pub price_sat: u64,
    /// What the price is for.
    pub unit: Unit,
    /// How many calls one payment buys.
    pub calls: u32,
    /// How many calls each address has for nothing, in any 24 hours.
    pub free_per_day: u32,
    /// What it is, for people.
    pub description: String,
    /// The deposit of a session; 0 for no sessions.
    pub deposit_sat: u64,
    /// How the price may be haggled over, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub haggle: Option<Haggle>,
    /// What is sold of an MCP server; without it, every answer of an HTTP server is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Tools>,
    /// Offered since, Unix milliseconds.
    pub created_ms: i64,
    /// What its price was agreed on in, if it was haggled over: every challenge is bound to that.
    #[serde(skip)]
    pub(super) agreed: Option<OfferId>,
}

impl Offer {
    /// Checks what the owner wants to sell.
    ///
    /// # Errors
    /// [`SellError::OfferInvalid`].
    pub(super) fn new(input: NewOffer, now_ms: i64) -> Result<Self, SellError> {
        let invalid = SellError::OfferInvalid;
        let mut upstream = upstream(&input.upstream)?;
        if let Some(tools) = &input.tools {
            tools.check()?;
            if input.method.is_some() || input.unit != Unit::Call {
                return Err(invalid("tools are sold by the call, and have no method"));
            }
        }
        let path = match input.path {
            Some(path) => path,
            // An MCP server is at one path, and is sold at the same.
            None if input.tools.is_some() => split_path(&mut upstream),
            None => "/".to_owned(),
        };
        if !is_plain(&path) || path.len() > PATH_BYTES_MAX {
            return Err(invalid("the path must begin with / and be a plain one"));
        }
        let path = match path.strip_suffix('/') {
            Some("") | None => path,
            Some(path) => path.to_owned(),
        };
        let method = input.method.map(|method| method.to_ascii_uppercase());
        if method.as_deref().is_some_and(|m| !METHODS.contains(&m)) {
            return Err(invalid("the method isn't one of HTTP's"));
        }
        if !(1..=PRICE_SAT_MAX).contains(&input.price_sat) {
            return Err(invalid(
                "the price must be at least 1 sat, and at most 1 bitcoin",
            ));
        }
        let usual_sat = input.price_sat.saturating_mul(DEPOSIT_UNITS);
        let deposit_sat = input.deposit_sat.unwrap_or(usual_sat.min(DEPOSIT_SAT_MAX));
        if deposit_sat != 0 && !(input.price_sat..=DEPOSIT_SAT_MAX).contains(&deposit_sat) {
            return Err(invalid(
                "the deposit must pay for one unit, and be at most 1 bitcoin",
            ));
        }
        let calls = input.calls.unwrap_or(1);
        if !(1..=CALLS_MAX).contains(&calls) || (calls > 1 && input.unit != Unit::Call) {
            return Err(invalid(
                "one payment can buy 1 to 10000 calls, or one minute or MiB",
            ));
        }
        if let Some(haggle) = &input.haggle {
            haggle.check(input.price_sat)?;
        }
        let (id, what) = named(input.tools.as_ref(), method.as_deref(), &path);
        let description = input.description.unwrap_or(what);
        let is_text = description.chars().all(|c| (' '..='~').contains(&c));
        if !is_text || description.len() > DESCRIPTION_BYTES_MAX {
            return Err(invalid(
                "the description must be at most 200 printable ASCII characters",
            ));
        }
        Ok(Self {
            id,
            upstream,
            path,
            method,
            price_sat: input.price_sat,
            unit: input.unit,
            calls,
            free_per_day: input.free_per_day,
            description,
            deposit_sat,
            haggle: input.haggle,
            tools: input.tools,
            created_ms: now_ms,
            agreed: None,
        })
    }

    /// Whether a request is for this. The path is as it came, without its query.
    #[must_use]
    pub fn covers(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|own| own == method) && is_within(path, &self.path)
    }

    /// Of two offers that cover a request, the one that says more about it counts.
    pub(super) fn specificity(&self) -> (usize, bool, bool) {
        let is_tool = self
            .tools
            .as_ref()
            .is_some_and(|tools| tools.name.is_some());
        (
            self.path.len(),
            self.tools.is_some(),
            self.method.is_some() || is_tool,
        )
    }
}

/// The address without what has no place in one: what is below it is appended as text.
fn upstream(text: &str) -> Result<String, SellError> {
    let invalid = SellError::OfferInvalid;
    let url = Url::parse(text).map_err(|_| invalid("the upstream isn't a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("the upstream must be an http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the upstream's URL may contain no password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(
            "the upstream's URL may have no query and no fragment",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The id of what is sold, and its name for people.
fn named(tools: Option<&Tools>, method: Option<&str>, path: &str) -> (String, String) {
    match tools.map(|tools| tools.name.as_deref()) {
        None => {
            let what = method.unwrap_or("any method");
            (id(method, path), format!("{what} {path}"))
        }
        // No path has a space in it.
        Some(Some(tool)) => {
            let place = format!("{path} {tool}");
            (id(Some("tool"), &place), format!("tool {tool} at {path}"))
        }
        Some(None) => (id(Some("tools"), path), format!("tools at {path}")),
    }
}

/// Takes the path off an upstream's address.
fn split_path(upstream: &mut String) -> String {
    let host = upstream.find("://").map_or(0, |at| at + 3);
    match upstream[host..].find('/') {
        Some(slash) => upstream.split_off(host + slash),
        None => "/".to_owned(),
    }
}

/// A readable name, which a digest makes unique. It is a word for macaroons.
fn id(method: Option<&str>, path: &str) -> String {
    let method = method.unwrap_or("any").to_ascii_lowercase();
    let digest = Sha256::digest(format!("{method} {path}").as_bytes());
    let words = path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let words: Vec<_> = words.take(3).collect();
    let name = words.join("-").to_ascii_lowercase();
    let name: String = name.chars().take(32).collect();
    format!("{method}-{name}-{}", hex::encode(&digest[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(upstream: &str, path: &str) -> NewOffer {
        let json = serde_json::json!({ "upstream": upstream, "path": path, "price_sat": 5 });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_offer_covers_its_path_and_what_is_below() {
        let offer = Offer::new(input("http://127.0.0.1:3000/", "/api/"), 0).unwrap();
        assert_eq!(offer.upstream, "http://127.0.0.1:3000");
        assert_eq!(
            (offer.price_sat, offer.deposit_sat, offer.calls),
            (5, 500, 1)
        );
        for path in ["/api", "/api/", "/api/a/b", "/api/a%20b"] {
            assert!(offer.covers("GET", path), "{path}");
        }
        for path in [
            "/",
            "/apis",
            "/api/../x",
            "/api//x",
            "/api/%2e%2e/x",
            "/x/api",
        ] {
            assert!(!offer.covers("GET", path), "{path}");
        }
        let all = Offer::new(input("https://host", "/"), 0).unwrap();
        assert!(all.covers("POST", "/") && all.covers("GET", "/x"));
        assert!(offer.specificity() > all.specificity());
    }

    #[test]
    fn names_are_words_and_differ() {
        let id = |method, path| super::id(method, path);
        assert_ne!(id(None, "/a-b"), id(None, "/a/b"));
        assert_ne!(id(None, "/a"), id(Some("GET"), "/a"));
        assert_eq!(id(None, "/a"), id(None, "/a"));
        let long = "/ä,=:".repeat(40);
        assert!(
            id(None, &long)
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        );
    }

    #[test]
    fn a_server_of_tools_is_sold_at_its_own_path() {
        let offer = |upstream: &str, name: Option<&str>| {
            let mut new = input(upstream, "/x");
            new.path = None;
            new.tools = Some(Tools {
                name: name.map(str::to_owned),
            });
            Offer::new(new, 0).unwrap()
        };
        let all = offer("http://127.0.0.1:3000/a/mcp", None);
        assert_eq!(
            (all.upstream.as_str(), all.path.as_str()),
            ("http://127.0.0.1:3000", "/a/mcp")
        );
        assert_eq!(all.description, "tools at /a/mcp");
        assert_eq!(offer("https://host", None).path, "/");
        let one = offer("http://127.0.0.1:3000/a/mcp", Some("add"));
        assert_eq!(one.description, "tool add at /a/mcp");
        assert_ne!(all.id, one.id);
        assert!(one.specificity() > all.specificity());
    }

    #[test]
    fn nonsense_is_refused() {
        for upstream in [
            "",
            "127.0.0.1:3000",
            "ftp://h",
            "http://u:p@h",
            "http://h/?q",
            "file:///etc",
        ] {
            assert!(Offer::new(input(upstream, "/a"), 0).is_err(), "{upstream}");
        }
        for path in ["", "a", "/a/../b", "/a?b", "/a b", "//"] {
            assert!(Offer::new(input("http://h", path), 0).is_err(), "{path}");
        }
        let change = |change: fn(&mut NewOffer)| {
            let mut new = input("http://h", "/a");
            change(&mut new);
            Offer::new(new, 0).is_err()
        };
        assert!(change(|o| o.price_sat = 0));
        assert!(change(|o| o.price_sat = u64::MAX));
        assert!(change(|o| o.deposit_sat = Some(4)));
        assert!(change(|o| o.deposit_sat = Some(u64::MAX)));
        assert!(change(|o| o.calls = Some(0)));
        assert!(change(|o| o.method = Some("BREW".into())));
        assert!(change(|o| o.description = Some("a\r\nb".into())));
        fn haggle(floor_sat: u64, rounds: u32) -> Option<Haggle> {
            Some(Haggle {
                rounds,
                ..Haggle::new(floor_sat)
            })
        }
        assert!(change(|o| o.haggle = haggle(6, 3)));
        assert!(change(|o| o.haggle = haggle(0, 3)));
        assert!(change(|o| o.haggle = haggle(3, 33)));
        assert!(!change(|o| o.haggle = haggle(5, 32)));
        assert!(!change(|o| o.tools = Some(Tools::default())));
        assert!(change(
            |o| (o.tools, o.unit) = (Some(Tools::default()), Unit::MiB)
        ));
        assert!(change(|o| o.tools = Some(Tools {
            name: Some(String::new())
        })));
        assert!(!change(|o| o.deposit_sat = Some(0)));
    }
}
