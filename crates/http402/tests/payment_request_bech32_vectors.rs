//! `CREQB1…` as others write it, and the exact bytes of ours.
#![allow(clippy::unwrap_used)]

use http402::xcashu::{Nut10Option, PaymentRequest, Transport};
use proptest::{collection::vec, option, prelude::*};

fn check(text: &str, request: &PaymentRequest) {
    assert_eq!(&PaymentRequest::decode(text).unwrap(), request);
    assert_eq!(
        &PaymentRequest::decode(&text.to_lowercase()).unwrap(),
        request
    );
    assert_eq!(request.encode_bech32().unwrap(), text);
}

fn request(amount: u64) -> PaymentRequest {
    PaymentRequest {
        amount: Some(amount),
        unit: Some("sat".to_owned()),
        mints: vec!["https://mint.example.com".to_owned()],
        ..PaymentRequest::default()
    }
}

/// NUT-26's own example.
#[test]
fn the_example_of_nut_26() {
    let wanted = PaymentRequest {
        id: Some("demo123".to_owned()),
        single_use: Some(true),
        description: Some("Coffee payment".to_owned()),
        ..request(1000)
    };
    check(
        concat!(
            "CREQB1QYQQWER9D4HNZV3NQGQQSQQQQQQQQQQRAQPSQQGQQSQQZQG9QQVXSAR5WPEN5TE0D45KUAPWV4UXZMTSD3JJUCM0",
            "D5RQQRJRDANXVET9YPCXZ7TDV4H8GXHR3TQ",
        ),
        &wanted,
    );
}

/// NUT-26 test vector with a Nostr transport and three relays: the same request as NUT-18's "Basic".
#[test]
fn a_nostr_transport_is_the_same_in_both_formats() {
    let text = concat!(
        "CREQB1QYQQSC3HVYUNQVFHXCPQQZQQQQQQQQQQQQ9QXQQPQQZSQ9MGW368QUE69UHNSVENXVH8XURPVDJN5VENXVUQWQREQYQQZ",
        "QQZQQSGM6QFA3C8DTZ2FVZHVFQEACMWM0E50PE3K5TFMVPJJMN0VJ7M2TGRQQZSZMSZXYMSXQQHQ9EPGAMNWVAZ7TMJV4KXZ7FW",
        "V3SK6ATN9E5K7QCQRGQHY9MHWDEN5TE0WFJKCCTE9CURXVEN9EEHQCTRV5HSXQQSQ9EQ6AMNWVAZ7TMWDAEJUMR0DSRYDPGF",
    );
    let basic = PaymentRequest::decode(concat!(
        "creqApWF0gaNhdGVub3N0cmFheKlucHJvZmlsZTFxcXNnbTZxZmEzYzhkdHoyZnZ6aHZmcWVhY213bTBlNTBwZTNrNXRmbXZwamptb",
        "jB2ajdtMnRncHozbWh4dWU2OXVoaHlldHZ2OXVqdWVycGQ0Nmh4dG5mZHVxM3dhbW53dmF6N3RtanY0a3h6N2Z3OHFlbnh2ZXd3ZGN",
        "4emNtOTl1cXM2YW1ud3Zhejd0bXdkYWVqdW1yMGRzNGxqaDduYWeBgmFuYjE3YWloYjdhOTAxNzZhYQphdWNzYXRhbYF3aHR0cHM6L",
        "y84MzMzLnNwYWNlOjMzMzg",
    ))
    .unwrap();
    check(text, &basic);
}

/// `toEncodedCreqB()` of @cashu/cashu-ts 4.8, by which the next two were written and are read back equal.
#[test]
fn what_cashu_ts_writes_over_http() {
    let text = concat!(
        "CREQB1QGQQSQQQQQQQQQQQZ5PSQQGQQSQQZQQ9QQVXSAR5WPEN5TE0D45KUAPWV4UXZMTSD3JJUCM0D5YQQZGPQQQSZQSQQFSKY",
        "8FDL2W",
    );
    let lock = Nut10Option {
        kind: "HTLC".to_owned(),
        data: "ab".to_owned(),
        tags: Vec::new(),
    };
    check(
        text,
        &PaymentRequest {
            single_use: Some(false),
            nut10: Some(lock),
            ..request(21)
        },
    );
}

#[test]
fn what_cashu_ts_writes_with_every_field() {
    let text = concat!(
        "CREQB1QYQQ2EN4D3KRZQSQPQQQQQQQQQQQ86QRQQPH2UMYQSQQZQG9QQVXSAR5WPEN5TE0D45KUAPWV4UXZMTSD3JJUCM0D5ZSQ",
        "GTGW368QUE69UHK7ARGV4EZUETCV9KHQMR99E3K7MF0GF5HGCM0D9HQVQQV0FMK26FQGTPMCCMGV4EQWQP0QYQQZQGZQQDKSAR5W",
        "PEN5TE0V9CXJTN90PSK6URVV5HXXMMD9ACXZ7GRQQ9Q2UN9W3E8JQF3QYEQSQZEQYQQZQQZQPPRQVNRXD3R2CNZXGMK2VEKXY6R2",
        "DMR8YEXGWFNVSMNSERYXUEKGVMYX5ENWVEJXYCNQC3JVDNX2WRZX5CXVCNRXPSKYCEKXY6K2WTRXVENZQCQP5RHG6TDV4HH2AQYX",
        "VMRQVQSVLWQ9",
    );
    let tag = |values: &[&str]| {
        values
            .iter()
            .map(|value| (*value).to_owned())
            .collect::<Vec<_>>()
    };
    let wanted = PaymentRequest {
        id: Some("full1".to_owned()),
        unit: Some("usd".to_owned()),
        single_use: Some(true),
        mints: tag(&[
            "https://mint.example.com",
            "https://other.example.com/Bitcoin",
        ]),
        description: Some("zwei Bücher".to_owned()),
        transports: vec![Transport {
            kind: "post".to_owned(),
            target: "https://api.example.com/pay".to_owned(),
            tags: vec![tag(&["retry", "1", "2"])],
        }],
        nut10: Some(Nut10Option {
            kind: "P2PK".to_owned(),
            data: "02c3b5bb27e361457c92d93d78dd73d3d53732110b2cfe8b50fbc0abc615e9c331".to_owned(),
            tags: vec![tag(&["timeout", "3600"])],
        }),
        ..request(1000)
    };
    check(text, &wanted);
}

#[test]
fn what_is_no_request() {
    let code = |text: &str| PaymentRequest::decode(text).unwrap_err().code();
    let good = request(21).encode_bech32().unwrap();
    // A changed character, mixed case, a cut end, another checksum (bech32 of old), another prefix.
    assert_eq!(code(&good.replacen('Q', "P", 1)), "challenge_malformed");
    assert_eq!(
        code(&good.replacen("CREQB1", "creqb1", 1)),
        "challenge_malformed"
    );
    assert_eq!(code(&good[..good.len() - 1]), "challenge_malformed");
    assert_eq!(code("creqb1"), "challenge_malformed");
    assert_eq!(
        code("CREQB1QYQQWER9D4HNZV3NQGQQSQQQQQQQQQQRAQPSQQGQQSQQZQG9QQV"),
        "challenge_malformed"
    );
}

fn tlv(bytes: &[u8]) -> Result<PaymentRequest, http402::Error> {
    let hrp = bech32::Hrp::parse("creqb").unwrap();
    PaymentRequest::decode(&bech32::encode::<bech32::Bech32m>(hrp, bytes).unwrap())
}

#[test]
fn fields_that_lie() {
    assert_eq!(
        tlv(&[2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 21]).unwrap().amount,
        Some(21)
    );
    // An unknown tag is skipped.
    assert_eq!(tlv(&[99, 0, 1, 7]).unwrap(), PaymentRequest::default());
    for bytes in [
        &[2, 0, 8, 0][..],                  // shorter than it says
        &[2, 0],                            // cut in its head
        &[2, 0, 1, 21],                     // an amount of one byte
        &[1, 0, 1, 0xff],                   // not UTF-8
        &[1, 0, 1, b'a', 1, 0, 1, b'b'],    // the id twice
        &[8, 0, 0],                         // a lock without a kind
        &[7, 0, 4, 1, 0, 1, 0],             // a Nostr transport without a key
        &[8, 0, 8, 1, 0, 1, 0, 3, 0, 1, 9], // a tag that is cut off
    ] {
        assert_eq!(
            tlv(bytes).unwrap_err().code(),
            "challenge_malformed",
            "{bytes:?}"
        );
    }
    // A kind of the future keeps its number.
    let future = tlv(&[8, 0, 4, 1, 0, 1, 7]).unwrap();
    assert_eq!(future.nut10.as_ref().unwrap().kind, "7");
    assert_eq!(
        PaymentRequest::decode(&future.encode_bech32().unwrap()),
        Ok(future)
    );
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let many = PaymentRequest {
        mints: vec!["https://mint.example.com".to_owned(); 40],
        ..request(21)
    };
    assert_eq!(
        many.encode_bech32().unwrap_err().code(),
        "challenge_too_large"
    );
    assert!(many.encode().is_ok());
    let odd = Nut10Option {
        kind: "odd".to_owned(),
        ..Nut10Option::default()
    };
    let odd = PaymentRequest {
        nut10: Some(odd),
        ..request(21)
    };
    assert_eq!(
        odd.encode_bech32().unwrap_err().code(),
        "challenge_malformed"
    );
}

prop_compose! {
    fn any_request()(
        amount in option::of(any::<u64>()),
        id in option::of(".{0,20}"),
        unit in option::of("[a-z]{1,8}"),
        single_use in option::of(any::<bool>()),
        mints in vec(".{0,40}", 0..4),
        description in option::of(".{0,40}"),
        locks in option::of((0..2_usize, ".{0,40}", vec(vec(".{0,12}", 1..4), 0..3))),
    ) -> PaymentRequest {
        let nut10 = locks.map(|(kind, data, tags)| {
            Nut10Option { kind: ["P2PK", "HTLC"][kind].to_owned(), data, tags }
        });
        PaymentRequest { amount, id, unit, single_use, mints, description, nut10, transports: Vec::new() }
    }
}

proptest! {
    #[test]
    fn requests_survive_the_round_trip(request in any_request()) {
        if let Ok(text) = request.encode_bech32() {
            prop_assert_eq!(PaymentRequest::decode(&text).unwrap(), request);
        }
    }

    #[test]
    fn any_fields_are_read_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(request) = tlv(&bytes) {
            _ = request.encode_bech32();
        }
    }
}
