//! Macaroons against those of another implementation, and hostile ones.
#![allow(clippy::unwrap_used)]

use http402::macaroon::{
    CAVEATS_MAX, FIELD_BYTES_MAX, MACAROON_BYTES_MAX, Macaroon, MacaroonError, RootKey,
};
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    macaroons: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    key: String,
    identifier: String,
    location: String,
    caveats: Vec<String>,
    base64url: String,
    signature: String,
    #[serde(default)]
    third_party: bool,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("vectors/macaroons.json");
    serde_json::from_str::<Vectors>(text).unwrap().macaroons
}

#[test]
fn macaroons_of_another_implementation_are_read() {
    for vector in vectors() {
        let macaroon = Macaroon::from_base64(&vector.base64url).unwrap();
        let key = RootKey::derive(&hex::decode(&vector.key).unwrap());
        let caveats: Vec<&[u8]> = macaroon.caveats().collect();
        let expected: Vec<&[u8]> = vector.caveats.iter().map(|c| c.as_bytes()).collect();
        assert_eq!(caveats, expected, "{}", vector.name);
        assert_eq!(hex::encode(macaroon.identifier()), vector.identifier);
        assert_eq!(macaroon.location(), vector.location.as_bytes());
        let verdict = if vector.third_party {
            Err(MacaroonError::ThirdPartyCaveat)
        } else {
            Ok(())
        };
        assert_eq!(macaroon.verify(&key), verdict, "{}", vector.name);
    }
}

#[test]
fn the_same_macaroons_are_minted() {
    for vector in vectors().iter().filter(|vector| !vector.third_party) {
        let key = RootKey::derive(&hex::decode(&vector.key).unwrap());
        let identifier = hex::decode(&vector.identifier).unwrap();
        let mut macaroon = Macaroon::mint(&key, &vector.location, &identifier).unwrap();
        for caveat in &vector.caveats {
            macaroon = macaroon.with_caveat(caveat).unwrap();
        }
        // The other implementation writes a location that is empty, and Go's does not.
        if !vector.location.is_empty() {
            let theirs = Macaroon::from_base64(&vector.base64url).unwrap();
            assert_eq!(macaroon, theirs, "{}", vector.name);
        }
        let signature = &macaroon.as_bytes()[macaroon.as_bytes().len() - 32..];
        assert_eq!(hex::encode(signature), vector.signature);
    }
}

fn minted() -> (RootKey, Macaroon) {
    let key = RootKey::derive(b"secret");
    let macaroon = Macaroon::mint(&key, "here", b"id").unwrap();
    (
        key,
        macaroon
            .with_caveat("a=1")
            .unwrap()
            .with_caveat("b=2")
            .unwrap(),
    )
}

#[test]
fn every_spelling_of_base64_is_read() {
    let (_, macaroon) = minted();
    let text = macaroon.to_base64();
    assert!(text.ends_with('='));
    let url_safe = text.replace('+', "-").replace('/', "_");
    for spelling in [
        text.trim_end_matches('='),
        &url_safe,
        url_safe.trim_end_matches('='),
        &text,
    ] {
        assert_eq!(Macaroon::from_base64(spelling).as_ref(), Ok(&macaroon));
    }
}

#[test]
fn a_caveat_that_is_taken_away_is_noticed() {
    let (key, macaroon) = minted();
    let bytes = macaroon.as_bytes();
    let caveat = b"\x02\x03b=2\x00";
    let at = bytes
        .windows(caveat.len())
        .position(|w| w == caveat)
        .unwrap();
    let shorter = [&bytes[..at], &bytes[at + caveat.len()..]].concat();
    let shorter = Macaroon::from_bytes(shorter).unwrap();
    assert_eq!(shorter.caveats().count(), 1);
    assert_eq!(shorter.verify(&key), Err(MacaroonError::SignatureInvalid));
    assert_eq!(
        macaroon.verify(&RootKey::derive(b"other")),
        Err(MacaroonError::SignatureInvalid)
    );
}

#[test]
fn what_is_not_a_macaroon_is_refused() {
    let signature = "ab".repeat(32);
    let tail = format!("000620{signature}");
    for (hex_bytes, why) in [
        (String::new(), "empty"),
        ("02".to_owned(), "only a version"),
        (format!("0102026964 00{tail}"), "another version"),
        (format!("02 00{tail}"), "no identifier"),
        (format!("02 0101 61 00{tail}"), "a location, no identifier"),
        (
            format!("02 026964 010161 00{tail}"),
            "fields in another order",
        ),
        (
            format!("02 0202 6964 0202 6964 00{tail}"),
            "an identifier twice",
        ),
        (
            format!("02 0202 6964 0401 61 00{tail}"),
            "a header with a verification id",
        ),
        (format!("02 0202 6964 0701 61 00{tail}"), "an unknown field"),
        (
            format!("02 028200 6964 00{tail}"),
            "a length with a needless byte",
        ),
        (
            format!("02 02ffffffffffffffffff01 6964 00{tail}"),
            "an enormous length",
        ),
        (format!("02 0202 6964 00{tail}00"), "something behind it"),
        (
            format!("02 0202 6964 00 000621{signature}00"),
            "a signature of 33 bytes",
        ),
        (
            format!("02 0202 6964 00 0006a000{signature}"),
            "a length of the signature too long",
        ),
        (format!("02 0202 6964 00 00 {signature}"), "no signature"),
        (
            format!("02 0202 6964 00 0401 61 00{tail}"),
            "a caveat without an identifier",
        ),
    ] {
        let bytes = hex::decode(hex_bytes.replace(' ', "")).unwrap();
        assert!(Macaroon::from_bytes(bytes).is_err(), "{why}");
    }
    let good = hex::decode(format!("020202696400{tail}")).unwrap();
    assert!(Macaroon::from_bytes(good).is_ok());
    // The older format, which no L402 program writes.
    let v1 = "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCg";
    assert_eq!(
        Macaroon::from_base64(v1).unwrap_err().code(),
        "macaroon_malformed"
    );
    assert_eq!(
        Macaroon::from_base64("%").unwrap_err().code(),
        "macaroon_malformed"
    );
}

#[test]
fn growth_has_an_end() {
    let (_, macaroon) = minted();
    let code = |result: Result<Macaroon, MacaroonError>| result.unwrap_err().code();
    assert_eq!(
        code(macaroon.with_caveat("x".repeat(FIELD_BYTES_MAX + 1))),
        "macaroon_too_large"
    );
    assert_eq!(
        code(Macaroon::from_bytes(vec![2; MACAROON_BYTES_MAX + 1])),
        "macaroon_too_large"
    );
    assert_eq!(
        code(Macaroon::from_base64(&"A".repeat(1 << 20))),
        "macaroon_too_large"
    );
    let grow = |caveat: String| {
        let mut grown = macaroon.clone();
        while let Ok(more) = grown.with_caveat(&caveat) {
            grown = more;
        }
        grown
    };
    assert_eq!(grow("x".to_owned()).caveats().count(), CAVEATS_MAX);
    let largest = grow("x".repeat(FIELD_BYTES_MAX));
    assert!(largest.as_bytes().len() <= MACAROON_BYTES_MAX);
    assert_eq!(Macaroon::from_base64(&largest.to_base64()), Ok(largest));
}

#[test]
fn debug_shows_no_secret() {
    let (key, macaroon) = minted();
    let shown = format!("{key:?} {macaroon:?}");
    assert_eq!(
        shown,
        format!(
            "RootKey(…) Macaroon({} bytes, 2 caveats)",
            macaroon.as_bytes().len()
        )
    );
}

proptest! {
    #[test]
    fn a_macaroon_survives_the_round_trip(
        secret in vec(any::<u8>(), 0..100), id in vec(any::<u8>(), 0..200),
        location in ".{0,40}", caveats in vec(vec(any::<u8>(), 0..200), 0..6),
    ) {
        let key = RootKey::derive(&secret);
        let mut macaroon = Macaroon::mint(&key, &location, &id).unwrap();
        for caveat in &caveats {
            macaroon = macaroon.with_caveat(caveat).unwrap();
        }
        let read = Macaroon::from_bytes(macaroon.as_bytes()).unwrap();
        prop_assert_eq!(read.caveats().map(<[u8]>::to_vec).collect::<Vec<_>>(), caveats);
        prop_assert_eq!((read.identifier(), read.location()), (&id[..], location.as_bytes()));
        prop_assert_eq!(read.verify(&key), Ok(()));
    }

    #[test]
    fn any_changed_bit_is_noticed(at: usize, bit in 0..8_u32) {
        let (key, macaroon) = minted();
        let mut bytes = macaroon.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Macaroon::from_bytes(bytes) {
            // The location is the one thing that isn't signed.
            prop_assert!(changed.verify(&key).is_err() || changed.location() != macaroon.location());
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200), begins: bool) {
        let bytes = if begins { [b"\x02\x02\x02id\x00", &bytes[..]].concat() } else { bytes };
        if let Ok(macaroon) = Macaroon::from_bytes(bytes.clone()) {
            prop_assert_eq!(macaroon.as_bytes(), bytes);
        }
    }
}
