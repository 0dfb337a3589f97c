use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use timestamp::SigningKey;
use timestamp::note::{MAX_SIGNATURES, Note, Signer, VerifierKey};

// The vectors of Go's `sumdb/note`, which the C2SP specification was written from.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SEED: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
/// A line by a key that nobody here knows.
const UNKNOWN: &str = "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

fn note(lines: &[&str]) -> String {
    format!("{TEXT}\n{}", lines.concat())
}

fn peter() -> VerifierKey {
    PETER.parse().unwrap()
}

fn parse_code(note: &str) -> &'static str {
    Note::parse(note.as_bytes()).unwrap_err().code()
}

#[test]
fn signs_the_same_bytes_as_go() {
    let seed = BASE64.decode(PETER_SEED).unwrap().try_into().unwrap();
    let signer = Signer::new("PeterNeumann", SigningKey::from_bytes(&seed)).unwrap();
    assert_eq!(signer.verifier().to_string(), PETER);
    assert_eq!(signer.sign(TEXT).unwrap().to_string(), note(&[LINE]));
}

#[test]
fn opens_the_example_of_the_specification() {
    let key: VerifierKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
        .parse()
        .unwrap();
    let note = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let note = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(note.verify(&key).unwrap(), "This is an example message.\n");
}

#[test]
fn unknown_signatures_are_kept_and_ignored() {
    let text = note(&[UNKNOWN, LINE]);
    let note = Note::parse(text.as_bytes()).unwrap();
    assert_eq!(note.verify(&peter()).unwrap(), TEXT);
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(note.to_string(), text);
    let error = note.verify(&ENOCH.parse().unwrap()).unwrap_err();
    assert_eq!(error.code(), "signature_missing");
}

#[test]
fn a_wrong_signature_by_a_known_key_rejects_the_note() {
    let wrong = LINE.replace("x08go/ZJ", "x08go/ZK");
    for lines in [vec![wrong.as_str()], vec![LINE, &wrong], vec![&wrong, LINE]] {
        let error = Note::parse(note(&lines).as_bytes())
            .unwrap()
            .verify(&peter())
            .unwrap_err();
        assert_eq!(error.code(), "signature_invalid");
    }
    let other_text = note(&[LINE]).replace("cryptography", "Cryptography");
    let error = Note::parse(other_text.as_bytes())
        .unwrap()
        .verify(&peter())
        .unwrap_err();
    assert_eq!(error.code(), "signature_invalid");
}

#[test]
fn the_last_blank_line_ends_the_text() {
    let signer = Signer::new("n", SigningKey::from_bytes(&[1; 32])).unwrap();
    for text in [
        "\n",
        "a\n\n",
        "a\n\nb\n",
        "\n\n\n",
        "— looks like a signature\n",
    ] {
        let written = signer.sign(text).unwrap().to_string();
        let note = Note::parse(written.as_bytes()).unwrap();
        assert_eq!(note.verify(signer.verifier()).unwrap(), text);
    }
    for text in [
        "",
        "no newline",
        "tab\t\n",
        "carriage return\r\n",
        "zero\0\n",
    ] {
        assert_eq!(signer.sign(text).unwrap_err().code(), "malformed");
    }
}

#[test]
fn malformed_notes_are_refused() {
    let good = note(&[LINE]);
    for bad in [
        String::new(),
        "\n".to_owned(),
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}{LINE}"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace("— ", "- "),
        good.replace("— ", "—  "),
        good.replace(" x08", "  x08"),
        good.replace("PeterNeumann x08", "x08"),
        good.replace("PeterN", "Peter+N"),
        good.replace("PeterN", "Peter\u{a0}N"),
        good.replace("JnAM=", "JnAM"),
        good.replace("JnAM=", "JnAN="),
        good.replace("JnAM=", "JnAM= "),
        good.replace('\n', "\r\n"),
        format!("{TEXT}\n— PeterNeumann x08gow==\n"),
        format!("{TEXT}\n— PeterNeumann \n"),
    ] {
        assert_eq!(parse_code(&bad), "malformed", "{bad:?}");
    }
    assert_eq!(
        Note::parse(&[0xff, b'\n', b'\n']).unwrap_err().code(),
        "malformed"
    );
}

#[test]
fn notes_are_bounded() {
    let most = vec![UNKNOWN; MAX_SIGNATURES];
    assert_eq!(
        Note::parse(note(&most).as_bytes())
            .unwrap()
            .signatures()
            .len(),
        MAX_SIGNATURES
    );
    assert_eq!(parse_code(&note(&[most, vec![LINE]].concat())), "too_large");
    assert_eq!(parse_code(&"a".repeat(600_000)), "too_large");
}

#[test]
fn keys_have_one_spelling() {
    for key in [PETER, ENOCH] {
        assert_eq!(key.parse::<VerifierKey>().unwrap().to_string(), key);
    }
    for at in 0..PETER.len() {
        assert!(PETER[at + 1..].parse::<VerifierKey>().is_err());
        assert!(PETER[..at].parse::<VerifierKey>().is_err());
        for bit in 0..7 {
            let mut changed = PETER.as_bytes().to_vec();
            changed[at] ^= 1 << bit;
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
        }
    }
    // Go's: the wrong length, and an unknown algorithm, each with the fitting id.
    let code = |key: &str| key.parse::<VerifierKey>().unwrap_err().code();
    let long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
    assert_eq!(code(long), "malformed");
    let unknown = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(code(unknown), "unsupported_algorithm");
}

#[test]
fn names_are_checked() {
    let key = || SigningKey::from_bytes(&[1; 32]);
    for name in ["a", "example.com/log", "naïve", &"n".repeat(255)] {
        assert!(Signer::new(name, key()).is_ok(), "{name:?}");
    }
    for name in [
        "",
        "a b",
        "a+b",
        "a\n",
        "a\u{2003}b",
        "a\0",
        &"n".repeat(256),
    ] {
        assert_eq!(
            Signer::new(name, key()).unwrap_err().code(),
            "invalid_field",
            "{name:?}"
        );
    }
}

#[test]
fn the_secret_is_not_printed() {
    let signer = Signer::new("n", SigningKey::from_bytes(&[0xab; 32])).unwrap();
    let printed = format!("{signer:?}");
    assert!(
        !printed.contains("171, 171, 171") && !printed.contains("abababab"),
        "{printed}"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_have_one_spelling(bytes: Vec<u8>) {
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
        }
    }

    #[test]
    fn note_like_text_has_one_spelling(text in "([a\n—+ =/Q]|— [a-c+]{1,3} [A-D+/=]{0,9}\n|\n\n){0,12}") {
        if let Ok(note) = Note::parse(text.as_bytes()) {
            prop_assert_eq!(note.to_string(), text);
        }
    }

    #[test]
    fn what_is_signed_is_read_back(text in "[^\\x00-\\x1f]{0,40}(\n[^\\x00-\\x1f]{0,9}){0,4}", seed: [u8; 32]) {
        let signer = Signer::new("house.example", SigningKey::from_bytes(&seed)).unwrap();
        let text = format!("{text}\n");
        let note = signer.sign(text.clone())?;
        let read = Note::parse(note.to_string().as_bytes())?;
        prop_assert_eq!(&read, &note);
        prop_assert_eq!(read.verify(signer.verifier())?, text);
    }

    #[test]
    fn an_altered_note_never_verifies(at: prop::sample::Index, bit in 0_u8..8) {
        let mut bytes = note(&[LINE]).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Note::parse(&bytes).and_then(|note| note.verify(&peter()).map(str::len)).is_err());
    }
}
