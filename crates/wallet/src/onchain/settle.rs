//! What becomes of recorded payments: those that the network lost, or never got, are sent again.

use bdk_wallet::Wallet;
use bdk_wallet::chain::rusqlite::Connection;
use bitcoin::Txid;

use super::store::{self, SpendRow};
use super::views::SpendState;
use super::{ChainError, OnchainError, OnchainWallet, inspect};

/// What is so deep in the chain isn't looked after any more.
const FINAL_AFTER_BLOCKS: u32 = 144;

/// What there is to do for a payment.
#[derive(Debug, PartialEq, Eq)]
enum Todo {
    /// Nothing: it waits, or is in a block.
    Nothing,
    /// It is in a block for good, or another transaction is.
    Forget,
    /// The network may not have it.
    SendAgain,
}

impl OnchainWallet {
    /// Sends again what isn't with the network, oldest first. The wallet must be up to date.
    pub(crate) async fn settle(&self, now_ms: i64) -> Result<(), OnchainError> {
        let unsent = self.write(|wallet, db| {
            let mut unsent = Vec::new();
            for spend in store::open_spends(db)? {
                match todo(wallet, db, &spend)? {
                    Todo::Nothing => {}
                    Todo::Forget => store::set_over(db, &spend.id)?,
                    Todo::SendAgain => unsent.push(spend),
                }
            }
            Ok(unsent)
        });
        for spend in unsent.await? {
            match self.push(spend, now_ms).await {
                // It is written down, and shown.
                Ok(_) | Err(OnchainError::Chain(ChainError::Refused(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn todo(wallet: &Wallet, db: &Connection, spend: &SpendRow) -> Result<Todo, OnchainError> {
    let depth_blocks = |txid| {
        let tx = wallet.get_tx(txid);
        tx.map_or(0, |tx| inspect::confirmations(wallet, &tx.chain_position))
    };
    let txid = spend.tx.compute_txid();
    let rivals = rivals(wallet, spend);
    let deepest = rivals
        .iter()
        .chain([&txid])
        .map(|txid| depth_blocks(*txid))
        .max();
    let deepest = deepest.unwrap_or_default();
    if deepest >= FINAL_AFTER_BLOCKS {
        return Ok(Todo::Forget);
    }
    if deepest > 0 {
        return Ok(Todo::Nothing);
    }
    // Signed here for others: it doesn't concern this wallet, and was sent.
    let is_foreign = wallet.tx_graph().get_tx(txid).is_none();
    if is_foreign && spend.state == SpendState::Sent {
        return Ok(Todo::Forget);
    }
    let is_waiting = wallet.get_tx(txid).is_some();
    Ok(match spend.state {
        SpendState::Sent if is_waiting => Todo::Nothing,
        _ if is_superseded(wallet, db, spend)? => Todo::Nothing,
        _ => Todo::SendAgain,
    })
}

/// Other transactions that spend a coin of this one.
fn rivals(wallet: &Wallet, spend: &SpendRow) -> Vec<Txid> {
    let conflicts = wallet.tx_graph().direct_conflicts(&spend.tx);
    conflicts.map(|(_, txid)| txid).collect()
}

/// Whether a rival is in a block, or we have replaced it ourselves.
pub(crate) fn is_superseded(
    wallet: &Wallet,
    db: &Connection,
    spend: &SpendRow,
) -> Result<bool, OnchainError> {
    let rivals = rivals(wallet, spend);
    let is_lost = rivals.iter().any(|txid| {
        let rival = wallet.get_tx(*txid);
        rival.is_some_and(|rival| rival.chain_position.is_confirmed())
    });
    let txid = spend.tx.compute_txid();
    let replaced = store::open_spends(db)?
        .iter()
        .any(|newer| newer.replaces == Some(txid));
    Ok(is_lost || replaced)
}
