//! What is inside a backup: a zip archive of known parts, and a manifest that vouches for them.
//!
//! Any program that reads zip can take it apart. This reader takes nothing but the parts that it knows, under names of
//! its own: no name from an archive ever becomes a path. The manifest has each part's length and SHA-256, and
//! `manifest.hmac` is made with a key that follows from the seed: that it could be decrypted says only that somebody
//! knew where to encrypt it to.

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::error::BackupError;

/// The format that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// The most that one part may have.
pub const PART_BYTES_MAX: u64 = 4 << 30;

const FORMAT: &str = "freehold-backup";
const MANIFEST: &str = "manifest.json";
const MANIFEST_MAC: &str = "manifest.hmac";
const MANIFEST_BYTES_MAX: u64 = 64 << 10;
const BUFFER_BYTES: usize = 64 << 10;

/// What a backup can hold. There is nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// Ledger, purses, payments, sales, receipts, vaults.
    #[serde(rename = "freehold.db")]
    Books,
    /// What the embedded mint knows as spent and signed.
    #[serde(rename = "mint.db")]
    Mint,
    /// Which channels there are, and with whom: no state of a channel.
    #[serde(rename = "channels.txt")]
    Channels,
    /// The configuration file.
    #[serde(rename = "config.toml")]
    Config,
    /// The calendar's own seed.
    #[serde(rename = "calendar/seed")]
    CalendarSeed,
    /// What the calendar promised.
    #[serde(rename = "calendar/journal")]
    CalendarJournal,
    /// Where that is anchored.
    #[serde(rename = "calendar/anchors")]
    CalendarAnchors,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Books,
        Self::Mint,
        Self::Channels,
        Self::Config,
        Self::CalendarSeed,
        Self::CalendarJournal,
        Self::CalendarAnchors,
    ];

    /// Its name in the archive.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Books => "freehold.db",
            Self::Mint => "mint.db",
            Self::Channels => "channels.txt",
            Self::Config => "config.toml",
            Self::CalendarSeed => "calendar/seed",
            Self::CalendarJournal => "calendar/journal",
            Self::CalendarAnchors => "calendar/anchors",
        }
    }
}

/// A part, as the manifest vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartInfo {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `freehold-backup`.
    pub format: String,
    /// The format's version.
    pub version: u32,
    /// Which money.
    pub network: String,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// The version of the program that made it.
    pub program: String,
    /// What is in it.
    pub parts: BTreeMap<Part, PartInfo>,
}

/// The key that vouches for a manifest.
pub type MacKey = [u8; 32];

/// Writes an archive, part by part, to what can't seek.
pub struct Writer<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    parts: BTreeMap<Part, PartInfo>,
}

impl<W: Write> Writer<W> {
    /// An archive without parts.
    pub fn new(to: W) -> Self {
        Self {
            zip: ZipWriter::new_stream(to),
            parts: BTreeMap::new(),
        }
    }

    /// Adds a part.
    ///
    /// # Errors
    /// If it can't be read or written, or is too large.
    pub fn add(&mut self, part: Part, mut from: impl Read) -> Result<(), BackupError> {
        self.begin(part.name())?;
        let info = copy(&mut from, &mut self.zip, PART_BYTES_MAX)
            .map_err(BackupError::file(format!("backing up {}", part.name())))?;
        if info.bytes > PART_BYTES_MAX {
            return Err(too_large(info.bytes));
        }
        self.parts.insert(part, info);
        Ok(())
    }

    /// Adds the manifest, and returns what was written to.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(
        mut self,
        network: &str,
        created_ms: i64,
        key: &MacKey,
    ) -> Result<W, BackupError> {
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            network: network.to_owned(),
            created_ms,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            parts: std::mem::take(&mut self.parts),
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|e| unwritable(&e))?;
        self.begin(MANIFEST)?;
        self.zip.write_all(&text).map_err(|e| unwritable(&e))?;
        self.begin(MANIFEST_MAC)?;
        let mac = mac(key, &text)?.finalize().into_bytes();
        self.zip.write_all(&mac).map_err(|e| unwritable(&e))?;
        Ok(self.zip.finish().map_err(|e| unwritable(&e))?.into_inner())
    }

    fn begin(&mut self, name: &str) -> Result<(), BackupError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            // Its length isn't known before it is written.
            .large_file(true)
            .unix_permissions(0o600);
        self.zip
            .start_file(name, options)
            .map_err(|e| unwritable(&e))
    }
}

/// An archive whose manifest holds.
pub struct Archive<R> {
    zip: ZipArchive<R>,
    manifest: Manifest,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the manifest, and checks who vouches for it. The parts are checked as they are read.
    ///
    /// # Errors
    /// `backup_damaged` or `backup_version`.
    pub fn open(from: R, key: &MacKey) -> Result<Self, BackupError> {
        let mut zip = ZipArchive::new(from).map_err(|e| BackupError::damaged(&e))?;
        let text = member(&mut zip, MANIFEST)?;
        let vouched = member(&mut zip, MANIFEST_MAC)?;
        mac(key, &text)?
            .verify_slice(&vouched)
            .map_err(|_| BackupError::Damaged("this node didn't make it".into()))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| BackupError::damaged(&e))?;
        check(&manifest)?;
        if zip.len() != manifest.parts.len() + 2 {
            let why = "it has parts that its manifest doesn't name";
            return Err(BackupError::Damaged(why.into()));
        }
        Ok(Self { zip, manifest })
    }

    /// What the backup says of itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Copies a part, and says whether there is one. Only after `Ok` is what was written to be believed.
    ///
    /// # Errors
    /// `backup_damaged` if it isn't what the manifest says, or if it can't be written.
    pub fn copy(&mut self, part: Part, to: &mut impl Write) -> Result<bool, BackupError> {
        let Some(wanted) = self.manifest.parts.get(&part) else {
            return Ok(false);
        };
        let name = part.name();
        let mut from = self
            .zip
            .by_name(name)
            .map_err(|e| BackupError::damaged(&e))?;
        let found = copy(&mut from, to, wanted.bytes)
            .map_err(|error| BackupError::Damaged(format!("{name}: {error}")))?;
        if found != *wanted {
            return Err(BackupError::Damaged(format!(
                "{name} isn't what it was when it was backed up"
            )));
        }
        Ok(true)
    }
}

fn check(manifest: &Manifest) -> Result<(), BackupError> {
    if manifest.format != FORMAT {
        return Err(BackupError::Damaged("it is of another kind".into()));
    }
    if manifest.version > VERSION || manifest.version == 0 {
        return Err(BackupError::Version {
            found: manifest.version,
            known: VERSION,
        });
    }
    match manifest.parts.values().map(|part| part.bytes).max() {
        Some(bytes) if bytes > PART_BYTES_MAX => Err(too_large(bytes)),
        _ => Ok(()),
    }
}

/// A small member, whole.
fn member<R: Read + Seek>(zip: &mut ZipArchive<R>, name: &str) -> Result<Vec<u8>, BackupError> {
    let from = zip.by_name(name).map_err(|e| BackupError::damaged(&e))?;
    let mut bytes = Vec::new();
    from.take(MANIFEST_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| BackupError::damaged(&e))?;
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(BackupError::Damaged(format!("{name} is too long")));
    }
    Ok(bytes)
}

/// Copies at most one byte more than `bytes_max`, which shows that there were more.
fn copy(from: &mut impl Read, to: &mut impl Write, bytes_max: u64) -> std::io::Result<PartInfo> {
    let mut from = from.take(bytes_max.saturating_add(1));
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        bytes += count as u64;
    }
    let sha256 = hex::encode(hash.finalize());
    Ok(PartInfo { bytes, sha256 })
}

fn mac(key: &MacKey, text: &[u8]) -> Result<Hmac<Sha256>, BackupError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|e| unwritable(&e))?;
    mac.update(text);
    Ok(mac)
}

fn too_large(bytes: u64) -> BackupError {
    BackupError::TooLarge {
        bytes,
        bytes_max: PART_BYTES_MAX,
    }
}

fn unwritable(error: &impl ToString) -> BackupError {
    let source = std::io::Error::other(error.to_string());
    let what = "writing the backup".into();
    BackupError::File { what, source }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    const KEY: MacKey = [7; 32];

    fn archive(parts: &[(Part, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (part, bytes) in parts {
            writer.add(*part, *bytes).unwrap();
        }
        writer.finish("play", 1, &KEY).unwrap()
    }

    /// All that can be read, as a restore reads it.
    fn read(bytes: &[u8], key: &MacKey) -> Result<Vec<(Part, Vec<u8>)>, BackupError> {
        let mut archive = Archive::open(Cursor::new(bytes), key)?;
        let mut found = Vec::new();
        for part in Part::ALL {
            let mut to = Vec::new();
            if archive.copy(part, &mut to)? {
                found.push((part, to));
            }
        }
        Ok(found)
    }

    /// An archive as anybody could make it.
    fn crafted(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn vouched(manifest: &Manifest, members: &[(&str, &[u8])]) -> Vec<u8> {
        let text = serde_json::to_vec(manifest).unwrap();
        let mac = mac(&KEY, &text).unwrap().finalize().into_bytes();
        let own: [(&str, &[u8]); 2] = [(MANIFEST, &text), (MANIFEST_MAC, &mac)];
        crafted(&[&own, members].concat())
    }

    fn manifest(parts: &[(Part, &[u8])]) -> Manifest {
        let bytes = archive(parts);
        let archive = Archive::open(Cursor::new(bytes), &KEY).unwrap();
        archive.manifest().clone()
    }

    #[test]
    fn an_archive_is_read_as_it_was_written() {
        let long = vec![5; 300_000];
        let parts: [(Part, &[u8]); 3] = [
            (Part::Books, &long),
            (Part::Mint, b""),
            (Part::CalendarSeed, b"x"),
        ];
        let found = read(&archive(&parts), &KEY).unwrap();
        let wanted: Vec<_> = parts.iter().map(|(part, b)| (*part, b.to_vec())).collect();
        assert_eq!(found, wanted);
        for part in Part::ALL {
            let name = serde_json::to_value(part).unwrap();
            assert_eq!(name, part.name(), "two names for one part");
        }
    }

    #[test]
    fn what_the_manifest_doesnt_vouch_for_is_refused() {
        let books: [(Part, &[u8]); 1] = [(Part::Books, b"books")];
        let good = manifest(&books);
        assert!(read(&vouched(&good, &[("freehold.db", b"books")]), &KEY).is_ok());
        let wrong: [&[(&str, &[u8])]; 6] = [
            &[],
            &[("freehold.db", b"bookz")],
            &[("freehold.db", b"book")],
            &[("freehold.db", b"books!")],
            &[("freehold.db", b"books"), ("mint.db", b"")],
            &[("freehold.db", b"books"), ("../../.profile", b"evil")],
        ];
        for members in wrong {
            let error = read(&vouched(&good, members), &KEY).unwrap_err();
            assert_eq!(error.code(), "backup_damaged", "{members:?}");
        }
        let stranger = read(&archive(&books), &[8; 32]).unwrap_err();
        assert_eq!(stranger.code(), "backup_damaged");
    }

    #[test]
    fn another_format_or_an_unknown_part_is_refused() {
        let mut newer = manifest(&[]);
        newer.version = VERSION + 1;
        assert_eq!(
            read(&vouched(&newer, &[]), &KEY).unwrap_err().code(),
            "backup_version"
        );
        let mut other = manifest(&[]);
        other.format = "something".into();
        assert_eq!(
            read(&vouched(&other, &[]), &KEY).unwrap_err().code(),
            "backup_damaged"
        );
        let mut huge = manifest(&[(Part::Mint, b"")]);
        for part in huge.parts.values_mut() {
            part.bytes = PART_BYTES_MAX + 1;
        }
        let huge = vouched(&huge, &[("mint.db", b"")]);
        assert_eq!(read(&huge, &KEY).unwrap_err().code(), "backup_too_large");
        // A name that isn't of the list can't even be said in a manifest.
        let text = serde_json::to_string(&manifest(&[(Part::Mint, b"")])).unwrap();
        let text = text.replace("mint.db", "../seed");
        assert!(serde_json::from_str::<Manifest>(&text).is_err());
    }

    #[test]
    fn a_bomb_goes_off_into_a_bound() {
        // A megabyte of zeros is a kilobyte in the archive; the manifest says ten bytes.
        let mut lying = manifest(&[(Part::Books, &[0; 10])]);
        lying.parts.get_mut(&Part::Books).unwrap().bytes = 10;
        let bomb = vouched(&lying, &[("freehold.db", &vec![0; 1 << 20])]);
        let mut archive = Archive::open(Cursor::new(bomb), &KEY).unwrap();
        let mut to = Vec::new();
        assert!(archive.copy(Part::Books, &mut to).is_err());
        assert_eq!(to.len(), 11);
        let long = vec![b' '; usize::try_from(MANIFEST_BYTES_MAX).unwrap() + 1];
        let long = crafted(&[(MANIFEST, &long), (MANIFEST_MAC, &[0; 32])]);
        assert_eq!(read(&long, &KEY).unwrap_err().code(), "backup_damaged");
    }

    proptest! {
        #[test]
        fn nothing_written_comes_back_changed(
            books in proptest::collection::vec(any::<u8>(), 0..2_000),
            config in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = archive(&[(Part::Books, &books), (Part::Config, &config)]);
            let found = read(&bytes, &KEY).unwrap();
            prop_assert_eq!(found, vec![(Part::Books, books), (Part::Config, config)]);
        }

        #[test]
        fn a_changed_byte_is_noticed_or_does_nothing(at in any::<prop::sample::Index>(), bit in 0..8) {
            let parts: [(Part, &[u8]); 2] = [(Part::Books, b"some books"), (Part::Mint, b"a mint")];
            let good = archive(&parts);
            let mut bad = good.clone();
            bad[at.index(good.len())] ^= 1_u8 << bit;
            if let Ok(found) = read(&bad, &KEY) {
                prop_assert_eq!(found, read(&good, &KEY).unwrap());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert!(read(&bytes, &KEY).is_err());
        }

        #[test]
        fn what_is_cut_short_is_refused(keep in any::<prop::sample::Index>()) {
            let good = archive(&[(Part::Books, b"some books")]);
            prop_assert!(read(&good[..keep.index(good.len())], &KEY).is_err());
        }
    }
}
