//! What carries challenges and credentials: HTTP's headers, or `_meta` in a call of a tool (MCP, JSON-RPC by HTTP).
//!
//! It is one thing in two places. A call that must be paid is read as the 402 with the headers that it would be over
//! plain HTTP, and the credential for it goes to where the challenge came from. Nothing else knows of JSON-RPC.

use http402::mcp;
use reqwest::Client;
use serde_json::Value;

use super::FetchRequest;
use super::answer::events;
use super::http::{self, Credential, HttpAnswer};
use crate::error::Result;

/// Where a seller has its challenges, and wants its credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Carrier {
    /// In HTTP's headers.
    #[default]
    Headers,
    /// In `_meta` of the call.
    Meta,
}

impl Carrier {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Meta => "meta",
        }
    }

    pub fn parse(text: &str) -> Self {
        match text {
            "meta" => Self::Meta,
            _ => Self::Headers,
        }
    }
}

/// Sends the request, with a credential if it is to be paid for. It goes where the request says and nowhere else.
pub(super) async fn send(
    client: &Client,
    request: &FetchRequest,
    credential: Option<Credential<'_>>,
) -> Result<HttpAnswer> {
    let Some(call) = call(request) else {
        return http::send(client, request, credential).await;
    };
    let id = call["id"].clone();
    let is_paid = credential.is_some();
    let answer = match credential {
        Some(credential) if credential.carrier == Carrier::Meta => {
            let request = with_credential(request, call, credential.value)?;
            http::send(client, &request, None).await?
        }
        credential => http::send(client, request, credential).await?,
    };
    Ok(translated(answer, &id, is_paid))
}

/// The request's body, if it calls a tool.
fn call(request: &FetchRequest) -> Option<Value> {
    let body = request.body.as_deref()?;
    let is_post = request.method.eq_ignore_ascii_case("POST");
    let message: Value = is_post.then(|| serde_json::from_slice(body).ok())??;
    let is_call = message.get("method")? == mcp::TOOLS_CALL && !message.get("id")?.is_null();
    is_call.then_some(message)
}

fn with_credential(request: &FetchRequest, call: Value, value: &str) -> Result<FetchRequest> {
    let paid = mcp::with_authorization(call, value)?;
    Ok(FetchRequest {
        body: Some(paid.to_string().into_bytes()),
        ..request.clone()
    })
}

/// The answer as it would be over plain HTTP: one that asks for a payment, or one to a payment that can't be taken now.
fn translated(mut answer: HttpAnswer, id: &Value, is_paid: bool) -> HttpAnswer {
    let Some(error) = error(&answer, id) else {
        return answer;
    };
    let challenges = mcp::www_authenticate(&error);
    let is_refusal = is_paid && error["code"] == mcp::VERIFICATION_FAILED;
    // MCP has the same code for something else, without challenges.
    if is_refusal || !challenges.is_empty() {
        let is_challenge = |name: &str| {
            ["www-authenticate", "x-cashu"].contains(&name.to_ascii_lowercase().as_str())
        };
        answer.headers.retain(|(name, _)| !is_challenge(name));
        let challenges = challenges
            .into_iter()
            .map(|value| ("www-authenticate".to_owned(), value));
        answer.headers.extend(challenges);
        answer.carrier = Carrier::Meta;
        answer.status = 402;
    } else if is_paid && let Some(status @ 500..=599) = error["data"]["status"].as_u64() {
        answer.status = u16::try_from(status).unwrap_or(answer.status);
    }
    answer
}

/// The error in the response to the call with this id.
fn error(answer: &HttpAnswer, id: &Value) -> Option<Value> {
    let is_success = (200..300).contains(&answer.status);
    let whole = serde_json::from_slice(&answer.body).ok().into_iter();
    let messages = whole.chain(events(answer));
    let is_response = |message: &Value| message.get("id") == Some(id);
    let mut responses = messages.filter(|message| is_success && is_response(message));
    responses.next()?.get_mut("error").map(Value::take)
}

#[cfg(test)]
mod tests {
    use http402::mpp;
    use serde_json::json;

    use super::*;

    fn request(body: &Value) -> FetchRequest {
        FetchRequest {
            method: "POST".into(),
            body: Some(body.to_string().into_bytes()),
            ..FetchRequest::default()
        }
    }

    fn answer(kind: &str, body: String) -> HttpAnswer {
        HttpAnswer {
            status: 200,
            headers: vec![
                ("Content-Type".into(), kind.into()),
                (
                    "WWW-Authenticate".into(),
                    "Payment of=\"somebody else\"".into(),
                ),
            ],
            body: body.into_bytes(),
            carrier: Carrier::Headers,
        }
    }

    fn asked(code: i64) -> Value {
        let challenge = json!({
            "id": "abc", "realm": "r", "method": "lightning", "intent": "charge", "request": { "amount": "5" },
        });
        let data = json!({ "httpStatus": 402, "challenges": [challenge] });
        json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": code, "message": "", "data": data } })
    }

    #[test]
    fn only_calls_of_tools_are_read() {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {} });
        assert!(call(&request(&message)).is_some());
        let mut get = request(&message);
        get.method = "GET".into();
        assert!(call(&get).is_none());
        for other in [
            json!({ "id": 7, "method": "tools/list" }),
            json!({ "id": null, "method": "tools/call" }),
            json!({ "method": "tools/call" }),
            json!([message]),
            json!("tools/call"),
        ] {
            assert!(call(&request(&other)).is_none(), "{other}");
        }
        assert!(call(&FetchRequest::default()).is_none());
    }

    #[test]
    fn a_call_that_must_be_paid_is_a_402() {
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress" });
        for code in [-32042, -32043] {
            let asked = asked(code);
            let stream = format!("data: {progress}\n\nevent: message\ndata: {asked}\n\n");
            for (kind, body) in [
                ("application/json", asked.to_string()),
                ("text/event-stream", stream),
            ] {
                let read = translated(answer(kind, body), &json!(7), false);
                assert_eq!((read.status, read.carrier), (402, Carrier::Meta));
                let pairs = read
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()));
                let [challenge] = mpp::challenges(pairs).try_into().unwrap();
                assert_eq!(
                    (challenge.id.as_str(), challenge.realm.as_str()),
                    ("abc", "r")
                );
            }
        }
    }

    #[test]
    fn what_is_for_another_call_or_no_price_is_left_alone() {
        let same = |body: Value, is_paid| {
            let read = translated(
                answer("application/json", body.to_string()),
                &json!(7),
                is_paid,
            );
            (read.status, read.carrier) == (200, Carrier::Headers)
        };
        let mut other = asked(-32042);
        other["id"] = json!(8);
        assert!(same(other, false));
        assert!(same(asked(-32000), false));
        let elicited =
            json!({ "id": 7, "error": { "code": -32042, "data": { "elicitations": [] } } });
        assert!(same(elicited.clone(), false) && same(elicited, true));
        let refused = json!({ "id": 7, "error": { "code": -32043 } });
        assert!(same(refused.clone(), false) && !same(refused, true));
        assert!(same(
            json!({ "id": 7, "result": { "error": { "code": -32042 } } }),
            false
        ));
        // A seller that can't take a payment now is asked again; what it says to anybody else is its own affair.
        let later = json!({ "id": 7, "error": { "code": -32603, "data": { "status": 503 } } });
        assert!(same(later.clone(), false));
        let read = translated(
            answer("application/json", later.to_string()),
            &json!(7),
            true,
        );
        assert_eq!(read.status, 503);
    }

    #[test]
    fn a_credential_goes_where_the_challenge_came_from() {
        let challenge = mpp::Challenge {
            id: "abc".into(),
            realm: "r".into(),
            method: "lightning".into(),
            intent: "charge".into(),
            request: mpp::to_base64url("{}"),
            ..mpp::Challenge::default()
        };
        let credential = mpp::charge_credential(&challenge, &mpp::Preimage::from([1; 32]));
        let message = json!({ "id": 7, "method": "tools/call", "params": { "name": "a" } });
        let request = request(&message);
        let call = call(&request).unwrap();
        let paid = with_credential(&request, call, &credential.to_header()).unwrap();
        let sent: Value = serde_json::from_slice(&paid.body.unwrap()).unwrap();
        assert_eq!(mcp::credential(&sent), Ok(Some(credential)));
        assert_eq!(sent["params"]["name"], "a");
        for carrier in [Carrier::Headers, Carrier::Meta] {
            assert_eq!(Carrier::parse(carrier.as_str()), carrier);
        }
    }
}
