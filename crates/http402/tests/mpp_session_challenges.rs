//! What of a session's challenge a buyer has to echo.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/mpp.rs"]
mod mpp;

use http402::mpp::{Challenge, Error};
use mpp::{bolt11, credential, keys, lightning, open_action, preimage, read, session_offer};
use serde_json::json;

#[test]
fn a_session_needs_no_echo_of_what_is_optional() {
    let sparse = Challenge {
        opaque: None,
        description: None,
        ..lightning(0)
    };
    let payload =
        json!({ "action": "open", "preimage": preimage(0), "returnInvoice": bolt11(None) });
    assert_eq!(read(&sparse, payload.clone()), open_action(0));
    let other = http402::mpp::session::SessionOffer {
        id: "other".to_owned(),
        ..session_offer()
    };
    let error = other
        .read(&keys(), &credential(&sparse, payload))
        .unwrap_err();
    assert_eq!(error, Error::ChallengeUnknown);
}
