//! How the next token is chosen.

use llama_cpp_2::sampling::LlamaSampler;

use crate::openai::ChatRequest;

/// The defaults are llama.cpp's own: small models ramble at OpenAI's, which are 1 and 1.
const DEFAULT_TEMPERATURE: f32 = 0.8;
const DEFAULT_TOP_P: f32 = 0.95;
const TOP_K: i32 = 40;
const MIN_P: f32 = 0.05;
/// llama.cpp takes this seed for "choose one".
const RANDOM_SEED: u32 = u32::MAX;

/// The sampler that a request asks for.
pub(super) fn sampler(request: &ChatRequest, n_vocab: i32, context_tokens: u32) -> LlamaSampler {
    let mut chain = Vec::new();
    let frequency = request.frequency_penalty.unwrap_or(0.0);
    let presence = request.presence_penalty.unwrap_or(0.0);
    if frequency != 0.0 || presence != 0.0 {
        let window = i32::try_from(context_tokens).unwrap_or(i32::MAX);
        chain.push(LlamaSampler::penalties(
            n_vocab, window, 1.0, frequency, presence,
        ));
    }
    let temperature = request.temperature.unwrap_or(DEFAULT_TEMPERATURE);
    if temperature > 0.0 {
        chain.extend([
            LlamaSampler::top_k(TOP_K),
            LlamaSampler::top_p(request.top_p.unwrap_or(DEFAULT_TOP_P), 1),
            LlamaSampler::min_p(MIN_P, 1),
            LlamaSampler::temp(temperature),
            LlamaSampler::dist(request.seed.map_or(RANDOM_SEED, fold)),
        ]);
    } else {
        chain.push(LlamaSampler::greedy());
    }
    LlamaSampler::chain(chain, true)
}

/// A seed of 32 bits that is never the random one.
fn fold(seed: i64) -> u32 {
    let [a, b, c, d, e, f, g, h] = seed.to_le_bytes();
    let folded = u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h]);
    folded.min(RANDOM_SEED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_seed_is_random_by_accident() {
        assert_eq!(fold(42), 42);
        assert_eq!(fold(i64::from(u32::MAX)), RANDOM_SEED - 1);
        assert_eq!(fold(-1), 0);
        assert_ne!(fold(1 << 40), fold(0));
    }
}
