//! ML-DSA-44 keys, what they sign, and the line that commits to one.

use proptest::prelude::*;
use timestamp::Hash;
use timestamp::checkpoint::Checkpoint;
use timestamp::cosignature::{MAX_TIME_UNIX_S, cosigned_message};
use timestamp::note::{Cosigner, CosignerKey, Identity, VerifierKey};

use crate::sample;

// Computed by independent programs (Python's cryptography and dilithium-py).
const KEY_SHA256: &str = "1f474e06e67a1538eea15b137249f2acf9d5471bf142f23f9d569a5ad61b161e";
const DIGEST: &str = "5dac15659e5a2a2a16da035919719c9291c2bad12f341d15dc58948fd76901ee";

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "log.example".to_owned(),
        size: 0x0102,
        root: Hash([0xab; 32]),
        extensions: vec!["not covered".to_owned()],
    }
}

#[test]
fn the_same_seed_makes_the_same_key_as_elsewhere() {
    let key = sample::cosigner();
    assert_eq!(Hash::of(key.key()).to_string(), KEY_SHA256);
    assert_eq!(key.digest().to_string(), DIGEST);
    assert_eq!(hex::encode(key.key_id()), DIGEST[..8]);
}

#[test]
fn what_is_signed_is_what_the_specification_says() {
    let mut expected = b"subtree/v1\n\0".to_vec();
    expected.extend(b"\x09cosigner.");
    expected.extend(b"\0\0\0\0\x65\x53\xf1\x01");
    expected.extend(b"\x0blog.example");
    expected.extend([0; 8]);
    expected.extend(b"\0\0\0\0\0\0\x01\x02");
    expected.extend([0xab; 32]);
    let message = cosigned_message("cosigner.", 0x6553_f101, &checkpoint()).unwrap();
    assert_eq!(message, expected);
}

#[test]
fn what_the_specification_forbids_is_not_signed() {
    let refused = |name: &str, time, origin: &str| {
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            ..checkpoint()
        };
        let error = cosigned_message(name, time, &checkpoint).unwrap_err();
        assert_eq!(error.code(), "invalid_field");
    };
    refused("", 0, "log.example");
    refused(&"n".repeat(256), 0, "log.example");
    refused("n", 0, "");
    refused("n", 0, &"o".repeat(256));
    refused("n", MAX_TIME_UNIX_S + 1, "log.example");
}

#[test]
fn every_part_of_a_cosignature_counts() {
    let note = checkpoint().sign(&sample::signer(), sample::NOW).unwrap();
    let open = |note: &str| {
        let (node, cosigner) = (sample::node(), sample::cosigner());
        Checkpoint::open(note.as_bytes(), node.ed25519(), Some(&cosigner))
    };
    let note = note.to_string();
    assert_eq!(open(&note).unwrap(), checkpoint());
    // The line's first bytes are the key's id and the time.
    let (start, line) = note.trim_end().rsplit_once(' ').unwrap();
    for at in 0..line.len() - 2 {
        let mut changed = line.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let code = open(&format!("{start} {changed}\n")).unwrap_err().code();
        let expected = if at < 6 {
            "signature_missing"
        } else {
            "signature_invalid"
        };
        // The sixth character has bits of both the id and the time.
        assert!(code == expected || at == 5, "{at}: {code}");
    }
    let short = format!("{start} {}\n", &line[..12]);
    assert_eq!(open(&short).unwrap_err().code(), "signature_invalid");
}

#[test]
fn keys_have_one_spelling() {
    let key = sample::cosigner();
    let text = key.to_string();
    assert_eq!(text.parse::<CosignerKey>().unwrap(), key);
    for at in (0..text.len()).step_by(7).chain(0..60) {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1 << (at % 7);
        let changed = String::from_utf8(changed).unwrap();
        assert!(changed.parse::<CosignerKey>().is_err(), "{changed}");
    }
    let code = |text: &str| text.parse::<CosignerKey>().unwrap_err().code();
    let ed25519 = sample::node().ed25519().to_string();
    assert_eq!(code(&ed25519), "unsupported_algorithm");
    assert_eq!(code(&"a".repeat(5_000)), "too_large");
    let error = text.parse::<VerifierKey>().unwrap_err();
    assert_eq!(error.code(), "unsupported_algorithm");
}

#[test]
fn an_identity_has_one_spelling_and_commits_to_both_keys() {
    let node = sample::node();
    let text = node.to_string();
    assert_eq!(text, format!("{},ml-dsa-44:{DIGEST}", node.ed25519()),);
    assert_eq!(text.parse::<Identity>().unwrap(), node);
    for at in 0..text.len() {
        assert!(text[..at].parse::<Identity>().is_err());
        for bit in 0..7 {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1 << bit;
            let changed = String::from_utf8(changed).unwrap();
            // Any digest is one; it is of another key then.
            assert_ne!(changed.parse::<Identity>().as_ref(), Ok(&node), "{changed}");
        }
    }
    node.check_cosigner(&sample::cosigner()).unwrap();
    let renamed = CosignerKey::new("other.example", *sample::cosigner().key()).unwrap();
    for other in [sample::signer_of(7, 8).ml_dsa_44().verifier(), &renamed] {
        assert_eq!(
            node.check_cosigner(other).unwrap_err().code(),
            "key_mismatch"
        );
    }
    let error = Identity::new(node.ed25519().clone(), &renamed).unwrap_err();
    assert_eq!(error.code(), "invalid_field");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn keys_are_read_back(seed: [u8; 32], name in "[!-*,-~]{1,40}") {
        let cosigner = Cosigner::from_seed(name, &seed)?;
        let key = cosigner.verifier();
        prop_assert_eq!(&key.to_string().parse::<CosignerKey>()?, key);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}(,ml-dsa-44:[0-9a-f]{60,66})?") {
        if let Ok(identity) = text.parse::<Identity>() {
            prop_assert_eq!(identity.to_string(), text);
        }
    }
}
