//! `Accept-Payment`: how a buyer can pay, and what it prefers.

use super::limits::{ACCEPT_BYTES_MAX, ACCEPT_RANGES_MAX};

/// A buyer's preferences, as `lightning/session, lightning/charge;q=0.5, */charge;q=0.1`.
///
/// What is malformed is left out, range by range: a preference is a courtesy, and no reason to refuse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptPayment {
    ranges: Vec<Range>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    /// `*` matches all.
    method: String,
    intent: String,
    /// In thousandths.
    weight: u16,
}

impl AcceptPayment {
    /// Reads a header's value. An overlong one counts as none.
    pub fn parse(value: &str) -> Self {
        if value.len() > ACCEPT_BYTES_MAX {
            return Self::default();
        }
        let ranges = value.split(',').filter_map(Range::parse);
        Self {
            ranges: ranges.take(ACCEPT_RANGES_MAX).collect(),
        }
    }

    /// How much the buyer likes a way to pay, from 0 (not at all) to 1000. The most specific range counts; whoever
    /// says nothing accepts everything.
    pub fn weight(&self, method: &str, intent: &str) -> u16 {
        if self.ranges.is_empty() {
            return 1000;
        }
        let matching = self
            .ranges
            .iter()
            .filter(|range| range.matches(method, intent));
        // Of equally specific ranges the first counts, and `max_by_key` would take the last.
        matching
            .rev()
            .max_by_key(|range| range.specificity())
            .map_or(0, |range| range.weight)
    }

    /// Puts offers into the buyer's order and leaves out what it doesn't accept. Among equals the seller's order
    /// stays. If nothing would be left, all stay: the buyer may learn something.
    pub fn arrange<T>(&self, offers: Vec<T>, name: impl Fn(&T) -> (&str, &str)) -> Vec<T> {
        let weight = |offer: &T| {
            let (method, intent) = name(offer);
            self.weight(method, intent)
        };
        if offers.iter().all(|offer| weight(offer) == 0) {
            return offers;
        }
        let mut offers: Vec<T> = offers
            .into_iter()
            .filter(|offer| weight(offer) > 0)
            .collect();
        offers.sort_by_key(|offer| std::cmp::Reverse(weight(offer)));
        offers
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (method, intent) = parts.next()?.split_once('/')?;
        let is_method = |b: u8| b.is_ascii_lowercase();
        let is_intent = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if !(is_name(method, is_method) && is_name(intent, is_intent)) {
            return None;
        }
        let weight = match parts.next() {
            None => 1000,
            Some(parameter) => {
                let (name, value) = parameter.split_once('=')?;
                name.eq_ignore_ascii_case("q")
                    .then(|| thousandths(value))??
            }
        };
        parts.next().is_none().then(|| Self {
            method: method.to_owned(),
            intent: intent.to_owned(),
            weight,
        })
    }

    fn matches(&self, method: &str, intent: &str) -> bool {
        (self.method == "*" || self.method == method)
            && (self.intent == "*" || self.intent == intent)
    }

    fn specificity(&self) -> u8 {
        2 * u8::from(self.method != "*") + u8::from(self.intent != "*")
    }
}

fn is_name(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text == "*" || (!text.is_empty() && text.bytes().all(allowed))
}

/// A weight of at most three decimals (RFC 9110, section 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match (whole, decimals) {
        ("0", decimals) => Some(decimals),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_range_counts() {
        let accept = AcceptPayment::parse(
            "lightning/*, cashu/session;q=0.6, */session;q=0.3, lightning/charge;q=0",
        );
        assert_eq!(accept.weight("lightning", "session"), 1000);
        assert_eq!(accept.weight("lightning", "charge"), 0);
        assert_eq!(accept.weight("cashu", "session"), 600);
        assert_eq!(accept.weight("tempo", "session"), 300);
        assert_eq!(accept.weight("tempo", "charge"), 0);
    }

    #[test]
    fn silence_and_nonsense_accept_everything() {
        for text in [
            "",
            " , ,",
            "lightning",
            "LIGHTNING/charge",
            "a/b;q=2",
            "a/b;q=0.1234",
            "a/b;x=1",
            "a/b;q=1;c=1",
        ] {
            assert_eq!(
                AcceptPayment::parse(text),
                AcceptPayment::default(),
                "{text}"
            );
        }
        assert_eq!(AcceptPayment::default().weight("lightning", "charge"), 1000);
    }

    #[test]
    fn offers_come_in_the_buyers_order() {
        let offers = vec![
            ("lightning", "session"),
            ("cashu", "session"),
            ("lightning", "charge"),
        ];
        let arranged = |text| AcceptPayment::parse(text).arrange(offers.clone(), |offer| *offer);
        assert_eq!(
            arranged("lightning/charge, */session;q=0.5"),
            [offers[2], offers[0], offers[1]]
        );
        assert_eq!(arranged("cashu/*"), [offers[1]]);
        assert_eq!(arranged("tempo/charge"), offers);
        assert_eq!(arranged(""), offers);
    }
}
