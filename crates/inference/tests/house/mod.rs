//! What the tests with a real worker and a real model have in common.

#![allow(clippy::print_stdout)]

use std::{env, path::PathBuf};

const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// The small model that these tests run with, if it is on this machine.
pub fn model_path() -> Option<PathBuf> {
    let set = env::var_os("FREEHOLD_TEST_MODEL").map(PathBuf::from);
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let cached = cache.map(|cache| cache.join("freehold/models").join(MODEL));
    let path = set.or(cached).filter(|path| path.is_file());
    if path.is_none() {
        println!("skipped: {MODEL} isn't here; set FREEHOLD_TEST_MODEL to its path");
    }
    path
}

/// The example program beside the tests: `target/<profile>/examples/inference-worker`.
pub fn worker_program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let name = format!("inference-worker{}", env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}
