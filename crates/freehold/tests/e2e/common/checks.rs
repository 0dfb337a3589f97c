//! Many checks against one node: each start loads a model.

use std::env;
use std::future::Future;
use std::time::{Duration, Instant};

use super::loudly;

const CHECK_WITHIN: Duration = Duration::from_secs(90);

/// Runs one check after the other, goes on when one fails, and fails at the end.
///
/// `FREEHOLD_E2E_ONLY=name` runs only the checks with that in their names.
#[derive(Default)]
pub struct Checks {
    failed: Vec<String>,
    passed: usize,
}

impl Checks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a check. A panic in it is its failure; so is taking too long.
    pub async fn run<F>(&mut self, name: &str, check: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if env::var("FREEHOLD_E2E_ONLY").is_ok_and(|only| !name.contains(&only)) {
            return;
        }
        let start = Instant::now();
        let task = tokio::spawn(tokio::time::timeout(CHECK_WITHIN, check));
        let verdict = match task.await {
            Ok(Ok(())) => "ok",
            Ok(Err(_)) => "FAILED: it takes for ever",
            Err(_) => "FAILED",
        };
        println!(
            "check {name} … {verdict} ({:.1} s)",
            start.elapsed().as_secs_f32()
        );
        if verdict == "ok" {
            self.passed += 1;
        } else {
            loudly(&format!("check {name} … {verdict}"));
            self.failed.push(name.to_owned());
        }
    }

    /// Fails if a check has failed.
    pub fn finish(self) {
        let Self { failed, passed } = self;
        assert!(
            failed.is_empty(),
            "{passed} checks passed; these failed: {failed:?}"
        );
    }
}
