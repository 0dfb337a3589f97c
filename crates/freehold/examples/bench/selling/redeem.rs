//! What a payment in ecash costs: calls that are paid by tokens of 8 proofs, beside what mints swap in a second, and what
//! the arithmetic of blind signatures alone would allow.
//!
//! Tokens and swaps are made ready before: what is measured is the seller's side, and the mint's.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cdk::Amount;
use cdk::amount::SplitTarget;
use cdk::dhke::{blind_message, sign_message, unblind_message, verify_message};
use cdk::nuts::nut00::KnownMethod;
use cdk::nuts::{
    BlindSignature, BlindedMessage, CurrencyUnit, Id, PaymentMethod, Proofs, SecretKey,
    SwapRequest, Token,
};
use futures::future::join_all;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::load::Service;
use crate::house::House;
use crate::numbers::rounded;
use crate::outsider::Outsider;
use crate::rivals::Nutshell;

const CLIENTS: usize = 8;
/// How many tokens each client has at most.
const EACH: usize = 50;
const TIME: Duration = Duration::from_secs(5);
const PROOFS_SAT: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const PRICE_SAT: u64 = 255;
/// What Nutshell 0.19.2 was measured at before, on two shared cores, by clients that made their swaps meanwhile.
const NUTSHELL_EARLIER: f64 = 14.3;

/// Measures all of it; Nutshell only if it is asked for, since it has to be installed.
pub async fn measure(with_nutshell: bool) -> Result<Value, String> {
    let house = House::start().await?;
    let service = Service::start()?;
    let upstream = format!("http://{}", service.address);
    let terms =
        json!({ "upstream": upstream, "price_sat": PRICE_SAT, "path": "/ecash", "deposit_sat": 0 });
    house.api("/api/offers", terms).await;
    let mint_url = format!("{}/mint", house.url());
    let redeemed = redemptions(&format!("{}/ecash", house.url()), &mint_url).await;
    let swapped = swaps(&mint_url).await;
    let nutshell = match with_nutshell {
        true => {
            let nutshell = Nutshell::start(house.scratch()).await?;
            Some(swaps(&nutshell.url).await)
        }
        false => None,
    };
    Ok(json!({
        "redemptions_per_s": redeemed, "cdk_swaps_per_s": swapped, "nutshell_swaps_per_s": nutshell,
        "arithmetic_per_s_and_core": arithmetic_per_s(),
    }))
}

async fn redemptions(url: &str, mint_url: &str) -> f64 {
    let client = client();
    let stock = stock(mint_url).await.into_iter();
    let stock = stock.map(|(_, coins)| {
        let requests = coins.into_iter().map(|proofs| {
            let mint_url = mint_url.parse().unwrap();
            let token = Token::new(mint_url, proofs, None, CurrencyUnit::Sat);
            client.get(url).header("X-Cashu", token.to_string())
        });
        requests.collect()
    });
    per_s(stock.collect()).await
}

/// The same at a mint: `cdk`'s over HTTP, as `cdk-mintd` serves it, or another.
async fn swaps(mint_url: &str) -> f64 {
    let client = client();
    let stock = stock(mint_url).await.into_iter();
    let stock = stock.map(|(keyset, coins)| {
        let requests = coins.into_iter().map(|proofs| {
            let swap = SwapRequest::new(proofs, outputs(keyset));
            client.post(format!("{mint_url}/v1/swap")).json(&swap)
        });
        requests.collect()
    });
    per_s(stock.collect()).await
}

fn outputs(keyset: Id) -> Vec<BlindedMessage> {
    let output = |sat| {
        let secret: [u8; 32] = rand::random();
        let (blinded, _) = blind_message(hex::encode(secret).as_bytes(), None).unwrap();
        BlindedMessage::new(Amount::from(sat), keyset, blinded)
    };
    PROOFS_SAT.map(output).to_vec()
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// The coins of all clients, made one after the other: they are many for the mint.
async fn stock(mint_url: &str) -> Vec<(Id, Vec<Proofs>)> {
    let mut stock = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        stock.push(coins(mint_url).await);
    }
    stock
}

/// So many times 8 proofs for one client, and their keyset.
async fn coins(mint_url: &str) -> (Id, Vec<Proofs>) {
    let outsider = Outsider::at_mint(mint_url).await;
    let wallet = &outsider.wallet;
    let amount = Amount::from(PRICE_SAT * EACH as u64);
    let method = PaymentMethod::Known(KnownMethod::Bolt11);
    let quote = wallet.mint_quote(method, Some(amount), None, None).await;
    let quote = quote.unwrap().id;
    outsider.wait_until_paid(&quote).await;
    let split = PROOFS_SAT.repeat(EACH).into_iter().map(Amount::from);
    let split = SplitTarget::Values(split.collect());
    wallet.mint(&quote, split, None).await.unwrap();
    let mut proofs = wallet.get_unspent_proofs().await.unwrap();
    proofs.sort_by_key(|proof| u64::from(proof.amount));
    let coins = (0..EACH).map(|n| proofs.iter().skip(n).step_by(EACH).cloned().collect());
    (proofs[0].keyset_id, coins.collect())
}

/// Sends what each client has, one after the other, until the time is over.
async fn per_s(stock: Vec<Vec<RequestBuilder>>) -> f64 {
    let served = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let clients = stock.into_iter().map(|requests| {
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            for request in requests {
                if started.elapsed() > TIME {
                    break;
                }
                let answer = request.send().await.unwrap();
                let status = answer.status();
                let text = answer.text().await.unwrap();
                assert_eq!(status, 200, "{text}");
                served.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    let count = u32::try_from(served.load(Ordering::Relaxed)).unwrap();
    rounded(f64::from(count) / started.elapsed().as_secs_f64())
}

/// How often one core verifies 8 proofs and signs 8 outputs, with their proofs of equal logarithms (NUT-12).
fn arithmetic_per_s() -> f64 {
    let key = SecretKey::generate();
    let secret = hex::encode(rand::random::<[u8; 32]>());
    let (blinded, r) = blind_message(secret.as_bytes(), None).unwrap();
    let signed = sign_message(&key, &blinded).unwrap();
    let proof = unblind_message(&signed, &r, &key.public_key()).unwrap();
    let keyset = Id::from_bytes(&[0; 8]).unwrap();
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < Duration::from_secs(1) {
        for _ in PROOFS_SAT {
            verify_message(&key, black_box(proof), secret.as_bytes()).unwrap();
            let signed = sign_message(&key, black_box(&blinded)).unwrap();
            let signature = BlindSignature::new(Amount::from(1), signed, keyset, &blinded, &key);
            black_box(signature.unwrap());
        }
        count += 1;
    }
    rounded(f64::from(count) / started.elapsed().as_secs_f64())
}

pub fn table(data: &Value) -> String {
    let of = |name: &str| data[name].as_f64();
    let ours = of("redemptions_per_s").unwrap_or(f64::NAN);
    let row =
        |name: &str, per_s: f64| format!("  {name:<46} {per_s:>8.1}/s {:>8.2} x\n", ours / per_s);
    let (nutshell, name) = match of("nutshell_swaps_per_s") {
        Some(per_s) => (per_s, "Nutshell's mint, 8 swaps at once"),
        None => (
            NUTSHELL_EARLIER,
            "Nutshell's mint, measured earlier (--rivals)",
        ),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = f64::from(u32::try_from(cores).unwrap_or(1));
    let arithmetic = of("arithmetic_per_s_and_core").unwrap_or(f64::NAN);
    format!("\nA call paid in ecash (8 proofs), {CLIENTS} clients: {ours:.1}/s, which is of\n")
        + &row(name, nutshell)
        + &row(
            "cdk's mint over HTTP, 8 swaps at once",
            of("cdk_swaps_per_s").unwrap_or(f64::NAN),
        )
        + &row("the mint's arithmetic alone, on one core", arithmetic)
        + &row(
            "the mint's arithmetic alone, on all cores",
            arithmetic * cores,
        )
}
