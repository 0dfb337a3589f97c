//! How long something is good for, on the command line.

use std::time::{SystemTime, UNIX_EPOCH};

/// `30d` and the like, in seconds.
pub fn lifetime_s(text: &str) -> Result<u64, String> {
    let wrong = || "a time is a number and one of s, m, h, d and w, such as 30d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let unit_s = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    match number.checked_mul(unit_s) {
        Some(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(wrong()),
    }
}

/// Now and so many seconds, Unix milliseconds.
pub fn end_ms(lifetime_s: u64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let end_s = now.as_secs().saturating_add(lifetime_s);
    i64::try_from(end_s.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::lifetime_s;

    #[test]
    fn times_are_read() {
        assert_eq!(lifetime_s("90s"), Ok(90));
        assert_eq!(lifetime_s("30d"), Ok(2_592_000));
        assert_eq!(lifetime_s("2w"), Ok(1_209_600));
        for bad in [
            "",
            "d",
            "30",
            "0d",
            "-1d",
            "1.5h",
            "30 d",
            "1ä",
            "99999999999999999999w",
            "18446744073709551615w",
        ] {
            assert!(lifetime_s(bad).is_err(), "{bad}");
        }
    }
}
