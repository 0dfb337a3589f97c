//! A tiny wallet for the tests: one key, and transactions made by hand.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::key::{Keypair, TapTweak as _};
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::{
    Address, Amount, CompressedPublicKey, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxIn, TxOut, Txid, Witness, ecdsa, taproot, transaction,
};
use sandbox::{Sandbox, bitcoin};

/// A key, with its P2WPKH and P2TR addresses.
pub struct Purse {
    secret: SecretKey,
}

/// An output that a purse can spend.
#[derive(Debug, Clone)]
pub struct Coin {
    pub outpoint: OutPoint,
    pub output: TxOut,
}

impl Purse {
    pub fn new(seed: u8) -> Self {
        let secret = SecretKey::from_slice(&[seed; 32]).unwrap();
        Self { secret }
    }

    fn public(&self) -> CompressedPublicKey {
        CompressedPublicKey(self.secret.public_key(&Secp256k1::new()))
    }

    pub fn address(&self) -> Address {
        Address::p2wpkh(&self.public(), Network::Regtest)
    }

    pub fn taproot_address(&self) -> Address {
        let secp = Secp256k1::new();
        let (key, _) = self.secret.x_only_public_key(&secp);
        Address::p2tr(&secp, key, None, Network::Regtest)
    }

    pub fn script(&self) -> ScriptBuf {
        self.address().script_pubkey()
    }

    /// Has the sandbox pay to this purse.
    pub fn funded(&self, sandbox: &Sandbox, amount_sat: u64) -> Coin {
        let txid = sandbox.fund(self.address(), amount_sat).unwrap();
        coin_of(sandbox, &txid, &self.script())
    }

    /// A transaction that pays all of `coins`, less a fee, back to this purse.
    pub fn spend(&self, coins: &[&Coin], fee_sat: u64) -> Transaction {
        let sum: u64 = coins.iter().map(|coin| coin.output.value.to_sat()).sum();
        self.spend_to(coins, vec![pay(self.script(), sum - fee_sat)])
    }

    pub fn spend_to(&self, coins: &[&Coin], outputs: Vec<TxOut>) -> Transaction {
        let mut tx = unsigned(coins, outputs);
        self.sign(&mut tx, coins);
        tx
    }

    pub fn sign(&self, tx: &mut Transaction, coins: &[&Coin]) {
        let secp = Secp256k1::new();
        let mut cache = SighashCache::new(tx);
        for (vin, coin) in coins.iter().enumerate() {
            let (script, value) = (&coin.output.script_pubkey, coin.output.value);
            if script.is_p2tr() {
                let spent: Vec<_> = coins.iter().map(|coin| &coin.output).collect();
                let sighash_type = TapSighashType::Default;
                let spent = Prevouts::All(&spent);
                let hash = cache
                    .taproot_key_spend_signature_hash(vin, &spent, sighash_type)
                    .unwrap();
                let message = Message::from_digest(hash.to_byte_array());
                let key = Keypair::from_secret_key(&secp, &self.secret);
                let key = key.tap_tweak(&secp, None).to_keypair();
                let signature = taproot::Signature {
                    signature: secp.sign_schnorr_no_aux_rand(&message, &key),
                    sighash_type,
                };
                *cache.witness_mut(vin).unwrap() = Witness::p2tr_key_spend(&signature);
                continue;
            }
            let sighash_type = EcdsaSighashType::All;
            let hash = cache
                .p2wpkh_signature_hash(vin, script, value, sighash_type)
                .unwrap();
            let message = Message::from_digest(hash.to_byte_array());
            let signature = ecdsa::Signature {
                signature: secp.sign_ecdsa(&message, &self.secret),
                sighash_type,
            };
            *cache.witness_mut(vin).unwrap() = Witness::p2wpkh(&signature, &self.public().0);
        }
    }
}

pub fn unsigned(coins: &[&Coin], outputs: Vec<TxOut>) -> Transaction {
    let inputs = coins.iter().map(|coin| TxIn {
        previous_output: coin.outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    });
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.collect(),
        output: outputs,
    }
}

pub fn pay(script_pubkey: ScriptBuf, amount_sat: u64) -> TxOut {
    TxOut {
        value: Amount::from_sat(amount_sat),
        script_pubkey,
    }
}

/// The output of a known transaction that pays to `script`.
pub fn coin_of(sandbox: &Sandbox, txid: &Txid, script: &ScriptBuf) -> Coin {
    let tx = sandbox.transaction(txid).unwrap();
    let outputs = (0..).zip(tx.output);
    let (vout, output) = outputs
        .into_iter()
        .find(|(_, output)| output.script_pubkey == *script)
        .unwrap();
    Coin {
        outpoint: OutPoint { txid: *txid, vout },
        output,
    }
}
