//! The backup's encryption: the `age` format, to a key that follows from the seed.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::iter::once;
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor, x25519};
use bitcoin::bech32::{self, Bech32, Hrp};
use zeroize::Zeroizing;

use super::archive::MacKey;
use super::error::BackupError;
use crate::error::{NodeError, Result};
use crate::keys::Seed;

/// A larger file isn't read.
pub const BYTES_MAX: u64 = 8 << 30;
/// The first bytes of every `age` file.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// What encrypts backups and vouches for them. Follows from the seed.
pub(crate) struct BackupKeys {
    identity: x25519::Identity,
    pub(super) mac: MacKey,
}

impl fmt::Debug for BackupKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupKeys").finish_non_exhaustive()
    }
}

impl BackupKeys {
    /// The keys of a seed.
    pub fn of(seed: &Seed) -> Result<Self> {
        let secret = seed.derive_32("backup/age");
        let wrong = || NodeError::Config("the backup's key can't be derived".into());
        let prefix = Hrp::parse("age-secret-key-").map_err(|_| wrong())?;
        let text = bech32::encode_upper::<Bech32>(prefix, &*secret).map_err(|_| wrong())?;
        let text = Zeroizing::new(text);
        Ok(Self {
            identity: text.parse().map_err(|_| wrong())?,
            mac: *seed.derive_32("backup/manifest"),
        })
    }

    /// The identity, as the program `age` reads it from a file. A secret.
    pub fn identity(&self) -> Zeroizing<String> {
        Zeroizing::new(self.identity.to_string().expose_secret().to_owned())
    }

    /// The public half: whom backups are encrypted to.
    pub fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// Encrypts what is written to it.
    pub(super) fn seal<W: Write>(&self, to: W) -> Result<StreamWriter<W>, BackupError> {
        let recipient = self.identity.to_public();
        let failed = |error: &dyn fmt::Display| BackupError::File {
            what: "encrypting the backup".into(),
            source: std::io::Error::other(error.to_string()),
        };
        Encryptor::with_recipients(once(&recipient as &dyn age::Recipient))
            .map_err(|error| failed(&error))?
            .wrap_output(to)
            .map_err(|error| failed(&error))
    }

    /// Decrypts a file, of which any place can be read.
    pub(super) fn open(&self, path: &Path) -> Result<StreamReader<BufReader<File>>, BackupError> {
        let failed = || BackupError::file(format!("reading {}", path.display()));
        let file = File::open(path).map_err(failed())?;
        let bytes = file.metadata().map_err(failed())?.len();
        if bytes > BYTES_MAX {
            let bytes_max = BYTES_MAX;
            return Err(BackupError::TooLarge { bytes, bytes_max });
        }
        self.decrypt(BufReader::new(file))
    }

    /// Decrypts `from`, of which any place can be read.
    pub(super) fn decrypt<R: Read + Seek>(
        &self,
        mut from: R,
    ) -> Result<StreamReader<R>, BackupError> {
        // The library reads a header of any length; this keeps out what is none at all.
        let mut magic = [0; MAGIC.len()];
        let is_age = from.read_exact(&mut magic).is_ok() && magic == *MAGIC;
        from.rewind().map_err(|e| BackupError::damaged(&e))?;
        if !is_age {
            return Err(BackupError::Damaged("it isn't an age file".into()));
        }
        let decryptor = Decryptor::new(from).map_err(|e| BackupError::damaged(&e))?;
        let identity: &dyn age::Identity = &self.identity;
        decryptor
            .decrypt(once(identity))
            .map_err(|error| match error {
                DecryptError::NoMatchingKeys => BackupError::WrongPhrase,
                other => BackupError::damaged(&other),
            })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn keys(byte: &str) -> BackupKeys {
        BackupKeys::of(&Seed::from_hex(&byte.repeat(32)).unwrap()).unwrap()
    }

    fn sealed(text: &[u8]) -> Vec<u8> {
        let mut to = keys("07").seal(Vec::new()).unwrap();
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    fn open(keys: &BackupKeys, bytes: &[u8]) -> Result<Vec<u8>, BackupError> {
        let mut text = Vec::new();
        let mut reader = keys.decrypt(Cursor::new(bytes))?;
        reader
            .read_to_end(&mut text)
            .map_err(|e| BackupError::damaged(&e))?;
        Ok(text)
    }

    #[test]
    fn only_the_same_seed_opens_it() {
        let sealed = sealed(b"hello");
        assert_eq!(open(&keys("07"), &sealed).unwrap(), b"hello");
        let error = open(&keys("08"), &sealed).unwrap_err();
        assert_eq!(error.code(), "backup_wrong_phrase");
        for bad in [
            &b""[..],
            b"age-encryption.org/v1\n",
            &sealed[..sealed.len() - 1],
            b"PK\x03\x04",
        ] {
            assert_eq!(open(&keys("07"), bad).unwrap_err().code(), "backup_damaged");
        }
    }

    #[test]
    fn the_identity_is_one_that_age_reads() {
        let keys = keys("07");
        assert!(keys.identity().starts_with("AGE-SECRET-KEY-1"));
        let read: x25519::Identity = keys.identity().parse().unwrap();
        assert_eq!(read.to_public().to_string(), keys.recipient());
        assert!(!format!("{keys:?}").contains("AGE-SECRET"));
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge");
        File::create(&path).unwrap().set_len(BYTES_MAX + 1).unwrap();
        let Err(error) = keys("07").open(&path) else {
            panic!("it was opened");
        };
        assert_eq!(error.code(), "backup_too_large");
    }
}
