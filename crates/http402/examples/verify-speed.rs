//! How fast L402 credentials are verified: `cargo run --release -p http402 --example verify-speed`.
//!
//! Prints `key value` lines: verifications a second on one core, of an `Authorization` value as it
//! comes, with the caveats that this seller mints, and the number of times the same core signs 32
//! bytes with HMAC-SHA256 in a second, which the rest is made of.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use http402::l402::{Credential, Issuer, Request, Terms};
use sha2::{Digest, Sha256};

const TRIES: u32 = 2_000;
const CALLS: u32 = 100;
const NOW_UNIX_S: u64 = 1_800_000_000;
const PREIMAGE: [u8; 32] = [7; 32];
const REQUEST: Request<'static> = Request {
    service: "meter",
    capability: Some("chat"),
    host: "api.example",
    path: "/v1/chat/completions",
    method: "POST",
};

fn main() {
    let issuer = Issuer::new(&[1; 32], "shop.example");
    let usual = Terms {
        capabilities: vec!["chat".to_owned()],
        valid_until_unix_s: Some(NOW_UNIX_S + 3600),
        ..Terms::new("meter")
    };
    let narrow = Terms {
        hosts: vec!["api.example".to_owned()],
        methods: vec!["POST".to_owned()],
        path: Some("/v1".to_owned()),
        ..usual.clone()
    };
    for (name, terms) in [("usual", usual), ("all_caveats", narrow)] {
        let payment_hash = Sha256::digest(PREIMAGE).into();
        let macaroon = issuer.mint(payment_hash, [2; 32], &terms).unwrap();
        let header = Credential {
            macaroon,
            preimage: PREIMAGE,
        }
        .to_value();
        let per_s = measure(|| {
            let credential = Credential::parse(black_box(&header)).unwrap().unwrap();
            issuer.verify(&credential, &REQUEST, NOW_UNIX_S).unwrap();
        });
        println!("l402_verify_{name}_per_s {per_s:.0}");
    }
    let hmac_per_s = measure(|| {
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(black_box(&PREIMAGE)).unwrap();
        black_box(mac.chain_update(PREIMAGE).finalize());
    });
    println!("hmac_sha256_per_s {hmac_per_s:.0}");
}

/// How often a second `work` can be done: the best of many tries too short to be interrupted, for
/// other programs only ever slow it down.
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let start = Instant::now();
        for _ in 0..CALLS {
            work();
        }
        best = best.min(start.elapsed());
    }
    f64::from(CALLS) / best.as_secs_f64()
}
