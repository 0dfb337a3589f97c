//! How long signing takes: `cargo run --release -p wallet --example vault-speed`.
//!
//! Prints `key value` lines: the median time, in microseconds, of a signer's check, its signature, and
//! of putting the transaction together, for a path with a script and for all signers together
//! (MuSig2), with one coin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs
)]

use std::time::Instant;

use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, Network, OutPoint, Psbt, TxOut, Txid};
use wallet::vault::{
    ChainView, Coin, Keychain, NonceSeed, Payment, Place, SignerKey, Vault, propose,
};
use zeroize::Zeroizing;

const ROUNDS: usize = 200;
const NAMES: [&str; 3] = ["alice", "bob", "scout"];

struct House {
    vault: Vault,
    view: ChainView,
    keys: Vec<SignerKey>,
}

fn main() {
    let house = House::new();
    house.script_path();
    house.together();
}

impl House {
    fn new() -> Self {
        let keys: Vec<SignerKey> = (1..=3)
            .map(|n| SignerKey::from_seed(&[n; 64], Network::Regtest).unwrap())
            .collect();
        let mut policy = "name = \"speed\"\nnetwork = \"regtest\"\n".to_owned();
        for (name, key) in NAMES.iter().zip(&keys) {
            let kind = if *name == "scout" { "agent" } else { "human" };
            let key = key.account_key();
            policy += &format!("[signers.{name}]\nkind = \"{kind}\"\nkey = \"{key}\"\n");
        }
        policy += "[[path]]\nname = \"two\"\nwho = [\"alice\", \"bob\", \"scout\"]\nneeds = 2\n";
        let vault = Vault::from_toml(&policy).unwrap();
        let place = Place {
            keychain: Keychain::Receive,
            index: 0,
        };
        let coin = Coin {
            outpoint: OutPoint::new(Txid::all_zeros(), 0),
            output: TxOut {
                value: Amount::from_sat(1_000_000),
                script_pubkey: vault.address(place).unwrap().script_pubkey(),
            },
            place,
            height: Some(100),
        };
        let view = ChainView {
            height: 200,
            coins: vec![coin],
            next_index: [1, 0],
        };
        Self { vault, view, keys }
    }

    fn propose(&self, path: &str) -> Psbt {
        let payment = Payment {
            to: self.vault.address(self.view.coins[0].place).unwrap(),
            amount_sat: Some(10_000),
        };
        let path = self.vault.path(path).unwrap();
        propose(&self.vault, &self.view, path, &payment, 2.0).unwrap()
    }

    fn script_path(&self) {
        let psbt = self.propose("two");
        let review = median(|| self.vault.review(psbt.clone(), &self.view).unwrap());
        let reviewed = self.vault.review(psbt.clone(), &self.view).unwrap();
        let sign = median(|| reviewed.clone().sign(&self.keys[0], &[1; 32]).unwrap());
        let mut both = reviewed.clone();
        both.sign(&self.keys[0], &[1; 32]).unwrap();
        both.sign(&self.keys[1], &[1; 32]).unwrap();
        let finish = median(|| both.finish().unwrap());
        println!("script_review_us {review:.1}");
        println!("script_sign_us {sign:.1}");
        println!("script_finish_us {finish:.1}");
        println!("script_vsize_vb {}", both.finish().unwrap().vsize());
    }

    fn together(&self) {
        let seed = |n: usize| NonceSeed::new(Zeroizing::new([u8::try_from(n).unwrap(); 32]));
        let psbt = self.propose("together");
        let mut reviewed = self.vault.review(psbt, &self.view).unwrap();
        let nonce = median(|| {
            reviewed
                .clone()
                .give_nonces(&self.keys[0], &seed(0))
                .unwrap()
        });
        for (number, key) in self.keys.iter().enumerate() {
            reviewed.give_nonces(key, &seed(number)).unwrap();
        }
        // The same nonce signs the same message again and again: nothing of this leaves the process.
        let sign = median(|| {
            reviewed
                .clone()
                .sign_together(&self.keys[0], seed(0))
                .unwrap()
        });
        for (number, key) in self.keys.iter().enumerate() {
            reviewed.sign_together(key, seed(number)).unwrap();
        }
        let psbt = reviewed.psbt().clone();
        let review = median(|| self.vault.review(psbt.clone(), &self.view).unwrap());
        let finish = median(|| reviewed.finish().unwrap());
        println!("musig2_nonce_us {nonce:.1}");
        println!("musig2_sign_us {sign:.1}");
        println!("musig2_review_signed_us {review:.1}");
        println!("musig2_finish_us {finish:.1}");
        println!("musig2_vsize_vb {}", reviewed.finish().unwrap().vsize());
    }
}

fn median<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}
