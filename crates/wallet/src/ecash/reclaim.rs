//! What `cdk` 0.18 loses sight of when it dies while it makes a token or takes one back.
//!
//! Both swap proofs inside a payment's operation, in an operation of its own that doesn't say
//! whose it is. The proofs that come out of it have no owner, also when they go into a token,
//! while those that went in stay the payment's for ever. So `cdk`'s recovery frees the inputs of
//! a payment that died, but not the token's own proofs, which nobody looks at again; it takes a
//! token for claimed because its *inputs* are spent; and it takes one that was being taken back
//! for taken back because it is spent, whoever did that.

use std::collections::HashSet;

use cdk::nuts::nut00::ProofsMethods;
use cdk::nuts::{BlindedMessage, Proofs, PublicKey, RestoreRequest, State};
use cdk::wallet::types::{
    OperationData, ProofInfo, SendSagaState, SwapOperationData, TransactionId, TransactionStatus,
    WalletSaga, WalletSagaState,
};
use uuid::Uuid;

use super::recover::{PROOFS_A_QUESTION, storage};
use super::{EcashError, EcashWallet};

/// Sorts all that out, before `cdk` recovers. `false` if the mint didn't answer.
pub(super) async fn reclaim(wallet: &EcashWallet) -> Result<bool, EcashError> {
    own_tokens(wallet).await?;
    Ok(judge_take_backs(wallet).await? && free_loose_proofs(wallet).await?)
}

/// The proofs of the token that the operation made.
fn token_of(saga: &WalletSaga) -> Option<&Proofs> {
    match (&saga.state, &saga.data) {
        (
            WalletSagaState::Send(SendSagaState::TokenCreated | SendSagaState::RollingBack),
            OperationData::Send(data),
        ) => data.proofs.as_ref(),
        _ => None,
    }
}

/// A payment's operation gets the proofs of its token, and lets go of those that were swapped
/// for them.
async fn own_tokens(wallet: &EcashWallet) -> Result<(), EcashError> {
    let store = &wallet.cdk.localstore;
    for saga in store.get_incomplete_sagas().await.map_err(storage)? {
        let Some(token) = token_of(&saga) else {
            continue;
        };
        let ys = token.ys().map_err(cdk::Error::from)?;
        let owned = store.get_reserved_proofs(&saga.id).await.map_err(storage)?;
        let inputs = owned.into_iter().filter(|proof| !ys.contains(&proof.y));
        let inputs = inputs.map(|input| owned_by(input, None));
        let made = store.get_proofs_by_ys(ys.clone()).await.map_err(storage)?;
        let made = made
            .into_iter()
            .filter(|proof| proof.used_by_operation.is_none());
        let made = made.map(|proof| owned_by(proof, Some(saga.id)));
        let changed: Vec<_> = inputs.chain(made).collect();
        if !changed.is_empty() {
            let done = store.update_proofs(changed, Vec::new()).await;
            done.map_err(storage)?;
        }
    }
    Ok(())
}

fn owned_by(mut proof: ProofInfo, owner: Option<Uuid>) -> ProofInfo {
    proof.used_by_operation = owner;
    proof
}

/// Whoever spent a token that we were taking back: if our swap did, it is ours again, and
/// otherwise it was claimed. `false` if the mint didn't answer.
async fn judge_take_backs(wallet: &EcashWallet) -> Result<bool, EcashError> {
    let store = &wallet.cdk.localstore;
    let sagas = store.get_incomplete_sagas().await.map_err(storage)?;
    for saga in &sagas {
        let Some(token) = token_of(saga) else {
            continue;
        };
        let is_under_way = saga.state == WalletSagaState::Send(SendSagaState::RollingBack);
        let swaps = swaps_back(saga, &sagas)?;
        if !is_under_way && swaps.is_empty() {
            continue;
        }
        // Spent first, then signed: the other way round, a swap of ours that lands in between
        // would look like the recipient's.
        let Ok(states) = wallet.states_at_mint(token).await else {
            return Ok(false);
        };
        if states.iter().any(|state| *state != State::Spent) {
            continue;
        }
        let Some(is_ours) = is_spent_by(wallet, token, swaps).await? else {
            return Ok(false);
        };
        if is_ours {
            note_taken_back(wallet, saga, token).await?;
        } else if is_under_way {
            let mut saga = saga.clone();
            saga.update_state(WalletSagaState::Send(SendSagaState::TokenCreated));
            store.update_saga(saga).await.map_err(storage)?;
        }
    }
    Ok(true)
}

/// The swaps that may have been meant to take this token back: `cdk` doesn't say. Hardly ever
/// is there more than one that isn't settled, let alone of the same amount.
fn swaps_back<'a>(
    send: &WalletSaga,
    sagas: &'a [WalletSaga],
) -> Result<Vec<&'a SwapOperationData>, EcashError> {
    let Some(token) = token_of(send).filter(|_| send.version >= TAKING_BACK) else {
        return Ok(Vec::new());
    };
    let amount = token.total_amount().map_err(cdk::Error::from)?;
    let swaps = sagas.iter().filter_map(|saga| match &saga.data {
        OperationData::Swap(data) if saga.created_at >= send.created_at => Some(data),
        _ => None,
    });
    Ok(swaps.filter(|swap| swap.input_amount == amount).collect())
}

/// `cdk` counts an operation's steps: the token is made in the first, and taken back in the second.
const TAKING_BACK: u32 = 2;

/// True if one of our swaps spent the token; none if the mint didn't answer.
async fn is_spent_by(
    wallet: &EcashWallet,
    token: &Proofs,
    swaps: Vec<&SwapOperationData>,
) -> Result<Option<bool>, EcashError> {
    // `cdk` writes this after the swap's outputs, and forgets the swap.
    let ys = token.ys().map_err(cdk::Error::from)?;
    let store = &wallet.cdk.localstore;
    let known = store.get_proofs_by_ys(ys).await.map_err(storage)?;
    if known.iter().any(|proof| proof.state == State::Spent) {
        return Ok(Some(true));
    }
    for outputs in swaps
        .iter()
        .filter_map(|swap| swap.blinded_messages.clone())
    {
        match is_signed(wallet, outputs).await {
            Some(false) => {}
            signed => return Ok(signed),
        }
    }
    Ok(Some(false))
}

/// Whether the mint has signed these outputs (NUT-09); none if it didn't answer.
pub(super) async fn is_signed(wallet: &EcashWallet, outputs: Vec<BlindedMessage>) -> Option<bool> {
    let connector = wallet.cdk.mint_connector();
    let restored = connector.post_restore(RestoreRequest { outputs }).await;
    restored
        .ok()
        .map(|restored| !restored.signatures.is_empty())
}

/// What `cdk` does at the end of taking a token back.
async fn note_taken_back(
    wallet: &EcashWallet,
    saga: &WalletSaga,
    token: &Proofs,
) -> Result<(), EcashError> {
    let store = &wallet.cdk.localstore;
    let ys = token.ys().map_err(cdk::Error::from)?;
    let done = store.update_proofs_state(ys, State::Spent).await;
    done.map_err(storage)?;
    let id = TransactionId::from_saga_id(saga.id);
    if let Some(mut transaction) = wallet.cdk.get_transaction(id).await? {
        transaction.status = TransactionStatus::Failed;
        store.add_transaction(transaction).await.map_err(storage)?;
    }
    store.delete_saga(&saga.id).await.map_err(storage)
}

/// Proofs that no operation owns any more, because `cdk` writes them before the operation's
/// own record, or never wrote whose they are. Inputs of somebody's token are let go (no mint
/// was asked for them, it is as good as before); what was set aside for a payment, or was to
/// become its token, is ours to spend again, unless it is spent.
///
/// What is set aside for a payment that did get recorded is looked up too: `cdk` would free
/// it without asking.
///
/// `false` if the mint didn't answer.
async fn free_loose_proofs(wallet: &EcashWallet) -> Result<bool, EcashError> {
    let store = &wallet.cdk.localstore;
    let sagas = store.get_incomplete_sagas().await.map_err(storage)?;
    let owners: HashSet<Uuid> = sagas.into_iter().map(|saga| saga.id).collect();
    let is_loose = |proof: &ProofInfo| {
        let owner = proof.used_by_operation;
        owner.is_none_or(|owner| !owners.contains(&owner))
    };
    let states = Some(vec![State::Pending, State::Reserved, State::PendingSpent]);
    let held = store.get_proofs(None, None, states, None).await;
    let (pending, ours): (Vec<_>, Vec<_>) = held
        .map_err(storage)?
        .into_iter()
        .filter(|proof| is_loose(proof) || proof.state == State::Reserved)
        .partition(|proof| proof.state == State::Pending);
    let let_go: Vec<PublicKey> = pending.iter().map(|proof| proof.y).collect();
    if !let_go.is_empty() {
        let done = store.update_proofs(Vec::new(), let_go).await;
        done.map_err(storage)?;
    }
    let mut complete = true;
    for proofs in ours.chunks(PROOFS_A_QUESTION) {
        let plain = proofs.iter().map(|proof| proof.proof.clone()).collect();
        let Ok(states) = wallet.states_at_mint(&plain).await else {
            return Ok(false);
        };
        let (mut spent, mut free) = (Vec::new(), Vec::new());
        for (proof, state) in proofs.iter().zip(states) {
            match state {
                State::Spent => spent.push(proof.y),
                State::Unspent if is_loose(proof) => {
                    let mut proof = owned_by(proof.clone(), None);
                    proof.state = State::Unspent;
                    free.push(proof);
                }
                State::Unspent => {}
                // A swap of them is under way.
                _ => complete = false,
            }
        }
        if !spent.is_empty() {
            let done = store.update_proofs_state(spent, State::Spent).await;
            done.map_err(storage)?;
        }
        if !free.is_empty() {
            let sat: u64 = free.iter().map(|proof| u64::from(proof.proof.amount)).sum();
            tracing::warn!("{sat} sat of an operation that died are free again");
            let done = store.update_proofs(free, Vec::new()).await;
            done.map_err(storage)?;
        }
    }
    Ok(complete)
}

/// True if a swap that was to take the token of `operation` back isn't settled: as long as it
/// isn't, nobody knows who spent the token.
pub(super) async fn is_take_back_in_doubt(
    wallet: &EcashWallet,
    operation: Uuid,
) -> Result<bool, EcashError> {
    let store = &wallet.cdk.localstore;
    let sagas = store.get_incomplete_sagas().await.map_err(storage)?;
    let send = sagas.iter().find(|saga| saga.id == operation);
    match send {
        Some(send) => Ok(!swaps_back(send, &sagas)?.is_empty()),
        None => Ok(false),
    }
}
