//! Requests and responses: the JSON inside the events.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::NwcError;
use super::limits::ANSWER_BYTES_MAX;
use super::method::Method;
use super::transaction::{ListTransactions, Lookup};

/// Why a request was refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// Too many requests.
    RateLimited,
    /// Not a method that is known or offered here.
    NotImplemented,
    /// Not enough money.
    InsufficientBalance,
    /// More than the budget allows.
    QuotaExceeded,
    /// This connection may not ask for that.
    Restricted,
    /// This connection isn't one, or isn't one any more.
    Unauthorized,
    /// The payment didn't arrive.
    PaymentFailed,
    /// There is no such invoice or payment.
    NotFound,
    /// An encryption that the wallet doesn't know.
    UnsupportedEncryption,
    /// The wallet has a problem of its own.
    Internal,
    /// Anything else, and codes that are new.
    #[serde(other)]
    Other,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    #[serde(default)]
    pub message: String,
}

impl Failure {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// What a wallet that refuses so needs.
    pub(super) const fn hint(&self) -> &'static str {
        match self.code {
            ErrorCode::RateLimited => "ask more slowly",
            ErrorCode::InsufficientBalance => "put money into the other wallet",
            ErrorCode::QuotaExceeded => "raise the budget of the connection in the other wallet",
            ErrorCode::Restricted => "allow it for the connection in the other wallet",
            ErrorCode::Unauthorized => "make a new connection in the other wallet",
            _ => "see what the other wallet says about it",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message is a stranger's: bounded, and on one line.
        let message = self.message.chars().filter(|c| !c.is_control()).take(300);
        write!(f, "{} ({:?})", message.collect::<String>(), self.code)
    }
}

/// What is to be paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayInvoice {
    /// The invoice.
    pub invoice: String,
    /// How much, for an invoice that doesn't say.
    #[serde(rename = "amount", default, skip_serializing_if = "Option::is_none")]
    pub amount_msat: Option<u64>,
}

/// A payment without an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayKeysend {
    /// How much.
    #[serde(rename = "amount")]
    pub amount_msat: u64,
    /// To which node, hex.
    pub pubkey: String,
    /// The preimage to use, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preimage: Option<String>,
    /// What to send along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tlv_records: Vec<TlvRecord>,
}

/// A record that a keysend carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlvRecord {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u64,
    /// Its value, hex.
    pub value: String,
}

/// An invoice to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeInvoice {
    /// How much.
    #[serde(rename = "amount")]
    pub amount_msat: u64,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The hash of what it is for, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_hash: Option<String>,
    /// How long it can be paid.
    #[serde(rename = "expiry", default, skip_serializing_if = "Option::is_none")]
    pub expiry_s: Option<u64>,
}

/// A method with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// See [`Method::GetInfo`].
    GetInfo,
    /// See [`Method::GetBalance`].
    GetBalance,
    /// See [`Method::GetBudget`].
    GetBudget,
    /// See [`Method::PayInvoice`].
    PayInvoice(PayInvoice),
    /// See [`Method::PayKeysend`].
    PayKeysend(PayKeysend),
    /// See [`Method::MakeInvoice`].
    MakeInvoice(MakeInvoice),
    /// See [`Method::LookupInvoice`].
    LookupInvoice(Lookup),
    /// See [`Method::ListTransactions`].
    ListTransactions(ListTransactions),
}

impl Call {
    /// Its method.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::GetInfo => Method::GetInfo,
            Self::GetBalance => Method::GetBalance,
            Self::GetBudget => Method::GetBudget,
            Self::PayInvoice(_) => Method::PayInvoice,
            Self::PayKeysend(_) => Method::PayKeysend,
            Self::MakeInvoice(_) => Method::MakeInvoice,
            Self::LookupInvoice(_) => Method::LookupInvoice,
            Self::ListTransactions(_) => Method::ListTransactions,
        }
    }

    fn params(&self) -> Value {
        let written = match self {
            Self::GetInfo | Self::GetBalance | Self::GetBudget => Ok(json!({})),
            Self::PayInvoice(params) => serde_json::to_value(params),
            Self::PayKeysend(params) => serde_json::to_value(params),
            Self::MakeInvoice(params) => serde_json::to_value(params),
            Self::LookupInvoice(params) => serde_json::to_value(params),
            Self::ListTransactions(params) => serde_json::to_value(params),
        };
        written.unwrap_or_else(|_| json!({}))
    }
}

/// A request, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method's name, also if it is unknown: the answer repeats it.
    pub method: String,
    /// What is asked for.
    pub call: Result<Call, Failure>,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`NwcError::Answer`] if it isn't even an object with a method. What is wrong beyond that is in
    /// [`Request::call`].
    pub fn parse(json: &str) -> Result<Self, NwcError> {
        #[derive(Deserialize)]
        struct Raw {
            method: String,
            #[serde(default)]
            params: Value,
        }
        let raw: Raw =
            serde_json::from_str(json).map_err(|_| NwcError::Answer("it isn't a request"))?;
        let method: String = raw.method.chars().take(64).collect();
        let call = read_call(&method, raw.params);
        Ok(Self { method, call })
    }

    /// Writes a request.
    pub(super) fn write(call: &Call) -> String {
        json!({ "method": call.method().as_str(), "params": call.params() }).to_string()
    }
}

fn read_call(method: &str, params: Value) -> Result<Call, Failure> {
    let Some(method) = Method::from_name(method) else {
        let message = "this method is not known here";
        return Err(Failure::new(ErrorCode::NotImplemented, message));
    };
    Ok(match method {
        Method::GetInfo => Call::GetInfo,
        Method::GetBalance => Call::GetBalance,
        Method::GetBudget => Call::GetBudget,
        Method::PayInvoice => Call::PayInvoice(read_params(params)?),
        Method::PayKeysend => Call::PayKeysend(read_params(params)?),
        Method::MakeInvoice => Call::MakeInvoice(read_params(params)?),
        Method::LookupInvoice => Call::LookupInvoice(read_params(params)?),
        Method::ListTransactions => Call::ListTransactions(read_params(params)?),
    })
}

fn read_params<T: DeserializeOwned>(params: Value) -> Result<T, Failure> {
    let params = if params.is_null() { json!({}) } else { params };
    serde_json::from_value(params).map_err(|error| {
        let message = format!("the parameters can't be read: {error}");
        Failure::new(
            ErrorCode::Other,
            message.chars().take(200).collect::<String>(),
        )
    })
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The method that it answers.
    pub result_type: String,
    /// Why not, if not.
    #[serde(default)]
    pub error: Option<Failure>,
    /// The result, if there is one.
    #[serde(default)]
    pub result: Option<Value>,
}

impl Response {
    /// A result.
    pub(super) fn done(method: Method, result: Value) -> Self {
        Self {
            result_type: method.as_str().into(),
            error: None,
            result: Some(result),
        }
    }

    /// Either.
    pub(super) fn of(method: &str, result: Result<Value, Failure>) -> Self {
        let (result, error) = match result {
            Ok(result) => (Some(result), None),
            Err(failure) => (None, Some(failure)),
        };
        Self {
            result_type: method.into(),
            error,
            result,
        }
    }

    /// A refusal.
    pub(super) fn refused(method: &str, failure: Failure) -> Self {
        Self {
            result_type: method.into(),
            error: Some(failure),
            result: None,
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`NwcError::Answer`].
    pub fn parse(json: &str) -> Result<Self, NwcError> {
        serde_json::from_str(json).map_err(|_| NwcError::Answer("it isn't a response"))
    }

    /// Writes it. A list of transactions that is too long for an event is shortened at its end.
    pub(super) fn write(mut self) -> String {
        loop {
            let json = serde_json::to_string(&self).unwrap_or_default();
            if json.len() <= ANSWER_BYTES_MAX || !self.shorten() {
                return json;
            }
        }
    }

    fn shorten(&mut self) -> bool {
        let transactions = self
            .result
            .as_mut()
            .and_then(|result| result.get_mut("transactions"))
            .and_then(Value::as_array_mut);
        transactions.is_some_and(|transactions| transactions.pop().is_some())
    }

    /// The result as a `T`.
    ///
    /// # Errors
    /// [`NwcError::Refused`], or [`NwcError::Answer`] if it is something else.
    pub(super) fn result<T: DeserializeOwned>(self) -> Result<T, NwcError> {
        if let Some(failure) = self.error {
            return Err(NwcError::Refused(failure));
        }
        let result = self.result.unwrap_or(Value::Object(Map::new()));
        serde_json::from_value(result)
            .map_err(|_| NwcError::Answer("its result isn't as it should be"))
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
