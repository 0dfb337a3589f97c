//! How many calls of a session one core checks in a second: the header is found and parsed, the challenge's HMAC and
//! the secret's hash verified, the session asked, and a unit taken.
//!
//! `cargo run --release -p http402 --example session-speed [seconds]`, which prints lines of a name and a number
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use http402::door::Presented;
use http402::mpp::session::{Session, SessionOffer};
use http402::mpp::{ChallengeKeys, ClientSession, Credential, Invoice, Preimage, quote};

const NOW_S: u64 = 1_773_576_000;
/// Calls between two looks at the clock.
const BATCH: u64 = 200;

fn offer() -> SessionOffer {
    SessionOffer {
        id: "inference".to_owned(),
        realm: "api.example.com".to_owned(),
        unit_price_sat: 1,
        unit_type: Some("request".to_owned()),
        description: None,
        deposit_sat: 2_000_000_000,
        idle_timeout_s: 300,
        mints: Vec::new(),
    }
}

fn invoice(preimage: &Preimage) -> Invoice {
    // As long as a real one, of which the seller's codec reads the head only.
    let bolt11 = format!("lnbc20000000000n1{}", "q".repeat(280));
    Invoice {
        bolt11,
        payment_hash: preimage.hash(),
        expires_at_s: NOW_S + 300,
    }
}

fn action(keys: &ChallengeKeys, credential: &Credential) -> http402::mpp::session::Action {
    let credential = Credential::parse(&credential.to_header()).unwrap();
    offer().read(keys, &credential).unwrap()
}

fn main() {
    let seconds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(3);
    let keys = ChallengeKeys::new(&[7; 32]).unwrap();
    let preimage = Preimage::from([1; 32]);
    let challenge = offer().challenge(&keys, &invoice(&preimage)).unwrap();
    let return_invoice = format!("lnbc1{}", "q".repeat(280));
    let terms = quote(challenge, NOW_S).unwrap();
    let mut client = ClientSession::begin(terms, return_invoice, u64::MAX).unwrap();
    client.paid(preimage).unwrap();
    let open = action(&keys, &client.deposit_credential().unwrap());
    let (mut session, _) = Session::open(&open, NOW_S).unwrap();
    client.deposited().unwrap();

    let header = client.bearer_credential().unwrap().to_header();
    let headers = [("accept", "*/*"), ("authorization", header.as_str())];
    let offer = offer();
    let (mut calls, mut batches_ns, start) = (0, Vec::new(), Instant::now());
    while start.elapsed() < Duration::from_secs(seconds) {
        let batch = Instant::now();
        for _ in 0..BATCH {
            let Presented::Payment(value) = Presented::find(black_box(headers)).unwrap() else {
                unreachable!()
            };
            let credential = Credential::parse(value).unwrap();
            let action = offer.read(&keys, &credential).unwrap();
            black_box(session.apply(&action, None, NOW_S).unwrap());
            session.debit(1, NOW_S).unwrap();
        }
        calls += BATCH;
        batches_ns.push(batch.elapsed().as_nanos() as u64);
    }
    // The median of short batches is what the core does, also if other programs have it half of the time.
    batches_ns.sort_unstable();
    let per_second = BATCH * 1_000_000_000 / batches_ns[batches_ns.len() / 2];
    println!("session_call_per_s {per_second}");
    println!("session_header_bytes {}", header.len());
    assert_eq!(session.spent_sat(), calls);
}
