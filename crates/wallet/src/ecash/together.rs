//! Redemptions that wait for one another are swapped together: the disk takes as long for one as for several, and the
//! mint signs less.
//!
//! Each token keeps its own fate. Who was in a swap is written down with it from the first, since `cdk` knows a swap's
//! proofs only; and if one token spoils it, the others are tried alone.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::PoisonError;

use cdk::Amount;
use cdk::amount::SplitTarget;
use cdk::nuts::nut00::ProofsMethods;
use cdk::nuts::{Proofs, PublicKey, SpendingConditions, State};
use cdk::secret::Secret;
use cdk::wallet::ReceiveOptions;
use cdk::wallet::types::{OperationData, Transaction, WalletSaga};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::recover::storage;
use super::{EcashError, EcashWallet};

/// How many tokens are swapped together at most, and how many proofs.
const TOKENS_MAX: usize = 16;
const PROOFS_MAX: usize = 256;

/// Metadata key of a transaction that redeemed several tokens: which, as [`Members`].
pub(super) const TOGETHER: &str = "freehold_together";

/// A token by its proofs, whatever their order: the hash of their identities at the mint.
pub(super) fn id_of<'a>(ys: impl IntoIterator<Item = &'a PublicKey>) -> String {
    let mut ys: Vec<_> = ys.into_iter().map(PublicKey::to_bytes).collect();
    ys.sort_unstable();
    let mut hash = Sha256::new();
    for y in ys {
        hash.update(y);
    }
    hex::encode(hash.finalize())
}

/// The tokens of one swap by their ids, and the sats that each of them brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Members(BTreeMap<String, u64>);

impl Members {
    /// Those of a transaction, if it redeemed several tokens.
    pub fn of_transaction(transaction: &Transaction) -> Option<Self> {
        transaction
            .metadata
            .get(TOGETHER)
            .and_then(|text| Self::parse(text))
    }

    /// Those of an operation, from its first write on.
    pub fn of_saga(saga: &WalletSaga) -> Option<Self> {
        match &saga.data {
            OperationData::Receive(data) => data.token.as_deref().and_then(Self::parse),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    pub fn text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// What a token brought, if it was among them.
    pub fn sat_of(&self, id: &str) -> Option<u64> {
        self.0.get(id).copied()
    }
}

/// A token that waits to be redeemed.
pub(super) struct Waiting {
    proofs: Proofs,
    /// The proofs' identities at the mint, which take time to compute.
    ys: Vec<PublicKey>,
    id: String,
    amount_sat: u64,
    /// True if nothing about it could differ from others: no fee, no lock, and no proof twice.
    is_plain: bool,
    caller: oneshot::Sender<Result<u64, EcashError>>,
}

/// Where the caller is told what arrived.
pub(super) type Told = oneshot::Receiver<Result<u64, EcashError>>;

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("id", &self.id)
            .field("amount_sat", &self.amount_sat)
            .finish_non_exhaustive()
    }
}

impl Waiting {
    /// `is_free` says that the mint takes no fee for these proofs.
    pub fn new(proofs: Proofs, is_free: bool) -> Result<(Self, Told), EcashError> {
        let ys = proofs.ys().map_err(cdk::Error::from)?;
        let amount = proofs.total_amount().map_err(cdk::Error::from)?;
        if amount == Amount::ZERO {
            return Err(EcashError::Invalid("it is worth nothing".into()));
        }
        let is_once = ys.iter().collect::<HashSet<_>>().len() == ys.len();
        let is_locked = proofs
            .iter()
            .any(|proof| SpendingConditions::try_from(&proof.secret).is_ok());
        let (caller, told) = oneshot::channel();
        let waiting = Self {
            id: id_of(&ys),
            amount_sat: amount.into(),
            is_plain: is_free && is_once && !is_locked,
            proofs,
            ys,
            caller,
        };
        Ok((waiting, told))
    }

    fn tell(self, result: Result<u64, EcashError>) {
        // A caller that is gone asks for the redemption later.
        drop(self.caller.send(result));
    }
}

/// Takes the first that waits, and as many after it as may be swapped with it. Nothing is begun for callers that are gone:
/// they may have come back with the same token.
fn next(waiting: &mut Vec<Waiting>) -> Vec<Waiting> {
    let (mut batch, mut rest): (Vec<Waiting>, Vec<Waiting>) = (Vec::new(), Vec::new());
    let (mut proofs, mut secrets) = (0, HashSet::<Secret>::new());
    for one in waiting.drain(..).filter(|one| !one.caller.is_closed()) {
        let fits = batch.is_empty()
            || (one.is_plain
                && batch.iter().all(|other| other.is_plain)
                && batch.len() < TOKENS_MAX
                && proofs + one.proofs.len() <= PROOFS_MAX
                && one
                    .proofs
                    .iter()
                    .all(|proof| !secrets.contains(&proof.secret)));
        if fits {
            proofs += one.proofs.len();
            secrets.extend(one.proofs.iter().map(|proof| proof.secret.clone()));
            batch.push(one);
        } else {
            rest.push(one);
        }
    }
    *waiting = rest;
    batch
}

impl EcashWallet {
    /// Puts a token among those that wait.
    pub(super) fn wait(&self, waiting: Waiting) {
        self.lock_waiting().push(waiting);
    }

    fn lock_waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redeems some of those that wait, and tells their callers. The caller holds [`Self::deriving`].
    pub(super) async fn redeem_some(&self) {
        let batch = next(&mut self.lock_waiting());
        let ys: Vec<PublicKey> = batch.iter().flat_map(|one| one.ys.clone()).collect();
        let looked_up = async {
            // Not all that is pending: to look for that, `cdk` reads every proof that the wallet has.
            let known = self.cdk.localstore.get_proofs_by_ys(ys.clone()).await;
            Ok::<_, EcashError>((known.map_err(storage)?, self.states_of(ys).await?))
        };
        let (known, states) = match looked_up.await {
            Ok(found) => found,
            Err(error) => return tell_all(batch, &error),
        };
        let unsettled = known
            .iter()
            .filter(|proof| proof.state == State::Pending)
            .map(|proof| proof.y);
        let unsettled: HashSet<PublicKey> = unsettled.collect();
        let (mut states, mut ready) = (states.into_iter(), Vec::new());
        for one in batch {
            let states: Vec<State> = states.by_ref().take(one.proofs.len()).collect();
            match refusal(&one, &unsettled, &states) {
                Some(error) => one.tell(Err(error)),
                None => ready.push(one),
            }
        }
        self.swap_together(ready).await;
    }

    async fn swap_together(&self, ready: Vec<Waiting>) {
        if ready.len() < 2 {
            return self.swap_alone(ready).await;
        }
        let each = ready.iter().map(|one| (one.id.clone(), one.amount_sat));
        let members = Members(each.collect());
        let all = ready.iter().flat_map(|one| one.proofs.clone()).collect();
        match self.receive(all, Some(&members)).await {
            // Without a fee, each has brought what it was worth.
            Ok(_) => {
                for one in ready {
                    let amount_sat = one.amount_sat;
                    one.tell(Ok(amount_sat));
                }
            }
            Err(error) if error.is_unknown() => tell_all(ready, &error),
            // Nothing was taken, for the sake of one of them.
            Err(_) => self.swap_alone(ready).await,
        }
    }

    async fn swap_alone(&self, ready: Vec<Waiting>) {
        for one in ready {
            let received = self.receive(one.proofs.clone(), None).await;
            one.tell(received);
        }
    }

    async fn receive(&self, proofs: Proofs, members: Option<&Members>) -> Result<u64, EcashError> {
        let members = members.map(Members::text);
        // As few as will do. To choose by what is there already, `cdk` would read every proof that the wallet has.
        let amount = proofs.total_amount().map_err(cdk::Error::from)?;
        let mut options = ReceiveOptions {
            amount_split_target: SplitTarget::Value(amount),
            ..ReceiveOptions::default()
        };
        if let Some(members) = &members {
            let name = TOGETHER.to_owned();
            options.metadata.insert(name, members.clone());
        }
        let received = self.cdk.receive_proofs(proofs, options, None, members);
        match received.await {
            Ok(amount) => Ok(amount.into()),
            // Raced by somebody else's swap: recovery tells who won.
            Err(cdk::Error::TokenAlreadySpent | cdk::Error::TokenPending) => Err(
                EcashError::Unknown("the token is being spent elsewhere".into()),
            ),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a token isn't swapped at all.
///
/// A proof that an unsettled redemption brought in already must wait for recovery: redeeming it again would take the
/// first one's record from under it. A spent token is refused before a saga begins: `cdk` rightly calls that answer of
/// a swap ambiguous, and would leave the saga to recovery.
fn refusal(one: &Waiting, unsettled: &HashSet<PublicKey>, states: &[State]) -> Option<EcashError> {
    if one.ys.iter().any(|y| unsettled.contains(y)) {
        let why = "an earlier redemption isn't settled";
        return Some(EcashError::Unknown(why.into()));
    }
    let is_spent = states.iter().any(|state| *state != State::Unspent);
    is_spent.then_some(EcashError::Spent)
}

fn tell_all(batch: Vec<Waiting>, error: &EcashError) {
    for one in batch {
        one.tell(Err(error.clone()));
    }
}
