//! What the node says of what it sells, before it is asked.

use http402::discovery::{Docs, Operation, Protocol, Service, openapi, well_known};
use http402::{discovery, mpp};
use serde_json::Value;

use super::Offer;
use super::chat::chat;
use crate::node::Node;

/// The methods that are listed where all are sold.
const USUAL_METHODS: [&str; 2] = ["GET", "POST"];

impl Node {
    /// The OpenAPI document of what is sold here, `GET /openapi.json`.
    #[must_use]
    pub fn openapi(&self) -> Value {
        openapi(&self.service(), &self.operations())
    }

    /// The ways to pay here, `GET /.well-known/payment`.
    #[must_use]
    pub fn well_known_payment(&self) -> Value {
        well_known(&self.service(), &self.operations())
    }

    fn service(&self) -> Service {
        let url = self.inner.config.url();
        Service {
            title: "Freehold".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: Some("A machine that a person owns, and what it sells".to_owned()),
            realm: self.inner.selling.realm.clone(),
            categories: vec!["compute".to_owned()],
            docs: Docs {
                homepage: Some(url),
                ..Docs::default()
            },
        }
    }

    fn operations(&self) -> Vec<Operation> {
        let sold = self.offers();
        let calls = sold.iter().flat_map(|offer| self.operations_of(offer));
        calls.chain([self.chat_operation()]).collect()
    }

    fn operations_of(&self, offer: &Offer) -> Vec<Operation> {
        let methods = match &offer.method {
            Some(method) => vec![method.clone()],
            None if offer.tools.is_some() => vec!["POST".to_owned()],
            None => USUAL_METHODS.map(str::to_owned).to_vec(),
        };
        let operation = |http_method| Operation {
            http_method,
            path: offer.path.clone(),
            summary: offer.description.clone(),
            offers: self.ways_to_pay(offer),
            free_tier: (offer.free_per_day > 0)
                .then(|| format!("{} calls a day", offer.free_per_day)),
            request_schema: None,
            response_schema: None,
        };
        methods.into_iter().map(operation).collect()
    }

    fn ways_to_pay(&self, offer: &Offer) -> Vec<discovery::Offer> {
        let payment = |method: &str, intent: &str| Protocol::Payment {
            method: method.to_owned(),
            intent: intent.to_owned(),
        };
        let has_lightning = self.inner.cashier.is_some();
        let has_sessions = offer.deposit_sat >= offer.price_sat;
        let ways = [
            (has_lightning, Protocol::L402),
            (
                has_lightning && has_sessions,
                payment(mpp::LIGHTNING, mpp::SESSION),
            ),
            (has_sessions, payment(mpp::CASHU, mpp::SESSION)),
            (has_lightning, payment(mpp::LIGHTNING, mpp::CHARGE)),
            (true, Protocol::XCashu),
        ];
        // MCP carries `Payment` and nothing else.
        let is_carried = |protocol: &Protocol| {
            offer.tools.is_none() || matches!(protocol, Protocol::Payment { .. })
        };
        let open = ways
            .into_iter()
            .filter(|(is_open, protocol)| *is_open && is_carried(protocol));
        open.map(|(_, protocol)| discovery::Offer {
            protocol,
            price_sat: Some(offer.price_sat),
            unit: Some(offer.unit.as_str().to_owned()),
            description: None,
        })
        .collect()
    }

    /// The model's answers, whose price depends on the question.
    fn chat_operation(&self) -> Operation {
        let price = &self.inner.config.price;
        let words = format!(
            "{} msat a token of the question, {} msat a token of the answer; ecash and sessions get the rest back",
            price.prompt_msat_per_token, price.completion_msat_per_token
        );
        let ways = self.ways_to_pay(&chat(1)).into_iter();
        let offers = ways.map(|way| discovery::Offer {
            price_sat: None,
            unit: Some("token".to_owned()),
            description: Some(words.clone()),
            ..way
        });
        Operation {
            http_method: "POST".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            summary: "Answers of the local model, as OpenAI's clients ask for them".to_owned(),
            offers: offers.collect(),
            free_tier: None,
            request_schema: None,
            response_schema: None,
        }
    }
}
