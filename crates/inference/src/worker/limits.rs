//! The bounds of a session, as measured.

use std::num::NonZeroU32;

use llama_cpp_2::context::params::LlamaContextParams;

use crate::{ModelInfo, protocol::LoadOptions, scheduler::Limits};

/// The largest batch: a piece of a prompt, and a token for each of the others.
pub(super) const BATCH_TOKENS: usize = 192;
/// Prompt tokens in a batch. Larger ones are read 4 % faster at most, but nobody else can be
/// heard until they are through.
const PROMPT_TOKENS: usize = 128;
/// The same while others are being answered.
const SHARED_PROMPT_TOKENS: usize = 64;
const MAX_PARALLEL: u32 = 64;
const MAX_THREADS: u32 = 512;
const MAX_WAITING: usize = 64;

fn parallel(options: &LoadOptions) -> u32 {
    options.parallel.clamp(1, MAX_PARALLEL)
}

pub(super) fn scheduler(options: &LoadOptions) -> Limits {
    Limits {
        parallel: usize::try_from(parallel(options)).unwrap_or(1),
        waiting: MAX_WAITING,
        prompt_batch_tokens: PROMPT_TOKENS,
        shared_batch_tokens: SHARED_PROMPT_TOKENS,
    }
}

pub(super) fn context_params(info: &ModelInfo, options: &LoadOptions) -> LlamaContextParams {
    let parallel = parallel(options);
    let threads = i32::try_from(options.threads.clamp(1, MAX_THREADS)).unwrap_or(1);
    let batch_tokens = u32::try_from(BATCH_TOKENS).unwrap_or(u32::MAX);
    LlamaContextParams::default()
        // Every slot has room for a whole context: llama.cpp divides this number among them.
        .with_n_ctx(NonZeroU32::new(
            info.context_tokens.saturating_mul(parallel),
        ))
        .with_n_seq_max(parallel)
        .with_n_batch(batch_tokens)
        .with_n_ubatch(batch_tokens)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        // One pool for all slots is as fast with short prompts, and some 10 % slower with long
        // ones: each slot's attention has to skip what belongs to the others.
        .with_kv_unified(false)
        .with_no_perf(true)
}

const _: () = assert!(PROMPT_TOKENS <= BATCH_TOKENS);
const _: () = assert!(SHARED_PROMPT_TOKENS + MAX_PARALLEL as usize <= BATCH_TOKENS);
