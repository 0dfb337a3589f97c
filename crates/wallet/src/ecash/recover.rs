//! After a crash: every half-done operation is settled with the mint.

use std::collections::{HashMap, HashSet};

use cdk::Amount;
use cdk::nuts::nut00::ProofsMethods;
use cdk::nuts::{Proofs, State, SwapRequest};
use cdk::wallet::types::{
    KeysetLoadPolicy, OperationData, ReceiveSagaState, Transaction, TransactionDirection,
    TransactionId, TransactionStatus, WalletSaga, WalletSagaState,
};
use futures::future::BoxFuture;
use tokio::sync::OwnedRwLockWriteGuard;
use uuid::Uuid;

use super::reclaim::{is_signed, reclaim};
use super::redeem::LOST;
use super::together::{Members, TOGETHER};
use super::{EcashError, EcashWallet, TokenFate};

/// A recovery in progress: no live operation runs while this exists, so the caller
/// can read from its own records which tokens it knows of.
pub struct Recovery<'a> {
    pub(super) wallet: &'a EcashWallet,
    _alone: OwnedRwLockWriteGuard<()>,
}

impl EcashWallet {
    /// Waits until no operation is live, and keeps new ones out.
    pub async fn recovery(&self) -> Recovery<'_> {
        Recovery {
            wallet: self,
            _alone: self.gate.clone().write_owned().await,
        }
    }
}

impl Recovery<'_> {
    /// Settles half-done operations with the mint, and takes back every token that was
    /// made but isn't among `recorded`: its maker died before it could hand it out.
    ///
    /// Returns `false` if the mint didn't answer for some of them; call again later.
    ///
    /// # Errors
    /// [`EcashError::Storage`].
    pub fn run<'b>(self, recorded: &'b HashSet<Uuid>) -> BoxFuture<'b, Result<bool, EcashError>>
    where
        Self: 'b,
    {
        Box::pin(self.settle(recorded))
    }

    async fn settle(self, recorded: &HashSet<Uuid>) -> Result<bool, EcashError> {
        let wallet = self.wallet;
        let mut complete = complete_keysets(wallet).await?;
        for saga in wallet
            .cdk
            .localstore
            .get_incomplete_sagas()
            .await
            .map_err(storage)?
        {
            complete &= settle_redemption(wallet, &saga).await?;
        }
        if !complete {
            // cdk would settle the redemptions in doubt as received: ask again first.
            return Ok(false);
        }
        drop_swaps_never_done(wallet).await?;
        if !reclaim(wallet).await? {
            return Ok(false);
        }
        let report = wallet.cdk.recover_incomplete_sagas().await?;
        complete = report.skipped == 0 && report.failed == 0;
        complete &= forget_spent(wallet).await?;
        for operation in wallet.cdk.get_pending_sends().await? {
            if recorded.contains(&operation) {
                continue;
            }
            match wallet.take_back_unguarded(operation).await {
                Ok(TokenFate::Outstanding) | Err(_) => complete = false,
                Ok(_) => {}
            }
        }
        Ok(complete)
    }
}

/// `cdk` writes down a keyset before its keys. Killed in between, it would know the keyset and
/// miss the keys for the next hour. `false` if the mint didn't answer.
async fn complete_keysets(wallet: &EcashWallet) -> Result<bool, EcashError> {
    let store = &wallet.cdk.localstore;
    let known = store.get_mint_keysets(wallet.cdk.mint_url.clone()).await;
    for keyset in known.map_err(storage)?.unwrap_or_default() {
        let is_whole = store.get_keys(&keyset.id).await.map_err(storage)?.is_some();
        if keyset.active && !is_whole {
            let keysets = wallet.cdk.keysets(KeysetLoadPolicy::Refresh).await;
            return Ok(keysets.is_ok());
        }
    }
    Ok(true)
}

/// When the mint can't be reached, `cdk` rolls a payment back but forgets the swap inside
/// it: no proofs are set aside for it, and its recovery fails for ever. If the mint never
/// signed its outputs, and no request can be under way any more, it didn't happen.
async fn drop_swaps_never_done(wallet: &EcashWallet) -> Result<(), EcashError> {
    let store = &wallet.cdk.localstore;
    for saga in store.get_incomplete_sagas().await.map_err(storage)? {
        let OperationData::Swap(data) = &saga.data else {
            continue;
        };
        let Some(outputs) = data.blinded_messages.clone().filter(|_| is_old(&saga)) else {
            continue;
        };
        if !store
            .get_reserved_proofs(&saga.id)
            .await
            .map_err(storage)?
            .is_empty()
        {
            continue;
        }
        if is_signed(wallet, outputs).await == Some(false) {
            store.delete_saga(&saga.id).await.map_err(storage)?;
        }
    }
    Ok(())
}

/// No request to a mint is under way for longer than this, in seconds.
const REQUEST_MAX_S: u64 = 30;

/// `cdk` resumes a payment and the swap inside it one after the other: the first frees
/// proofs that the second then finds to be spent, and restores what they were swapped
/// for. What the mint knows as spent must not stay among what can be spent.
///
/// `false` if the mint didn't answer.
async fn forget_spent(wallet: &EcashWallet) -> Result<bool, EcashError> {
    let unspent = wallet.cdk.get_unspent_proofs().await?;
    for proofs in unspent.chunks(PROOFS_A_QUESTION) {
        // Deleting the spent ones is this question's side effect.
        if wallet
            .cdk
            .check_proofs_spent(proofs.to_vec())
            .await
            .is_err()
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Mints bound how many proofs they are asked about at once.
pub(super) const PROOFS_A_QUESTION: usize = 100;

/// Gets the mint's last word on a redemption that was under way, before `cdk` settles it.
///
/// `cdk` gives up on one whose inputs aren't spent, also while the mint is at work on a request
/// that the dead process sent, and loses what comes of it. So the swap is asked for again first:
/// once the mint has clearly answered that, an older request can change nothing any more.
///
/// A swap whose inputs are spent while the mint never signed our outputs was done by
/// somebody else. `cdk` settles that like any other redemption, so it is marked:
/// otherwise a token spent twice around a crash would count as paid. If it was a swap of
/// several tokens, it is dropped, and each may be tried alone.
///
/// `false` if the mint didn't answer, or not clearly.
async fn settle_redemption(wallet: &EcashWallet, saga: &WalletSaga) -> Result<bool, EcashError> {
    let (WalletSagaState::Receive(ReceiveSagaState::SwapRequested), OperationData::Receive(data)) =
        (&saga.state, &saga.data)
    else {
        return Ok(true);
    };
    let inputs = wallet
        .cdk
        .localstore
        .get_reserved_proofs(&saga.id)
        .await
        .map_err(storage)?;
    let Some(outputs) = data.blinded_messages.clone().filter(|_| !inputs.is_empty()) else {
        return Ok(true);
    };
    let proofs: Proofs = inputs.into_iter().map(|input| input.proof).collect();
    let members = Members::of_saga(saga);
    if let Some(members) = &members {
        note(wallet, saga, &proofs, TOGETHER, &members.text()).await?;
    }
    let request = SwapRequest::new(proofs.clone(), outputs.clone());
    let connector = wallet.cdk.mint_connector();
    let Err(refusal) = connector.post_swap(request).await else {
        return Ok(true);
    };
    // The order matters: spent first, then signed. The other way round, a swap of ours
    // that lands in between would look like somebody else's.
    let Ok(states) = wallet.states_at_mint(&proofs).await else {
        return Ok(false);
    };
    if !states.contains(&State::Spent) {
        // A mint that never answers clearly must not hold up everything else for ever.
        return Ok(refusal.is_definitive_failure() || is_old(saga));
    }
    match is_signed(wallet, outputs).await {
        None => return Ok(false),
        Some(true) => {}
        // One of several tokens was, so none of them was taken.
        Some(false) if members.is_some() => drop_redemption(wallet, saga, &proofs).await?,
        Some(false) => note(wallet, saga, &proofs, LOST, "spent by somebody else").await?,
    }
    Ok(true)
}

/// True if no request of this operation can be under way any more.
fn is_old(saga: &WalletSaga) -> bool {
    cdk::util::unix_time() > saga.created_at + REQUEST_MAX_S
}

/// Forgets a redemption that never happened, and never can.
async fn drop_redemption(
    wallet: &EcashWallet,
    saga: &WalletSaga,
    proofs: &Proofs,
) -> Result<(), EcashError> {
    let store = &wallet.cdk.localstore;
    let id = TransactionId::from_saga_id(saga.id);
    if let Some(mut transaction) = wallet.cdk.get_transaction(id).await? {
        transaction.status = TransactionStatus::Failed;
        store.add_transaction(transaction).await.map_err(storage)?;
    }
    // The saga first: `cdk` takes one without inputs for done, and inputs without one are let go.
    store.delete_saga(&saga.id).await.map_err(storage)?;
    let ys = proofs.ys().map_err(cdk::Error::from)?;
    let dropped = store.update_proofs(Vec::new(), ys).await;
    dropped.map_err(storage)
}

/// Writes a note into the redemption's transaction, which may not be there yet: `cdk`
/// makes one up when it settles the saga, unless it finds one.
async fn note(
    wallet: &EcashWallet,
    saga: &WalletSaga,
    proofs: &Proofs,
    name: &str,
    text: &str,
) -> Result<(), EcashError> {
    let found = wallet
        .cdk
        .get_transaction(TransactionId::from_saga_id(saga.id))
        .await?;
    let mut transaction = match found {
        Some(transaction) => transaction,
        None => Transaction {
            mint_url: saga.mint_url.clone(),
            direction: TransactionDirection::Incoming,
            amount: Amount::ZERO,
            fee: Amount::ZERO,
            unit: saga.unit.clone(),
            ys: proofs.ys().map_err(cdk::Error::from)?,
            timestamp: saga.created_at,
            memo: None,
            metadata: HashMap::new(),
            quote_id: None,
            payment_request: None,
            payment_proof: None,
            payment_method: None,
            saga_id: Some(saga.id),
            status: TransactionStatus::Pending,
        },
    };
    transaction
        .metadata
        .insert(name.to_owned(), text.to_owned());
    wallet
        .cdk
        .localstore
        .add_transaction(transaction)
        .await
        .map_err(storage)
}

pub(super) fn storage(error: cdk::cdk_database::Error) -> EcashError {
    EcashError::Storage(error.to_string())
}

#[cfg(test)]
mod tests {
    use cdk::nuts::CurrencyUnit;
    use cdk::wallet::types::ProofInfo;

    use super::*;
    use crate::ecash::{EmbeddedMint, MintAccess};

    const MINT_URL: &str = "http://127.0.0.1:1/mint";

    #[tokio::test(flavor = "multi_thread")]
    async fn inputs_without_a_saga_dont_block_their_token() {
        let dir = tempfile::tempdir().unwrap();
        let mint = EmbeddedMint::play(&dir.path().join("mint.db"), &[1; 64], MINT_URL)
            .await
            .unwrap();
        let open = async |name: &str, seed| {
            let access = MintAccess::Embedded(mint.clone());
            let path = dir.path().join(name);
            EcashWallet::open(&path, MINT_URL, [seed; 64], access)
                .await
                .unwrap()
        };
        let (buyer, seller) = (open("buyer", 2).await, open("seller", 3).await);
        let quote = buyer.quote_funding(8).await.unwrap().id;
        buyer.fund(&quote).await.unwrap();
        let token = buyer.issue(8).await.unwrap().token.clone();

        // What a crash between cdk's first two writes leaves behind.
        let parsed: cdk::nuts::Token = token.parse().unwrap();
        let keysets = mint.inner().keysets().keysets;
        for proof in parsed.proofs(&keysets).unwrap() {
            let url = MINT_URL.parse().unwrap();
            let operation = Some(Uuid::now_v7());
            let info = ProofInfo::new_with_operations(
                proof,
                url,
                State::Pending,
                CurrencyUnit::Sat,
                operation,
                None,
            );
            let info = vec![info.unwrap()];
            seller
                .cdk
                .localstore
                .update_proofs(info, vec![])
                .await
                .unwrap();
        }
        assert!(seller.redeem(&token).await.unwrap_err().is_unknown());
        assert!(seller.recovery().await.run(&HashSet::new()).await.unwrap());
        assert_eq!(seller.redeem(&token).await.unwrap(), 8);
    }
}
