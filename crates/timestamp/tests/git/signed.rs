//! How objects are taken apart, by examples.

use timestamp::git::{Armored, Error, Kind, ObjectId, Signed, named_object};
use timestamp::ots::{self, Attestation, Op, Timestamp};

const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

fn check(object: &str, expected: Option<(&str, &str)>) {
    let signed = Signed::split(object.as_bytes()).unwrap();
    let expected = expected.map(|(payload, signature)| Signed {
        payload: payload.into(),
        signature: signature.into(),
    });
    assert_eq!(signed, expected, "{object}");
}

#[test]
fn a_commits_signature_is_in_a_header() {
    let bare = format!("tree {TREE}\nauthor A\ncommitter C\n\ngpgsig no\n more\n");
    check(&bare, None);
    let signed = |headers: &str| bare.replacen("\n\n", &format!("\n{headers}\n\n"), 1);
    check(&signed("gpgsig 1\n 2\n \n 3"), Some((&bare, "1\n2\n\n3\n")));
    let both = signed("gpgsig 1\n 2\ngpgsig-sha256 x\n y\nother o\n p");
    check(&both, Some((&signed("other o\n p"), "1\n2\n")));
    let merge = signed("mergetag object x\n gpgsig 1\n 2\ngpgsig 3");
    check(
        &merge,
        Some((&signed("mergetag object x\n gpgsig 1\n 2"), "3\n")),
    );
    check(&signed("gpgsig-sha256 x\n y"), None);
    let long = format!("tree {TREE}{}\ngpgsig 1\n 2\n", &TREE[..24]);
    check(&long, None);
    let long = long.replace("gpgsig", "gpgsig-sha256");
    check(
        &long,
        Some((long.split_inclusive('\n').next().unwrap(), "1\n2\n")),
    );
}

#[test]
fn a_tags_signature_is_at_its_end() {
    let bare = format!("object {TREE}\ntype commit\ntag v1\ntagger T\n\nmessage\n");
    check(&bare, None);
    for begin in [
        "PGP SIGNATURE",
        "PGP MESSAGE",
        "SIGNED MESSAGE",
        "SSH SIGNATURE",
    ] {
        let signature = format!("-----BEGIN {begin}-----\n\nabc\n-----END {begin}-----\n");
        check(&format!("{bare}{signature}"), Some((&bare, &signature)));
        // The last one counts, and it begins a line.
        let quoted = format!("{bare}{signature} {signature}");
        check(&format!("{quoted}{signature}"), Some((&quoted, &signature)));
    }
    let signature = "-----BEGIN PGP SIGNATURE-----";
    let with_header = bare.replacen("tagger", "gpgsig-sha256 1\n 2\ntagger", 1);
    check(
        &format!("{with_header}{signature}"),
        Some((&bare, signature)),
    );
}

#[test]
fn only_commits_and_tags_are_taken() {
    let id: ObjectId = TREE.parse().unwrap();
    let named = |object: String| named_object(object.as_bytes());
    assert_eq!(named(format!("tree {TREE}\n")), Ok((Kind::Commit, id)));
    assert_eq!(named(format!("object {TREE}")), Ok((Kind::Tag, id)));
    assert_eq!(
        named("certificate version 0.1\n".to_owned()),
        Err(Error::UnknownObject)
    );
    for name in [
        "",
        "4b825dc",
        &TREE.to_uppercase(),
        &format!("{TREE}00"),
        "🦀",
    ] {
        assert!(
            matches!(named(format!("tree {name}\n")), Err(Error::BadId(_))),
            "{name}"
        );
    }
}

fn armored() -> (Vec<u8>, Timestamp) {
    let timestamp = Timestamp::attested(Attestation::Bitcoin { height: 5 }).after([Op::SHA256]);
    let armored = Armored {
        minor_version: 1,
        timestamp: timestamp.clone(),
    };
    (
        [b"signature\n", armored.to_text().unwrap().as_slice()].concat(),
        timestamp,
    )
}

#[test]
fn the_text_is_as_the_reference_writes_it() {
    let (text, _) = armored();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(
        text,
        "signature\n-----BEGIN OPENTIMESTAMPS GIT TIMESTAMP-----\n\n\
         AQEIAAWIlg1z1xkBAQU=\n-----END OPENTIMESTAMPS GIT TIMESTAMP-----\n"
    );
}

#[test]
fn damaged_text_is_refused() {
    let (text, timestamp) = armored();
    let read = |text: &str| Armored::read(b"x", text.as_bytes());
    let text = String::from_utf8(text).unwrap();
    assert_eq!(read(&text).unwrap().unwrap().1.timestamp, timestamp);
    let spaced = text.replace("AQEI", "AQ\r\nEI ");
    assert_eq!(read(&spaced), read(&text));
    for none in [
        "",
        "signature\n",
        text.trim_end(),
        &text.replace("\n\n", "\n"),
    ] {
        assert_eq!(read(none), Ok(None), "{none}");
    }
    let not_base64 = read(&text.replace("AQEI", "AQ!I"));
    assert!(matches!(not_base64, Err(Error::BadArmor(_))));
    let empty = read(&text.replace("AQEIAAWIlg1z1xkBAQU=", ""));
    assert!(matches!(empty, Ok(None) | Err(Error::BadArmor(_))));
    let version = read(&text.replace("AQEI", "AgEI"));
    assert_eq!(version, Err(Error::UnsupportedVersion { major: 2 }));
    let cut_off = read(&text.replace("AQU=", ""));
    assert!(matches!(
        cut_off,
        Err(Error::Proof(ots::Error::Truncated { .. }))
    ));
}
