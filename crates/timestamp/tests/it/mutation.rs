//! Whatever is changed in a proof, it never again passes for what it was not.

use proptest::prelude::*;
use serde_json::{Value, json};
use timestamp::Error;
use timestamp::proof::{ReceiptProof, Verified};

use crate::sample;

fn read_and_verify(json: &[u8]) -> Result<(ReceiptProof, Verified), Error> {
    let proof = ReceiptProof::from_json(json)?;
    let verified = proof.verify(Some(&sample::node()))?;
    Ok((proof, verified))
}

/// Whether everything that is signed is as it was. The anchor isn't: a changed one claims something
/// else, which is then not found in the block that it names.
fn assert_unchanged_but_for_its_claims(json: &[u8], original: &ReceiptProof, told: &str) {
    let Ok((proof, verified)) = read_and_verify(json) else {
        return;
    };
    let claims = original.verify(Some(&sample::node())).unwrap();
    if proof.anchor == original.anchor {
        assert_eq!((&proof, &verified), (original, &claims), "{told}");
    } else {
        assert_ne!(verified.anchoring, claims.anchoring, "{told}");
        let proof = proof.with_anchor(original.anchor.clone());
        assert_eq!(&proof, original, "{told}");
    }
}

/// Which bits of a character to flip: all, but in long texts (keys and signatures, where a bit is
/// like any other) one of every third character.
fn bits(at: usize, text_bytes: usize) -> std::ops::Range<usize> {
    match text_bytes {
        0..400 => 0..7,
        _ if at.is_multiple_of(3) => at % 7..at % 7 + 1,
        _ => 0..0,
    }
}

/// Every place in the JSON that holds a text, a number or nothing, as a JSON pointer.
fn scalars(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, field)| scalars(field, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(n, item)| scalars(item, &format!("{at}/{n}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// Other values of the same type: every text with one bit of one character flipped, and so on.
fn other_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            let bits = (0..64).map(|bit| json!(number ^ (1 << bit)));
            bits.chain([json!(null), json!(number.to_string())])
                .collect()
        }
        Value::String(text) => {
            let cut = [
                json!(""),
                json!(null),
                json!(format!("{text}a")),
                json!(text[1..]),
            ];
            text.char_indices()
                .flat_map(|(at, c)| bits(at, text.len()).map(move |bit| (at, c, bit)))
                .filter_map(|(at, c, bit)| {
                    let other = char::from_u32(u32::from(c) ^ (1 << bit))?;
                    let after = &text[at + c.len_utf8()..];
                    Some(json!(format!("{}{other}{after}", &text[..at])))
                })
                .chain(cut)
                .collect()
        }
        _ => unreachable!("the sample has no such value"),
    }
}

#[test]
fn no_value_can_be_changed() {
    let original = sample::anchored(2, 5);
    let json = serde_json::to_value(&original).unwrap();
    let mut places = Vec::new();
    scalars(&json, "", &mut places);
    // The format, the receipt's 11 fields, 2 of each signature, the key, 3 of the log, 3 hashes
    // and the anchor.
    assert_eq!(places.len(), 24);
    for place in places {
        for other in other_values(json.pointer(&place).unwrap()) {
            let mut changed = json.clone();
            *changed.pointer_mut(&place).unwrap() = other.clone();
            let changed = changed.to_string();
            let told = format!("{place} = {other}");
            if place == "/anchor" {
                assert_unchanged_but_for_its_claims(changed.as_bytes(), &original, &told);
            } else {
                assert!(read_and_verify(changed.as_bytes()).is_err(), "{told}");
            }
        }
    }
}

#[test]
fn nothing_can_be_left_out() {
    let original = serde_json::to_value(sample::anchored(2, 5)).unwrap();
    for parent in ["", "/signed_receipt", "/signed_receipt/receipt", "/log"] {
        let fields = original.pointer(parent).unwrap().as_object().unwrap();
        for name in fields.keys().filter(|name| *name != "anchor") {
            let mut changed = original.clone();
            changed
                .pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(name);
            assert!(
                read_and_verify(changed.to_string().as_bytes()).is_err(),
                "{parent}/{name}"
            );
        }
    }
    let mut changed = original.clone();
    changed["log"]["path"].as_array_mut().unwrap().swap(0, 1);
    assert!(read_and_verify(changed.to_string().as_bytes()).is_err());
}

#[test]
fn no_signature_can_be_left_out() {
    let original = serde_json::to_value(sample::proof(2, 5)).unwrap();
    let refused = |changed: Value| {
        let error = read_and_verify(changed.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), "signature_missing");
    };
    for at in 0..2 {
        let mut changed = original.clone();
        let signatures = changed.pointer_mut("/signed_receipt/signatures").unwrap();
        signatures.as_array_mut().unwrap().remove(at);
        refused(changed);

        let mut changed = original.clone();
        let checkpoint = changed.pointer_mut("/log/checkpoint").unwrap();
        let note = checkpoint.as_str().unwrap().to_owned();
        let line = note.lines().filter(|line| line.starts_with('—')).nth(at);
        *checkpoint = json!(note.replace(&format!("{}\n", line.unwrap()), ""));
        refused(changed);
    }
}

#[test]
fn a_flipped_bit_in_the_file_changes_nothing_or_is_found() {
    let original = sample::anchored(2, 5);
    let json = original.to_json().unwrap();
    let mut at = 0;
    for line in json.split_inclusive('\n') {
        for _ in line.bytes() {
            for bit in bits(at, line.len()) {
                let mut changed = json.clone().into_bytes();
                changed[at] ^= 1 << bit;
                // White space may change unnoticed, and an anchor without its name is none.
                let told = format!("byte {at}, bit {bit}");
                assert_unchanged_but_for_its_claims(&changed, &original, &told);
            }
            at += 1;
        }
    }
}

proptest! {
    #[test]
    fn several_changed_bytes_are_found(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let original = sample::anchored(2, 5);
        let mut json = original.to_json()?.into_bytes();
        for (at, byte) in changes {
            let at = at.index(json.len());
            json[at] = byte;
        }
        if let Ok((proof, _)) = read_and_verify(&json) {
            prop_assert_eq!(proof.with_anchor(original.anchor.clone()), original);
        }
    }

    #[test]
    fn a_cut_file_is_found(keep: prop::sample::Index) {
        let json = sample::proof(2, 5).to_json()?;
        let end = keep.index(json.len() - 1);
        prop_assert!(ReceiptProof::from_json(&json.as_bytes()[..end]).is_err());
    }
}
