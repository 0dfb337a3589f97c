//! Times as RFC 3339 writes them, to and from Unix seconds.

use jiff::Timestamp;

/// Reads an RFC 3339 date-time, of any offset, as Unix seconds. `None` for times before 1970.
pub fn from_rfc3339(text: &str) -> Option<u64> {
    // The shortest is 2026-03-15T12:05:00Z; nothing longer than nanoseconds and an offset is one.
    if !(20..=40).contains(&text.len()) {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_second()).ok()
}

/// Writes Unix seconds as an RFC 3339 date-time in UTC, ending in `Z`.
///
/// What lies after the year 9999 is written as its last second.
pub fn to_rfc3339(unix_s: u64) -> String {
    let seconds = i64::try_from(unix_s).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::MAX)
        .round(jiff::Unit::Second)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_and_go() {
        assert_eq!(to_rfc3339(1_773_576_300), "2026-03-15T12:05:00Z");
        assert_eq!(from_rfc3339("2026-03-15T12:05:00Z"), Some(1_773_576_300));
        assert_eq!(
            from_rfc3339("2026-03-15T13:05:00.25+01:00"),
            Some(1_773_576_300)
        );
        for unix_s in [0, 1, 951_782_400, 4_102_444_800, 253_402_207_200] {
            assert_eq!(from_rfc3339(&to_rfc3339(unix_s)), Some(unix_s));
        }
        assert!(from_rfc3339(&to_rfc3339(u64::MAX)).is_some());
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2026-03-15",
            "2026-03-15T12:05:00",
            "1969-12-31T23:59:59Z",
            "2026-13-15T12:05:00Z",
        ] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
    }
}
