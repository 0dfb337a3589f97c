//! What both nodes have written down.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::Node;
use crate::crash::books;
use crate::crash::tally::Tally;

use super::deal::{Deal, End};
use super::session::Closed;
use super::session_books::Sessions;
use super::world::{FUNDED_SAT, PRICE_SAT, PURSE, World};

/// A payment at the payer.
#[derive(Debug)]
struct Payment {
    id: String,
    state: String,
    amount_sat: u64,
    spent_sat: Option<u64>,
    hash: String,
}

pub struct Written {
    payments: Vec<Payment>,
    /// What came in for the seller's invoices, by payment hash.
    received_msat: BTreeMap<String, u64>,
    /// The calls that payments bought, and how each stands.
    uses: Vec<(String, String)>,
    pub sessions: Sessions,
}

impl Written {
    pub fn read(world: &World) -> Self {
        let payments = rows(
            &world.payer,
            "SELECT id, state, amount_sat, spent_sat, payment_hash FROM payments ORDER BY created_ms",
            |row| {
                Ok(Payment {
                    id: row.get(0)?,
                    state: row.get(1)?,
                    amount_sat: row.get(2)?,
                    spent_sat: row.get(3)?,
                    hash: row.get(4)?,
                })
            },
        );
        let received = rows(
            &world.seller,
            "SELECT payment_hash, received_msat FROM lightning_invoices WHERE received_msat > 0",
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        let uses = rows(
            &world.seller,
            "SELECT payment, state FROM payment_uses",
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        Self {
            payments,
            received_msat: received.into_iter().collect(),
            uses,
            sessions: Sessions::read(world),
        }
    }

    /// How far the newest payments are.
    pub fn states(&self, count: usize) -> Vec<(&'static str, String)> {
        let newest = self.payments.iter().rev().take(count);
        newest
            .map(|payment| {
                let is_there = self.received_msat.contains_key(&payment.hash);
                let place = if is_there {
                    "at the seller's"
                } else {
                    "not there"
                };
                ("payment", format!("{}, money {place}", payment.state))
            })
            .collect()
    }

    pub fn check(&self, deal: &Deal, end: &End, delivered: u32, tally: &mut Tally) {
        let payment = self.payments.iter().find(|payment| payment.id == deal.id);
        let is_fine = match (end, payment) {
            (
                End::Bought {
                    spent_sat,
                    payment_hash,
                },
                Some(payment),
            ) => {
                payment.state == "settled"
                    && payment.hash == *payment_hash
                    && payment.spent_sat == Some(*spent_sat)
                    && payment.amount_sat == PRICE_SAT
                    && self.received_msat.get(payment_hash) == Some(&(PRICE_SAT * 1_000))
                    && self.served(payment_hash) == 1
                    && delivered >= 1
            }
            (End::Voided, Some(payment)) => {
                payment.state == "voided"
                    && !self.received_msat.contains_key(&payment.hash)
                    && delivered == 0
            }
            (End::Refused { .. }, None) => delivered == 0,
            // See `session_books`.
            (End::Closed(_), None) => delivered >= 1,
            _ => false,
        };
        tally.check(is_fine, || {
            format!("{deal:?} → {end:?}: {payment:?}, delivered {delivered} times")
        });
    }

    fn served(&self, hash: &str) -> usize {
        let uses = self.uses.iter();
        uses.filter(|(payment, state)| payment.ends_with(hash) && state == "served")
            .count()
    }

    /// What left the purse came to the seller, for exactly these payments; and nobody spent more than allowed.
    pub async fn check_sums(&self, world: &World, ended: &[(Deal, End)], tally: &mut Tally) {
        self.sessions.check_sums(ended, tally);
        let settled = || self.payments.iter().filter(|p| p.state == "settled");
        let deposits = || self.sessions.paid_sat.keys();
        let bought: BTreeSet<&str> = settled().map(|p| p.hash.as_str()).collect();
        let paid: BTreeSet<&str> = deposits().map(String::as_str).chain(bought).collect();
        let received: BTreeSet<&str> = self.received_msat.keys().map(String::as_str).collect();
        let count = settled().count() + deposits().count();
        tally.check(paid == received && count == paid.len(), || {
            format!("paid {paid:?}, received {received:?}")
        });
        let is_open = |payment: &&Payment| !matches!(payment.state.as_str(), "settled" | "voided");
        let open: Vec<_> = self.payments.iter().filter(is_open).collect();
        tally.check(open.is_empty(), || format!("open: {open:?}"));

        let spent_sat = settled().filter_map(|p| p.spent_sat).sum::<u64>()
            + self.sessions.paid_sat.values().sum::<u64>();
        let purse = world.purse().await;
        let is_purse_right = purse["balance_sat"] == FUNDED_SAT - spent_sat
            && purse["spent_total_sat"] == spent_sat
            && purse["reserved_sat"] == 0;
        tally.check(is_purse_right, || {
            format!("{PURSE} spent {spent_sat}, and says {purse}")
        });
        self.check_tokens(world, ended, tally);
    }

    fn check_tokens(&self, world: &World, ended: &[(Deal, End)], tally: &mut Tally) {
        let sessions = ended.iter();
        let sessions: BTreeMap<&str, &Closed> = sessions
            .filter_map(|(deal, end)| Some((deal.id.as_str(), end.closed()?)))
            .collect();
        let cost_sat = |id: &str| {
            if let Some(closed) = sessions.get(id) {
                return self.sessions.cost_sat(closed);
            }
            let is_it = |payment: &&Payment| payment.id == id && payment.state == "settled";
            let payment = self.payments.iter().find(is_it);
            payment.and_then(|payment| payment.spent_sat).unwrap_or(0)
        };
        for (token, spent_sat) in world.spent_by_token(cost_sat) {
            tally.check(spent_sat <= token.total_sat, || {
                format!("{token:?} spent {spent_sat}")
            });
        }
    }
}

pub fn rows<T>(
    node: &Node,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let database = books::open(&node.home().network_dir().join("freehold.db")).unwrap();
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], read).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}
