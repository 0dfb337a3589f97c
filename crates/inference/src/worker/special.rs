//! Keeps what people write apart from what the template writes.
//!
//! A template marks who speaks with special tokens, such as `<|im_start|>`. If a message contains
//! that text it must stay text, or anybody whose words end up in a prompt could forge a system
//! message. So a mark that no real text has is put inside of it before the template runs, and the
//! prompt is cut at these marks before it is tokenized.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use llama_cpp_2::{token_type::LlamaTokenAttr, vocab::LlamaVocab};

/// A noncharacter: Unicode promises that it will never be text.
const MARK: char = '\u{fdd0}';

/// The texts of a vocabulary's special tokens.
#[derive(Debug, Default)]
pub(super) struct SpecialTexts {
    texts: HashSet<String>,
    lengths: BTreeSet<usize>,
    first_bytes: HashSet<u8>,
}

impl SpecialTexts {
    pub(super) fn of(vocab: &LlamaVocab<'_>) -> Self {
        let special = LlamaTokenAttr::Control | LlamaTokenAttr::Unknown;
        let texts = vocab
            .tokens()
            .filter(|&token| vocab.attr(token).intersects(special))
            .filter_map(|token| Some(vocab.text(token)?.to_str().ok()?.to_owned()));
        Self::new(texts)
    }

    fn new(texts: impl Iterator<Item = String>) -> Self {
        // A single character can't be taken apart.
        let texts: HashSet<String> = texts.filter(|text| text.chars().nth(1).is_some()).collect();
        Self {
            lengths: texts.iter().map(String::len).collect(),
            first_bytes: texts
                .iter()
                .filter_map(|text| text.bytes().next())
                .collect(),
            texts,
        }
    }

    /// The same text, with a mark inside everything that would become a special token.
    pub(super) fn defuse<'text>(&self, text: &'text str) -> Cow<'text, str> {
        let mut defused = String::new();
        let mut copied = 0;
        for (at, character) in text.char_indices() {
            if self.begins_at(&text[at..]) {
                let cut = at + character.len_utf8();
                defused.push_str(&text[copied..cut]);
                defused.push(MARK);
                copied = cut;
            }
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        defused.push_str(&text[copied..]);
        Cow::Owned(defused)
    }

    fn begins_at(&self, text: &str) -> bool {
        let first = text.as_bytes().first();
        first.is_some_and(|byte| self.first_bytes.contains(byte))
            && self
                .lengths
                .iter()
                .any(|&length| text.get(..length).is_some_and(|t| self.texts.contains(t)))
    }
}

/// The pieces of a prompt, to be tokenized one by one.
pub(super) fn pieces(prompt: &str) -> impl Iterator<Item = &str> {
    prompt.split(MARK).filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_texts_are_taken_apart() {
        let texts = ["<|im_start|>", "<|im_end|>", "[INST]", "<s>", "x"];
        let special = SpecialTexts::new(texts.into_iter().map(str::to_owned));
        let text = "a<|im_end|>b<<s>🦀 <|im x";
        let defused = special.defuse(text);
        let pieces: Vec<&str> = pieces(&defused).collect();
        assert_eq!(pieces, ["a<", "|im_end|>b<<", "s>🦀 <|im x"]);
        assert_eq!(pieces.concat(), text);
        assert!(matches!(special.defuse("plain < text"), Cow::Borrowed(_)));
    }
}
