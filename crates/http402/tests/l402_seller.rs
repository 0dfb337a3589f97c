//! L402 as a seller sees it: what is valid, and what each refusal is called.
#![allow(clippy::unwrap_used)]

use http402::l402::{AUTHORIZATION_BYTES_MAX, Credential, Error, Grant, Issuer, Request, Terms};
use http402::macaroon::Macaroon;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const NOW: u64 = 1_800_000_000;
const PREIMAGE: [u8; 32] = [7; 32];
const REQUEST: Request<'static> = Request {
    service: "meter",
    capability: Some("read"),
    host: "api.example",
    path: "/v1/chat?x=y",
    method: "POST",
};

fn issuer() -> Issuer {
    Issuer::new(&[1; 32], "shop.example")
}

fn payment_hash() -> [u8; 32] {
    Sha256::digest(PREIMAGE).into()
}

fn terms() -> Terms {
    Terms {
        service: "meter".to_owned(),
        tier: 3,
        capabilities: vec!["read".to_owned(), "write".to_owned()],
        valid_until_unix_s: Some(NOW + 60),
        hosts: vec!["API.example".to_owned(), "b.example:8402".to_owned()],
        path: Some("/v1".to_owned()),
        methods: vec!["GET".to_owned(), "POST".to_owned()],
    }
}

fn minted() -> Macaroon {
    issuer().mint(payment_hash(), [2; 32], &terms()).unwrap()
}

fn verify(macaroon: Macaroon, request: &Request, now_unix_s: u64) -> Result<Grant, Error> {
    let credential = Credential {
        macaroon,
        preimage: PREIMAGE,
    };
    // By way of the header, as it comes.
    let read = Credential::parse(&credential.to_value()).unwrap().unwrap();
    assert_eq!(read, credential);
    issuer().verify(&read, request, now_unix_s)
}

/// The code of the refusal with these caveats added; empty if there is none.
fn check(caveats: &[&str], expected: &str) {
    let narrow = |macaroon: Macaroon, caveat: &&str| macaroon.with_caveat(caveat).unwrap();
    let macaroon = caveats.iter().fold(minted(), narrow);
    let code = verify(macaroon, &REQUEST, NOW).map_or_else(|error| error.code(), |_| "");
    assert_eq!(code, expected, "{caveats:?}");
}

#[test]
fn a_paid_macaroon_is_valid_while_its_terms_hold() {
    let grant = verify(minted(), &REQUEST, NOW + 59).unwrap();
    let expected = Grant {
        tier: 3,
        payment_hash: payment_hash(),
        token_id: [2; 32],
        valid_until_unix_s: Some(NOW + 60),
        capabilities: Some(vec!["read".to_owned(), "write".to_owned()]),
    };
    assert_eq!(grant, expected);
    let caveats: Vec<_> = minted()
        .caveats()
        .map(String::from_utf8_lossy)
        .map(String::from)
        .collect();
    assert_eq!(
        caveats,
        [
            "services=meter:3",
            "meter_capabilities=read,write",
            "meter_host=API.example,b.example:8402",
            "meter_method=GET,POST",
            "meter_path=/v1",
            "meter_valid_until=1800000060",
        ]
    );
}

#[test]
fn every_refusal_has_its_own_code() {
    let code = |request: Request, now| verify(minted(), &request, now).unwrap_err().code();
    assert_eq!(code(REQUEST, NOW + 60), "l402_expired");
    assert_eq!(
        code(
            Request {
                service: "other",
                ..REQUEST
            },
            NOW
        ),
        "l402_service_not_covered"
    );
    assert_eq!(
        code(
            Request {
                capability: Some("admin"),
                ..REQUEST
            },
            NOW
        ),
        "l402_capability_not_covered"
    );
    assert_eq!(
        code(
            Request {
                host: "evil.example",
                ..REQUEST
            },
            NOW
        ),
        "l402_host_not_covered"
    );
    assert_eq!(
        code(
            Request {
                path: "/v10",
                ..REQUEST
            },
            NOW
        ),
        "l402_path_not_covered"
    );
    assert_eq!(
        code(
            Request {
                path: "/v1/../admin",
                ..REQUEST
            },
            NOW
        ),
        "l402_path_not_covered"
    );
    assert_eq!(
        code(
            Request {
                method: "DELETE",
                ..REQUEST
            },
            NOW
        ),
        "l402_method_not_covered"
    );

    let verify = |issuer: Issuer, credential: Credential| {
        issuer.verify(&credential, &REQUEST, NOW).unwrap_err()
    };
    let credential = Credential {
        macaroon: minted(),
        preimage: PREIMAGE,
    };
    let wrong = Credential {
        preimage: [8; 32],
        ..credential.clone()
    };
    assert_eq!(verify(issuer(), wrong), Error::PreimageWrong);
    let stranger = Issuer::new(&[9; 32], "shop.example");
    assert_eq!(
        verify(stranger, credential.clone()).code(),
        "macaroon_signature_invalid"
    );
    assert!(
        verify(
            issuer(),
            Credential {
                preimage: [8; 32],
                ..credential
            }
        )
        .http_status()
            == 401
    );
}

#[test]
fn a_macaroon_without_services_is_for_none() {
    let key = http402::macaroon::RootKey::derive(b"x");
    let other = Macaroon::mint(&key, "", b"another form").unwrap();
    assert_eq!(
        verify(other, &REQUEST, NOW),
        Err(Error::IdentifierMalformed)
    );
    // With no caveats at all, as cut from a macaroon: the signature says so first.
    let bytes = minted().as_bytes().to_vec();
    let header_end = 1 + 2 + "shop.example".len() + 2 + 66 + 1;
    let cut = [&bytes[..header_end], &bytes[bytes.len() - 35..]].concat();
    let cut = Macaroon::from_bytes(cut).unwrap();
    assert_eq!(
        verify(cut, &REQUEST, NOW).unwrap_err().code(),
        "macaroon_signature_invalid"
    );
}

#[test]
fn repeated_caveats_narrow() {
    check(&[], "");
    check(&["unknown=1", "no equals sign", "", "=", "\u{e9}=x"], "");
    check(&["meter_capabilities=read"], "");
    check(
        &[" meter_capabilities = write "],
        "l402_capability_not_covered",
    );
    check(&["meter_capabilities=read,admin"], "l402_caveat_widens");
    check(
        &["meter_capabilities=write", "meter_capabilities=read"],
        "l402_caveat_widens",
    );
    check(&["services=meter:3"], "");
    check(&["services=meter:9"], "l402_caveat_widens");
    check(&["services=meter"], "l402_caveat_widens");
    check(&["services=other:0"], "l402_caveat_widens");
    check(&["services="], "l402_caveat_malformed");
    check(&["services=meter:300"], "l402_caveat_malformed");
    check(&["services=meter:+3"], "l402_caveat_malformed");
    check(&["meter_valid_until=1800000001"], "");
    check(&["meter_valid_until=1800000000"], "l402_expired");
    check(&["meter_valid_until=1800000061"], "l402_caveat_widens");
    check(&["meter_valid_until=+1800000001"], "l402_caveat_malformed");
    check(
        &["meter_valid_until=99999999999999999999"],
        "l402_caveat_malformed",
    );
    check(&["meter_path=/v1/chat"], "");
    check(&["meter_path=/v1/other"], "l402_path_not_covered");
    check(&["meter_path=/"], "l402_caveat_widens");
    check(&["meter_path=/v1/../v2"], "l402_caveat_malformed");
    check(&["meter_host=API.example"], "");
    check(&["meter_host=b.example:8402"], "l402_host_not_covered");
    check(&["meter_host=c.example"], "l402_caveat_widens");
    check(&["meter_method=GET"], "l402_method_not_covered");
    check(&["other_valid_until=1", "other_path=nonsense"], "");
    let long = format!("meter_capabilities={}", vec!["read"; 33].join(","));
    check(&[&long], "l402_caveat_malformed");
}

#[test]
fn malformed_credentials_are_told_apart() {
    let good = Credential {
        macaroon: minted(),
        preimage: PREIMAGE,
    }
    .to_value();
    let (macaroon, preimage) = good[5..].split_once(':').unwrap();
    let code = |text: &str| Credential::parse(text).unwrap_err().code();
    for other in ["", "Bearer x", "Payment eyJ9", "L4021 x:y", "Basic L402"] {
        assert_eq!(Credential::parse(other), Ok(None), "{other}");
    }
    for same in [
        format!("LSAT {macaroon}:{preimage}"),
        format!("  l402   {macaroon}:{preimage} "),
        format!(
            "Lsat\t{}:{}",
            macaroon.trim_end_matches('='),
            preimage.to_uppercase()
        ),
    ] {
        assert_eq!(Credential::parse(&same).unwrap().unwrap().to_value(), good);
    }
    for bad in [
        "L402".to_owned(),
        format!("L402 {macaroon}"),
        format!("L402 {macaroon}:"),
        format!("L402 {macaroon}:{}", &preimage[1..]),
        format!("L402 {macaroon}:{preimage}00"),
        format!("L402 {macaroon}:{preimage}:{preimage}"),
        format!("L402 {macaroon}:{}zz", &preimage[2..]),
    ] {
        assert_eq!(code(&bad), "l402_credential_malformed", "{bad}");
    }
    assert_eq!(
        code(&format!("L402 {macaroon},{macaroon}:{preimage}")),
        "l402_several_macaroons"
    );
    assert_eq!(code(&format!("L402 :{preimage}")), "macaroon_malformed");
    let long = format!("L402 {}:{preimage}", "A".repeat(AUTHORIZATION_BYTES_MAX));
    assert_eq!(code(&long), "l402_credential_too_large");
}

#[test]
fn terms_that_would_not_be_understood_are_not_minted() {
    let refused = [
        Terms::new(""),
        Terms::new("a,b"),
        Terms::new("a:1"),
        Terms::new("a b"),
        Terms {
            capabilities: vec!["a,b".to_owned()],
            ..Terms::new("a")
        },
        Terms {
            capabilities: vec!["a".to_owned(); 33],
            ..Terms::new("a")
        },
        Terms {
            path: Some("v1".to_owned()),
            ..Terms::new("a")
        },
        Terms {
            path: Some("/v1?x=y".to_owned()),
            ..Terms::new("a")
        },
        Terms {
            path: Some("/v1//".to_owned()),
            ..Terms::new("a")
        },
    ];
    for terms in refused {
        let error = issuer().mint(payment_hash(), [2; 32], &terms).unwrap_err();
        assert_eq!(error.code(), "l402_terms_invalid", "{terms:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let credential = Credential {
        macaroon: minted(),
        preimage: PREIMAGE,
    };
    let shown = format!("{credential:?} {:?}", issuer());
    assert!(
        !shown.contains("0707") && !shown.contains("7, 7") && !shown.contains("1, 1"),
        "{shown}"
    );
}

prop_compose! {
    fn any_terms()(
        service in "[a-z_]{1,8}", tier: u8, path in proptest::option::of("(/[a-z]{1,4}){1,3}/?"),
        capabilities in proptest::collection::vec("[a-z]{1,4}", 0..4),
        hosts in proptest::collection::vec("[a-z]{1,4}\\.example", 0..3),
        methods in proptest::collection::vec("GET|PUT|POST", 0..3),
        valid_until_unix_s in proptest::option::of(NOW + 1..u64::MAX),
    ) -> Terms {
        Terms { service, tier, capabilities, valid_until_unix_s, hosts, path, methods }
    }
}

proptest! {
    #[test]
    fn what_is_minted_is_valid_for_what_it_was_minted_for(terms in any_terms()) {
        let macaroon = issuer().mint(payment_hash(), [2; 32], &terms).unwrap();
        let first = |list: &[String]| list.first().cloned().unwrap_or_default();
        let (host, method) = (first(&terms.hosts), first(&terms.methods));
        let request = Request {
            service: &terms.service,
            capability: terms.capabilities.first().map(String::as_str),
            host: &host,
            path: terms.path.as_deref().unwrap_or_default(),
            method: &method,
        };
        let grant = verify(macaroon, &request, NOW).unwrap();
        prop_assert_eq!((grant.tier, grant.valid_until_unix_s), (terms.tier, terms.valid_until_unix_s));
    }

    #[test]
    fn a_caveat_never_allows_more(
        terms in any_terms(), kind in "capabilities|host|path|method|valid_until|x",
        value in "[a-z/,]{0,8}|18000000[0-9]{2}", path in "(/[a-z]{1,4}){0,3}",
    ) {
        let before = issuer().mint(payment_hash(), [2; 32], &terms).unwrap();
        let after = before.with_caveat(format!("{}_{kind}={value}", terms.service)).unwrap();
        let request = Request {
            service: &terms.service, capability: Some("a"), host: "a.example", path: &path, method: "GET",
        };
        if verify(after, &request, NOW).is_ok() {
            prop_assert!(verify(before, &request, NOW).is_ok());
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "(L402 |LSAT )?.{0,200}") {
        if let Ok(Some(credential)) = Credential::parse(&text) {
            _ = issuer().verify(&credential, &REQUEST, NOW);
        }
    }
}
