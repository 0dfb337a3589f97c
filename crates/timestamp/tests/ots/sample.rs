//! Proofs to test with: those of the shared folder, where it is, and some of our own.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use timestamp::ots::{Arg, Attestation, DetachedProof, Digester, Op, Timestamp, Uri};

/// Says something that is seen even if the test passes.
pub fn loudly(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The folder with the reference's own examples, or `None` (loudly).
pub fn vectors() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/ots");
    if !dir.exists() {
        loudly("skipped: the examples of the reference are not here");
        return None;
    }
    Some(dir)
}

/// The folder that `scripts/compat-setup` fills with other people's programs.
pub fn programs() -> Option<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    set("FREEHOLD_COMPAT_DIR").or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(cache.join("freehold/compat"))
    })
}

pub fn append(bytes: &[u8]) -> Op {
    Op::Append(Arg::new(bytes).unwrap())
}

pub fn prepend(bytes: &[u8]) -> Op {
    Op::Prepend(Arg::new(bytes).unwrap())
}

pub fn pending(uri: &str) -> Attestation {
    Attestation::Pending(Uri::new(uri).unwrap())
}

/// Proofs with everything that the format has.
pub fn ours() -> Vec<Vec<u8>> {
    let unknown = |first: u8, payload: &[u8]| Attestation::Unknown {
        tag: [first, 2, 3, 4, 5, 6, 7, 8],
        payload: payload.to_vec(),
    };
    let mut rich = Timestamp::attested(pending("https://b.example")).after([
        append(&[7; 16]),
        Op::SHA256,
        prepend(&[1, 2, 3]),
        Op::Digest(Digester::Sha1),
        append(&[9; 200]),
        Op::Digest(Digester::Ripemd160),
        Op::Hexlify,
        Op::Reverse,
        Op::Digest(Digester::Keccak256),
    ]);
    for attestation in [
        Attestation::Bitcoin { height: 358_391 },
        Attestation::Bitcoin { height: 127 },
        Attestation::Litecoin { height: 1 << 40 },
        Attestation::Ethereum { height: 0 },
        pending("https://a.example/x"),
        pending(""),
        unknown(0, b""),
        unknown(0x10, b"'quoted' \\ \x01\xff"),
        unknown(0xff, &[5; 300]),
    ] {
        let at_root = Timestamp::attested(attestation.clone());
        rich.merge(at_root.clone());
        rich.merge(at_root.after([append(&[7; 16]), Op::SHA256, append(&[8])]));
    }
    let small = Timestamp::attested(Attestation::Bitcoin { height: 1 });
    let proof = |digester: Digester, timestamp: &Timestamp| {
        let digest = digester.digest(b"sample");
        DetachedProof::new(digester, digest, timestamp.clone())
            .and_then(|proof| proof.to_bytes())
            .unwrap()
    };
    Digester::ALL
        .into_iter()
        .flat_map(|digester| [proof(digester, &small), proof(digester, &rich)])
        .collect()
}

/// Theirs and ours.
pub fn all() -> Vec<Vec<u8>> {
    let mut proofs = ours();
    if let Some(dir) = vectors() {
        let mut paths: Vec<PathBuf> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "ots"));
        paths.sort();
        proofs.extend(paths.iter().map(|path| fs::read(path).unwrap()));
    }
    proofs
}

/// Numbers that look random and are always the same (SplitMix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}
