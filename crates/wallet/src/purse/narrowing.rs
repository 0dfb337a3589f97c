//! Narrowed tokens: what an agent takes away from its own token before it hands it to another.

use super::policy::{LIST_MAX, expiry, host, method, per_payment};
use super::{HostRule, Intent, PolicyError};

/// The most caveats in a token.
pub const CAVEATS_MAX: usize = 64;
/// The longest caveat.
const CAVEAT_BYTES_MAX: usize = 1_024;

/// What a token may do less than its purse. Lists are kept side by side and all of them hold, so that whatever is added
/// takes something away: repeats narrow, and never widen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// At most this much in one payment.
    pub per_payment_msat: Option<u64>,
    /// At most this much ever, with this token and all that were made from it.
    pub total_msat: Option<u64>,
    /// Lists of hosts; each of them must have the host.
    pub hosts: Vec<Vec<HostRule>>,
    /// Lists of methods; each of them must have the method.
    pub methods: Vec<Vec<String>>,
    /// From this time on it is worth nothing, Unix milliseconds.
    pub expires_ms: Option<i64>,
}

/// A caveat that can't be read. What isn't understood can't be held to, so the token isn't taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NarrowingError {
    /// Not a caveat that is known here, or one with a wrong value.
    #[error("the caveat {0:?} isn't understood")]
    Caveat(String),
    /// More than a token may have.
    #[error("a token has at most {CAVEATS_MAX} caveats")]
    TooMany,
}

impl Narrowing {
    /// Both at once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.per_payment_msat = least(self.per_payment_msat, other.per_payment_msat);
        self.total_msat = least(self.total_msat, other.total_msat);
        self.expires_ms = least(self.expires_ms, other.expires_ms);
        self.hosts.extend(other.hosts);
        self.methods.extend(other.methods);
        self
    }

    /// Whether it lets a payment pass. The total isn't decided here, since that takes what was spent.
    ///
    /// # Errors
    /// The first part that forbids it.
    pub fn permits(&self, intent: &Intent, now_ms: i64) -> Result<(), PolicyError> {
        expiry(self.expires_ms, now_ms)?;
        for list in &self.hosts {
            host(list, intent)?;
        }
        for list in &self.methods {
            method(list, intent)?;
        }
        let limit_msat = self.per_payment_msat.unwrap_or(u64::MAX);
        per_payment(limit_msat, intent.amount_msat)
    }

    /// As a token's caveats, one for each part.
    #[must_use]
    pub fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        for list in &self.hosts {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            caveats.push(format!("host={}", list.join(",")));
        }
        for list in &self.methods {
            caveats.push(format!("method={}", list.join(",")));
        }
        let number = |name: &str, value: Option<u64>| value.map(|value| format!("{name}={value}"));
        let expires_ms = self.expires_ms.map(|ms| ms.max(0).unsigned_abs());
        caveats.extend(number("expires_ms", expires_ms));
        caveats.extend(number("per_payment_msat", self.per_payment_msat));
        caveats.extend(number("total_msat", self.total_msat));
        caveats
    }

    /// Reads one caveat, such as `total_msat=5000`, `host=api.example.com,*.example.org` or `method=GET`. A `nonce`
    /// takes nothing away: it tells tokens apart that are narrowed alike.
    ///
    /// # Errors
    /// [`NarrowingError::Caveat`] if it isn't understood.
    pub fn parse(caveat: &str) -> Result<Self, NarrowingError> {
        let wrong = || NarrowingError::Caveat(caveat.chars().take(80).collect());
        if caveat.len() > CAVEAT_BYTES_MAX {
            return Err(wrong());
        }
        let (name, value) = caveat.split_once('=').ok_or_else(wrong)?;
        let mut narrowing = Self::default();
        match name {
            "per_payment_msat" => {
                narrowing.per_payment_msat = Some(number(value).ok_or_else(wrong)?)
            }
            "total_msat" => narrowing.total_msat = Some(number(value).ok_or_else(wrong)?),
            "expires_ms" => {
                let ms = number(value).and_then(|ms| i64::try_from(ms).ok());
                narrowing.expires_ms = Some(ms.ok_or_else(wrong)?);
            }
            "host" => {
                let rule = |text: &str| text.parse::<HostRule>().map_err(|_| wrong());
                let rules: Vec<_> = value.split(',').map(rule).collect::<Result<_, _>>()?;
                narrowing.hosts.push(rules);
            }
            "method" => {
                let is_method = |text: &str| {
                    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase())
                };
                if !value.split(',').all(is_method) {
                    return Err(wrong());
                }
                let methods = value.split(',').map(str::to_owned).collect();
                narrowing.methods.push(methods);
            }
            "nonce" => {}
            _ => return Err(wrong()),
        }
        let is_long = |len: usize| len > LIST_MAX;
        if narrowing.hosts.iter().any(|list| is_long(list.len()))
            || narrowing.methods.iter().any(|list| is_long(list.len()))
        {
            return Err(wrong());
        }
        Ok(narrowing)
    }
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

/// The smaller of two limits, of which none is no limit.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::purse::Host;

    fn narrowing() -> impl Strategy<Value = Narrowing> {
        let rule = prop::sample::select(vec!["a.x", "*.x", "b.y:8443", "*.a.x:*", "b.y"]);
        let rules = prop::collection::vec(rule.prop_map(|rule| rule.parse().unwrap()), 1..3);
        let method = prop::sample::select(vec!["GET", "POST"]).prop_map(str::to_owned);
        (
            prop::option::of(0..100_u64),
            prop::option::of(0..100_u64),
            prop::collection::vec(rules, 0..3),
            prop::collection::vec(prop::collection::vec(method, 1..3), 0..2),
            prop::option::of(0..100_i64),
        )
            .prop_map(
                |(per_payment_msat, total_msat, hosts, methods, expires_ms)| Narrowing {
                    per_payment_msat,
                    total_msat,
                    hosts,
                    methods,
                    expires_ms,
                },
            )
    }

    fn intent() -> impl Strategy<Value = Intent> {
        let host = prop::sample::select(vec![
            Host::new("a.x", 443),
            Host::new("b.a.x", 80),
            Host::new("b.y", 8443),
        ]);
        let method = prop::sample::select(vec!["GET", "POST"]).prop_map(str::to_owned);
        (0..100_u64, prop::option::of(host), prop::option::of(method)).prop_map(
            |(amount_msat, host, method)| Intent {
                amount_msat,
                host,
                method,
                ..Intent::default()
            },
        )
    }

    proptest! {
        /// What two allow is what each of them allows: nothing is gained by narrowing again.
        #[test]
        fn narrowing_never_widens(
            one in narrowing(), other in narrowing(), intent in intent(), now_ms in 0..100_i64,
        ) {
            let both = one.clone().and(other.clone());
            let each = one.permits(&intent, now_ms).is_ok() && other.permits(&intent, now_ms).is_ok();
            prop_assert_eq!(both.permits(&intent, now_ms).is_ok(), each);
            for limit in [one.total_msat, other.total_msat].into_iter().flatten() {
                prop_assert!(both.total_msat.is_some_and(|total| total <= limit));
            }
        }

        #[test]
        fn caveats_say_all_of_it(narrowing in narrowing()) {
            let caveats = narrowing.caveats();
            let read = caveats.iter().map(|caveat| Narrowing::parse(caveat).unwrap());
            prop_assert_eq!(read.fold(Narrowing::default(), Narrowing::and), narrowing);
        }

        #[test]
        fn no_caveat_is_misread(text in "(host|method|total_msat|expires_ms)=.{0,40}") {
            if let Ok(narrowing) = Narrowing::parse(&text) {
                prop_assert!(narrowing != Narrowing::default());
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "",
            "total_msat",
            "total_msat=",
            "total_msat=-1",
            "total_msat=+1",
            "total_msat= 1",
            "host=",
            "host=a,,b",
            "method=get",
            "method=",
            "expires_ms=99999999999999999999",
            "expires_ms=18446744073709551615",
            "per_week_msat=1",
            "TOTAL_MSAT=1",
        ] {
            assert!(Narrowing::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Narrowing::parse("nonce=7"), Ok(Narrowing::default()));
        assert!(Narrowing::parse(&format!("nonce={}", "7".repeat(3_000))).is_err());
    }
}
