//! What both nodes have written down about sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::books::rows;
use super::deal::{Deal, End};
use super::session::Closed;
use super::world::{DEPOSIT_SAT, PRICE_SAT, World};
use crate::common::Node;
use crate::crash::books::Ledger;
use crate::crash::killer::{Plan, Whose};
use crate::crash::tally::Tally;

/// What was spent is written every tenth of a second. A busy machine gets more time, and not for ever.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);
/// A rest for which there is no way without a fee goes back without this.
const WAY_MSAT_MAX: u64 = 2_000;

/// What a kill may cost the seller, and what it may not.
pub struct Outage {
    from: Instant,
    to: Instant,
    is_sellers: bool,
    /// By session, what was spent as the disk had it just after the kill.
    spent_sat: BTreeMap<String, u64>,
}

/// A rest at the seller: its payment.
#[derive(Debug)]
struct Rest {
    state: String,
    amount_msat: u64,
    fee_msat: Option<u64>,
}

/// Money by what it belongs to, such as a payment hash.
type Money = BTreeMap<String, u64>;

pub struct Sessions {
    /// By id, the state in one word and the whole session.
    sessions: BTreeMap<String, (String, Value)>,
    /// What left the payer's purse for invoices alone, by payment hash.
    pub paid_sat: Money,
    /// Deposits that came in at the seller, by payment hash.
    received_msat: Money,
    /// What each deposit was used for, by payment hash.
    uses: BTreeMap<String, String>,
    rests: BTreeMap<String, Rest>,
    /// Rests that came in at the payer, by payment hash.
    returned_msat: Money,
    /// The seller's transfers for sessions.
    booked_msat: Money,
    /// What is in the seller's account of deposits.
    deposits_msat: i64,
}

impl Outage {
    pub fn new(plan: &Plan, killed: Instant, seen: &Sessions) -> Self {
        let spent = |(id, (_, session)): (&String, &(String, Value))| {
            Some((id.clone(), session["spent_sat"].as_u64()?))
        };
        Self {
            from: killed.checked_sub(WRITTEN_WITHIN).unwrap(),
            to: Instant::now(),
            is_sellers: plan.hits(Whose::Seller),
            spent_sat: seen.sessions.iter().filter_map(spent).collect(),
        }
    }

    /// Whether a call that was answered then must be paid for all the same.
    fn spares(&self, answered: &Instant) -> bool {
        !self.is_sellers || !(self.from..=self.to).contains(answered)
    }
}

impl Sessions {
    pub fn read(world: &World) -> Self {
        let (seller, payer) = (&world.seller, &world.payer);
        let sessions = "SELECT id, state, session FROM sessions";
        let sessions = rows(seller, sessions, |row| {
            let session: String = row.get(2)?;
            let session = serde_json::from_str(&session).unwrap();
            Ok((row.get(0)?, (row.get(1)?, session)))
        });
        let rests = "SELECT id, state, amount_msat, fee_msat FROM lightning_payments WHERE holder = 'sessions'";
        let rests = rows(seller, rests, |row| {
            let (state, amount_msat, fee_msat) = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((
                row.get(0)?,
                Rest {
                    state,
                    amount_msat,
                    fee_msat,
                },
            ))
        });
        let uses = "SELECT replace(payment, 'lightning:', ''), purpose FROM payment_uses
             WHERE purpose LIKE 'session:%' AND state = 'served'";
        let uses = rows(seller, uses, |row| Ok((row.get(0)?, row.get(1)?)));
        let ledger = Ledger::open(&seller.home().network_dir()).unwrap();
        Self {
            sessions: sessions.into_iter().collect(),
            paid_sat: money(
                payer,
                "SELECT payment_hash, amount_sat + fee_sat FROM purse_payments
                 WHERE request_key IS NULL AND state = 'settled'",
            ),
            received_msat: money(seller, &received("sessions")),
            uses: uses.into_iter().collect(),
            rests: rests.into_iter().collect(),
            returned_msat: money(payer, &received("owner")),
            booked_msat: money(
                seller,
                "SELECT id, posted_msat FROM transfers WHERE state = 'posted' AND id LIKE 'session:%'",
            ),
            deposits_msat: ledger.balance_msat("sessions").unwrap(),
        }
    }

    /// How far those are that aren't over.
    pub fn states(&self) -> Vec<(&'static str, String)> {
        let all = self.sessions.values();
        all.filter(|(state, _)| state != "closed")
            .map(|(state, _)| ("session", state.clone()))
            .collect()
    }

    /// What all deposits of a session cost the purse.
    pub fn cost_sat(&self, closed: &Closed) -> u64 {
        let costs = closed.deposits.iter();
        costs.filter_map(|hash| self.paid_sat.get(hash)).sum()
    }

    /// One session that is over. `delivered` counts what left the shop for it.
    pub fn check(
        &self,
        deal: &Deal,
        closed: &Closed,
        delivered: u64,
        outage: &Outage,
        tally: &mut Tally,
    ) {
        let nothing = (String::new(), Value::Null);
        let (state, session) = self.sessions.get(&closed.id).unwrap_or(&nothing);
        let spent_sat = session["spent_sat"].as_u64().unwrap_or(u64::MAX);
        let earned_msat = self.booked(closed, "earned:");
        let facts = [
            ("it is over", state == "closed"),
            ("its buyer closed it", session["state"] == "closed"),
            ("deposits count, once", self.has_deposits(closed, session)),
            (
                "spent is earned",
                earned_msat == spent_sat.saturating_mul(1_000),
            ),
            ("the rest goes back, once", self.has_rest(closed, spent_sat)),
        ];
        let calls = of_calls(closed, spent_sat, delivered, outage);
        for (what, holds) in facts.into_iter().chain(calls) {
            tally.check(holds, || {
                let rest = self.rests.get(&closed.return_hash);
                let disk_sat = outage.spent_sat.get(&closed.id);
                format!("not so: {what}: {deal:?} → {closed:?}, {delivered} delivered, {disk_sat:?} sat at the kill, {session}, {rest:?}")
            });
        }
        tally.count("sessions", closed.note);
        tally.add(
            "calls in sessions",
            "answered",
            closed.answered.len() as u64,
        );
        tally.add("calls in sessions", "delivered", delivered);
        tally.add("calls in sessions", "paid for", spent_sat / PRICE_SAT);
        if self.booked(closed, "kept") > 0 {
            tally.count("sessions", "rest less its way");
        }
    }

    fn has_deposits(&self, closed: &Closed, session: &Value) -> bool {
        let purpose = format!("session:{}", closed.id);
        let is_in = |hash: &String| {
            self.paid_sat.get(hash) == Some(&DEPOSIT_SAT)
                && self.received_msat.get(hash) == Some(&(DEPOSIT_SAT * 1_000))
                && self.uses.get(hash) == Some(&purpose)
        };
        closed.deposits.iter().all(is_in)
            && session["deposits_sat"] == DEPOSIT_SAT * closed.deposits.len() as u64
    }

    /// What `close` promised is what the deposits leave, and what came back, but for the way.
    fn has_rest(&self, closed: &Closed, spent_sat: u64) -> bool {
        let deposits_sat = DEPOSIT_SAT * closed.deposits.len() as u64;
        let rest_sat = deposits_sat.saturating_sub(spent_sat);
        let returned_msat = self.returned_msat.get(&closed.return_hash);
        let kept_msat = self.booked(closed, "kept");
        let is_back = match self.rests.get(&closed.return_hash) {
            Some(rest) => {
                let out_msat = rest.amount_msat + rest.fee_msat.unwrap_or(u64::MAX / 2);
                rest.state == "succeeded"
                    && returned_msat == Some(&rest.amount_msat)
                    && out_msat + kept_msat == rest_sat * 1_000
                    && kept_msat <= WAY_MSAT_MAX
            }
            None => returned_msat.is_none() && rest_sat == 0 && kept_msat == 0,
        };
        let status = if rest_sat == 0 {
            "skipped"
        } else {
            "succeeded"
        };
        is_back
            && spent_sat <= deposits_sat
            && closed.reply["refundSats"] == rest_sat
            && closed.reply["refundStatus"] == status
    }

    fn booked(&self, closed: &Closed, what: &str) -> u64 {
        let prefix = format!("session:{}:{what}", closed.id);
        let all = self.booked_msat.iter();
        all.filter(|(id, _)| id.starts_with(&prefix))
            .map(|(_, msat)| msat)
            .sum()
    }

    /// There are no other sessions, deposits and rests than those of `ended`.
    pub fn check_sums(&self, ended: &[(Deal, End)], tally: &mut Tally) {
        let closed = || ended.iter().filter_map(|(_, end)| end.closed());
        let deposits: BTreeSet<&String> = closed().flat_map(|closed| &closed.deposits).collect();
        let is_paid_back = |closed: &&Closed| closed.reply["refundSats"] != 0;
        let paid_back = closed().filter(is_paid_back);
        let rests: BTreeSet<&String> = paid_back.map(|closed| &closed.return_hash).collect();
        let ids: BTreeSet<&String> = closed().map(|closed| &closed.id).collect();
        let facts = [
            ("sessions", keys(&self.sessions) == ids),
            ("deposits paid", keys(&self.paid_sat) == deposits),
            ("deposits received", keys(&self.received_msat) == deposits),
            ("deposits used", keys(&self.uses) == deposits),
            ("rests paid", keys(&self.rests) == rests),
            ("rests received", keys(&self.returned_msat) == rests),
            ("nothing left", self.deposits_msat == 0),
        ];
        for (what, holds) in facts {
            tally.check(holds, || {
                format!(
                    "{what}: {deposits:?}, {rests:?}, {:?}, {:?}, {:?}, {:?}, {:?}, {} msat left",
                    self.paid_sat,
                    self.received_msat,
                    self.uses,
                    self.rests,
                    self.returned_msat,
                    self.deposits_msat
                )
            });
        }
    }
}

/// What must hold of the calls that a session paid for.
fn of_calls(
    closed: &Closed,
    spent_sat: u64,
    delivered: u64,
    outage: &Outage,
) -> [(&'static str, bool); 4] {
    let (answered, paid_for) = (closed.answered.len() as u64, spent_sat / PRICE_SAT);
    let firm = closed
        .answered
        .iter()
        .filter(|at| outage.spares(at))
        .count() as u64;
    let on_disk_sat = outage.spent_sat.get(&closed.id).copied().unwrap_or(0);
    [
        ("answered is delivered", answered <= delivered),
        ("only what is delivered is paid for", paid_for <= delivered),
        ("what is written stays", spent_sat >= on_disk_sat),
        ("only the last moment is forgiven", paid_for >= firm),
    ]
}

/// What came in over Lightning for a holder.
fn received(holder: &str) -> String {
    format!(
        "SELECT payment_hash, received_msat FROM lightning_invoices
         WHERE received_msat > 0 AND holder = '{holder}'"
    )
}

fn money(node: &Node, sql: &str) -> Money {
    let found = rows(node, sql, |row| Ok((row.get(0)?, row.get(1)?)));
    found.into_iter().collect()
}

fn keys<T>(map: &BTreeMap<String, T>) -> BTreeSet<&String> {
    map.keys().collect()
}
