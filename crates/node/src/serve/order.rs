//! Step 1: what is wanted, and what it costs at most.

use std::sync::Arc;

use inference::openai::{ChatRequest, ModelEntry, ModelList, Reply};
use timestamp::Hash;
use uuid::Uuid;

use super::sale::{Quote, Sale};
use crate::boxed;
use crate::config::PriceConfig;
use crate::energy::Place;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// A request that can be served, with its price.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Unique; orders by time.
    pub id: String,
    pub request: ChatRequest,
    /// The request's exact bytes: what the receipt speaks of.
    pub body: Vec<u8>,
    pub body_sha256: Hash,
    /// The served model's name and its file's digest.
    pub model: String,
    pub model_sha256: Option<Hash>,
    pub prompt_tokens: u32,
    /// The longest answer that `max_price_sat` pays for.
    pub max_tokens: u32,
    /// Zero if the node gives its answers away.
    pub max_price_sat: u64,
    /// Its share of the power, taken for as long as this order lives. The owner's needs none.
    pub place: Option<Arc<Place>>,
}

impl Order {
    /// What a token is to pay for.
    pub fn quote(&self) -> Quote {
        Quote {
            request: self.body_sha256.to_string(),
            body: self.body.clone(),
            max_price_sat: self.max_price_sat,
            max_tokens: self.max_tokens,
            offer: None,
        }
    }

    /// What was quoted when the token came is what holds.
    pub fn restore_terms(&mut self, sale: &Sale) {
        self.max_price_sat = sale.max_price_sat;
        self.max_tokens = sale.max_tokens;
    }

    pub fn reply(&self) -> Reply {
        let created = (now_ms().max(0) / 1_000).unsigned_abs();
        Reply::new(&self.id, created, &self.model)
    }
}

impl PriceConfig {
    /// The price of so many tokens: whole sats, rounded up.
    pub(super) fn price_sat(&self, prompt_tokens: u32, completion_tokens: u32) -> u64 {
        let prompt = u64::from(prompt_tokens).saturating_mul(self.prompt_msat_per_token);
        let completion =
            u64::from(completion_tokens).saturating_mul(self.completion_msat_per_token);
        wallet::msat_to_sat_ceil(prompt.saturating_add(completion))
    }
}

impl Node {
    /// Reads a request's body, measures it with the model's own tokens, and prices it.
    pub(crate) async fn price(&self, body: Vec<u8>) -> Result<Order> {
        let request = ChatRequest::from_json(&body)?;
        let running = self.inner.engines.get().await?;
        let model = &running.model.spec;
        if !matches!(request.model.as_str(), "" | "default") && request.model != model.name {
            return Err(NodeError::ModelUnknown(request.model));
        }
        let prepared = running.engine.prepare(&request).await?;
        let wanted = request
            .wanted_tokens()
            .unwrap_or(self.inner.config.engine.max_tokens_default);
        let max_tokens = wanted.min(
            prepared
                .context_tokens
                .saturating_sub(prepared.prompt_tokens),
        );
        Ok(Order {
            id: Uuid::now_v7().to_string(),
            body_sha256: Hash::of(&body),
            model: model.name.clone(),
            model_sha256: model.sha256.parse().ok(),
            prompt_tokens: prepared.prompt_tokens,
            max_tokens,
            max_price_sat: self
                .inner
                .config
                .price
                .price_sat(prepared.prompt_tokens, max_tokens),
            request,
            body,
            place: None,
        })
    }

    /// The models that can be asked for.
    ///
    /// # Errors
    /// If the store can't be read.
    #[allow(clippy::unused_async, reason = "upstreams will have to be asked")]
    #[boxed]
    pub async fn models(&self) -> Result<ModelList> {
        let selected = self.inner.engines.selected()?;
        let entries = selected.map(|model| ModelEntry::new(model.spec.name, 0, "freehold"));
        Ok(ModelList::new(entries.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_round_up_and_never_wrap() {
        let price = PriceConfig {
            prompt_msat_per_token: 10,
            completion_msat_per_token: 100,
        };
        assert_eq!(price.price_sat(30, 256), 26);
        assert_eq!(price.price_sat(1, 0), 1);
        assert_eq!(price.price_sat(0, 0), 0);
        let absurd = PriceConfig {
            prompt_msat_per_token: u64::MAX,
            completion_msat_per_token: u64::MAX,
        };
        assert_eq!(
            absurd.price_sat(u32::MAX, u32::MAX),
            u64::MAX.div_ceil(1_000)
        );
    }
}
