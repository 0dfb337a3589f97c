//! The recovery phrase: shown once, and confirmed by asking for some of its words.

use std::path::Path;

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use super::error::BackupError;
use crate::config::{Config, Network};
use crate::error::Result;
use crate::files;
use crate::keys::{self, Seed};

/// How many words a phrase has.
pub const WORDS: usize = 24;
/// How many of them are asked for.
pub const QUESTIONS: usize = 4;
/// More than any phrase has.
const PHRASE_BYTES_MAX: usize = 1_024;
/// Its presence says that the phrase was confirmed.
pub(super) const CONFIRMED: &str = "seed.confirmed";

/// The recovery phrase of a node, which its owner is about to write down. Needs no running node.
pub struct Phrase {
    words: Zeroizing<Vec<String>>,
    config: Config,
}

impl std::fmt::Debug for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Phrase").finish_non_exhaustive()
    }
}

impl Phrase {
    /// Reads the seed of this network, or makes it if there is none yet.
    ///
    /// # Errors
    /// If the file can't be read or written, or is exposed to others.
    pub fn of(config: &Config) -> Result<Self> {
        let seed = seed(config)?;
        let words = seed.mnemonic()?.words().map(str::to_owned).collect();
        Ok(Self {
            words: Zeroizing::new(words),
            config: config.clone(),
        })
    }

    /// The words, in their order.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Which words to ask for, counted from one: different ones, in their order, by what chance says.
    #[must_use]
    pub fn questions(&self, mut chance: impl FnMut(usize) -> usize) -> Vec<usize> {
        let mut positions: Vec<usize> = (1..=self.words.len()).collect();
        let mut asked = Vec::new();
        while asked.len() < QUESTIONS && !positions.is_empty() {
            let index = chance(positions.len()).min(positions.len() - 1);
            asked.push(positions.swap_remove(index));
        }
        asked.sort_unstable();
        asked
    }

    /// Notes durably that the phrase was written down, if the answers are right.
    ///
    /// # Errors
    /// `phrase_mismatch`, or a file error.
    pub fn confirm(&self, answers: &[(usize, String)]) -> Result<()> {
        for (position, answer) in answers {
            let word = position.checked_sub(1).and_then(|i| self.words.get(i));
            if word.is_none_or(|word| *word != answer.trim().to_lowercase()) {
                let position = *position;
                return Err(BackupError::PhraseMismatch { position }.into());
            }
        }
        if answers.len() < QUESTIONS {
            return Err(BackupError::PhraseUnconfirmed.into());
        }
        confirm(&self.config.network_dir())
    }
}

/// The seed of this network, made if there is none.
pub(crate) fn seed(config: &Config) -> Result<Seed> {
    let dir = config.network_dir();
    files::private_dir(&dir)?;
    Seed::from_hex(&files::secret(&dir.join("seed"), keys::random_hex)?)
}

/// Whether the owner has shown to have the phrase.
#[must_use]
pub fn is_confirmed(config: &Config) -> bool {
    config.network_dir().join(CONFIRMED).is_file()
}

/// Real money needs a phrase that is written down.
pub(crate) fn require_confirmed(config: &Config) -> Result<()> {
    match config.network {
        Network::Mainnet if !is_confirmed(config) => Err(BackupError::PhraseUnconfirmed.into()),
        _ => Ok(()),
    }
}

pub(super) fn confirm(dir: &Path) -> Result<()> {
    files::write_secret(&dir.join(CONFIRMED), b"confirmed\n")
}

/// Reads a phrase as somebody typed it.
///
/// # Errors
/// `phrase_invalid`, with which word is none.
pub(super) fn parse(text: &str) -> Result<Seed, BackupError> {
    let invalid = |why: String| BackupError::PhraseInvalid(why);
    if text.len() > PHRASE_BYTES_MAX {
        return Err(invalid("it is too long".into()));
    }
    let text = Zeroizing::new(text.to_lowercase());
    let count = text.split_whitespace().count();
    if count != WORDS {
        return Err(invalid(format!("it has {count} words, not {WORDS}")));
    }
    let mnemonic =
        Mnemonic::parse_in_normalized(Language::English, &text).map_err(|error| match error {
            bip39::Error::UnknownWord(index) => {
                invalid(format!("word {} is none of the list", index + 1))
            }
            _ => invalid("its checksum is wrong: a word is another one, or two are swapped".into()),
        })?;
    let entropy = Zeroizing::new(mnemonic.to_entropy());
    let hex = Zeroizing::new(hex::encode(&*entropy));
    Seed::from_hex(&hex).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn config(dir: &Path, network: Network) -> Config {
        Config::load(&Overrides {
            config_file: Some("/dev/null".into()),
            data_dir: Some(dir.to_owned()),
            network: Some(network),
            ..Overrides::default()
        })
        .unwrap()
    }

    #[test]
    fn a_phrase_is_confirmed_by_its_words_only() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), Network::Mainnet);
        let refused = require_confirmed(&config).unwrap_err();
        assert_eq!(refused.code(), "phrase_unconfirmed");
        let phrase = Phrase::of(&config).unwrap();
        assert_eq!(phrase.words(), Phrase::of(&config).unwrap().words());
        let asked = phrase.questions(|count| count / 2);
        assert_eq!(asked.len(), QUESTIONS);
        assert!(asked.is_sorted_by(|a, b| a < b));
        let right = |position: usize| (position, format!(" {} ", phrase.words()[position - 1]));
        let answers: Vec<_> = asked.iter().copied().map(right).collect();
        let mut wrong = answers.clone();
        wrong[2].1 = "zebra-".into();
        assert_eq!(
            phrase.confirm(&wrong).unwrap_err().code(),
            "phrase_mismatch"
        );
        assert!(phrase.confirm(&answers[..1]).is_err());
        assert!(phrase.confirm(&[(0, "x".into())]).is_err());
        assert!(!is_confirmed(&config));
        phrase.confirm(&answers).unwrap();
        require_confirmed(&config).unwrap();
    }

    #[test]
    fn a_phrase_is_read_as_people_type_it() {
        let seed = Seed::from_hex(&"ab".repeat(32)).unwrap();
        let words = seed.mnemonic().unwrap().to_string();
        let typed = format!("\n {} \n", words.to_uppercase().replace(' ', "\t "));
        let again = parse(&typed).unwrap();
        assert_eq!(again.mnemonic().unwrap().to_string(), words);
        let invalid = |text: &str| match parse(text) {
            Err(BackupError::PhraseInvalid(why)) => why,
            _ => panic!("{text} was read"),
        };
        assert!(invalid("abandon about").contains("2 words"));
        let mut swapped: Vec<&str> = words.split(' ').collect();
        swapped.swap(0, 1);
        assert!(invalid(&swapped.join(" ")).contains("checksum"));
        swapped[4] = "bitcoins";
        assert!(invalid(&swapped.join(" ")).contains("word 5"));
        invalid(&"abandon ".repeat(1_000));
    }
}
