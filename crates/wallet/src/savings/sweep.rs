//! Where savings go, and how they get there.

use bdk_wallet::chain::rusqlite::{Connection, Transaction as Db};
use bdk_wallet::{KeychainKind, Wallet};
use serde::{Deserialize, Serialize};

use super::{Decision, Rule, Situation, decide, keep_sat};
use crate::boxed;
use crate::onchain::bump::price;
use crate::onchain::spend::{CoinChoice, Draft, Prepared, draft, record, said, sign};
use crate::onchain::store::{self, SpendRow};
use crate::onchain::wallet::unix_s;
use crate::onchain::{HowMuch, Keys, OnchainError, OnchainWallet, WatchKeys};
use crate::onchain::{SpendKind, SpendRequest, inspect};

/// The plan's and the last attempt's places in the wallet's file.
const PLAN: &str = "savings_plan";
const LAST: &str = "savings_last";
/// Before a descriptor: the number of its next address, also after the plan was changed.
const NEXT: &str = "savings_next ";
/// How soon a sweep is to be in a block: there is time.
const TARGET_BLOCKS: u16 = 144;
/// At most what a transaction, each of its coins, and its two outputs take.
const TX_VB: u64 = 11 + 2 * 43;
const COIN_VB: u64 = 68;

/// Where savings go, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    /// Public keys from elsewhere, as they were given.
    keys: String,
    rule: Rule,
    set_ms: i64,
}

/// What came of a look at the savings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What was decided.
    pub decision: Decision,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// The id of the payment, if there was one.
    pub spend_id: Option<String>,
}

/// Savings as they are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Savings {
    /// The public descriptor that they go to.
    pub descriptor: String,
    /// When they go.
    pub rule: Rule,
    /// The number of the next address there.
    pub next_index: u32,
    /// The next address there.
    pub next_address: String,
    /// When this was set up, in Unix milliseconds.
    pub set_ms: i64,
    /// What came of the last look.
    pub last: Option<Attempt>,
}

/// Sets up where savings go: an xpub or a descriptor, of which each payment gets an address of its
/// own. If the chain source can tell, addresses that were used already are passed over.
///
/// # Errors
/// `Descriptor…` if it has private keys, is of another network, has one address only, or if this
/// machine can spend from it.
#[boxed]
pub async fn set(
    wallet: &OnchainWallet,
    keys: &str,
    rule: Rule,
    now_ms: i64,
) -> Result<Savings, OnchainError> {
    let to = WatchKeys::parse(keys, wallet.network())?;
    if !to.is_ranged() {
        return Err(OnchainError::DescriptorFixed);
    }
    if to.is_spendable_by(wallet.keys()?)? {
        return Err(OnchainError::DescriptorOwn);
    }
    // The library's own check of a rate.
    crate::onchain::request::fee_rate(rule.fee_below_sat_per_vb)?;
    let unused = first_unused(wallet, &to, now_ms).await?;
    let plan = Plan {
        keys: keys.trim().to_owned(),
        rule,
        set_ms: now_ms,
    };
    let text = said(&plan)?;
    wallet
        .write(move |_, db| {
            skip_to(db, &to, unused)?;
            store::remove_fact(db, LAST)?;
            store::set_fact(db, PLAN, &text)
        })
        .await?;
    show(wallet).await?.ok_or(OnchainError::NoSavings)
}

/// Ends it. What was saved stays where it is.
///
/// # Errors
/// If the file can't be written.
#[boxed]
pub async fn off(wallet: &OnchainWallet) -> Result<(), OnchainError> {
    wallet
        .write(|_, db| {
            store::remove_fact(db, LAST)?;
            store::remove_fact(db, PLAN)
        })
        .await
}

/// Where savings go, if anywhere, and what came of the last look.
///
/// # Errors
/// If the file can't be read.
#[boxed]
pub async fn show(wallet: &OnchainWallet) -> Result<Option<Savings>, OnchainError> {
    let network = wallet.network();
    wallet
        .read(move |_, db| {
            let Some(plan) = plan(db)? else {
                return Ok(None);
            };
            let to = WatchKeys::parse(&plan.keys, network)?;
            let next_index = next_index(db, &to)?;
            let last = store::fact(db, LAST)?;
            Ok(Some(Savings {
                next_address: to.address(next_index)?.to_string(),
                descriptor: to.to_string(),
                rule: plan.rule,
                next_index,
                set_ms: plan.set_ms,
                last: last.and_then(|last| serde_json::from_str(&last).ok()),
            }))
        })
        .await
}

/// Sweeps if it is time. `reserved_sat` is what open budgets and channels need: it stays. The wallet
/// has to be up to date.
///
/// # Errors
/// `NoSavings`, any of the chain source's, or of [`OnchainWallet::send`].
#[boxed]
pub async fn run(
    wallet: &OnchainWallet,
    reserved_sat: u64,
    now_ms: i64,
) -> Result<Attempt, OnchainError> {
    let network = wallet.network();
    let plan = wallet.read(|_, db| plan(db)).await?;
    let plan = plan.ok_or(OnchainError::NoSavings)?;
    let to = WatchKeys::parse(&plan.keys, network)?;
    let rates = wallet.chain().fee_rates().await?;
    let sweep = Sweep {
        rule: plan.rule,
        reserved_sat,
        fee_rate_sat_per_vb: rates.sat_per_vb(TARGET_BLOCKS),
        now_ms,
    };
    let first_look = wallet
        .read(move |wallet, db| sweep.situation(wallet, db))
        .await?;
    // Others are only asked for addresses when there is something to send.
    let unused = match decide(&plan.rule, &first_look) {
        Decision::Sweep { .. } => first_unused(wallet, &to, now_ms).await?,
        Decision::Wait(_) => 0,
    };
    let keys = wallet.shared_keys()?;
    let done = wallet
        .write(move |wallet, db| {
            skip_to(db, &to, unused)?;
            sweep.decide_and_record(wallet, db, &keys, &to)
        })
        .await?;
    if let Some(spend) = done.spend {
        wallet.push(spend, now_ms).await?;
    }
    Ok(done.attempt)
}

/// What a sweep goes by.
#[derive(Clone, Copy)]
struct Sweep {
    rule: Rule,
    reserved_sat: u64,
    fee_rate_sat_per_vb: f64,
    now_ms: i64,
}

struct Done {
    attempt: Attempt,
    spend: Option<SpendRow>,
}

impl Sweep {
    /// How things stand, if all coins were spent: it can't cost more than that.
    fn situation(&self, wallet: &Wallet, db: &Connection) -> Result<Situation, OnchainError> {
        let coins = wallet.list_unspent().count() as u64;
        Ok(Situation {
            confirmed_sat: inspect::balance(wallet, db)?.confirmed_sat,
            reserved_sat: self.reserved_sat,
            fee_rate_sat_per_vb: self.fee_rate_sat_per_vb,
            fee_sat: price(self.fee_rate_sat_per_vb, TX_VB + COIN_VB * coins),
            is_under_way: is_under_way(wallet, db)?,
        })
    }

    fn decide_and_record(
        &self,
        wallet: &mut Wallet,
        db: &Db<'_>,
        keys: &Keys,
        to: &WatchKeys,
    ) -> Result<Done, OnchainError> {
        let now = self.situation(wallet, db)?;
        let index = next_index(db, to)?;
        let address = to.address(index)?.to_string();
        let decision = match decide(&self.rule, &now) {
            Decision::Sweep { amount_sat } => {
                let draft = self.draft(wallet, db, &address, amount_sat)?;
                // Now it is known what it costs, which may leave some more to send, or make it worth it.
                self.nearer(wallet, db, &address, now, draft)?
            }
            Decision::Wait(reason) => return self.wait(db, Decision::Wait(reason)),
        };
        let Some(mut draft) = decision.1 else {
            return self.wait(db, decision.0);
        };
        self.check_what_stays(&now, &draft)?;
        let tx = sign(wallet, keys, &mut draft.psbt)?;
        let id = format!("sweep-{}-{index}", self.now_ms);
        let prepared = Prepared {
            kind: SpendKind::Sweep,
            address: Some(address),
            amount_sat: draft.amount_sat,
            takes_all: false,
            replaces: None,
            tx,
        };
        let words = format!("sweep {index}");
        let spend = record(wallet, db, id, words, prepared, draft.fee_sat, self.now_ms)?;
        skip_to(db, to, index.saturating_add(1))?;
        let attempt = self.keep(db, decision.0, Some(spend.id.clone()))?;
        Ok(Done {
            attempt,
            spend: Some(spend),
        })
    }

    /// Decides again with the fee that a first draft has shown. If the second draft costs more than
    /// the first, the first stands.
    fn nearer(
        &self,
        wallet: &mut Wallet,
        db: &Db<'_>,
        address: &str,
        now: Situation,
        first: Draft,
    ) -> Result<(Decision, Option<Draft>), OnchainError> {
        let now = Situation {
            fee_sat: first.fee_sat,
            ..now
        };
        let Decision::Sweep { amount_sat } = decide(&self.rule, &now) else {
            return Ok((decide(&self.rule, &now), None));
        };
        let second = self.draft(wallet, db, address, amount_sat);
        let best = match second {
            Ok(second) if second.fee_sat <= first.fee_sat => second,
            _ => first,
        };
        let amount_sat = best.amount_sat;
        Ok((Decision::Sweep { amount_sat }, Some(best)))
    }

    fn draft(
        &self,
        wallet: &mut Wallet,
        db: &Db<'_>,
        address: &str,
        amount_sat: u64,
    ) -> Result<Draft, OnchainError> {
        let request = SpendRequest::new(address, HowMuch::Sat(amount_sat));
        let coins = CoinChoice::Confirmed;
        draft(wallet, db, &request, self.fee_rate_sat_per_vb, coins)
    }

    /// The last word, whatever was decided: amount and fee don't touch what stays.
    fn check_what_stays(&self, now: &Situation, draft: &Draft) -> Result<(), OnchainError> {
        let keep_sat = keep_sat(&self.rule, self.reserved_sat);
        let taken_sat = draft.amount_sat.saturating_add(draft.fee_sat);
        match now.confirmed_sat.checked_sub(taken_sat) {
            Some(left_sat) if left_sat >= keep_sat => Ok(()),
            _ => Err(OnchainError::Insufficient {
                available_sat: now.confirmed_sat,
                needed_sat: taken_sat.saturating_add(keep_sat),
            }),
        }
    }

    fn wait(&self, db: &Db<'_>, decision: Decision) -> Result<Done, OnchainError> {
        Ok(Done {
            attempt: self.keep(db, decision, None)?,
            spend: None,
        })
    }

    fn keep(
        &self,
        db: &Db<'_>,
        decision: Decision,
        spend_id: Option<String>,
    ) -> Result<Attempt, OnchainError> {
        let attempt = Attempt {
            decision,
            at_ms: self.now_ms,
            spend_id,
        };
        store::set_fact(db, LAST, &said(&attempt)?)?;
        Ok(attempt)
    }
}

/// Whether a sweep isn't in a block yet.
fn is_under_way(wallet: &Wallet, db: &Connection) -> Result<bool, OnchainError> {
    let open = store::open_spends(db)?;
    let sweeps = open.iter().filter(|spend| spend.kind == SpendKind::Sweep);
    for sweep in sweeps {
        let tx = wallet.get_tx(sweep.tx.compute_txid());
        let is_in_block = tx.is_some_and(|tx| tx.chain_position.is_confirmed());
        if !is_in_block && !crate::onchain::settle::is_superseded(wallet, db, sweep)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first address, and all after it, that nothing was ever paid to, if the source can tell.
async fn first_unused(
    wallet: &OnchainWallet,
    to: &WatchKeys,
    now_ms: i64,
) -> Result<u32, OnchainError> {
    let chain = wallet.chain();
    if !chain.has_index() {
        return Ok(0);
    }
    let mut watched = to.watch_in_memory()?;
    chain.full_scan(&mut watched, unix_s(now_ms)).await?;
    let last = watched.derivation_index(KeychainKind::External);
    Ok(last.map_or(0, |last| last.saturating_add(1)))
}

fn plan(db: &Connection) -> Result<Option<Plan>, OnchainError> {
    let text = store::fact(db, PLAN)?;
    let damaged = |_| OnchainError::Transaction("the savings' plan is damaged".into());
    text.map(|text| serde_json::from_str(&text).map_err(damaged))
        .transpose()
}

fn next_index(db: &Connection, to: &WatchKeys) -> Result<u32, OnchainError> {
    let next = store::fact(db, &format!("{NEXT}{to}"))?;
    Ok(next.and_then(|next| next.parse().ok()).unwrap_or(0))
}

/// Passes over addresses; never goes back to one.
fn skip_to(db: &Db<'_>, to: &WatchKeys, index: u32) -> Result<(), OnchainError> {
    let index = index.max(next_index(db, to)?);
    store::set_fact(db, &format!("{NEXT}{to}"), &index.to_string())
}
