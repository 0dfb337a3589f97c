//! Whatever is changed in a proof, it never again passes for what it was not.

use proptest::prelude::*;
use serde_json::{Value, json};
use timestamp::Error;
use timestamp::proof::{ReceiptProof, Verified};

use crate::sample;

fn read_and_verify(json: &[u8]) -> Result<(ReceiptProof, Verified), Error> {
    let proof = ReceiptProof::from_json(json)?;
    let verified = proof.verify(Some(&sample::public_key()))?;
    Ok((proof, verified))
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
                .flat_map(|(at, c)| (0..7).map(move |bit| (at, c, bit)))
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
    let original = serde_json::to_value(sample::proof(2, 5)).unwrap();
    let mut places = Vec::new();
    scalars(&original, "", &mut places);
    // The format, the receipt's 11 fields, 2 of the signature, 3 of the log and 3 hashes.
    assert_eq!(places.len(), 20);
    for place in places {
        for other in other_values(original.pointer(&place).unwrap()) {
            let mut changed = original.clone();
            *changed.pointer_mut(&place).unwrap() = other.clone();
            let result = read_and_verify(changed.to_string().as_bytes());
            assert!(result.is_err(), "{place} = {other}");
        }
    }
}

#[test]
fn nothing_can_be_left_out() {
    let original = serde_json::to_value(sample::proof(2, 5)).unwrap();
    for parent in ["", "/signed_receipt", "/signed_receipt/receipt", "/log"] {
        let fields = original.pointer(parent).unwrap().as_object().unwrap();
        for name in fields.keys().filter(|name| *name != "anchors") {
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
fn a_flipped_bit_in_the_file_changes_nothing_or_is_found() {
    let original = sample::proof(2, 5);
    let claims = original.verify(Some(&sample::public_key())).unwrap();
    let json = original.to_json().unwrap().into_bytes();
    for at in 0..json.len() {
        for bit in 0..8 {
            let mut changed = json.clone();
            changed[at] ^= 1 << bit;
            // White space and the name of the empty list of anchors may change unnoticed.
            if let Ok((proof, verified)) = read_and_verify(&changed) {
                assert_eq!(
                    (&proof, &verified),
                    (&original, &claims),
                    "byte {at}, bit {bit}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn several_changed_bytes_are_found(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let original = sample::proof(2, 5);
        let mut json = original.to_json()?.into_bytes();
        for (at, byte) in changes {
            let at = at.index(json.len());
            json[at] = byte;
        }
        if let Ok((proof, _)) = read_and_verify(&json) {
            prop_assert_eq!(proof.signed_receipt, original.signed_receipt);
            prop_assert_eq!(proof.log, original.log);
        }
    }

    #[test]
    fn a_cut_file_is_found(keep: prop::sample::Index) {
        let json = sample::proof(2, 5).to_json()?;
        let end = keep.index(json.len() - 1);
        prop_assert!(ReceiptProof::from_json(&json.as_bytes()[..end]).is_err());
    }
}
