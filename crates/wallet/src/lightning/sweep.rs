//! Getting back what peers paid out when they closed channels whose state we lost.
//!
//! A peer that closes a channel alone pays our part to one of a thousand keys that follow from the
//! seed. So nothing is needed but to look at what spent each channel.

use std::collections::HashMap;

use bitcoin::absolute::LockTime;
use bitcoin::bip32::{ChildNumber, Xpriv};
use bitcoin::ecdsa::Signature;
use bitcoin::secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, CompressedPublicKey, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut,
    Txid, Witness, opcodes,
};
use esplora_client::{AsyncClient, Builder};

use super::{ChainSource, Lightning, LightningError};

use crate::boxed;

/// How many keys a peer's closing may pay to.
const KEYS: u32 = 1_000;
/// Where the library derives them from.
const STATIC_PAYMENT_KEY: u32 = 8;
const TIMEOUT_S: u64 = 20;
/// What is paid where the server has no estimate, and the least and most in any case.
const FEE_RATE_SAT_PER_VB_MIN: f64 = 1.0;
const FEE_RATE_SAT_PER_VB_MAX: f64 = 500.0;
/// How many blocks a sweep may take.
const TARGET_BLOCKS: u16 = 6;
/// What a sweep weighs without its inputs and the script that it pays to, and per input at most, in weight units.
const WEIGHT_BASE: u64 = 20 * 4 + 2;
const WEIGHT_INPUT: u64 = 41 * 4 + 120;

/// How far getting channels back is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// So many channels aren't closed by their peers yet.
    pub waiting: usize,
    /// So many are closed, but their transactions aren't in blocks yet.
    pub confirming: usize,
    /// So many are done: what was ours is in the wallet.
    pub done: usize,
    /// What was sent to the wallet now.
    pub txids: Vec<Txid>,
}

impl Sweep {
    /// True if there is nothing to wait for any more.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.waiting == 0 && self.confirming == 0
    }
}

/// A key that a peer's closing may pay to, and the form in which it does.
#[derive(Clone, Copy)]
struct Key {
    secret: SecretKey,
    public: PublicKey,
    /// Channels of today let it be spent after one block; older ones pay to the key's hash.
    is_anchored: bool,
}

struct Coin {
    outpoint: OutPoint,
    output: TxOut,
    key: Key,
}

impl Lightning {
    /// Asks the peers of restored channels to close them, and brings what is ours of closed ones
    /// into the wallet. To be called again, after some blocks, until it is done.
    ///
    /// The node's own chain source is asked if it is an Esplora server; otherwise name one.
    ///
    /// # Errors
    /// `ChainUnreachable`, `Config` if no server is named, or `Transaction`.
    #[boxed]
    pub async fn sweep(&self, esplora_url: Option<&str>) -> Result<Sweep, LightningError> {
        let channels = self.restored_channels().await?;
        let mut sweep = Sweep::default();
        if channels.iter().all(|(_, is_done)| *is_done) {
            sweep.done = channels.len();
            return Ok(sweep);
        }
        self.knock().await?;
        let client = self.client(esplora_url)?;
        let (seed, network) = (self.inner.config.seed, self.inner.config.network);
        let keys = tokio::task::spawn_blocking(move || keys(&seed, network)).await;
        let keys = keys.map_err(|_| LightningError::NotRunning)??;
        let mut coins = Vec::new();
        for (funding, is_done) in channels {
            let found = match is_done {
                true => Found::Done,
                false => look(&client, funding, &keys).await?,
            };
            match found {
                Found::Open => sweep.waiting += 1,
                Found::Confirming => sweep.confirming += 1,
                Found::Coin(coin) => {
                    sweep.confirming += 1;
                    coins.push(*coin);
                }
                Found::Done => {
                    sweep.done += 1;
                    self.note_done(funding).await?;
                }
            }
        }
        if !coins.is_empty() {
            sweep.txids.push(self.bring_home(&client, &coins).await?);
        }
        Ok(sweep)
    }

    async fn restored_channels(&self) -> Result<Vec<(OutPoint, bool)>, LightningError> {
        self.call_inner(|inner| {
            let rows: Vec<(String, bool)> = inner.store.read(|db| {
                let sql = "SELECT funding, is_done FROM restored_channel";
                let mut statement = db.prepare(sql)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect()
            })?;
            let parsed = rows.into_iter().map(|(funding, is_done)| {
                let funding = funding.parse();
                funding.map(|funding| (funding, is_done))
            });
            let parsed: Result<_, _> = parsed.collect();
            parsed.map_err(|_| LightningError::Backup("a channel's output is damaged".into()))
        })
        .await
    }

    async fn note_done(&self, funding: OutPoint) -> Result<(), LightningError> {
        self.call_inner(move |inner| {
            inner.store.write("restored/done", move |db| {
                let sql = "UPDATE restored_channel SET is_done = 1 WHERE funding = ?1";
                db.execute(sql, [funding.to_string()]).map(drop)
            })
        })
        .await
    }

    /// Connects to the peers. A peer that speaks of a channel that we don't know is answered, by
    /// the library, so that it closes it.
    async fn knock(&self) -> Result<(), LightningError> {
        let peers: Vec<(String, String)> = self
            .call_inner(|inner| {
                inner.store.read(|db| {
                    let sql = "SELECT node_id, address FROM restored_peer";
                    let mut statement = db.prepare(sql)?;
                    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    rows.collect()
                })
            })
            .await?;
        for (node_id, address) in peers {
            if let Ok(node_id) = node_id.parse() {
                // It may be away today.
                let _ = self.connect(node_id, &address).await;
            }
        }
        Ok(())
    }

    fn client(&self, esplora_url: Option<&str>) -> Result<AsyncClient, LightningError> {
        let url = match (&self.inner.config.chain, esplora_url) {
            (_, Some(url)) => url,
            (ChainSource::Esplora { url }, None) => url.as_str(),
            _ => {
                let why = "getting channels back needs an Esplora server";
                return Err(LightningError::Config(why.into()));
            }
        };
        let builder = Builder::new(url.trim_end_matches('/')).timeout(TIMEOUT_S);
        builder.build_async().map_err(source)
    }

    async fn bring_home(
        &self,
        client: &AsyncClient,
        coins: &[Coin],
    ) -> Result<Txid, LightningError> {
        let estimates = client.get_fee_estimates().await.map_err(source)?;
        let in_time = estimates
            .into_iter()
            .filter(|(blocks, _)| *blocks <= TARGET_BLOCKS);
        let rate = in_time
            .max_by_key(|(blocks, _)| *blocks)
            .map_or(FEE_RATE_SAT_PER_VB_MIN, |(_, rate)| rate);
        let to = self.new_address().await?.script_pubkey();
        let tx = spend(coins, to, rate)?;
        client.broadcast(&tx).await.map_err(|error| match error {
            esplora_client::Error::HttpResponse { message, .. } => {
                LightningError::Transaction(message)
            }
            other => source(other),
        })?;
        Ok(tx.compute_txid())
    }
}

enum Found {
    /// The peer hasn't closed the channel.
    Open,
    /// Something isn't in a block yet.
    Confirming,
    /// It is ours, and can be spent.
    Coin(Box<Coin>),
    /// Nothing is left for us.
    Done,
}

async fn look(
    client: &AsyncClient,
    funding: OutPoint,
    keys: &HashMap<ScriptBuf, Key>,
) -> Result<Found, LightningError> {
    let (closing, is_confirmed) = match spender(client, funding).await? {
        None => return Ok(Found::Open),
        Some(spender) => spender,
    };
    if !is_confirmed {
        return Ok(Found::Confirming);
    }
    let Some(tx) = client.get_tx(&closing).await.map_err(source)? else {
        return Ok(Found::Confirming);
    };
    // The server isn't believed where it can be checked.
    if tx.compute_txid() != closing || !tx.input.iter().any(|i| i.previous_output == funding) {
        return Err(LightningError::ChainUnreachable(format!(
            "it sent a wrong transaction for {closing}"
        )));
    }
    for (vout, output) in (0..).zip(tx.output) {
        let Some(key) = keys.get(&output.script_pubkey).copied() else {
            continue;
        };
        let outpoint = OutPoint::new(closing, vout);
        return Ok(match spender(client, outpoint).await? {
            None => Found::Coin(Box::new(Coin {
                outpoint,
                output,
                key,
            })),
            Some((_, false)) => Found::Confirming,
            Some((_, true)) => Found::Done,
        });
    }
    Ok(Found::Done)
}

/// What spends an output, and whether that is in a block.
async fn spender(
    client: &AsyncClient,
    outpoint: OutPoint,
) -> Result<Option<(Txid, bool)>, LightningError> {
    let status = client.get_output_status(&outpoint.txid, outpoint.vout.into());
    let Some(status) = status.await.map_err(source)? else {
        return Ok(None);
    };
    let is_confirmed = status.status.is_some_and(|status| status.confirmed);
    Ok(status.txid.map(|txid| (txid, is_confirmed)))
}

fn source(error: esplora_client::Error) -> LightningError {
    LightningError::ChainUnreachable(error.to_string())
}

/// All scripts that a peer's closing may pay to, and their keys.
fn keys(seed: &[u8; 64], network: Network) -> Result<HashMap<ScriptBuf, Key>, LightningError> {
    let fault = |error: bitcoin::bip32::Error| LightningError::Config(error.to_string());
    let secp = Secp256k1::new();
    // The library's own seed is the private key of the wallet's root.
    let root = Xpriv::new_master(network, seed).map_err(fault)?;
    let inner = root.private_key.secret_bytes();
    let hardened = |index| ChildNumber::from_hardened_idx(index).map_err(fault);
    let base = Xpriv::new_master(network, &inner)
        .and_then(|master| {
            let path = [ChildNumber::Hardened {
                index: STATIC_PAYMENT_KEY,
            }];
            master.derive_priv(&secp, &path)
        })
        .map_err(fault)?;
    let mut found = HashMap::new();
    for index in 0..KEYS {
        let child = base
            .derive_priv(&secp, &[hardened(index)?])
            .map_err(fault)?;
        let secret = child.private_key;
        let public = PublicKey::from_secret_key(&secp, &secret);
        for is_anchored in [true, false] {
            let key = Key {
                secret,
                public,
                is_anchored,
            };
            found.insert(key.script_pubkey(), key);
        }
    }
    Ok(found)
}

impl Key {
    /// BOLT 3: the key, and one block of patience.
    fn anchored_script(&self) -> ScriptBuf {
        ScriptBuf::builder()
            .push_key(&self.public.into())
            .push_opcode(opcodes::all::OP_CHECKSIGVERIFY)
            .push_int(1)
            .push_opcode(opcodes::all::OP_CSV)
            .into_script()
    }

    fn script_pubkey(&self) -> ScriptBuf {
        match self.is_anchored {
            true => self.anchored_script().to_p2wsh(),
            false => ScriptBuf::new_p2wpkh(&CompressedPublicKey(self.public).wpubkey_hash()),
        }
    }
}

fn spend(coins: &[Coin], to: ScriptBuf, rate: f64) -> Result<Transaction, LightningError> {
    let rate = rate.clamp(FEE_RATE_SAT_PER_VB_MIN, FEE_RATE_SAT_PER_VB_MAX);
    let output = 4 * to.len() as u64;
    let weight = WEIGHT_BASE + output + WEIGHT_INPUT * coins.len() as u64;
    // Both are small: nothing is lost in the conversion.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let fee_sat = (weight as f64 / 4.0 * rate).ceil() as u64;
    let total: Amount = coins.iter().map(|coin| coin.output.value).sum();
    let value = total.checked_sub(Amount::from_sat(fee_sat));
    let value = value.filter(|value| *value >= to.minimal_non_dust());
    let value = value.ok_or_else(|| {
        let why = format!("{} sat don't pay for their own fee", total.to_sat());
        LightningError::Transaction(why)
    })?;
    let inputs = coins.iter().map(|coin| TxIn {
        previous_output: coin.outpoint,
        script_sig: ScriptBuf::new(),
        sequence: match coin.key.is_anchored {
            true => Sequence::from_consensus(1),
            false => Sequence::ENABLE_RBF_NO_LOCKTIME,
        },
        witness: Witness::new(),
    });
    let mut tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.collect(),
        output: vec![TxOut {
            value,
            script_pubkey: to,
        }],
    };
    let secp = Secp256k1::new();
    for (index, coin) in coins.iter().enumerate() {
        let witness = sign(&secp, &tx, index, coin)?;
        if let Some(input) = tx.input.get_mut(index) {
            input.witness = witness;
        }
    }
    Ok(tx)
}

fn sign(
    secp: &Secp256k1<All>,
    tx: &Transaction,
    index: usize,
    coin: &Coin,
) -> Result<Witness, LightningError> {
    let fault = |error: &dyn std::fmt::Display| LightningError::Transaction(error.to_string());
    let sighash_type = EcdsaSighashType::All;
    let mut cache = SighashCache::new(tx);
    let value = coin.output.value;
    let script = coin.key.anchored_script();
    let digest = if coin.key.is_anchored {
        let hash = cache.p2wsh_signature_hash(index, &script, value, sighash_type);
        Message::from(hash.map_err(|error| fault(&error))?)
    } else {
        let pays_to = &coin.output.script_pubkey;
        let hash = cache.p2wpkh_signature_hash(index, pays_to, value, sighash_type);
        Message::from(hash.map_err(|error| fault(&error))?)
    };
    let signature = Signature {
        signature: secp.sign_ecdsa(&digest, &coin.key.secret),
        sighash_type,
    };
    if !coin.key.is_anchored {
        return Ok(Witness::p2wpkh(&signature, &coin.key.public));
    }
    let mut witness = Witness::new();
    witness.push_ecdsa_signature(&signature);
    witness.push(script);
    Ok(witness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldk_node::lightning::sign::KeysManager;

    #[test]
    fn the_keys_are_those_of_the_library() {
        let seed = [7; 64];
        let ours = keys(&seed, Network::Regtest).unwrap();
        let root = Xpriv::new_master(Network::Regtest, &seed).unwrap();
        let library = KeysManager::new(&root.private_key.secret_bytes(), 1, 1, true);
        let theirs = library.possible_v2_counterparty_closed_balance_spks(&Secp256k1::new());
        assert_eq!(ours.len(), theirs.len());
        assert!(theirs.iter().all(|script| ours.contains_key(script)));
    }

    #[test]
    fn a_coin_that_does_not_pay_its_fee_stays() {
        let keys = keys(&[7; 64], Network::Regtest).unwrap();
        let (script_pubkey, key) = keys.into_iter().next().unwrap();
        let coin = |value_sat| Coin {
            outpoint: OutPoint::null(),
            output: TxOut {
                value: Amount::from_sat(value_sat),
                script_pubkey: script_pubkey.clone(),
            },
            key,
        };
        let to = ScriptBuf::new_p2wsh(&bitcoin::WScriptHash::from_raw_hash(
            bitcoin::hashes::Hash::all_zeros(),
        ));
        assert!(spend(&[coin(500)], to.clone(), 2.0).is_err());
        let tx = spend(&[coin(50_000)], to, 2.0).unwrap();
        let fee_sat = 50_000 - tx.output[0].value.to_sat();
        let vsize = tx.vsize() as u64;
        assert!(
            (2 * vsize..3 * vsize).contains(&fee_sat),
            "{fee_sat} {vsize}"
        );
    }
}
