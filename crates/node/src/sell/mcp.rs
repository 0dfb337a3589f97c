//! Tools of an MCP server, sold by the call (JSON-RPC by Streamable HTTP).
//!
//! Headers and `_meta` are two carriers of one thing. A credential in `_meta` goes to the door as an `Authorization`, and
//! what the door answers comes back as an error or a result: behind it everything is as for any other call.

use std::sync::Arc;

use http402::mcp;
use http402::mpp::{self, PAYMENT_RECEIPT, Receipt};
use http402::xcashu::X_CASHU;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::door::{Call, Entry};
use super::pass::{Pass, Payer};
use super::{Answer, Offer, SellError};
use crate::error::Result;
use crate::node::Node;

/// Bytes of a tool's name.
const NAME_BYTES_MAX: usize = 128;
/// What a message may have beside its `method` (JSON-RPC 2.0, and `_meta`, which some put there).
const MEMBERS: [&str; 7] = [
    "jsonrpc", "id", "method", "params", "result", "error", "_meta",
];

/// JSON-RPC's own codes.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const INTERNAL_ERROR: i64 = -32603;

/// Which of an MCP server's tools an offer sells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// The only one; all that aren't sold by themselves if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Tools {
    pub(super) fn check(&self) -> Result<(), SellError> {
        let is_name = |name: &String| {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
        };
        match self.name.as_ref().is_none_or(is_name) {
            true => Ok(()),
            false => Err(SellError::OfferInvalid(
                "a tool's name must be at most 128 printable ASCII characters",
            )),
        }
    }

    /// Whether a tool of this name is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|own| own == name)
    }
}

/// What was sent to an MCP server.
pub enum Message {
    /// It costs nothing: this is to be passed on.
    Free(Vec<u8>),
    /// A tool that is sold is called.
    Call(Box<ToolCall>),
    /// It isn't passed on.
    Refused(Answer),
}

/// A call of a tool that is sold.
pub struct ToolCall {
    offer: Arc<Offer>,
    id: Value,
    message: Value,
}

/// Where the call of a tool goes.
pub enum ToolEntry {
    /// To the MCP server.
    Pass(Box<ToolPass>),
    /// Back, with this.
    Answer(Answer),
}

impl Node {
    /// Reads what is sent to an offer of tools. What is passed on is written anew, so that nobody behind this door reads
    /// anything else in it.
    #[must_use]
    pub fn read_message(&self, offer: &Arc<Offer>, body: &[u8]) -> Message {
        let Ok(message) = serde_json::from_slice::<Value>(body) else {
            return refused(Value::Null, PARSE_ERROR, "Parse error");
        };
        let sold = |name: &str| self.inner.selling.catalogue.find_tool(offer, name);
        let calls = match &message {
            Value::Array(messages) => messages.iter().map(|one| call(one, &sold)).collect(),
            one => vec![call(one, &sold)],
        };
        let Ok(calls) = calls.into_iter().collect::<Result<Vec<_>, _>>() else {
            return refused(Value::Null, INVALID_REQUEST, "Invalid Request");
        };
        let sold = calls.into_iter().flatten().next();
        match (sold, message) {
            (None, message) => Message::Free(message.to_string().into_bytes()),
            (Some((id, offer)), message @ Value::Object(_)) => {
                Message::Call(Box::new(ToolCall { offer, id, message }))
            }
            (Some(_), _) => {
                let why = "tools that are sold can't be called in a batch";
                refused(Value::Null, INVALID_REQUEST, why)
            }
        }
    }

    /// What passes an offer of tools for nothing.
    #[must_use]
    pub fn free_pass(&self, offer: &Arc<Offer>) -> Pass {
        Pass::new(self, offer, Payer::Nobody, None)
    }

    /// Lets a call in that is paid for, or says how to pay; as [`enter`](Self::enter), but for the carrier.
    ///
    /// # Errors
    /// As for [`enter`](Self::enter).
    pub async fn enter_tool(&self, tool: ToolCall, mut call: Call) -> Result<ToolEntry> {
        let entry = match mcp::authorization(&tool.message) {
            Ok(credential) => {
                let credential = credential.map(|text| ("Authorization", text));
                call.credentials = credential.into_iter().collect();
                call.idempotency_key = None;
                self.enter(Arc::clone(&tool.offer), call).await?
            }
            Err(error) => {
                let error = SellError::Mpp(error);
                let refused = self.refuse_call(&tool.offer, call.address, &error).await;
                Entry::Answer(refused)
            }
        };
        Ok(match entry {
            Entry::Answer(answer) => ToolEntry::Answer(translated(&tool.id, answer)),
            Entry::Kept(_) => {
                let used = Answer::problem(&SellError::PaymentUsed, Some(&tool.offer));
                ToolEntry::Answer(translated(&tool.id, used))
            }
            Entry::Pass(pass) => ToolEntry::Pass(Box::new(ToolPass {
                body: mcp::without_credential(tool.message)
                    .to_string()
                    .into_bytes(),
                id: tool.id,
                pass: Some(*pass),
            })),
        })
    }
}

/// A message that different readers could read in different ways, or a call that wants no answer.
struct Unclear;

/// The id and the offer of a call of a tool that is sold; nothing if it is anything else.
fn call(
    message: &Value,
    sold: &impl Fn(&str) -> Option<Arc<Offer>>,
) -> Result<Option<(Value, Arc<Offer>)>, Unclear> {
    let members = message.as_object().ok_or(Unclear)?;
    if members.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(Unclear);
    }
    if message.get("method").and_then(Value::as_str) != Some(mcp::TOOLS_CALL) {
        return Ok(None);
    }
    let params = message.get("params").and_then(Value::as_object);
    let params = params.ok_or(Unclear)?;
    // Some readers don't tell `Name` from `name`.
    let is_other = |name: &String| name != "name" && name.eq_ignore_ascii_case("name");
    if params.keys().any(is_other) {
        return Err(Unclear);
    }
    let name = params.get("name").and_then(Value::as_str).ok_or(Unclear)?;
    let Some(offer) = sold(name) else {
        return Ok(None);
    };
    match message.get("id") {
        Some(id @ (Value::String(_) | Value::Number(_))) => Ok(Some((id.clone(), offer))),
        _ => Err(Unclear),
    }
}

fn refused(id: Value, code: i64, message: &str) -> Message {
    let error = json!({ "code": code, "message": message });
    Message::Refused(response(&id, "error", error, Vec::new()))
}

fn response(
    id: &Value,
    kind: &'static str,
    content: Value,
    headers: Vec<(&'static str, String)>,
) -> Answer {
    let mut answer = Answer::ok(json!({ "jsonrpc": "2.0", "id": id, kind: content }));
    answer.headers.extend(headers);
    answer
}

/// What the door answers, in JSON-RPC.
fn translated(id: &Value, answer: Answer) -> Answer {
    let Answer {
        status,
        headers,
        mut body,
    } = answer;
    let pairs = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let challenges = mpp::challenges(pairs);
    let find = |wanted: &str| {
        let mut found = headers.iter().filter(|(name, _)| *name == wanted);
        found.next().map(|(_, value)| value.as_str())
    };
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (code, detail) = (text("code"), text("detail"));
    let (kind, content) = match status {
        ..300 => {
            // What is left of a session, in ecash.
            if let Some(token) = find(X_CASHU) {
                body["token"] = json!(token);
            }
            let text = json!({ "type": "text", "text": body.to_string() });
            let result = json!({ "content": [text], "structuredContent": body });
            let receipt = find(PAYMENT_RECEIPT).and_then(|text| Receipt::decode(text).ok());
            let result = match receipt {
                Some(receipt) => mcp::with_receipt(result, &receipt),
                None => result,
            };
            ("result", Ok(result))
        }
        402 if code == "payment_required" => ("error", mcp::payment_required(&challenges, &body)),
        300..500 => ("error", mcp::refused(&challenges, &code, &detail)),
        _ => {
            let error = json!({ "code": INTERNAL_ERROR, "message": detail, "data": body });
            ("error", Ok(error))
        }
    };
    let internal = |_| json!({ "code": INTERNAL_ERROR, "message": "Internal error" });
    let content = content.unwrap_or_else(internal);
    // What was said of a bid stays where bids are.
    let offers = headers
        .iter()
        .filter(|(name, _)| *name == http402::haggle::PAYMENT_OFFER);
    response(id, kind, content, offers.cloned().collect())
}

/// A call that may go to the MCP server. It counts when that has done what was asked: an error, and a result that says
/// that it is one, cost nothing.
pub struct ToolPass {
    id: Value,
    body: Vec<u8>,
    /// Until it is settled.
    pass: Option<Pass>,
}

impl ToolPass {
    /// What to send, without the payment.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What is sold; none once the call is settled.
    #[must_use]
    pub fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }

    /// Takes notice of a message of the server's. If it is the result that was paid for, the call counts, and what is
    /// returned goes to the buyer instead.
    ///
    /// # Errors
    /// If that can't be written; then the payment is good at the next try.
    pub async fn hear(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        if self.pass.is_none() {
            return Ok(None);
        }
        let Ok(mut message) = serde_json::from_slice::<Value>(message) else {
            return Ok(None);
        };
        match mcp::was_served(&message, &self.id) {
            None => Ok(None),
            Some(false) => {
                self.failed(SellError::ToolFailed).await?;
                Ok(None)
            }
            Some(true) => {
                let receipt = self.served().await?;
                Ok(receipt.map(|receipt| {
                    let result = message["result"].take();
                    message["result"] = mcp::with_receipt(result, &receipt);
                    message.to_string().into_bytes()
                }))
            }
        }
    }

    /// The call counts. The receipt, if somebody has paid.
    ///
    /// # Errors
    /// As for [`hear`](Self::hear).
    pub async fn served(&mut self) -> Result<Option<Receipt>> {
        let Some(mut pass) = self.pass.take() else {
            return Ok(None);
        };
        let headers = pass.served().await?;
        let mut receipts = headers.iter().filter(|(name, _)| *name == PAYMENT_RECEIPT);
        Ok(receipts
            .next()
            .and_then(|(_, text)| Receipt::decode(text).ok()))
    }

    /// The server couldn't answer: it wasn't a call. What to tell the buyer; nothing if the call was settled before.
    ///
    /// # Errors
    /// As for [`hear`](Self::hear).
    pub async fn failed(&mut self, error: SellError) -> Result<Option<Answer>> {
        let Some(pass) = self.pass.take() else {
            return Ok(None);
        };
        let answer = pass.failed(error).await?;
        Ok(Some(translated(&self.id, answer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sell::NewOffer;

    fn offer() -> Arc<Offer> {
        let json =
            json!({ "upstream": "http://h/mcp", "price_sat": 5, "tools": { "name": "add" } });
        let new: NewOffer = serde_json::from_value(json).unwrap();
        Arc::new(Offer::new(new, 0).unwrap())
    }

    /// `free`, the id of a call that costs, or `unclear`.
    fn read(message: &Value) -> String {
        let offer = offer();
        let sold = |name: &str| (name == "add").then(|| Arc::clone(&offer));
        match call(message, &sold) {
            Ok(None) => "free".to_owned(),
            Ok(Some((id, _))) => id.to_string(),
            Err(Unclear) => "unclear".to_owned(),
        }
    }

    #[test]
    fn only_what_is_sold_costs_and_nothing_passes_as_something_else() {
        let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "add" } });
        let change = |pointer: &str, value: Value| {
            let mut changed = call.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            read(&changed)
        };
        assert_eq!(read(&call), "7");
        assert_eq!(change("/id", json!("a")), "\"a\"");
        assert_eq!(change("/params/name", json!("free")), "free");
        for method in ["tools/list", "initialize", "ping", "Tools/Call"] {
            assert_eq!(change("/method", json!(method)), "free");
        }
        assert_eq!(change("/id", Value::Null), "unclear");
        assert_eq!(change("/params", json!(["add"])), "unclear");
        assert_eq!(change("/params/name", json!(1)), "unclear");
        assert_eq!(
            change("/params", json!({ "name": "free", "Name": "add" })),
            "unclear"
        );
        for other in [json!({ "Method": "tools/call" }), json!(1), json!([[]])] {
            assert_eq!(read(&other), "unclear", "{other}");
        }
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
        assert_eq!(read(&answer), "free");
    }

    #[test]
    fn a_tools_name_is_a_word() {
        let check = |name: &str| {
            Tools {
                name: Some(name.to_owned()),
            }
            .check()
            .is_ok()
        };
        assert!(check("search") && check("a.b/c-d_e") && Tools::default().check().is_ok());
        assert!(!check("") && !check("two words") && !check("ä") && !check(&"x".repeat(129)));
    }
}
