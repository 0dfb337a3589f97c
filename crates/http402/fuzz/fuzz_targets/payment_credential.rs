//! Any headers of a buyer: one credential at most is found, and only one whose challenge was signed here is taken.
#![no_main]

use http402::door::Presented;
use http402::mpp::session::SessionOffer;
use http402::mpp::{AcceptPayment, ChallengeKeys, ChargeOffer, Credential, Decision, to_base64url};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let accept = AcceptPayment::parse(text);
    assert!(accept.weight("lightning", "charge") <= 1000);
    _ = Presented::find([("x-cashu", text)]);
    _ = Presented::find([("authorization", text)]);
    let Ok(keys) = ChallengeKeys::new(b"not the fuzzer's to know") else {
        return;
    };
    let charge = ChargeOffer {
        id: "GET /".to_owned(),
        realm: "r".to_owned(),
        price_sat: 1,
        description: None,
        network: None,
        agreed: None,
    };
    for header in [text.to_owned(), format!("Payment {}", to_base64url(text))] {
        let decision = charge.decide(&keys, Some(&header), b"", 0);
        assert!(matches!(decision, Decision::Refuse(_)));
        let Ok(credential) = Credential::parse(&header) else {
            continue;
        };
        assert_eq!(Credential::parse(&credential.to_header()).as_ref(), Ok(&credential));
        let session = SessionOffer {
            id: "GET /".to_owned(),
            realm: "r".to_owned(),
            unit_price_sat: 1,
            unit_type: None,
            description: None,
            deposit_sat: 10,
            idle_timeout_s: 300,
            mints: Vec::new(),
        };
        assert!(session.read(&keys, &credential).is_err());
    }
});
