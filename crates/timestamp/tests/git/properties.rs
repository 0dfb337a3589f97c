//! What holds for all objects.

use proptest::prelude::*;
use timestamp::git::{Armored, ObjectId, Signed, entries, named_object, signed_message};
use timestamp::ots::{Arg, Attestation, Op, Timestamp};

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,20}",
        "(gpgsig|tree|object) [a-z]{0,9}"
    ]
}

/// Headers, none of which is a signature.
fn headers() -> impl Strategy<Value = String> {
    let id = prop_oneof!["tree [0-9a-f]{40}", "tree [0-9a-f]{64}"];
    let header = "(author|encoding|mergetag|x) [ -~]{0,20}(\n [ -~]{0,20}){0,3}";
    (id, prop::collection::vec(header, 0..5)).prop_map(|(id, rest)| {
        let lines = [vec![id], rest].concat();
        lines.join("\n") + "\n"
    })
}

proptest! {
    /// Signed as git does it, and taken apart again.
    #[test]
    fn a_signed_commit_is_taken_apart(
        headers in headers(),
        message in prop::collection::vec(line(), 0..6),
        signature in prop::collection::vec(line(), 1..8),
    ) {
        let is_long = headers.find('\n') == Some(69);
        let name = if is_long { "gpgsig-sha256" } else { "gpgsig" };
        let payload = format!("{headers}\n{}", message.join("\n"));
        let object = format!("{headers}{name} {}\n\n{}", signature.join("\n "), message.join("\n"));
        let signed = Signed::split(object.as_bytes()).unwrap().unwrap();
        prop_assert_eq!(signed.payload, payload.as_bytes());
        prop_assert_eq!(String::from_utf8(signed.signature).unwrap(), signature.join("\n") + "\n");
        prop_assert_eq!(Signed::split(payload.as_bytes()).unwrap(), None);
    }

    #[test]
    fn what_is_armored_is_read(
        payload in any::<Vec<u8>>(),
        signature in "[a-z\n-]{0,80}",
        args in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..90), 0..6),
        height in any::<u64>(),
        minor_version in any::<u8>(),
    ) {
        let ops = args.iter().flat_map(|arg| [Op::Append(Arg::new(arg).unwrap()), Op::SHA256]);
        let timestamp = Timestamp::attested(Attestation::Bitcoin { height }).after(ops);
        let armored = Armored { minor_version, timestamp };
        let text = armored.to_text().unwrap();
        prop_assert!(text.split(|byte| *byte == b'\n').all(|line| line.len() <= 64));
        let whole = [signature.as_bytes(), &text].concat();
        let message = signed_message(&payload, signature.as_bytes());
        prop_assert_eq!(Armored::read(&payload, &whole), Ok(Some((message, armored))));
        prop_assert_eq!(Armored::read(&payload, signature.as_bytes()), Ok(None));
    }

    /// What follows from the steps of a timestamp is there, and from no others.
    #[test]
    fn steps_are_followed(
        stem in prop::collection::vec(0..3_u8, 0..6),
        other in prop::collection::vec(0..3_u8, 0..6),
        at in any::<prop::sample::Index>(),
    ) {
        let ops = |steps: &[u8]| -> Vec<Op> {
            steps.iter().map(|step| Op::Append(Arg::new(&[*step]).unwrap())).collect()
        };
        let block = |height| Timestamp::attested(Attestation::Bitcoin { height });
        let mut both = block(1).after(ops(&stem));
        both.merge(block(2).after(ops(&other)));
        let steps = ops(&stem[..at.index(stem.len() + 1)]);
        let rest = both.follow(&steps).unwrap();
        let mut message = vec![9];
        steps.iter().for_each(|op| op.apply(&mut message).unwrap());
        let all = both.attestations(&[9]).unwrap();
        let found = rest.attestations(&message).unwrap();
        prop_assert!(found.iter().all(|attested| all.contains(attested)));
        let first = Attestation::Bitcoin { height: 1 };
        prop_assert!(found.iter().any(|(_, kind)| *kind == first));
        let is_there = other.starts_with(&stem[..steps.len()]);
        prop_assert_eq!(found.len(), 1 + usize::from(is_there));
        prop_assert_eq!(both.follow(&ops(&[stem, vec![7]].concat())), None);
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        start in prop_oneof![
            Just(""), Just("tree "), Just("object "), Just("100644 a\0"),
            Just("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ngpgsig "),
            Just("-----BEGIN OPENTIMESTAMPS GIT TIMESTAMP-----\n\nAQ"),
        ],
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b' ')], 0..200),
        end in prop_oneof![Just(""), Just("\n-----END OPENTIMESTAMPS GIT TIMESTAMP-----\n")],
    ) {
        let bytes = [start.as_bytes(), &bytes, end.as_bytes()].concat();
        let _ = named_object(&bytes);
        let _ = Signed::split(&bytes);
        let _ = Armored::read(b"", &bytes);
        let _ = entries(&bytes, &ObjectId::Sha1([0; 20]));
        let _ = entries(&bytes, &ObjectId::Sha256([0; 32]));
    }
}
