//! What purses may spend, counted anew: by adding up a list, payment by payment, and by nothing that the wallet computes.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;
use wallet::purse::{Agent, Delegation, Intent, Mode, PurseName};

use super::rules::{Narrowed, Rules};
use super::world::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::error::Result;

struct Spending {
    id: String,
    purse: String,
    at_ms: i64,
    amount_msat: u64,
    is_pending: bool,
    is_voided: bool,
    is_posted: bool,
    seq: i64,
    /// The narrowings of the token that paid.
    chain: Vec<String>,
}

/// Who is about to pay what; nothing is counted by it.
struct Wish {
    chain: Vec<Narrowed>,
    host: String,
    amount_msat: u64,
}

struct Row {
    seq: i64,
    id: String,
    purse: String,
    amount_msat: u64,
    at_ms: i64,
}

#[derive(Default)]
pub(crate) struct Budgets {
    rules: BTreeMap<String, Rules>,
    agents: Vec<(Agent, Vec<Narrowed>)>,
    wishes: BTreeMap<String, Wish>,
    spent: Vec<Spending>,
    seen_seq: i64,
    latest_ms: i64,
    /// What the owner has said yes to.
    pub approved: BTreeSet<i64>,
    used: BTreeSet<i64>,
    /// By purse: the mode, and the last transfer before it began.
    modes: BTreeMap<String, (Mode, i64)>,
}

impl Budgets {
    pub fn add_purse(&mut self, name: &str, rules: Rules) {
        self.modes.insert(name.to_owned(), (rules.mode, 0));
        self.rules.insert(name.to_owned(), rules);
    }

    /// A token of a purse, narrowed so often.
    pub fn add_agent(&mut self, purse: &str, chain: &[Narrowed]) -> Agent {
        let caveats: Vec<String> = chain.iter().flat_map(Narrowed::caveats).collect();
        let purse: PurseName = purse.parse().unwrap();
        let delegation = Delegation::new(purse.as_str().as_bytes(), &caveats).unwrap();
        let agent = Agent { purse, delegation };
        self.agents.push((agent.clone(), chain.to_vec()));
        agent
    }

    /// A payment is about to be reserved.
    pub fn expect(&mut self, transfer_id: &str, agent: &Agent, intent: &Intent) {
        let known = self.agents.iter().find(|(known, _)| known == agent);
        // The background knows a purse and no token; it may begin nothing.
        let chain = known.map(|(_, chain)| chain.clone()).unwrap_or_default();
        let wish = Wish {
            chain,
            host: intent
                .host
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            amount_msat: intent.amount_msat,
        };
        self.wishes.insert(transfer_id.to_owned(), wish);
    }

    /// What must hold after each commit.
    pub fn check(&mut self, db: &Connection) -> std::result::Result<(), String> {
        self.refresh(db).map_err(|error| error.to_string())?;
        for row in self.new_rows(db).map_err(|error| error.to_string())? {
            self.latest_ms = self.latest_ms.max(row.at_ms);
            self.check_row(db, &row)
                .map_err(|why| format!("{} spends {} msat: {why}", row.id, row.amount_msat))?;
            let chain = self
                .wishes
                .get(&row.id)
                .map(|wish| wish.chain.iter().map(|one| one.name.clone()).collect());
            self.spent.push(Spending {
                id: row.id,
                purse: row.purse,
                at_ms: row.at_ms,
                amount_msat: row.amount_msat,
                is_pending: true,
                is_voided: false,
                is_posted: false,
                seq: row.seq,
                chain: chain.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn new_rows(&mut self, db: &Connection) -> Result<Vec<Row>> {
        let sql = "SELECT seq, id, debit, credit, amount_msat, created_ms FROM transfers WHERE seq > ?1 ORDER BY seq";
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query([self.seen_seq])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (debit, credit): (String, String) = (row.get(2)?, row.get(3)?);
            self.seen_seq = row.get(0)?;
            let Some(purse) = debit.strip_prefix("purse:").filter(|_| credit != "owner") else {
                continue;
            };
            found.push(Row {
                seq: row.get(0)?,
                id: row.get(1)?,
                purse: purse.to_owned(),
                amount_msat: row.get(4)?,
                at_ms: row.get(5)?,
            });
        }
        Ok(found)
    }

    fn refresh(&mut self, db: &Connection) -> Result<()> {
        let mut statement =
            db.prepare_cached("SELECT state, posted_msat FROM transfers WHERE id = ?1")?;
        for spending in self.spent.iter_mut().filter(|spending| spending.is_pending) {
            let (state, posted): (String, Option<u64>) =
                statement.query_row([&spending.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            spending.is_pending = state == "pending";
            spending.is_voided = state == "voided";
            spending.is_posted = state == "posted";
            spending.amount_msat = posted.unwrap_or(spending.amount_msat);
        }
        Ok(())
    }

    fn sum(&self, is_counted: impl Fn(&Spending) -> bool) -> u64 {
        let counted = self
            .spent
            .iter()
            .filter(|one| !one.is_voided && is_counted(one));
        counted.map(|one| one.amount_msat).sum()
    }

    fn check_row(&mut self, db: &Connection, row: &Row) -> std::result::Result<(), String> {
        let rules = self
            .rules
            .get(&row.purse)
            .cloned()
            .ok_or("there is no such purse")?;
        let mode = self.mode(db, row, &rules)?;
        let approval = self.approval(db, row)?;
        let here = |one: &Spending| one.purse == row.purse;
        let since = |window_ms: i64| {
            self.sum(|one| here(one) && one.at_ms > row.at_ms - window_ms) + row.amount_msat
        };
        must(
            self.sum(here) + row.amount_msat <= rules.total_sat * 1_000,
            "the total is exceeded",
        )?;
        let is_within = row.amount_msat <= rules.per_payment_sat * 1_000
            && rules
                .per_hour_sat
                .is_none_or(|sat| since(HOUR_MS) <= sat * 1_000)
            && since(DAY_MS) <= rules.per_day_sat * 1_000;
        must(
            is_within || approval.is_some(),
            "a limit is exceeded, and nobody approved it",
        )?;
        must(
            is_within || mode != Mode::Autonomous,
            "a limit is exceeded that nobody may lift",
        )?;
        must(
            mode != Mode::Supervised || approval.is_some(),
            "nobody was asked",
        )?;
        let recent = self
            .spent
            .iter()
            .filter(|one| here(one) && one.at_ms > row.at_ms - MINUTE_MS)
            .count();
        must(
            rules.per_minute.is_none_or(|most| recent < most as usize),
            "too many payments in a minute",
        )?;
        must(
            rules.expires_ms.is_none_or(|ms| self.latest_ms < ms),
            "the policy is over",
        )?;
        let wish = self.wishes.get(&row.id).ok_or("nobody wanted it")?;
        must(
            wish.amount_msat == row.amount_msat,
            "it isn't what was wanted",
        )?;
        must(
            rules.hosts.is_empty() || rules.hosts.iter().any(|rule| goes(&wish.host, rule)),
            "no such host",
        )?;
        self.check_chain(wish, row)
    }

    fn check_chain(&self, wish: &Wish, row: &Row) -> std::result::Result<(), String> {
        for token in &wish.chain {
            let by_it = |one: &Spending| one.chain.contains(&token.name);
            let total_msat = self.sum(by_it) + row.amount_msat;
            must(
                token.total_sat.is_none_or(|sat| total_msat <= sat * 1_000),
                "a token's total is exceeded",
            )?;
            let is_small = token
                .per_payment_sat
                .is_none_or(|sat| row.amount_msat <= sat * 1_000);
            must(is_small, "it is above a token's limit")?;
            must(
                token.expires_ms.is_none_or(|ms| self.latest_ms < ms),
                "a token is over",
            )?;
            must(
                token.host.is_none_or(|rule| goes(&wish.host, rule)),
                "no host of the token",
            )?;
        }
        Ok(())
    }

    /// The mode that held, if it was come by rightly.
    fn mode(
        &mut self,
        db: &Connection,
        row: &Row,
        rules: &Rules,
    ) -> std::result::Result<Mode, String> {
        let sql = "SELECT policy, after_seq FROM purse_policies WHERE purse = ?1 AND after_seq < ?2
                   ORDER BY version DESC LIMIT 1";
        let found = db.query_row(sql, (&row.purse, row.seq), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        let (policy, after_seq) = found.map_err(|error| error.to_string())?;
        let policy: Value = serde_json::from_str(&policy).map_err(|error| error.to_string())?;
        let mode: Mode =
            serde_json::from_value(policy["mode"].clone()).map_err(|error| error.to_string())?;
        let (before, since_seq) = self
            .modes
            .get(&row.purse)
            .copied()
            .unwrap_or((rules.mode, 0));
        if mode == before {
            return Ok(mode);
        }
        self.modes.insert(row.purse.clone(), (mode, after_seq));
        if mode == Mode::Supervised {
            return Ok(mode);
        }
        let sql = "SELECT COALESCE(MAX(after_seq), 0) FROM purse_disputes WHERE purse = ?1 AND after_seq < ?2";
        let disputed: i64 = db
            .query_row(sql, (&row.purse, row.seq), |row| row.get(0))
            .map_err(|error| error.to_string())?;
        let since_seq = since_seq.max(disputed);
        let settled = self
            .spent
            .iter()
            .filter(|one| one.purse == row.purse && one.is_posted && one.seq > since_seq);
        let is_earned = rules
            .earn
            .is_some_and(|earn| settled.count() >= earn as usize);
        must(is_earned, "its mode wasn't earned")?;
        Ok(mode)
    }

    /// The approval that was used for a payment: given by the owner, at this price, and once.
    fn approval(&mut self, db: &Connection, row: &Row) -> std::result::Result<Option<i64>, String> {
        let sql = "SELECT id, amount_msat FROM approvals WHERE transfer_id = ?1";
        let found = db.query_row(sql, [&row.id], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?))
        });
        let Some((id, amount_msat)) = found.optional().map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        must(self.approved.contains(&id), "its approval was never given")?;
        must(
            row.amount_msat <= amount_msat,
            "it costs more than what was approved",
        )?;
        must(self.used.insert(id), "its approval was used before")?;
        Ok(Some(id))
    }
}

fn must(holds: bool, what: &str) -> std::result::Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(what.to_owned()),
    }
}

/// Whether a request to this host and port is meant by a rule such as `*.example`.
fn goes(host: &str, rule: &str) -> bool {
    let name = host.strip_suffix(":80").unwrap_or(host);
    match rule.strip_prefix('*') {
        Some(end) => name.ends_with(end),
        None => name == rule,
    }
}
