//! Amounts of bitcoin, as people write them.

/// Reads `200000sat`, `200_000` or `200000`.
pub fn sat(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no amount: write 200000sat");
    let number = text.trim();
    let number = number
        .strip_suffix("sats")
        .or_else(|| number.strip_suffix("sat"))
        .unwrap_or(number)
        .trim_end();
    let digits: String = number.chars().filter(|c| *c != '_').collect();
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let amount = is_number.then(|| digits.parse().ok()).flatten();
    amount.filter(|sat| *sat > 0).ok_or_else(wrong)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::sat;

    #[test]
    fn amounts_are_whole_sats_and_nothing_else() {
        for text in ["200000sat", "200000", "200_000sat", "200000 sats"] {
            assert_eq!(sat(text).unwrap(), 200_000, "{text}");
        }
        for text in [
            "",
            "0",
            "0sat",
            "-1",
            "1.5",
            "1e6",
            "+1",
            "sat",
            "_",
            "1btc",
            "9".repeat(30).as_str(),
        ] {
            assert!(sat(text).is_err(), "{text}");
        }
    }
}
