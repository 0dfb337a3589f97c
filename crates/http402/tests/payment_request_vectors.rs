//! Payment requests as others write them, and the exact bytes of ours.
#![allow(clippy::unwrap_used)]

use http402::xcashu::{Nut10Option, PaymentRequest, Transport};

fn owned(tag: &[&str]) -> Vec<String> {
    tag.iter().map(|value| (*value).to_owned()).collect()
}

/// Golden bytes: `creqA` and the CBOR map {a: 21, m: [mint], u: "sat"}, put
/// together by hand and decoded again with @cashu/cashu-ts 4.8 and the Rust crate
/// `cashu` 0.18.3, which both read the same three fields.
#[test]
fn a_challenge_has_exactly_these_bytes() {
    let request = PaymentRequest {
        amount: Some(21),
        unit: Some("sat".to_owned()),
        mints: vec!["https://mint.example.com".to_owned()],
        ..PaymentRequest::default()
    };
    let golden = "creqAo2FhFWFtgXgYaHR0cHM6Ly9taW50LmV4YW1wbGUuY29tYXVjc2F0";
    assert_eq!(request.encode().unwrap(), golden);
    assert_eq!(PaymentRequest::decode(golden).unwrap(), request);
}

/// `toEncodedRequest()` of @cashu/cashu-ts 4.8, with amount, unit and mint only.
#[test]
fn reads_the_minimal_request_of_cashu_ts() {
    let request =
        PaymentRequest::decode("creqAo2FhFWF1Y3NhdGFtgXgYaHR0cHM6Ly9taW50LmV4YW1wbGUuY29t")
            .unwrap();
    assert_eq!(request.amount, Some(21));
    assert_eq!(request.unit.as_deref(), Some("sat"));
    assert_eq!(request.mints, ["https://mint.example.com"]);
}

/// `toEncodedRequest()` of @cashu/cashu-ts 4.8, with every field it knows.
#[test]
fn reads_the_full_request_of_cashu_ts() {
    let request = PaymentRequest::decode(concat!(
        "creqAqGF0gaNhdGVub3N0cmFhcG5wcm9maWxlMWV4YW1wbGVhZ4GCYW5iMTdhaWg0ODQwZjUxZWFhGQPoYXVj",
        "c2F0YW2CeBhodHRwczovL21pbnQuZXhhbXBsZS5jb214IWh0dHBzOi8vb3RoZXIuZXhhbXBsZS5jb20vQml0Y29p",
        "bmFkaXR3byBib29rc2Fz9WVudXQxMKNha2RQMlBLYWR4QjAyYzNiNWJiMjdlMzYxNDU3YzkyZDkzZDc4ZGQ3M2Qz",
        "ZDUzNzMyMTEwYjJjZmU4YjUwZmJjMGFiYzYxNWU5YzMzMWF0gYJndGltZW91dGQzNjAw",
    ))
    .unwrap();
    assert_eq!(
        request,
        PaymentRequest {
            id: Some("4840f51e".to_owned()),
            amount: Some(1000),
            unit: Some("sat".to_owned()),
            single_use: Some(true),
            mints: owned(&[
                "https://mint.example.com",
                "https://other.example.com/Bitcoin"
            ]),
            description: Some("two books".to_owned()),
            transports: vec![Transport {
                kind: "nostr".to_owned(),
                target: "nprofile1example".to_owned(),
                tags: vec![owned(&["n", "17"])],
            }],
            nut10: Some(Nut10Option {
                kind: "P2PK".to_owned(),
                data: "02c3b5bb27e361457c92d93d78dd73d3d53732110b2cfe8b50fbc0abc615e9c331"
                    .to_owned(),
                tags: vec![owned(&["timeout", "3600"])],
            }),
        }
    );
}

/// NUT-18 test vector "Basic": no padding.
#[test]
fn reads_the_basic_vector_of_nut_18() {
    let request = PaymentRequest::decode(concat!(
        "creqApWF0gaNhdGVub3N0cmFheKlucHJvZmlsZTFxcXNnbTZxZmEzYzhkdHoyZnZ6aHZmcWVhY213bTBlNTBwZTNr",
        "NXRmbXZwamptbjB2ajdtMnRncHozbWh4dWU2OXVoaHlldHZ2OXVqdWVycGQ0Nmh4dG5mZHVxM3dhbW53dmF6N3Rt",
        "anY0a3h6N2Z3OHFlbnh2ZXd3ZGN4emNtOTl1cXM2YW1ud3Zhejd0bXdkYWVqdW1yMGRzNGxqaDduYWeBgmFuYjE3",
        "YWloYjdhOTAxNzZhYQphdWNzYXRhbYF3aHR0cHM6Ly84MzMzLnNwYWNlOjMzMzg",
    ))
    .unwrap();
    assert_eq!(request.id.as_deref(), Some("b7a90176"));
    assert_eq!(request.amount, Some(10));
    assert_eq!(request.unit.as_deref(), Some("sat"));
    assert_eq!(request.mints, ["https://8333.space:3338"]);
    assert_eq!(request.transports[0].kind, "nostr");
    assert_eq!(request.transports[0].tags, [["n", "17"]]);
}

/// NUT-18 test vector "Complete": standard alphabet, padding, an `undefined`.
#[test]
fn reads_the_complete_vector_of_nut_18() {
    let request = PaymentRequest::decode(concat!(
        "creqAqGF0gaNhdGRwb3N0YWF4G2h0dHBzOi8vYXBpLmV4YW1wbGUuY29tL3BheWFn92FpaDQ4NDBmNTFlYWEZA+hh",
        "dWNzYXRhbYF4GGh0dHBzOi8vbWludC5leGFtcGxlLmNvbWFkcFByb2R1Y3QgcHVyY2hhc2Vhc/VlbnV0MTCjYWtk",
        "UDJQS2FkeEIwM2JhZjBjM2FjMjIwMzY2YzJjMzk3YmY5MzA1NzljNDE2MzQzNTU4NGY1NzNiMTA5MTA5ODdjNTQ0",
        "YzU5ZTYxZjFhdIGCZ3B1cnBvc2Vnb2ZmbGluZQ==",
    ))
    .unwrap();
    assert_eq!(request.amount, Some(1000));
    assert_eq!(request.single_use, Some(true));
    assert_eq!(request.description.as_deref(), Some("Product purchase"));
    assert_eq!(request.transports[0].kind, "post");
    assert!(request.transports[0].tags.is_empty());
    assert_eq!(request.nut10.unwrap().tags, [["purpose", "offline"]]);
}

/// NUT-18 test vector "Minimal": neither amount nor transport.
#[test]
fn reads_the_minimal_vector_of_nut_18() {
    let request = PaymentRequest::decode(
        "creqAo2FpaDdmNGEyYjM5YXVjc2F0YW2BeBhodHRwczovL21pbnQuZXhhbXBsZS5jb20=",
    )
    .unwrap();
    assert_eq!(request.id.as_deref(), Some("7f4a2b39"));
    assert_eq!(request.amount, None);
    assert!(request.transports.is_empty());
}

/// NUT-18 test vector "Preferred Mint List…": fields (`mp`, `fr`, `sm`) that are
/// not read here.
#[test]
fn skips_the_fields_it_does_not_know() {
    let request = PaymentRequest::decode(concat!(
        "creqAp2FpdXByZWZlcnJlZF9mZWVfbWV0aG9kc2FhGGRhdWNzYXRhbYF4GGh0dHBzOi8vbWludC5leGFtcGxlLmNv",
        "bWJtcPViZnICYnNtgqFibW5mYm9sdDExomJtbmZib2x0MTJibWYF",
    ))
    .unwrap();
    assert_eq!(request.amount, Some(100));
    assert_eq!(request.mints, ["https://mint.example.com"]);
}
