//! The miner's wallet: one key, coins handed in, a signed transaction out. Pure.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::{
    Amount, CompressedPublicKey, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
    ecdsa, transaction,
};

use crate::Error;

/// The key is no secret: it holds money of a chain that ends with the process.
const SECRET: [u8; 32] = [0x5a; 32];
/// What the wallet pays. Above the minimum, so that rounding never drops below it.
const FEE_RATE_SAT_PER_VB: u64 = 2;
/// Version, lock time, counts and the segwit marker, rounded up.
const OVERHEAD_VB: u64 = 11;
/// A P2WPKH input with the longest signature.
const INPUT_VB: u64 = 69;
/// Amount and length of an output, without its script.
const OUTPUT_VB: u64 = 9;

/// One P2WPKH key.
pub(crate) struct Wallet {
    secp: Secp256k1<All>,
    secret: SecretKey,
    public: PublicKey,
    script: ScriptBuf,
}

impl Wallet {
    pub(crate) fn new() -> Result<Self, Error> {
        let secp = Secp256k1::new();
        let secret = SecretKey::from_slice(&SECRET).map_err(signing)?;
        let public = secret.public_key(&secp);
        let script = ScriptBuf::new_p2wpkh(&CompressedPublicKey(public).wpubkey_hash());
        Ok(Self {
            secp,
            secret,
            public,
            script,
        })
    }

    /// Where the rewards of the blocks go.
    pub(crate) fn script(&self) -> &ScriptBuf {
        &self.script
    }

    /// Pays `amount_sat` to `to` out of `coins`, which are used in their order, as many as it takes.
    pub(crate) fn pay(
        &self,
        coins: Coins<'_>,
        to: ScriptBuf,
        amount_sat: u64,
    ) -> Result<Transaction, Error> {
        let payment = TxOut {
            value: Amount::from_sat(amount_sat),
            script_pubkey: to,
        };
        let outputs_vb = 2 * OUTPUT_VB + vbytes(&payment.script_pubkey) + vbytes(&self.script);
        let (used, change_sat) = choose(coins, amount_sat, outputs_vb)?;
        let mut outputs = vec![payment];
        let change = TxOut {
            value: Amount::from_sat(change_sat),
            script_pubkey: self.script.clone(),
        };
        // Change that isn't worth spending goes to the miner, who is us.
        if change.value >= self.script.minimal_non_dust() {
            outputs.push(change);
        }
        self.sign(used, outputs)
    }

    fn sign(&self, coins: &[(OutPoint, TxOut)], outputs: Vec<TxOut>) -> Result<Transaction, Error> {
        let inputs = coins.iter().map(|(outpoint, _)| TxIn {
            previous_output: *outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        });
        let mut tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: inputs.collect(),
            output: outputs,
        };
        let mut cache = SighashCache::new(&mut tx);
        for (vin, (_, coin)) in coins.iter().enumerate() {
            let kind = EcdsaSighashType::All;
            let hash = cache
                .p2wpkh_signature_hash(vin, &self.script, coin.value, kind)
                .map_err(signing)?;
            let message = Message::from_digest(hash.to_byte_array());
            let signature = ecdsa::Signature {
                signature: self.secp.sign_ecdsa(&message, &self.secret),
                sighash_type: kind,
            };
            if let Some(witness) = cache.witness_mut(vin) {
                *witness = Witness::p2wpkh(&signature, &self.public);
            }
        }
        Ok(tx)
    }
}

/// Coins, each with the output that it is.
type Coins<'a> = &'a [(OutPoint, TxOut)];

/// The first coins that cover the amount and the fee, and what is left over.
fn choose(coins: Coins<'_>, amount_sat: u64, outputs_vb: u64) -> Result<(Coins<'_>, u64), Error> {
    let mut vsize_vb = OVERHEAD_VB + outputs_vb;
    let (mut sum_sat, mut needed_sat) = (0_u64, amount_sat);
    for (last, (_, coin)) in coins.iter().enumerate() {
        vsize_vb += INPUT_VB;
        sum_sat = sum_sat.saturating_add(coin.value.to_sat());
        needed_sat = amount_sat.saturating_add(vsize_vb * FEE_RATE_SAT_PER_VB);
        let change_sat = sum_sat.checked_sub(needed_sat);
        if let (Some(change_sat), Some(used)) = (change_sat, coins.get(..=last)) {
            return Ok((used, change_sat));
        }
    }
    Err(Error::InsufficientFunds {
        needed_sat,
        available_sat: sum_sat,
    })
}

fn vbytes(script: &ScriptBuf) -> u64 {
    u64::try_from(script.len()).unwrap_or(u64::MAX)
}

fn signing(why: impl ToString) -> Error {
    let why = why.to_string();
    Error::Signing { why }
}
