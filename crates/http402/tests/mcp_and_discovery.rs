//! MPP inside JSON-RPC, and the documents about what is sold.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/mpp.rs"]
mod mpp;

use http402::discovery::{Docs, Offer, Operation, Protocol, Service, openapi, well_known};
use http402::mpp::{Error, Quote, charge_credential, quote};
use http402::{Problem, mcp};
use mpp::{NOW_S, charge_offer, invoice, keys, preimage, session_offer};
use serde_json::{Value, json};

/// What the other side gets: the same, through text and with its members in another order.
fn sent(value: Value) -> Value {
    let text = http402::mpp::canonical_json(&value).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn asked() -> Value {
    let offer = charge_offer();
    let challenge = offer
        .challenge(&keys(), &invoice(100, preimage(1).hash()), None)
        .unwrap();
    sent(mcp::payment_required(&[challenge], &Problem::payment_required(100, "sat")).unwrap())
}

#[test]
fn a_tool_is_paid_for() {
    let error = asked();
    assert_eq!(error["code"], -32042);
    assert_eq!(error["data"]["httpStatus"], 402);
    assert_eq!(error["data"]["problem"]["status"], 402);
    assert_eq!(error["data"]["challenges"][0]["request"]["amount"], "100");
    assert_eq!(
        error["data"]["challenges"][0]["opaque"]["offer"],
        charge_offer().id
    );

    let [challenge] = mcp::challenges(&error).try_into().unwrap();
    let Quote::Charge { challenge, .. } = quote(challenge, NOW_S).unwrap() else {
        panic!("no charge")
    };
    let credential = charge_credential(&challenge, &preimage(1));
    let params =
        mcp::with_credential(json!({ "name": "ask", "arguments": {} }), &credential).unwrap();
    let request =
        sent(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }));

    let credential = mcp::credential(&request).unwrap().unwrap();
    let paid = charge_offer()
        .verify(&keys(), &credential, b"", NOW_S)
        .unwrap();
    let result = sent(mcp::with_receipt(
        json!({ "content": [] }),
        &paid.receipt(NOW_S),
    ));
    assert_eq!(mcp::receipt(&result), Some(paid.receipt(NOW_S)));
    assert_eq!(
        result["_meta"]["org.paymentauth/receipt"]["status"],
        "success"
    );
}

#[test]
fn the_credential_may_stand_beside_the_parameters() {
    let [challenge] = mcp::challenges(&asked()).try_into().unwrap();
    let credential = |n| {
        let with = mcp::with_credential(json!({}), &charge_credential(&challenge, &preimage(n)));
        with.unwrap()["_meta"].clone()
    };
    let request = |nested: Value, root: Value| {
        mcp::credential(&json!({ "params": { "_meta": nested }, "_meta": root }))
    };
    assert!(request(credential(1), json!({})).unwrap().is_some());
    assert!(request(json!({}), credential(1)).unwrap().is_some());
    assert!(request(credential(1), credential(1)).unwrap().is_some());
    assert!(request(credential(1), credential(2)).is_err());
    assert_eq!(request(json!({}), json!(7)), Ok(None));
    assert_eq!(mcp::credential(&json!([])), Ok(None));
}

#[test]
fn headers_and_meta_carry_the_same() {
    let [header] = mcp::www_authenticate(&asked()).try_into().unwrap();
    let [challenge] = http402::mpp::challenges([("www-authenticate", header.as_str())])
        .try_into()
        .unwrap();
    assert_eq!(mcp::challenges(&asked()), std::slice::from_ref(&challenge));
    let authorization = charge_credential(&challenge, &preimage(1)).to_header();
    let call = json!({ "id": 1, "params": { "name": "a", "_meta": { "progressToken": 1 } } });
    for call in [
        call,
        json!({ "id": 1 }),
        json!({ "id": 1, "params": { "name": "a" } }),
    ] {
        let paid = sent(mcp::with_authorization(call.clone(), &authorization).unwrap());
        assert_eq!(mcp::authorization(&paid), Ok(Some(authorization.clone())));
        let stripped = mcp::without_credential(paid);
        assert_eq!(mcp::authorization(&stripped), Ok(None));
        assert_eq!(stripped["params"]["name"], call["params"]["name"]);
        assert_eq!(stripped["params"].get("_meta"), call["params"].get("_meta"));
    }
    assert!(mcp::with_authorization(json!({}), "L402 abc").is_err());
}

#[test]
fn an_error_is_no_service() {
    let id = json!(7);
    for (message, wanted) in [
        (json!({ "id": 7, "result": {} }), Some(true)),
        (
            json!({ "id": 7, "result": { "isError": false } }),
            Some(true),
        ),
        (
            json!({ "id": 7, "result": { "isError": true } }),
            Some(false),
        ),
        (json!({ "id": 7, "error": {} }), Some(false)),
        (json!({ "id": "7", "result": {} }), None),
        (json!({ "id": 7, "method": "ping" }), None),
        (json!([{ "id": 7, "result": {} }]), None),
    ] {
        assert_eq!(mcp::was_served(&message, &id), wanted, "{message}");
    }
}

fn refused(challenges: &[http402::mpp::Challenge], error: &Error) -> Value {
    mcp::refused(challenges, error.code(), &error.to_string()).unwrap()
}

#[test]
fn a_refusal_offers_another_challenge() {
    let offer = session_offer();
    let challenges = [
        offer
            .challenge(&keys(), &invoice(offer.deposit_sat, preimage(1).hash()))
            .unwrap(),
        offer.ecash_challenge(&keys(), NOW_S + 300).unwrap(),
    ];
    let error = sent(refused(&challenges, &Error::PreimageInvalid));
    assert_eq!(error["code"], -32043);
    assert_eq!(error["data"]["failure"]["reason"], "preimage_invalid");
    // The ids still fit what they cover.
    let read = mcp::challenges(&error);
    assert_eq!(read, challenges);
    read.iter()
        .for_each(|challenge| keys().verify(challenge).unwrap());
    let malformed = refused(&challenges, &Error::CredentialMalformed(""));
    assert_eq!(malformed["code"], -32602);
    assert_eq!(mcp::challenges(&malformed), []);
}

#[test]
fn what_is_too_much_is_not_read() {
    let deep = (0..100).fold(json!({}), |inner, _| json!({ "a": inner }));
    let long = json!({ "a": "b".repeat(100_000) });
    for request in [deep, long, json!("text"), json!(null)] {
        let mut error = asked();
        error["data"]["challenges"][0]["request"] = request.clone();
        assert_eq!(mcp::challenges(&error), []);
        let credential = json!({ "challenge": error["data"]["challenges"][0], "payload": {} });
        let call = json!({ "params": { "_meta": { "org.paymentauth/credential": credential } } });
        assert_eq!(
            mcp::credential(&call).unwrap_err().code(),
            "credential_malformed"
        );
    }
    let mut error = asked();
    error["data"]["challenges"] = json!(vec![error["data"]["challenges"][0].clone(); 1000]);
    assert_eq!(mcp::challenges(&error).len(), 16);
}

fn operation() -> Operation {
    let payment = |intent: &str, price_sat| Offer {
        protocol: Protocol::Payment {
            method: "lightning".to_owned(),
            intent: intent.to_owned(),
        },
        price_sat,
        unit: Some("token".to_owned()),
        description: None,
    };
    let x_cashu = Offer {
        protocol: Protocol::XCashu,
        ..payment("", Some(10))
    };
    Operation {
        http_method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        summary: "Answer a chat".to_owned(),
        offers: vec![
            payment("session", Some(1)),
            payment("charge", None),
            x_cashu,
        ],
        free_tier: Some("ten answers a day".to_owned()),
        request_schema: Some(json!({ "type": "object" })),
        response_schema: None,
    }
}

fn service() -> Service {
    let docs = Docs {
        homepage: Some("https://api.example.com".to_owned()),
        ..Docs::default()
    };
    let (title, version) = ("Freehold".to_owned(), "1.0.0".to_owned());
    let categories = vec!["compute".to_owned()];
    Service {
        title,
        version,
        realm: "api.example.com".to_owned(),
        categories,
        docs,
        ..Service::default()
    }
}

#[test]
fn an_openapi_document() {
    let models = Operation {
        http_method: "GET".to_owned(),
        path: "/v1/models".to_owned(),
        summary: "List models".to_owned(),
        offers: Vec::new(),
        free_tier: None,
        request_schema: None,
        response_schema: Some(json!({ "type": "object" })),
    };
    let document = openapi(&service(), &[operation(), models]);
    let wanted = json!({
        "openapi": "3.1.0",
        "info": { "title": "Freehold", "version": "1.0.0" },
        "x-service-info": { "categories": ["compute"], "docs": { "homepage": "https://api.example.com" } },
        "paths": {
            "/v1/chat/completions": { "post": {
                "summary": "Answer a chat",
                "x-payment-info": {
                    "offers": [
                        { "intent": "session", "method": "lightning", "amount": "1", "currency": "sat", "unitType": "token" },
                        { "intent": "charge", "method": "lightning", "amount": null, "currency": "sat", "unitType": "token" },
                    ],
                    "otherProtocols": [
                        { "protocol": "X-Cashu", "amount": "10", "currency": "sat", "unitType": "token" },
                    ],
                    "freeTier": "ten answers a day",
                },
                "requestBody": { "content": { "application/json": { "schema": { "type": "object" } } } },
                "responses": {
                    "200": { "description": "Successful response" },
                    "402": { "description": "Payment Required" },
                },
            } },
            "/v1/models": { "get": {
                "summary": "List models",
                "responses": { "200": {
                    "description": "Successful response",
                    "content": { "application/json": { "schema": { "type": "object" } } },
                } },
            } },
        },
    });
    assert_eq!(document, wanted);
}

#[test]
fn a_well_known_document() {
    let document = well_known(&service(), &[operation(), operation()]);
    let methods = json!({ "lightning": { "intents": ["charge", "session"], "assets": ["sat"] } });
    assert_eq!(
        document,
        json!({ "version": 1, "realm": "api.example.com", "methods": methods })
    );
}
