//! What both nodes have written down.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::Node;
use crate::crash::books;
use crate::crash::tally::Tally;

use super::deal::{Deal, End};
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
    pub async fn check_sums(&self, world: &World, tally: &mut Tally) {
        let settled = || self.payments.iter().filter(|p| p.state == "settled");
        let paid: BTreeSet<&str> = settled().map(|p| p.hash.as_str()).collect();
        let received: BTreeSet<&str> = self.received_msat.keys().map(String::as_str).collect();
        tally.check(paid == received && settled().count() == paid.len(), || {
            format!("paid {paid:?}, received {received:?}")
        });
        let is_open = |payment: &&Payment| !matches!(payment.state.as_str(), "settled" | "voided");
        let open: Vec<_> = self.payments.iter().filter(is_open).collect();
        tally.check(open.is_empty(), || format!("open: {open:?}"));

        let spent_sat: u64 = settled().filter_map(|payment| payment.spent_sat).sum();
        let purse = world.purse().await;
        let is_purse_right = purse["balance_sat"] == FUNDED_SAT - spent_sat
            && purse["spent_total_sat"] == spent_sat
            && purse["reserved_sat"] == 0;
        tally.check(is_purse_right, || {
            format!("{PURSE} spent {spent_sat}, and says {purse}")
        });
        for (token, spent_sat) in world.spent_by_token(|id| {
            let payment = settled().find(|payment| payment.id == id);
            payment.and_then(|payment| payment.spent_sat).unwrap_or(0)
        }) {
            tally.check(spent_sat <= token.total_sat, || {
                format!("{token:?} spent {spent_sat}")
            });
        }
    }
}

fn rows<T>(
    node: &Node,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let database = books::open(&node.home().network_dir().join("freehold.db")).unwrap();
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], read).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}
