//! A transaction that writes 32 bytes into the chain and pays the rest back to us.

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::hashes::Hash as _;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::Builder;
use bitcoin::secp256k1::Message;
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use serde::{Deserialize, Serialize};

use super::{KeyRing, OnchainError};

/// What a replacement must pay above what it replaces.
pub const FEE_STEP_SAT_PER_VB: f64 = 1.0;
/// More coins than this are not joined in one transaction.
const COINS_MAX: usize = 20;
/// The smallest output to a Taproot address that is relayed.
const DUST_SAT: u64 = 330;
/// What a signature takes in a witness.
const SIGNATURE_BYTES: usize = 64;

/// An output of ours that can be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coin {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it holds.
    pub value_sat: u64,
}

/// A signed transaction with an OP_RETURN output of 32 bytes, and one output to ourselves.
/// It signals that it may be replaced (BIP-125).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataTx {
    coins: Vec<Coin>,
    #[serde(with = "raw")]
    tx: Transaction,
    fee_sat: u64,
}

impl DataTx {
    /// Decides and signs: the largest coins pay `fee_rate_sat_per_vb`.
    ///
    /// # Errors
    /// `Insufficient`.
    pub fn new(
        ring: &KeyRing,
        coins: &[Coin],
        data: &[u8; 32],
        fee_rate_sat_per_vb: f64,
    ) -> Result<Self, OnchainError> {
        let mut coins = coins.to_vec();
        coins.sort_by_key(|coin| std::cmp::Reverse(coin.value_sat));
        coins.truncate(COINS_MAX);
        Self::spend(ring, coins, data, |vsize| fee(fee_rate_sat_per_vb, vsize))
    }

    /// The same coins with other data, for a higher fee: at least
    /// [`FEE_STEP_SAT_PER_VB`] more than this one pays.
    ///
    /// # Errors
    /// `Insufficient`.
    pub fn replacement(
        &self,
        ring: &KeyRing,
        data: &[u8; 32],
        fee_rate_sat_per_vb: f64,
    ) -> Result<Self, OnchainError> {
        Self::spend(ring, self.coins.clone(), data, |vsize| {
            let least = self.fee_sat + fee(FEE_STEP_SAT_PER_VB, vsize);
            fee(fee_rate_sat_per_vb, vsize).max(least)
        })
    }

    fn spend(
        ring: &KeyRing,
        coins: Vec<Coin>,
        data: &[u8; 32],
        fee_of: impl Fn(u64) -> u64,
    ) -> Result<Self, OnchainError> {
        let available_sat: u64 = coins.iter().map(|coin| coin.value_sat).sum();
        let mut tx = unsigned(ring, &coins, data);
        let fee_sat = fee_of(tx.vsize() as u64);
        let needed_sat = fee_sat.saturating_add(DUST_SAT);
        if available_sat < needed_sat {
            return Err(OnchainError::Insufficient {
                available_sat,
                needed_sat,
            });
        }
        tx.output[1].value = Amount::from_sat(available_sat - fee_sat);
        sign(ring, &coins, &mut tx)?;
        Ok(Self { coins, tx, fee_sat })
    }

    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.tx
    }

    /// Its id.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.tx.compute_txid()
    }

    /// The output that it spends first: whoever else spends that has won.
    #[must_use]
    pub fn first_input(&self) -> Option<OutPoint> {
        self.coins.first().map(|coin| coin.outpoint)
    }

    /// What it costs.
    #[must_use]
    pub fn fee_sat(&self) -> u64 {
        self.fee_sat
    }

    /// Whether it costs more than this rate comes to for a transaction of its size.
    #[must_use]
    pub fn costs_more_than(&self, fee_rate_sat_per_vb: f64) -> bool {
        self.fee_sat > fee(fee_rate_sat_per_vb, self.tx.vsize() as u64)
    }

    /// What it costs for each byte.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "fees and sizes are small")]
    pub fn fee_rate_sat_per_vb(&self) -> f64 {
        self.fee_sat as f64 / self.tx.vsize() as f64
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are small, rates are not negative, and the cast saturates"
)]
fn fee(rate_sat_per_vb: f64, vsize: u64) -> u64 {
    (rate_sat_per_vb.max(0.0) * vsize as f64).ceil() as u64
}

/// The transaction with room for the signatures, and all money still in it.
fn unsigned(ring: &KeyRing, coins: &[Coin], data: &[u8; 32]) -> Transaction {
    let input = coins.iter().map(|coin| TxIn {
        previous_output: coin.outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::from_slice(&[[0; SIGNATURE_BYTES]]),
    });
    let note = Builder::new()
        .push_opcode(OP_RETURN)
        .push_slice(data)
        .into_script();
    let outputs = [(note, 0), (ring.script(), 0)];
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output: outputs
            .map(|(script_pubkey, value_sat)| TxOut {
                value: Amount::from_sat(value_sat),
                script_pubkey,
            })
            .to_vec(),
    }
}

fn sign(ring: &KeyRing, coins: &[Coin], tx: &mut Transaction) -> Result<(), OnchainError> {
    let script = ring.script();
    let spent: Vec<TxOut> = coins
        .iter()
        .map(|coin| TxOut {
            value: Amount::from_sat(coin.value_sat),
            script_pubkey: script.clone(),
        })
        .collect();
    let mut witnesses = Vec::with_capacity(coins.len());
    let mut cache = SighashCache::new(&*tx);
    for index in 0..coins.len() {
        let hash = cache
            .taproot_key_spend_signature_hash(
                index,
                &Prevouts::All(&spent),
                TapSighashType::Default,
            )
            .map_err(|error| OnchainError::Transaction(error.to_string()))?;
        let message = Message::from_digest(hash.to_byte_array());
        let signature = ring
            .secp
            .sign_schnorr_no_aux_rand(&message, &ring.pair.to_keypair());
        witnesses.push(Witness::from_slice(&[signature.as_ref()]));
    }
    for (input, witness) in tx.input.iter_mut().zip(witnesses) {
        input.witness = witness;
    }
    Ok(())
}

/// A transaction in hex.
mod raw {
    use super::{Transaction, deserialize_hex, serialize_hex};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(tx: &Transaction, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serialize_hex(tx))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Transaction, D::Error> {
        let text = String::deserialize(from)?;
        deserialize_hex(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::Network;
    use proptest::prelude::*;

    use super::*;

    fn ring() -> KeyRing {
        KeyRing::from_seed(&[7; 64], Network::Regtest).unwrap()
    }

    fn coin(number: u32, value_sat: u64) -> Coin {
        let outpoint = OutPoint::new(Txid::from_byte_array([9; 32]), number);
        Coin {
            outpoint,
            value_sat,
        }
    }

    #[test]
    fn too_little_is_refused() {
        let refusal = DataTx::new(&ring(), &[coin(0, 400)], &[1; 32], 1.0);
        assert!(matches!(refusal, Err(OnchainError::Insufficient { .. })));
        let none = DataTx::new(&ring(), &[], &[1; 32], 1.0);
        assert!(matches!(none, Err(OnchainError::Insufficient { .. })));
    }

    proptest! {
        #[test]
        fn money_only_goes_to_fees_and_back(
            values in prop::collection::vec(1_000_u64..10_000_000, 1..30),
            rate in 1.0_f64..50.0,
            higher in 0.0_f64..60.0,
        ) {
            let ring = ring();
            let coins: Vec<Coin> = (0..).zip(&values).map(|(n, &value)| coin(n, value)).collect();
            let Ok(first) = DataTx::new(&ring, &coins, &[1; 32], rate) else { return Ok(()) };
            let Ok(second) = first.replacement(&ring, &[2; 32], higher) else { return Ok(()) };
            let size = first.tx.vsize() as u64;
            prop_assert_eq!(first.fee_sat, fee(rate, size));
            prop_assert!(second.fee_sat >= first.fee_sat + size);
            prop_assert!(second.fee_sat <= fee(higher, size).max(first.fee_sat + size));
            for (data, each) in [([1; 32], &first), ([2; 32], &second)] {
                let spent: u64 = each.coins.iter().map(|coin| coin.value_sat).sum();
                prop_assert_eq!(each.tx.output.len(), 2);
                prop_assert!(each.tx.output[0].script_pubkey.is_op_return());
                prop_assert!(each.tx.output[0].script_pubkey.as_bytes().ends_with(&data));
                prop_assert_eq!(&each.tx.output[1].script_pubkey, &ring.script());
                prop_assert_eq!(each.tx.output[1].value.to_sat() + each.fee_sat, spent);
                prop_assert!(each.tx.is_explicitly_rbf());
                let kept: DataTx = serde_json::from_str(&serde_json::to_string(each).unwrap()).unwrap();
                prop_assert_eq!(&kept, each);
            }
        }
    }
}
