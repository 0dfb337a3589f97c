//! Server-sent events, as far as chat completions use them: lines of `data: …`.

use bytes::Bytes;
use serde::Serialize;

/// What ends a stream.
pub const DONE: &str = "[DONE]";

/// An event with a value as JSON.
pub fn event(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    format!("data: {json}\n\n")
}

/// The event that ends a stream.
pub fn done() -> String {
    format!("data: {DONE}\n\n")
}

/// Puts pieces of a body together to the data of its events.
#[derive(Debug, Default)]
pub struct Reader {
    rest: Vec<u8>,
}

impl Reader {
    /// Takes a piece, and gives the data that is complete.
    pub fn push(&mut self, piece: &Bytes) -> Vec<String> {
        self.rest.extend_from_slice(piece);
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        String::from_utf8_lossy(&lines)
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.trim_start().to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_any_cut() {
        let body = [
            event(&"ä"),
            ": keep-alive\n\n".to_owned(),
            event(&serde_json::json!({"a": "b\nc"})),
            done(),
        ]
        .concat();
        for cut in 0..body.len() {
            let mut reader = Reader::default();
            let (head, tail) = body.as_bytes().split_at(cut);
            let mut data = reader.push(&Bytes::copy_from_slice(head));
            data.extend(reader.push(&Bytes::copy_from_slice(tail)));
            assert_eq!(data, ["\"ä\"", "{\"a\":\"b\\nc\"}", DONE], "cut at {cut}");
        }
    }
}
