//! What a payment is for: everything that a policy looks at.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Host;

/// A payment that somebody means to make, before it is decided upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The most that it can cost, fees included.
    pub amount_msat: u64,
    /// Where the paid request goes; none if money is sent without a request, as for an invoice.
    pub host: Option<Host>,
    /// The request's HTTP method, in capitals.
    pub method: Option<String>,
    /// Who gets the money, as far as the rail tells: a Lightning node's key, a mint's URL.
    pub payee: Option<String>,
    /// What people are shown: a URL, or an invoice's description.
    pub what: String,
    /// Tells this request from others: a digest of all that is sent.
    pub request_sha256: [u8; 32],
}

impl Intent {
    /// What makes two tries the same payment: all but the price.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let host = self.host.as_ref().map(ToString::to_string);
        let mut hash = Sha256::new();
        hash.update(b"freehold-intent/v1");
        for part in [
            host.as_deref(),
            self.method.as_deref(),
            self.payee.as_deref(),
            Some(self.what.as_str()),
        ] {
            // A length that no text has stands for none, so that nothing runs together.
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        hash.update(self.request_sha256);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_price_makes_it_another_payment() {
        let one = Intent {
            amount_msat: 1,
            host: Some(Host::new("a", 443)),
            method: Some("GET".into()),
            payee: None,
            what: "x".into(),
            request_sha256: [1; 32],
        };
        let differs = |change: fn(&mut Intent)| {
            let mut other = one.clone();
            change(&mut other);
            other.fingerprint() != one.fingerprint()
        };
        assert!(!differs(|intent| intent.amount_msat = 2));
        assert!(differs(|intent| intent.host = None));
        assert!(differs(|intent| intent.method = None));
        assert!(differs(|intent| intent.payee = Some(String::new())));
        assert!(differs(|intent| intent.what.clear()));
        assert!(differs(|intent| intent.request_sha256[0] = 0));
    }
}
