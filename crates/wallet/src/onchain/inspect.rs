//! What the wallet has: addresses, coins, transactions, and what the owner calls them.

use std::collections::HashSet;

use bdk_wallet::chain::rusqlite::Connection;
use bdk_wallet::chain::{ChainPosition, ConfirmationBlockTime};
use bdk_wallet::{KeychainKind, LocalOutput, Wallet, WalletTx};
use bitcoin::constants::COINBASE_MATURITY;
use bitcoin::{Address, Network, OutPoint, Txid};

use super::views::{AddressView, Balance, CoinView, Descriptors, TxView};
use super::{OnchainError, OnchainWallet, request, store, watch};

use crate::boxed;

/// What a label may be long.
const LABEL_CHARS_MAX: usize = 200;

impl OnchainWallet {
    /// An address to be paid at: the first that nothing was ever paid to.
    ///
    /// # Errors
    /// If the file can't be written.
    #[boxed]
    pub async fn address(&self) -> Result<AddressView, OnchainError> {
        self.write(|wallet, db| {
            let next = wallet.next_unused_address(KeychainKind::External);
            let address = next.address.to_string();
            Ok(AddressView {
                label: store::label(db, &address)?,
                address,
                index: next.index,
                is_used: false,
            })
        })
        .await
    }

    /// The addresses that were given out, newest first.
    ///
    /// # Errors
    /// If the file can't be read.
    #[boxed]
    pub async fn addresses(&self, limit: u32) -> Result<Vec<AddressView>, OnchainError> {
        self.read(move |wallet, db| {
            let Some(last) = wallet.derivation_index(KeychainKind::External) else {
                return Ok(Vec::new());
            };
            let indexes = (0..=last).rev().take(limit as usize);
            let view = |index| {
                let info = wallet.peek_address(KeychainKind::External, index);
                let address = info.address.to_string();
                let keychain = KeychainKind::External;
                Ok(AddressView {
                    label: store::label(db, &address)?,
                    address,
                    index,
                    is_used: wallet.spk_index().is_used(keychain, index),
                })
            };
            indexes.map(view).collect()
        })
        .await
    }

    /// What the wallet holds, as of the last sync.
    ///
    /// # Errors
    /// If the file can't be read.
    #[boxed]
    pub async fn balance(&self) -> Result<Balance, OnchainError> {
        self.read(balance).await
    }

    /// The outputs that aren't spent, largest first.
    ///
    /// # Errors
    /// If the file can't be read.
    #[boxed]
    pub async fn coins(&self) -> Result<Vec<CoinView>, OnchainError> {
        self.read(|wallet, db| {
            let reserved = reserved(db)?;
            let outputs = wallet.list_unspent();
            let free = outputs.filter(|output| !reserved.contains(&output.outpoint));
            let views = free.map(|output| coin(wallet, db, &output));
            let mut coins: Vec<CoinView> = views.collect::<Result<_, _>>()?;
            coins.sort_by_key(|coin| std::cmp::Reverse(coin.amount_sat));
            Ok(coins)
        })
        .await
    }

    /// Transactions that concern us, newest first.
    ///
    /// # Errors
    /// If the file can't be read.
    #[boxed]
    pub async fn history(&self, limit: u32) -> Result<Vec<TxView>, OnchainError> {
        self.read(move |wallet, db| {
            let newest_first = wallet
                .transactions_sort_by(|a, b| b.chain_position.cmp(&a.chain_position))
                .into_iter();
            let views = newest_first.take(limit as usize);
            views.map(|tx| transaction(wallet, db, &tx)).collect()
        })
        .await
    }

    /// Calls an address, a transaction or a coin by a name; an empty one takes the name away.
    ///
    /// # Errors
    /// `Label` if it is too long; `Address` if it is none of the three.
    #[boxed]
    pub async fn set_label(&self, what: &str, label: &str) -> Result<(), OnchainError> {
        if label.chars().count() > LABEL_CHARS_MAX {
            return Err(OnchainError::Label(LABEL_CHARS_MAX));
        }
        let what = labelled(what, self.network())?;
        let label = label.trim().to_owned();
        self.write(move |_, db| store::set_label(db, &what, &label))
            .await
    }

    /// Keeps a coin from being spent, or lets it be spent again.
    ///
    /// # Errors
    /// `CoinUnknown` if it isn't ours, or is spent.
    #[boxed]
    pub async fn freeze(&self, outpoint: OutPoint, is_frozen: bool) -> Result<(), OnchainError> {
        self.write(move |wallet, _| {
            let known = wallet.get_utxo(outpoint).filter(|coin| !coin.is_spent);
            known.ok_or(OnchainError::CoinUnknown(outpoint))?;
            match is_frozen {
                true => wallet.lock_outpoint(outpoint),
                false => wallet.unlock_outpoint(outpoint),
            }
            Ok(())
        })
        .await
    }

    /// The public descriptors, from which another wallet watches this one.
    ///
    /// # Errors
    /// If the file can't be read.
    #[boxed]
    pub async fn descriptors(&self) -> Result<Descriptors, OnchainError> {
        let is_watch_only = self.inner.keys.is_none();
        self.read(move |wallet, _| {
            let external = wallet.public_descriptor(KeychainKind::External);
            let mut keychains = wallet.keychains();
            let internal = keychains.find(|(kind, _)| *kind == KeychainKind::Internal);
            Ok(Descriptors {
                external: external.to_string(),
                internal: internal.map(|(_, descriptor)| descriptor.to_string()),
                script: watch::script_kind(external).to_owned(),
                is_watch_only,
            })
        })
        .await
    }
}

/// What a label is of: an address of this network, a transaction, or a coin.
fn labelled(what: &str, network: Network) -> Result<String, OnchainError> {
    let what = what.trim();
    if let Ok(outpoint) = what.parse::<OutPoint>() {
        return Ok(outpoint.to_string());
    }
    if let Ok(txid) = what.parse::<Txid>() {
        return Ok(txid.to_string());
    }
    Ok(request::parse_address(what, network)?.to_string())
}

/// What waiting payments of ours spend: their coins are taken, whatever a source says.
pub(crate) fn reserved(db: &Connection) -> Result<HashSet<OutPoint>, OnchainError> {
    let open = store::open_spends(db)?;
    let inputs = open.iter().flat_map(|spend| &spend.tx.input);
    Ok(inputs.map(|input| input.previous_output).collect())
}

pub(crate) fn balance(wallet: &Wallet, db: &Connection) -> Result<Balance, OnchainError> {
    let reserved = reserved(db)?;
    let mut balance = Balance::default();
    for output in wallet.list_unspent() {
        if reserved.contains(&output.outpoint) {
            continue;
        }
        let amount_sat = output.txout.value.to_sat();
        let part = match confirmations(wallet, &output.chain_position) {
            0 => &mut balance.pending_sat,
            _ if !is_mature(wallet, &output) => &mut balance.immature_sat,
            _ if wallet.is_outpoint_locked(output.outpoint) => &mut balance.frozen_sat,
            _ => &mut balance.confirmed_sat,
        };
        *part = part.saturating_add(amount_sat);
    }
    Ok(balance)
}

pub(crate) fn is_mature(wallet: &Wallet, output: &LocalOutput) -> bool {
    let tx = wallet.get_tx(output.outpoint.txid);
    let is_coinbase = tx.is_some_and(|tx| tx.tx_node.tx.is_coinbase());
    !is_coinbase || confirmations(wallet, &output.chain_position) >= COINBASE_MATURITY
}

/// How many blocks there are from a transaction's own on.
pub(crate) fn confirmations(
    wallet: &Wallet,
    position: &ChainPosition<ConfirmationBlockTime>,
) -> u32 {
    let tip = wallet.latest_checkpoint().height();
    let height = position.confirmation_height_upper_bound();
    height.map_or(0, |height| tip.saturating_add(1).saturating_sub(height))
}

fn coin(wallet: &Wallet, db: &Connection, output: &LocalOutput) -> Result<CoinView, OnchainError> {
    let script = &output.txout.script_pubkey;
    let address = Address::from_script(script, wallet.network())
        .map_or_else(|_| script.to_string(), |address| address.to_string());
    let outpoint = output.outpoint.to_string();
    let label = match store::label(db, &outpoint)? {
        Some(label) => Some(label),
        None => store::label(db, &address)?,
    };
    Ok(CoinView {
        amount_sat: output.txout.value.to_sat(),
        confirmations: confirmations(wallet, &output.chain_position),
        is_change: output.keychain == KeychainKind::Internal,
        is_frozen: wallet.is_outpoint_locked(output.outpoint),
        outpoint,
        address,
        label,
    })
}

fn transaction(
    wallet: &Wallet,
    db: &Connection,
    tx: &WalletTx<'_>,
) -> Result<TxView, OnchainError> {
    let raw = &tx.tx_node.tx;
    let (sent, received) = wallet.sent_and_received(raw);
    let txid = tx.tx_node.txid.to_string();
    let block = match &tx.chain_position {
        ChainPosition::Confirmed { anchor, .. } => Some(*anchor),
        ChainPosition::Unconfirmed { .. } => None,
    };
    let net_sat = i128::from(received.to_sat()) - i128::from(sent.to_sat());
    Ok(TxView {
        net_sat: i64::try_from(net_sat).unwrap_or_default(),
        fee_sat: wallet.calculate_fee(raw).ok().map(|fee| fee.to_sat()),
        vsize_vb: raw.vsize() as u64,
        confirmations: confirmations(wallet, &tx.chain_position),
        height: block.map(|block| block.block_id.height),
        block_unix_s: block.map(|block| block.confirmation_time),
        label: store::label(db, &txid)?,
        txid,
    })
}
