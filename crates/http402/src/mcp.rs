//! The `Payment` scheme inside MCP and other JSON-RPC (draft-payment-transport-mcp-00).
//!
//! A call that must be paid fails with error -32042 and the challenges; the buyer repeats it with a credential in
//! `_meta`; the result has a receipt in `_meta`. It is the same protocol as over HTTP, except that what is base64url
//! of JSON there is JSON here. So both sides translate here, and [`crate::mpp`] does the rest: who has a door or a wallet
//! for HTTP's headers needs [`authorization`] and [`with_authorization`], [`www_authenticate`] and [`was_served`] only.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::mpp::limits::{
    CHALLENGES_MAX, CREDENTIAL_BYTES_MAX, PARAMETER_BYTES_MAX, RECEIPT_BYTES_MAX,
};
use crate::mpp::{
    Challenge, Credential, Error, Receipt, canonical_json, from_base64url, to_base64url,
};

/// The code of an error that asks for a payment.
pub const PAYMENT_REQUIRED: i64 = -32042;
/// The code of an error that refuses a payment, and asks for another.
pub const VERIFICATION_FAILED: i64 = -32043;
/// The code of an error that says that a credential can't be read (JSON-RPC's "invalid params").
pub const INVALID_PARAMS: i64 = -32602;
/// The method of the calls that may cost something.
pub const TOOLS_CALL: &str = "tools/call";
/// Where a call carries its credential, in `_meta`.
pub const CREDENTIAL_KEY: &str = "org.paymentauth/credential";
/// Where a result carries its receipt, in `_meta`.
pub const RECEIPT_KEY: &str = "org.paymentauth/receipt";

/// Levels of nesting that are read.
const DEPTH_MAX: usize = 16;

/// The `error` that asks for a payment; `problem` says it as over HTTP (RFC 9457). Fails on a challenge whose request is
/// no JSON, which none of ours is.
pub fn payment_required(
    challenges: &[Challenge],
    problem: &impl Serialize,
) -> Result<Value, Error> {
    Ok(json!({
        "code": PAYMENT_REQUIRED,
        "message": "Payment Required",
        "data": { "httpStatus": 402, "challenges": to_values(challenges)?, "problem": problem },
    }))
}

/// The `error` that refuses a credential and offers fresh challenges, for a reason such as [`Error::code`]. One that can't
/// be read gets [`INVALID_PARAMS`], as the draft has it.
pub fn refused(challenges: &[Challenge], reason: &str, detail: &str) -> Result<Value, Error> {
    let (code, message) = match reason {
        "credential_malformed" | "credential_too_large" => (INVALID_PARAMS, "Invalid params"),
        _ => (VERIFICATION_FAILED, "Payment Verification Failed"),
    };
    Ok(json!({
        "code": code,
        "message": message,
        "data": {
            "httpStatus": 402,
            "challenges": to_values(challenges)?,
            "failure": { "reason": reason, "detail": detail },
        },
    }))
}

/// The credential in a JSON-RPC request: in its `params._meta`, as MCP has it, or in its own `_meta`. Two different
/// ones are refused.
pub fn credential(request: &Value) -> Result<Option<Credential>, Error> {
    let nested = request
        .get("params")
        .and_then(|params| meta(params, CREDENTIAL_KEY));
    match (nested, meta(request, CREDENTIAL_KEY)) {
        (None, None) => Ok(None),
        (Some(one), Some(other)) if one != other => {
            Err(Error::CredentialMalformed("there are two of them"))
        }
        (Some(value), _) | (None, Some(value)) => read_credential(value).map(Some),
    }
}

/// The same as a value of `Authorization`.
pub fn authorization(request: &Value) -> Result<Option<String>, Error> {
    Ok(credential(request)?.map(|credential| credential.to_header()))
}

/// The request without its credentials.
#[must_use]
pub fn without_credential(mut request: Value) -> Value {
    remove_meta(&mut request);
    if let Some(params) = request.get_mut("params") {
        remove_meta(params);
    }
    request
}

/// Whether a message is the answer to the call with this id, and the tool did what was asked: no error, and no result
/// that says it is one.
pub fn was_served(message: &Value, id: &Value) -> Option<bool> {
    if message.get("id") != Some(id) {
        return None;
    }
    match (message.get("result"), message.get("error")) {
        (_, Some(_)) => Some(false),
        (Some(result), None) => Some(result.get("isError") != Some(&Value::Bool(true))),
        (None, None) => None,
    }
}

/// Puts a receipt into a result's `_meta`. Anything but an object is left as it is: MCP has no other results.
#[must_use]
pub fn with_receipt(result: Value, receipt: &Receipt) -> Value {
    with_meta(result, RECEIPT_KEY, json!(receipt))
}

/// The challenges in a JSON-RPC error, in their order; none if the error is not about payment. What can't be read is
/// skipped.
pub fn challenges(error: &Value) -> Vec<Challenge> {
    let code = error.get("code").and_then(Value::as_i64);
    if !matches!(code, Some(PAYMENT_REQUIRED | VERIFICATION_FAILED)) {
        return Vec::new();
    }
    let list = error.pointer("/data/challenges").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .take(CHALLENGES_MAX)
        .filter_map(from_value)
        .collect()
}

/// The same as values of `WWW-Authenticate`.
pub fn www_authenticate(error: &Value) -> Vec<String> {
    let headers = challenges(error).into_iter();
    headers.filter_map(|one| one.to_header().ok()).collect()
}

/// Puts a value of `Authorization` into a request's `params`, as a credential.
pub fn with_authorization(mut request: Value, authorization: &str) -> Result<Value, Error> {
    let credential = Credential::parse(authorization)?;
    if let Value::Object(members) = &mut request {
        let params = members.remove("params").unwrap_or_else(|| json!({}));
        members.insert("params".to_owned(), with_credential(params, &credential)?);
    }
    Ok(request)
}

/// Puts a credential into a call's `params`.
pub fn with_credential(params: Value, credential: &Credential) -> Result<Value, Error> {
    let mut value =
        json!({ "challenge": to_value(&credential.challenge)?, "payload": credential.payload });
    if let (Some(source), Value::Object(object)) = (&credential.source, &mut value) {
        object.insert("source".to_owned(), json!(source));
    }
    Ok(with_meta(params, CREDENTIAL_KEY, value))
}

/// The receipt in a result's `_meta`.
pub fn receipt(result: &Value) -> Option<Receipt> {
    let value = meta(result, RECEIPT_KEY)?;
    let json = bounded_json(value, RECEIPT_BYTES_MAX)?;
    Receipt::decode(&to_base64url(json)).ok()
}

fn meta<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get("_meta")?.get(key)
}

fn with_meta(mut value: Value, key: &str, inner: Value) -> Value {
    if let Value::Object(object) = &mut value {
        let meta = object.entry("_meta").or_insert_with(|| json!({}));
        if !meta.is_object() {
            *meta = json!({});
        }
        meta[key] = inner;
    }
    value
}

/// Takes the credential out of a `_meta`, which goes too if nothing else is in it.
fn remove_meta(value: &mut Value) {
    let Value::Object(members) = value else {
        return;
    };
    let Some(Value::Object(meta)) = members.get_mut("_meta") else {
        return;
    };
    if meta.remove(CREDENTIAL_KEY).is_some() && meta.is_empty() {
        members.remove("_meta");
    }
}

fn to_values(challenges: &[Challenge]) -> Result<Vec<Value>, Error> {
    challenges.iter().map(to_value).collect()
}

/// A challenge with its `request` and `opaque` as JSON.
fn to_value(challenge: &Challenge) -> Result<Value, Error> {
    let mut value = json!(challenge);
    value["request"] = decoded(&challenge.request)?;
    if let Some(opaque) = &challenge.opaque {
        value["opaque"] = decoded(opaque)?;
    }
    Ok(value)
}

fn decoded(parameter: &str) -> Result<Value, Error> {
    let json = from_base64url(parameter).filter(|json| json.len() <= PARAMETER_BYTES_MAX);
    json.and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or(Error::ChallengeMalformed(
            "its request is not base64url of JSON",
        ))
}

/// The challenge as over HTTP: canonical JSON makes it the same text that its id was computed over.
fn from_value(value: &Value) -> Option<Challenge> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let required = |name| text(name).filter(|text| !text.is_empty());
    let opaque = match value.get("opaque") {
        None | Some(Value::Null) => None,
        // Some send it as it is over HTTP.
        Some(Value::String(opaque)) => Some(opaque.clone()),
        Some(opaque) => Some(encoded(opaque)?),
    };
    Some(Challenge {
        id: required("id")?,
        realm: required("realm")?,
        method: required("method")?,
        intent: required("intent")?,
        request: encoded(value.get("request").filter(|request| request.is_object())?)?,
        expires: text("expires"),
        digest: text("digest"),
        description: text("description"),
        opaque,
    })
}

fn encoded(value: &Value) -> Option<String> {
    bounded_json(value, PARAMETER_BYTES_MAX).map(to_base64url)
}

fn read_credential(value: &Value) -> Result<Credential, Error> {
    let malformed = Error::CredentialMalformed;
    // All of it is bounded before any of it is looked at.
    bounded_json(value, CREDENTIAL_BYTES_MAX).ok_or(malformed("it is too long, or too deep"))?;
    let challenge = value.get("challenge").and_then(from_value);
    let credential = Credential {
        challenge: challenge.ok_or(malformed("its challenge is incomplete"))?,
        source: value
            .get("source")
            .and_then(Value::as_str)
            .map(str::to_owned),
        payload: value
            .get("payload")
            .cloned()
            .unwrap_or(Value::Object(Map::new())),
    };
    credential.check()?;
    Ok(credential)
}

/// Canonical JSON, if it is neither too deep nor too long.
fn bounded_json(value: &Value, bytes_max: usize) -> Option<String> {
    let mut budget = bytes_max;
    fits(value, DEPTH_MAX, &mut budget)?;
    canonical_json(value).filter(|json| json.len() <= bytes_max)
}

/// Whether a value is within bounds, without writing it. The budget is a lower bound of its length.
fn fits(value: &Value, depth: usize, budget: &mut usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let length = 1 + value.as_str().map_or(0, str::len);
    *budget = budget.checked_sub(length)?;
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| fits(item, depth, budget)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            *budget = budget.checked_sub(name.len())?;
            fits(member, depth, budget)
        }),
        _ => Some(()),
    }
}
