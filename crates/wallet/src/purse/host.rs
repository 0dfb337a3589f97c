//! Hosts: where a request goes, and rules that say where it may go.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name in DNS.
const NAME_BYTES_MAX: usize = 253;
/// What a rule without a port means: the ports of `http` and `https`.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// Where a request goes: a server's name and its port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    name: String,
    port: u16,
}

impl Host {
    /// A host by its name as it stands in a URL (an IPv6 address in brackets), and its port.
    #[must_use]
    pub fn new(name: &str, port: u16) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Self { name, port }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// Which ports a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    /// 80 and 443.
    Default,
    /// All.
    Any,
    /// This one.
    One(u16),
}

/// Hosts that are allowed, as in a Content Security Policy: `api.example.com` is that host on the web's own ports,
/// `api.example.com:8443` on that port, `api.example.com:*` on any, and `*.example.com` is every host below
/// `example.com`, but not `example.com` itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostRule {
    /// Whether hosts below `name` are meant, and not `name` itself.
    is_below: bool,
    name: String,
    ports: Ports,
}

/// A rule that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host: write api.example.com, api.example.com:8443 or *.example.com")]
pub struct HostError(String);

impl HostRule {
    /// Whether the rule allows this host.
    #[must_use]
    pub fn allows(&self, host: &Host) -> bool {
        let is_port = match self.ports {
            Ports::Default => DEFAULT_PORTS.contains(&host.port),
            Ports::Any => true,
            Ports::One(port) => port == host.port,
        };
        let is_name = if self.is_below {
            let above = host.name.strip_suffix(&self.name);
            above.is_some_and(|above| above.len() > 1 && above.ends_with('.'))
        } else {
            host.name == self.name
        };
        is_port && is_name
    }
}

impl FromStr for HostRule {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let wrong = || HostError(text.chars().take(80).collect());
        let (is_below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // An IPv6 address has colons of its own, within brackets.
        let end = rest.rfind(']').map_or(0, |end| end + 1);
        let colon = rest
            .get(end..)
            .and_then(|tail| tail.find(':'))
            .map(|at| at + end);
        let (name, ports) = match colon.map(|at| (&rest[..at], &rest[at + 1..])) {
            None => (rest, Ports::Default),
            Some((name, "*")) => (name, Ports::Any),
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
                (name, Ports::One(port.parse().map_err(|_| wrong())?))
            }
            Some(_) => return Err(wrong()),
        };
        let is_number = is_address(name);
        if !(is_number || is_dns_name(name)) || (is_number && is_below) {
            return Err(wrong());
        }
        Ok(Self {
            is_below,
            name: name.to_ascii_lowercase(),
            ports,
        })
    }
}

/// An IP address as URLs write it.
fn is_address(name: &str) -> bool {
    let v6 = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match v6 {
        // URLs write it in one way only, and so must a rule.
        Some(v6) => v6
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|address| address.to_string() == v6.to_ascii_lowercase()),
        None => name.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_below {
            f.write_str("*.")?;
        }
        f.write_str(&self.name)?;
        match self.ports {
            Ports::Default => Ok(()),
            Ports::Any => f.write_str(":*"),
            Ports::One(port) => write!(f, ":{port}"),
        }
    }
}

impl TryFrom<String> for HostRule {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<HostRule> for String {
    fn from(rule: HostRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(rule: &str, allowed: &[(&str, u16)], refused: &[(&str, u16)]) {
        let rule: HostRule = rule.parse().unwrap();
        for (name, port) in allowed {
            assert!(rule.allows(&Host::new(name, *port)), "{rule} {name}:{port}");
        }
        for (name, port) in refused {
            assert!(
                !rule.allows(&Host::new(name, *port)),
                "{rule} {name}:{port}"
            );
        }
    }

    #[test]
    fn a_rule_allows_what_it_says_and_nothing_beside_it() {
        check(
            "api.example.com",
            &[("api.example.com", 443), ("API.Example.com.", 80)],
            &[
                ("api.example.com", 8443),
                ("example.com", 443),
                ("x.api.example.com", 443),
                ("api.example.com.evil.org", 443),
            ],
        );
        check(
            "*.example.com",
            &[("a.example.com", 443), ("a.b.example.com", 80)],
            &[
                ("example.com", 443),
                (".example.com", 443),
                ("evilexample.com", 443),
                ("a.example.com", 81),
            ],
        );
        check("h:8443", &[("h", 8443)], &[("h", 443)]);
        check("h:*", &[("h", 1), ("h", 443)], &[("g", 443)]);
        check(
            "127.0.0.1:8402",
            &[("127.0.0.1", 8402)],
            &[("127.0.0.1", 80)],
        );
        check("[::1]:8402", &[("[::1]", 8402)], &[("[::2]", 8402)]);
    }

    #[test]
    fn nonsense_is_no_rule() {
        for wrong in [
            "",
            "*",
            "*.",
            "a..b",
            "a:",
            "a:x",
            "a:70000",
            "a:1:2",
            "a/b",
            "http://a",
            "ä.de",
            "*.127.0.0.1",
            "[::1",
            "::1",
            "[0::1]",
            "a b",
            "a,b",
            "*.*.a",
            ":80",
        ] {
            assert!(wrong.parse::<HostRule>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_misread(text in ".{0,80}") {
            if let Ok(rule) = text.parse::<HostRule>() {
                prop_assert_eq!(rule.to_string().parse::<HostRule>(), Ok(rule));
            }
        }
    }
}
