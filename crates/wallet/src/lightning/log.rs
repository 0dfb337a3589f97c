//! What the library says of itself, as traces of `wallet::lightning`.

use ldk_node::logger::{LogLevel, LogRecord, LogWriter};

/// Passes the library's messages on.
pub(super) struct Traces;

/// A message without what entitles or proves: whole invoices (they hold the payee's secret) and
/// preimages.
fn redacted(message: &str) -> String {
    let lower = message.to_ascii_lowercase();
    if lower.contains("preimage") || lower.contains("secret") {
        return hide(message, |word| word.len() >= 64 && is_hex(word));
    }
    hide(message, |word| word.len() > 100 && word.starts_with("ln"))
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Replaces the words of letters and digits that must not be seen.
fn hide(message: &str, is_secret: impl Fn(&str) -> bool) -> String {
    let mut shown = String::with_capacity(message.len());
    for part in message.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_secret(word) {
            shown.push('…');
            shown.push_str(&part[word.len()..]);
        } else {
            shown.push_str(part);
        }
    }
    shown
}

impl LogWriter for Traces {
    fn log(&self, record: LogRecord<'_>) {
        /// `tracing` wants its level known when it is compiled.
        macro_rules! trace_at {
            ($level:expr) => {
                if tracing::enabled!(target: "wallet::lightning", $level) {
                    let text = redacted(&record.args.to_string());
                    tracing::event!(
                        target: "wallet::lightning", $level, module = record.module_path, "{text}"
                    );
                }
            };
        }
        match record.level {
            LogLevel::Gossip | LogLevel::Trace => trace_at!(tracing::Level::TRACE),
            LogLevel::Debug => trace_at!(tracing::Level::DEBUG),
            // The library is talkative about what is usual: its news are our details.
            LogLevel::Info => trace_at!(tracing::Level::DEBUG),
            LogLevel::Warn => trace_at!(tracing::Level::WARN),
            LogLevel::Error => trace_at!(tracing::Level::WARN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invoices_and_preimages_are_not_logged() {
        let invoice = format!("lnbcrt1{}", "q".repeat(300));
        let shown = redacted(&format!("Invoice created: {invoice}, and more"));
        assert_eq!(shown, "Invoice created: …, and more");
        let hash = "ab".repeat(32);
        let shown = redacted(&format!("fulfill with payment_preimage {hash}"));
        assert_eq!(shown, "fulfill with payment_preimage …");
        let shown = redacted(&format!("payment hash {hash}: größer"));
        assert_eq!(shown, format!("payment hash {hash}: größer"));
    }
}
