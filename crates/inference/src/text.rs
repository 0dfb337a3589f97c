//! From the bytes of tokens to text that can be sent.
//!
//! Two things must not leave too early: half a character (a token is often only a part of one),
//! and the beginning of what may turn out to be a stop string.

/// Turns an answer's token bytes into pieces of text.
#[derive(Debug)]
pub struct TextStream {
    stops: Vec<String>,
    partial: Vec<u8>,
    held: String,
    stopped: bool,
}

impl TextStream {
    /// A stream that ends before the first of these strings. Empty ones are ignored.
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self {
            stops,
            partial: Vec::new(),
            held: String::new(),
            stopped: false,
        }
    }

    /// Whether a stop string came; nothing is given out from then on.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Takes in a token's bytes and gives back the text that is safe to send; often none.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.partial.extend_from_slice(bytes);
        self.held.push_str(&take_characters(&mut self.partial));
        self.release()
    }

    /// The rest, when the model has ended. A character that was cut in half is left out.
    pub fn finish(&mut self) -> String {
        self.partial.clear();
        std::mem::take(&mut self.held)
    }

    fn release(&mut self) -> String {
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop));
        if let Some(at) = found.min() {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let keep_from = self.held.len() - self.possible_stop_bytes();
        let kept = self.held.split_off(keep_from);
        std::mem::replace(&mut self.held, kept)
    }

    /// The length of the longest end of the held text that begins a stop string.
    fn possible_stop_bytes(&self) -> usize {
        let begins = |stop: &String| {
            let prefixes = stop.char_indices().map(|(at, _)| at).rev();
            prefixes
                .filter(|&bytes| self.held.ends_with(&stop[..bytes]))
                .max()
                .unwrap_or(0)
        };
        self.stops.iter().map(begins).max().unwrap_or(0)
    }
}

/// Takes all whole characters out of `bytes`; what is left may be completed by the next token.
fn take_characters(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut taken = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        taken += chunk.valid().len();
        let at_end = taken + chunk.invalid().len() == bytes.len();
        if at_end && is_incomplete(chunk.invalid()) {
            break;
        }
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            taken += chunk.invalid().len();
        }
    }
    bytes.drain(..taken);
    text
}

/// Whether more bytes could make this a character.
fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(stops: &[&str], pieces: &[&str]) -> (Vec<String>, String) {
        let mut stream = TextStream::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let sent = pieces.iter().map(|p| stream.push(p.as_bytes())).collect();
        (sent, stream.finish())
    }

    #[test]
    fn a_character_leaves_when_it_is_whole() {
        let mut stream = TextStream::new(vec![]);
        let [a, b, c, d] = *"🦀".as_bytes() else {
            unreachable!()
        };
        assert_eq!(stream.push(&[b'x', a]), "x");
        assert_eq!(stream.push(&[b, c]), "");
        assert_eq!(stream.push(&[d, b'y']), "🦀y");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn broken_bytes_become_a_replacement_character() {
        let mut stream = TextStream::new(vec![]);
        assert_eq!(stream.push(&[b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(stream.push(&[0xe2, 0x82]), "");
        assert_eq!(stream.push(b"c"), "\u{fffd}c");
        assert_eq!(stream.push(&[0xe2, 0x82]), "");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn what_may_become_a_stop_string_is_held() {
        let (sent, rest) = stream(&["END."], &["one E", "N", "D two EN", "D", ".", "more"]);
        assert_eq!(sent, ["one ", "", "END two ", "", "", ""]);
        assert_eq!(rest, "");
    }

    #[test]
    fn what_was_held_for_nothing_comes_in_the_end() {
        let (sent, rest) = stream(&["END"], &["the EN"]);
        assert_eq!((sent.concat().as_str(), rest.as_str()), ("the ", "EN"));
    }

    #[test]
    fn the_earliest_stop_string_wins() {
        let (sent, rest) = stream(&["b", "abc", ""], &["xxabc"]);
        assert_eq!((sent.concat().as_str(), rest.as_str()), ("xx", ""));
        let (sent, _) = stream(&["aab"], &["a", "a", "a", "b"]);
        assert_eq!(sent.concat(), "a");
    }

    proptest! {
        #[test]
        fn cutting_changes_nothing(text in ".{0,60}", stop in "[a-c]{1,3}", cut_bytes in 1usize..9) {
            let mut stream = TextStream::new(vec![stop.clone()]);
            let mut sent = String::new();
            for piece in text.as_bytes().chunks(cut_bytes) {
                sent.push_str(&stream.push(piece));
            }
            sent.push_str(&stream.finish());
            let expected = text.find(&stop).map_or(text.as_str(), |at| &text[..at]);
            prop_assert_eq!(sent, expected);
        }

        #[test]
        fn any_bytes_give_the_same_text_as_at_once(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            cut_bytes in 1usize..5,
        ) {
            let mut stream = TextStream::new(vec![]);
            let mut sent = String::new();
            for piece in bytes.chunks(cut_bytes) {
                sent.push_str(&stream.push(piece));
            }
            sent.push_str(&stream.push(b"."));
            prop_assert_eq!(sent, String::from_utf8_lossy(&bytes) + ".");
        }
    }
}
