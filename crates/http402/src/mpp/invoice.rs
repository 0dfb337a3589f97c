//! What a BOLT 11 invoice says in its human-readable part: network and amount.

use super::limits::{AMOUNT_SAT_MAX, INVOICE_BYTES_MAX};

/// The head of a Lightning invoice (BOLT 11). The rest of it, signature included, is for the wallet to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvoiceHead {
    /// `bc`, `tb`, `tbs`, `bcrt` or `sb`.
    pub network: &'static str,
    /// The amount, if it names one.
    pub amount_msat: Option<u64>,
}

/// Longer prefixes first: `bcrt` begins with `bc`.
const NETWORKS: [&str; 5] = ["bcrt", "bc", "tbs", "tb", "sb"];
/// Thousandths of a satoshi in a bitcoin.
const MSAT_PER_BTC: u64 = 100_000_000_000;

impl InvoiceHead {
    /// Reads the head. `None` for what isn't an invoice, or whose amount BOLT 11 doesn't allow.
    pub fn parse(invoice: &str) -> Option<Self> {
        if invoice.len() > INVOICE_BYTES_MAX || !invoice.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return None;
        }
        // An invoice is all in upper or all in lower case (BIP 173).
        let lower = invoice.to_ascii_lowercase();
        if invoice != lower && invoice != lower.to_ascii_uppercase() {
            return None;
        }
        let (head, data) = lower.rsplit_once('1')?;
        // At least a timestamp, a signature and a checksum.
        if data.len() < 7 + 104 + 6 {
            return None;
        }
        let rest = head.strip_prefix("ln")?;
        let network = NETWORKS
            .into_iter()
            .find(|network| rest.starts_with(network))?;
        let amount = rest.strip_prefix(network)?;
        let amount_msat = match amount {
            "" => None,
            amount => Some(amount_msat(amount)?),
        };
        Some(Self {
            network,
            amount_msat,
        })
    }

    /// The amount in whole satoshis; `None` if there is none, or a fraction.
    pub fn amount_sat(&self) -> Option<u64> {
        let msat = self.amount_msat?;
        msat.is_multiple_of(1000).then_some(msat / 1000)
    }
}

fn amount_msat(text: &str) -> Option<u64> {
    let (digits, divisor) = match text.as_bytes().last()? {
        b'm' => (&text[..text.len() - 1], 1_000),
        b'u' => (&text[..text.len() - 1], 1_000_000),
        b'n' => (&text[..text.len() - 1], 1_000_000_000),
        b'p' => (&text[..text.len() - 1], 1_000_000_000_000),
        _ => (text, 1),
    };
    if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scaled = digits.parse::<u64>().ok()?.checked_mul(10)?;
    let ten_msat = u128::from(scaled) * u128::from(MSAT_PER_BTC);
    // A pico-bitcoin is a tenth of a millisatoshi; fractions of one can't be paid.
    let divisor = u128::from(10_u64 * divisor);
    if !ten_msat.is_multiple_of(divisor) {
        return None;
    }
    let msat = u64::try_from(ten_msat / divisor).ok()?;
    (msat <= AMOUNT_SAT_MAX * 1000).then_some(msat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, wanted: Option<(&str, Option<u64>)>) {
        let invoice = format!("{head}1{}", "q".repeat(120));
        let read = InvoiceHead::parse(&invoice).map(|head| (head.network, head.amount_msat));
        assert_eq!(read, wanted, "{head}");
    }

    #[test]
    fn amounts_of_bolt_11() {
        check("lnbc", Some(("bc", None)));
        check("lnbc2500u", Some(("bc", Some(250_000_000))));
        check("lnbc20m", Some(("bc", Some(2_000_000_000))));
        check("lnbc9678785340p", Some(("bc", Some(967_878_534))));
        check("lntbs1", Some(("tbs", Some(MSAT_PER_BTC))));
        check("lnbcrt100n", Some(("bcrt", Some(10_000))));
        check("LNBC2500U", None);
        check("lnbc2500000001p", None);
        check("lnbc01u", None);
        check("lnbcu", None);
        check("lnbc22000000", None);
        check("lnxx", None);
        check("bc1", None);
    }

    #[test]
    fn all_in_one_case() {
        let invoice = format!("lnbc2500u1{}", "q".repeat(120));
        let upper = invoice.to_uppercase();
        assert_eq!(InvoiceHead::parse(&upper), InvoiceHead::parse(&invoice));
        assert_eq!(
            InvoiceHead::parse(&invoice).and_then(|head| head.amount_sat()),
            Some(250_000)
        );
        assert_eq!(InvoiceHead::parse("lnbc1qqqq"), None);
    }
}
