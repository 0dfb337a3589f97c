use proptest::prelude::*;
use timestamp::Hash;
use timestamp::checkpoint::Checkpoint;
use timestamp::note::Note;

use crate::sample;

/// The example of C2SP tlog-checkpoint.
const EXAMPLE: &str = "example.com/behind-the-sofa\n\
    20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
    \n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

fn body(note: &str) -> &str {
    &note[..note.find("\n\n").unwrap() + 1]
}

fn checkpoint() -> Checkpoint {
    let origin = sample::ORIGIN.to_owned();
    Checkpoint {
        origin,
        size: 3,
        root: Hash::of(b"root"),
        extensions: Vec::new(),
    }
}

#[test]
fn reads_the_example_of_the_specification() {
    assert_eq!(
        Note::parse(EXAMPLE.as_bytes()).unwrap().to_string(),
        EXAMPLE
    );
    let checkpoint = Checkpoint::parse(body(EXAMPLE)).unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    let root = "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62";
    assert_eq!(checkpoint.root.to_string(), root);
    assert_eq!(checkpoint.to_text().unwrap(), body(EXAMPLE));
}

#[test]
fn is_opened_with_the_right_keys_only() {
    let note = checkpoint().sign(&sample::signer(), sample::NOW).unwrap();
    let note = note.to_string();
    let node = sample::node();
    let open = |ed25519, cosigner| Checkpoint::open(note.as_bytes(), ed25519, cosigner);
    assert_eq!(open(node.ed25519(), None).unwrap(), checkpoint());
    let ours = sample::cosigner();
    assert_eq!(open(node.ed25519(), Some(&ours)).unwrap(), checkpoint());
    let (other_first, other_second) = (sample::signer_of(8, 9), sample::signer_of(7, 8));
    let error = open(other_first.ed25519().verifier(), Some(&ours)).unwrap_err();
    assert_eq!(error.code(), "signature_missing");
    let other = other_second.ml_dsa_44().verifier();
    let error = open(node.ed25519(), Some(other)).unwrap_err();
    assert_eq!(error.code(), "signature_missing");
}

/// A reader who knows one key only is content with a checkpoint that has that signature only;
/// who knows both isn't.
#[test]
fn a_known_keys_signature_must_be_there() {
    let signer = sample::signer();
    let one = signer.ed25519().sign(checkpoint().to_text().unwrap());
    let one = one.unwrap().to_string();
    let key = signer.ed25519().verifier();
    Checkpoint::open(one.as_bytes(), key, None).unwrap();
    let error = Checkpoint::open(one.as_bytes(), key, Some(&sample::cosigner())).unwrap_err();
    assert_eq!(error.code(), "signature_missing");
}

#[test]
fn malformed_bodies_are_refused() {
    let good = body(EXAMPLE);
    for bad in [
        String::new(),
        "\n".to_owned(),
        good.trim_end().to_owned(),
        format!("\n{good}"),
        format!("{good}\n"),
        format!("{good}\nextension\n"),
        good.replace("20852163\n", ""),
        good.replace("2085", "+2085"),
        good.replace("2085", "02085"),
        good.replace("20852163", "-1"),
        good.replace("20852163", "18446744073709551616"),
        good.replace("2I=", "2J="),
        good.replace("CsUY", ""),
    ] {
        assert_eq!(
            Checkpoint::parse(&bad).unwrap_err().code(),
            "malformed",
            "{bad:?}"
        );
    }
    for line in ["", "two\nlines"] {
        let extended = Checkpoint {
            extensions: vec![line.to_owned()],
            ..checkpoint()
        };
        assert_eq!(extended.to_text().unwrap_err().code(), "malformed");
        let renamed = Checkpoint {
            origin: line.to_owned(),
            ..checkpoint()
        };
        assert_eq!(renamed.to_text().unwrap_err().code(), "malformed");
    }
}

proptest! {
    #[test]
    fn round_trip(
        origin in "[!-~]{1,30}", size: u64, root: [u8; 32],
        extensions in prop::collection::vec("[ -~]{1,20}", 0..3),
    ) {
        let checkpoint = Checkpoint { origin, size, root: Hash(root), extensions };
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()?)?, checkpoint);
    }

    #[test]
    fn arbitrary_text_never_panics_and_has_one_spelling(text in "(\\PC|\n|0|[1-9]{1,3}\n){0,40}") {
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_text()?, text);
        }
    }
}
