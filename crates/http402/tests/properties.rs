//! What holds for every input.
#![allow(clippy::unwrap_used)]

mod common;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{MINT, TestProof, v3, v4};
use http402::xcashu::{
    Nut10Option, Offer, PaymentRequest, TokenOutline, Transport, change, next_step,
    normalize_mint_url,
};
use proptest::{collection::vec, option, prelude::*};

fn tags() -> impl Strategy<Value = Vec<Vec<String>>> {
    vec(vec(".{0,12}", 0..4), 0..4)
}

prop_compose! {
    fn transport()(kind in "[a-z]{0,8}", target in ".{0,60}", tags in tags()) -> Transport {
        Transport { kind, target, tags }
    }
}

prop_compose! {
    fn nut10()(kind in "[A-Z0-9]{0,8}", data in ".{0,60}", tags in tags()) -> Nut10Option {
        Nut10Option { kind, data, tags }
    }
}

prop_compose! {
    fn request()(
        amount in option::of(any::<u64>()),
        description in option::of(".{0,80}"),
        id in option::of(".{0,20}"),
        mints in vec(".{0,60}", 0..6),
        single_use in option::of(any::<bool>()),
        transports in vec(transport(), 0..3),
        unit in option::of(".{0,8}"),
        nut10 in option::of(nut10()),
    ) -> PaymentRequest {
        PaymentRequest { amount, description, id, mints, single_use, transports, unit, nut10 }
    }
}

/// Proofs with distinct secrets.
fn proofs() -> impl Strategy<Value = Vec<TestProof>> {
    vec((1..=1_u64 << 40, ".{0,40}"), 1..40).prop_map(|proofs| {
        let numbered = proofs.into_iter().enumerate();
        numbered
            .map(|(n, (amount, s))| TestProof {
                amount,
                secret: format!("{n} {s}"),
            })
            .collect()
    })
}

/// Everything that reads the outside, on one text.
fn read_everything(text: &str) {
    let offer = Offer::new(1, "sat", &[MINT]).unwrap();
    let headers = [("x-cashu", text)];
    _ = TokenOutline::parse(text);
    _ = PaymentRequest::decode(text);
    _ = normalize_mint_url(text);
    _ = offer.decide(Some(text));
    _ = next_step(402, headers);
    _ = change(headers);
}

/// One character replaced, one cut out, or the rest cut off.
fn mutated(text: &str, at: usize, how: usize, with: char) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = at % chars.len();
    match how % 3 {
        0 => chars[at] = with,
        1 => _ = chars.remove(at),
        _ => chars.truncate(at),
    }
    chars.into_iter().collect()
}

proptest! {
    #[test]
    fn requests_survive_the_round_trip(request in request()) {
        let text = request.encode().unwrap();
        let decoded = PaymentRequest::decode(&text).unwrap();
        prop_assert_eq!(decoded.encode().unwrap(), text);
        prop_assert_eq!(decoded, request);
    }

    #[test]
    fn a_token_has_one_id(proofs in proofs(), rotate in 0..40_usize) {
        let mut turned = proofs.clone();
        let middle = rotate % turned.len();
        turned.rotate_left(middle);
        let (first, second) = turned.split_at(middle);
        let original = TokenOutline::parse(&v4(MINT, "sat", &proofs)).unwrap();
        let reordered = TokenOutline::parse(&v4(MINT, "sat", &turned)).unwrap();
        let as_v3 = TokenOutline::parse(&v3(&[(MINT, first), (MINT, second)], "sat")).unwrap();
        prop_assert_eq!(original.id, reordered.id);
        prop_assert_eq!(original.id, as_v3.id);
        prop_assert_eq!(original.amount, proofs.iter().map(|p| p.amount).sum::<u64>());
        prop_assert_eq!((as_v3.amount, &as_v3.mint), (original.amount, &original.mint));
        prop_assert_eq!(&as_v3.keyset_ids, &original.keyset_ids);
        prop_assert_eq!(original.proof_count, proofs.len());
    }

    #[test]
    fn other_proofs_have_another_id(proofs in proofs()) {
        let original = TokenOutline::parse(&v4(MINT, "sat", &proofs)).unwrap();
        let mut longer = proofs;
        longer.push(TestProof { amount: 1, secret: "one more".to_owned() });
        prop_assert_ne!(TokenOutline::parse(&v4(MINT, "sat", &longer)).unwrap().id, original.id);
    }

    #[test]
    fn any_text_is_read_without_panic(text in ".{0,400}") {
        read_everything(&text);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..600)) {
        let encoded = URL_SAFE_NO_PAD.encode(bytes);
        for prefix in ["creqA", "cashuA", "cashuB", "cashu:cashuB"] {
            read_everything(&format!("{prefix}{encoded}"));
        }
    }

    #[test]
    fn a_mutated_request_is_read_without_panic(
        request in request(), at: usize, how: usize, with: char,
    ) {
        read_everything(&mutated(&request.encode().unwrap(), at, how, with));
    }

    #[test]
    fn a_mutated_token_is_read_without_panic(
        proofs in proofs(), at: usize, how: usize, with: char,
    ) {
        read_everything(&mutated(&v4(MINT, "sat", &proofs), at, how, with));
        read_everything(&mutated(&v3(&[(MINT, &proofs)], "sat"), at, how, with));
    }

    #[test]
    fn a_normal_mint_url_is_normal(path in "[a-zA-Z0-9/._%-]{0,20}", port in option::of(1..=65535_u16)) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        if let Some(once) = normalize_mint_url(&format!("HTTPS://Mint.example.com{port}/{path}")) {
            prop_assert_eq!(normalize_mint_url(&once), Some(once));
        }
    }
}
