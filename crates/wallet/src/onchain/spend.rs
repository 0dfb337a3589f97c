//! Payments: built, signed, written down, and only then sent.

use bdk_wallet::chain::rusqlite::{Connection, Transaction as Db};
use bdk_wallet::coin_selection::InsufficientFunds;
use bdk_wallet::error::CreateTxError;
use bdk_wallet::{KeychainKind, SignOptions, TxBuilder, Wallet};
use bitcoin::{Amount, OutPoint, Psbt, Transaction};

use super::request::{check_dust, check_fee, fee_rate, parse_address, sat_per_vb};
use super::store::SpendRow;
use super::views::{Spend, SpendKind, SpendState};
use super::wallet::unix_s;
use super::{ChainError, HowMuch, Keys, OnchainError, OnchainWallet, SpendRequest};
use super::{inspect, store};

use crate::boxed;

/// The longest id of a payment.
const ID_CHARS_MAX: usize = 100;

impl OnchainWallet {
    /// Pays. The payment is on the disk before it is sent: if the program ends in between, or the
    /// chain source doesn't answer, it is sent with the next sync. The same id pays once.
    ///
    /// # Errors
    /// `Insufficient`, `FeeTooHigh`, `Dust`, `Address…`, `Coin…`; `Chain(Refused)` if the network
    /// doesn't take it, and then nothing was paid.
    #[boxed]
    pub async fn send(
        &self,
        id: &str,
        request: &SpendRequest,
        fee_rate_sat_per_vb: f64,
        now_ms: i64,
    ) -> Result<Spend, OnchainError> {
        let request = request.clone();
        let words = said(&request)?;
        self.pay(id, words, now_ms, move |wallet, db| {
            let draft = draft(wallet, db, &request, fee_rate_sat_per_vb, CoinChoice::Usual)?;
            Ok(Prepared {
                kind: SpendKind::Send,
                address: Some(draft.address),
                amount_sat: draft.amount_sat,
                takes_all: request.amount == HowMuch::All,
                replaces: None,
                tx: draft.psbt,
            })
        })
        .await
    }

    /// Has a payment made by `prepare` if there is none with this id, and sends it.
    pub(crate) async fn pay(
        &self,
        id: &str,
        words: String,
        now_ms: i64,
        prepare: impl FnOnce(&mut Wallet, &Db<'_>) -> Result<Prepared, OnchainError> + Send + 'static,
    ) -> Result<Spend, OnchainError> {
        if id.is_empty() || id.chars().count() > ID_CHARS_MAX {
            return Err(OnchainError::Id(ID_CHARS_MAX));
        }
        let id = id.to_owned();
        let keys = self.inner.keys.clone();
        let spend = self.write(move |wallet, db| {
            if let Some(earlier) = store::spend(db, &id)? {
                return repeated(earlier, &words);
            }
            let keys = keys.ok_or(OnchainError::WatchOnly)?;
            let mut prepared = prepare(wallet, db)?;
            let fee_sat = fee(&prepared.tx)?;
            let tx = sign(wallet, &keys, &mut prepared.tx)?;
            record(wallet, db, id, words, prepared.of(tx), fee_sat, now_ms)
        });
        self.push(spend.await?, now_ms).await
    }

    /// Sends what is recorded, and writes down what came of it.
    pub(crate) async fn push(&self, spend: SpendRow, now_ms: i64) -> Result<Spend, OnchainError> {
        let sent = self.inner.chain.broadcast(&spend.tx).await;
        let id = spend.id.clone();
        match sent {
            Ok(()) => {
                self.write(move |wallet, db| {
                    show_unconfirmed(wallet, &spend.tx, now_ms);
                    store::set_state(db, &spend.id, SpendState::Sent, None)
                })
                .await?;
                self.spend(&id).await
            }
            // Whoever had it once may have it still.
            Err(ChainError::Refused(_)) if spend.state == SpendState::Sent => self.spend(&id).await,
            Err(ChainError::Refused(reason)) => {
                let why = reason.clone();
                self.write(move |wallet, db| {
                    let txid = spend.tx.compute_txid();
                    wallet.apply_evicted_txs([(txid, last_seen(wallet, &spend.tx, now_ms))]);
                    store::set_state(db, &spend.id, SpendState::Refused, Some(&why))
                })
                .await?;
                Err(ChainError::Refused(reason).into())
            }
            Err(error) => {
                tracing::info!(%id, %error, "a payment is recorded, and will be sent later");
                self.spend(&id).await
            }
        }
    }

    /// A payment by its id.
    pub(crate) async fn spend(&self, id: &str) -> Result<Spend, OnchainError> {
        let id = id.to_owned();
        self.read(move |wallet, db| {
            let row = store::spend(db, &id)?;
            let row = row.ok_or_else(|| OnchainError::Transaction(format!("no payment {id}")))?;
            view(wallet, db, row)
        })
        .await
    }

    /// Payments of ours, newest first.
    ///
    /// # Errors
    /// If the file can't be read.
    #[boxed]
    pub async fn spends(&self, limit: u32) -> Result<Vec<Spend>, OnchainError> {
        self.read(move |wallet, db| {
            let rows = store::newest_spends(db, limit)?.into_iter();
            rows.map(|row| view(wallet, db, row)).collect()
        })
        .await
    }
}

/// A transaction that isn't signed yet, and what it is for.
pub(crate) struct Prepared<Tx = Psbt> {
    pub kind: SpendKind,
    pub address: Option<String>,
    pub amount_sat: u64,
    pub takes_all: bool,
    pub replaces: Option<bitcoin::Txid>,
    pub tx: Tx,
}

impl Prepared {
    /// The same, signed.
    fn of(self, tx: Transaction) -> Prepared<Transaction> {
        Prepared {
            kind: self.kind,
            address: self.address,
            amount_sat: self.amount_sat,
            takes_all: self.takes_all,
            replaces: self.replaces,
            tx,
        }
    }
}

/// A payment that isn't signed.
pub(crate) struct Draft {
    pub psbt: Psbt,
    pub address: String,
    pub amount_sat: u64,
    pub fee_sat: u64,
}

/// Which coins may be spent, if none are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoinChoice {
    /// Those in blocks, and our own change.
    Usual,
    /// Those in blocks.
    Confirmed,
}

/// Chooses coins, and builds what was asked for.
pub(crate) fn draft(
    wallet: &mut Wallet,
    db: &Connection,
    request: &SpendRequest,
    fee_rate_sat_per_vb: f64,
    coins: CoinChoice,
) -> Result<Draft, OnchainError> {
    let address = parse_address(&request.address, wallet.network())?;
    let script = address.script_pubkey();
    let rate = fee_rate(fee_rate_sat_per_vb)?;
    if let HowMuch::Sat(amount_sat) = request.amount {
        check_dust(&script, amount_sat)?;
    }
    let unspendable = unspendable(wallet, db, &request.coins)?;
    let mut builder = wallet.build_tx();
    builder.fee_rate(rate).unspendable(unspendable);
    if coins == CoinChoice::Confirmed {
        builder.exclude_unconfirmed();
    }
    choose(&mut builder, &request.coins)?;
    match request.amount {
        HowMuch::Sat(amount_sat) => {
            builder.add_recipient(script.clone(), Amount::from_sat(amount_sat));
        }
        HowMuch::All => {
            builder.drain_to(script.clone());
            if request.coins.is_empty() {
                builder.drain_wallet();
            }
        }
    }
    let psbt = builder.finish().map_err(fault)?;
    let paid = psbt.unsigned_tx.output.iter();
    let paid = paid.filter(|output| output.script_pubkey == script);
    let amount_sat = paid.map(|output| output.value.to_sat()).sum();
    let fee_sat = fee(&psbt)?;
    check_fee(request.limit, amount_sat, fee_sat, vsize_vb(wallet, &psbt))?;
    Ok(Draft {
        psbt,
        address: address.to_string(),
        amount_sat,
        fee_sat,
    })
}

/// Adds the coins that the owner named, and no others then.
pub(crate) fn choose<C>(
    builder: &mut TxBuilder<'_, C>,
    coins: &[OutPoint],
) -> Result<(), OnchainError> {
    for coin in coins {
        let unknown = |_| OnchainError::CoinUnknown(*coin);
        builder.add_utxo(*coin).map_err(unknown)?;
    }
    if !coins.is_empty() {
        builder.manually_selected_only();
    }
    Ok(())
}

/// The coins that are not for this payment: taken by others of ours, or not in a block yet and from
/// somebody else, who could take them back.
pub(crate) fn unspendable(
    wallet: &Wallet,
    db: &Connection,
    named: &[OutPoint],
) -> Result<Vec<OutPoint>, OnchainError> {
    let mut taken = inspect::reserved(db)?;
    for coin in named {
        if taken.contains(coin) {
            return Err(OnchainError::CoinUnknown(*coin));
        }
        if wallet.is_outpoint_locked(*coin) {
            return Err(OnchainError::CoinFrozen(*coin));
        }
    }
    let foreign = wallet.list_unspent().filter(|output| {
        output.chain_position.is_unconfirmed() && output.keychain == KeychainKind::External
    });
    taken.extend(foreign.map(|output| output.outpoint));
    Ok(taken.into_iter().collect())
}

/// Signs, and takes the finished transaction out.
pub(crate) fn sign(
    wallet: &Wallet,
    keys: &Keys,
    psbt: &mut Psbt,
) -> Result<Transaction, OnchainError> {
    let [external, internal] = &keys.signers;
    let is_final = wallet
        .sign_with_signers(psbt, &[external, internal], SignOptions::default())
        .map_err(|error| OnchainError::Transaction(error.to_string()))?;
    if !is_final {
        return Err(OnchainError::PsbtIncomplete);
    }
    Ok(extract(psbt.clone()))
}

/// The finished transaction. Its fee was checked, so the library's own bound doesn't matter.
pub(crate) fn extract(psbt: Psbt) -> Transaction {
    psbt.extract_tx_unchecked_fee_rate()
}

/// What a draft costs.
pub(crate) fn fee(psbt: &Psbt) -> Result<u64, OnchainError> {
    let fee = psbt.fee();
    Ok(fee
        .map_err(|error| OnchainError::Psbt(error.to_string()))?
        .to_sat())
}

/// How large a draft will be once it is signed, at most.
pub(crate) fn vsize_vb(wallet: &Wallet, psbt: &Psbt) -> u64 {
    let inputs = psbt.unsigned_tx.input.iter();
    let signatures_wu = inputs.map(|input| {
        let coin = wallet.get_utxo(input.previous_output);
        let keychain = coin.map_or(KeychainKind::External, |coin| coin.keychain);
        let descriptor = wallet.public_descriptor(keychain);
        descriptor
            .max_weight_to_satisfy()
            .map_or(0, |weight| weight.to_wu())
    });
    // Marker and flag of a transaction with witnesses, which the unsigned one lacks.
    let weight_wu = psbt.unsigned_tx.weight().to_wu() + 2 + signatures_wu.sum::<u64>();
    weight_wu.div_ceil(4)
}

/// The same request is done already; another one has no right to the id.
fn repeated(earlier: SpendRow, words: &str) -> Result<SpendRow, OnchainError> {
    if earlier.request != words {
        return Err(OnchainError::IdempotencyConflict(earlier.id));
    }
    match earlier.state {
        SpendState::Refused => Err(OnchainError::RefusedBefore {
            id: earlier.id,
            reason: earlier.reason.unwrap_or_default(),
        }),
        _ => Ok(earlier),
    }
}

/// Writes a payment down, and counts its coins as spent.
pub(crate) fn record(
    wallet: &mut Wallet,
    db: &Db<'_>,
    id: String,
    request: String,
    prepared: Prepared<Transaction>,
    fee_sat: u64,
    now_ms: i64,
) -> Result<SpendRow, OnchainError> {
    let tx = prepared.tx;
    if let Some(txid) = prepared.replaces
        && let Some(replaced) = wallet.tx_graph().get_tx(txid)
    {
        let at = last_seen(wallet, &replaced, now_ms);
        wallet.apply_evicted_txs([(txid, at)]);
    }
    show_unconfirmed(wallet, &tx, now_ms);
    let spend = SpendRow {
        id,
        request,
        kind: prepared.kind,
        address: prepared.address,
        amount_sat: prepared.amount_sat,
        fee_sat,
        takes_all: prepared.takes_all,
        tx,
        replaces: prepared.replaces,
        state: SpendState::Recorded,
        reason: None,
        created_ms: now_ms,
    };
    store::insert_spend(db, &spend)?;
    Ok(spend)
}

/// Has the wallet take a transaction for one that waits, also if it was missing for a while.
pub(crate) fn show_unconfirmed(wallet: &mut Wallet, tx: &Transaction, now_ms: i64) {
    let evicted = wallet.tx_graph().get_last_evicted(tx.compute_txid());
    let seen = evicted.map_or(0, |evicted| evicted.saturating_add(1));
    wallet.apply_unconfirmed_txs([(tx.clone(), unix_s(now_ms).max(seen))]);
}

/// The time by which a transaction that waits was last there.
fn last_seen(wallet: &Wallet, tx: &Transaction, now_ms: i64) -> u64 {
    let node = wallet.tx_graph().get_tx_node(tx.compute_txid());
    let seen = node.and_then(|node| node.last_seen).unwrap_or_default();
    unix_s(now_ms).max(seen)
}

/// A request in words that can be compared.
pub(crate) fn said(request: &impl serde::Serialize) -> Result<String, OnchainError> {
    serde_json::to_string(request).map_err(|error| OnchainError::Transaction(error.to_string()))
}

/// A payment as it is shown.
pub(crate) fn view(wallet: &Wallet, db: &Connection, row: SpendRow) -> Result<Spend, OnchainError> {
    let txid = row.tx.compute_txid();
    let state = match wallet.get_tx(txid) {
        _ if row.state == SpendState::Refused => SpendState::Refused,
        Some(tx) if tx.chain_position.is_confirmed() => SpendState::Confirmed,
        Some(_) => row.state,
        None if super::settle::is_superseded(wallet, db, &row)? => SpendState::Replaced,
        None => row.state,
    };
    let vsize_vb = row.tx.vsize() as u64;
    Ok(Spend {
        id: row.id,
        kind: row.kind,
        address: row.address,
        amount_sat: row.amount_sat,
        fee_sat: row.fee_sat,
        fee_rate_sat_per_vb: sat_per_vb(row.fee_sat, vsize_vb),
        txid: txid.to_string(),
        replaces: row.replaces.map(|txid| txid.to_string()),
        state,
        reason: row.reason,
        created_ms: row.created_ms,
    })
}

/// What the library says when it can't build a transaction.
pub(crate) fn fault(error: CreateTxError) -> OnchainError {
    match error {
        CreateTxError::CoinSelection(InsufficientFunds { needed, available }) => {
            OnchainError::Insufficient {
                available_sat: available.to_sat(),
                needed_sat: needed.to_sat(),
            }
        }
        CreateTxError::NoUtxosSelected => OnchainError::Insufficient {
            available_sat: 0,
            needed_sat: 1,
        },
        CreateTxError::FeeRateTooLow { required } => OnchainError::FeeTooLow {
            least_sat_per_vb: rate(required),
        },
        CreateTxError::UnknownUtxo => OnchainError::Transaction("a coin is unknown".into()),
        error => OnchainError::Transaction(error.to_string()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are small")]
pub(crate) fn rate(rate: bitcoin::FeeRate) -> f64 {
    rate.to_sat_per_kwu() as f64 / 250.0
}
