//! What a seller says of itself before it is asked: `GET /openapi.json` and `GET /.well-known/payment`
//! (draft-payment-discovery).
//!
//! Both are advice. What a request costs, its 402 says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::mpp::SAT;

/// Where the OpenAPI document stands.
pub const OPENAPI_PATH: &str = "/openapi.json";
/// Where the short document stands.
pub const WELL_KNOWN_PATH: &str = "/.well-known/payment";
/// How long both may be kept, for `Cache-Control`.
pub const CACHE_CONTROL: &str = "max-age=300";

/// The seller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Its name.
    pub title: String,
    /// The version of its API.
    pub version: String,
    /// What it does, for people.
    pub description: Option<String>,
    /// The protection space of its challenges, usually the host's name.
    pub realm: String,
    /// What it is about: `compute`, `data`… At most five are looked at by registries.
    pub categories: Vec<String>,
    /// Where more is to be read.
    pub docs: Docs,
}

/// Links.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Docs {
    /// A page for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// A page for programmers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_reference: Option<String>,
    /// A page for models (`llms.txt`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llms: Option<String>,
}

/// Something that can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// `GET`, `POST`…
    pub http_method: String,
    /// Its path, which begins with a slash.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// The ways to pay for it; none for what is free.
    pub offers: Vec<Offer>,
    /// What can be had for nothing, for people.
    pub free_tier: Option<String>,
    /// The JSON Schema of its body.
    pub request_schema: Option<Value>,
    /// The JSON Schema of its answer.
    pub response_schema: Option<Value>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The protocol: only `Payment` is known to the draft; the others are listed beside it.
    pub protocol: Protocol,
    /// The price in sat; of a session, that of a unit. `None` if it depends on the request.
    pub price_sat: Option<u64>,
    /// What a unit is: `token`, `request`…
    pub unit: Option<String>,
    /// The price in words.
    pub description: Option<String>,
}

/// A protocol of payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// The `Payment` scheme.
    Payment {
        /// `lightning`, `cashu`.
        method: String,
        /// `charge`, `session`.
        intent: String,
    },
    /// L402.
    L402,
    /// X-Cashu.
    XCashu,
}

impl Offer {
    fn to_json(&self) -> Value {
        let mut offer = Map::new();
        match &self.protocol {
            Protocol::Payment { method, intent } => {
                offer.insert("intent".to_owned(), json!(intent));
                offer.insert("method".to_owned(), json!(method));
            }
            Protocol::L402 => _ = offer.insert("protocol".to_owned(), json!("L402")),
            Protocol::XCashu => _ = offer.insert("protocol".to_owned(), json!("X-Cashu")),
        }
        offer.insert(
            "amount".to_owned(),
            json!(self.price_sat.map(|sat| sat.to_string())),
        );
        offer.insert("currency".to_owned(), json!(SAT));
        offer.extend(
            self.unit
                .as_ref()
                .map(|unit| ("unitType".to_owned(), json!(unit))),
        );
        offer.extend(
            self.description
                .as_ref()
                .map(|text| ("description".to_owned(), json!(text))),
        );
        Value::Object(offer)
    }

    fn is_payment(&self) -> bool {
        matches!(self.protocol, Protocol::Payment { .. })
    }
}

impl Operation {
    fn to_json(&self) -> Value {
        let mut responses = json!({ "200": { "description": "Successful response" } });
        if let Some(schema) = &self.response_schema {
            responses["200"]["content"] = json!({ "application/json": { "schema": schema } });
        }
        let mut operation = json!({ "summary": self.summary });
        if !self.offers.is_empty() {
            responses["402"] = json!({ "description": "Payment Required" });
            operation["x-payment-info"] = self.payment_info();
        }
        if let Some(schema) = &self.request_schema {
            operation["requestBody"] =
                json!({ "content": { "application/json": { "schema": schema } } });
        }
        operation["responses"] = responses;
        operation
    }

    fn payment_info(&self) -> Value {
        let (payments, others): (Vec<&Offer>, Vec<&Offer>) =
            self.offers.iter().partition(|offer| offer.is_payment());
        let list = |offers: Vec<&Offer>| offers.into_iter().map(Offer::to_json).collect::<Vec<_>>();
        let mut info = json!({ "offers": list(payments) });
        if !others.is_empty() {
            info["otherProtocols"] = json!(list(others));
        }
        if let Some(free_tier) = &self.free_tier {
            info["freeTier"] = json!(free_tier);
        }
        info
    }
}

/// The OpenAPI 3.1 document.
pub fn openapi(service: &Service, operations: &[Operation]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let methods = paths.entry(&operation.path).or_default();
        methods.insert(
            operation.http_method.to_ascii_lowercase(),
            operation.to_json(),
        );
    }
    let mut info = json!({ "title": service.title, "version": service.version });
    if let Some(description) = &service.description {
        info["description"] = json!(description);
    }
    json!({
        "openapi": "3.1.0",
        "info": info,
        "x-service-info": { "categories": service.categories, "docs": service.docs },
        "paths": paths,
    })
}

/// The short document: which methods and intents there are.
pub fn well_known(service: &Service, operations: &[Operation]) -> Value {
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for offer in operations.iter().flat_map(|operation| &operation.offers) {
        if let Protocol::Payment { method, intent } = &offer.protocol {
            methods.entry(method).or_default().insert(intent);
        }
    }
    let methods: BTreeMap<_, _> = methods
        .into_iter()
        .map(|(method, intents)| (method, json!({ "intents": intents, "assets": [SAT] })))
        .collect();
    json!({ "version": 1, "realm": service.realm, "methods": methods })
}
