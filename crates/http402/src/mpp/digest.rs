//! Binding a challenge to the body that it was issued for (RFC 9530).

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// A body's digest as a challenge's `digest` parameter has it: `sha-256=:…:` (RFC 9530).
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

#[cfg(test)]
mod tests {
    /// RFC 9530's own example.
    #[test]
    fn a_known_digest() {
        assert_eq!(
            super::content_digest(b"{\"hello\": \"world\"}\n"),
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
        );
    }
}
