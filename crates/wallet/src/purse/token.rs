//! What is kept of a purse's token: a digest, so that a stolen database spends nothing.

use sha2::{Digest, Sha256};

/// Tokens of the first kind: random, and nothing in them. They are still good; new ones can be narrowed.
const PLAIN_PREFIX: &str = "fhp_";

/// The digest by which the purse of a plain token is found; none if the text has another form.
#[must_use]
pub fn plain_token_sha256(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(PLAIN_PREFIX)?;
    (digits.len() == 64).then(|| Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_tokens_are_looked_up() {
        let plain = format!("fhp_{}", "0".repeat(64));
        assert!(plain_token_sha256(&plain).is_some());
        for other in ["", "fhp_", "fhp1_AAAA", &plain[1..], &format!("{plain}0")] {
            assert_eq!(plain_token_sha256(other), None);
        }
    }
}
