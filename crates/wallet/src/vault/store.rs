//! Vaults, proposals and what was signed of an allowance, in the node's database.

use bitcoin::Psbt;
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};

use super::error::VaultError;

/// The tables.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS vaults (
    name        TEXT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    policy      TEXT NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS vault_proposals (
    id          TEXT NOT NULL,
    vault       TEXT NOT NULL REFERENCES vaults (name),
    psbt        BLOB NOT NULL,
    memo        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'sent', 'dropped')),
    created_ms  INTEGER NOT NULL,
    updated_ms  INTEGER NOT NULL,
    PRIMARY KEY (vault, id)
) STRICT;
CREATE TABLE IF NOT EXISTS vault_reserved (
    vault       TEXT NOT NULL REFERENCES vaults (name),
    proposal    TEXT NOT NULL,
    amount_sat  INTEGER NOT NULL CHECK (amount_sat > 0),
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (vault, proposal)
) STRICT;
";

/// An allowance is for any stretch of this length.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Open proposals of one vault at most: other signers' nodes make them too.
pub const OPEN_MAX: u64 = 100;
/// A memo has at most this many characters.
pub const MEMO_CHARS_MAX: usize = 200;

/// A vault as it is kept.
#[derive(Clone, Debug)]
pub struct VaultRecord {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The policy file.
    pub policy: String,
    /// When it was made here, Unix milliseconds.
    pub created_ms: i64,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProposalState {
    /// Signatures are collected.
    Open,
    /// It was sent to the network.
    Sent,
    /// Its owner doesn't want it any more.
    Dropped,
}

/// A proposal as it is kept.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The id of the transaction.
    pub id: String,
    /// The vault's name.
    pub vault: String,
    /// The PSBT, with all signatures that came so far.
    pub psbt: Psbt,
    /// What it is for, in the words of whoever proposed it.
    pub memo: String,
    /// What became of it.
    pub state: ProposalState,
    /// When it came here, Unix milliseconds.
    pub created_ms: i64,
    /// When it changed last.
    pub updated_ms: i64,
}

/// Keeps a new vault.
///
/// # Errors
/// `Storage`; also if the name or the vault is there already with another policy.
pub fn add_vault(db: &Connection, record: &VaultRecord) -> Result<(), VaultError> {
    if let Some(known) = find_vault(db, &record.name)? {
        if known.id == record.id {
            return Ok(());
        }
        let why = format!("a vault named {} exists already", record.name);
        return Err(VaultError::Taken(why));
    }
    if let Some(known) = find_vault(db, &record.id)? {
        let why = format!("this vault exists already, as {}", known.name);
        return Err(VaultError::Taken(why));
    }
    db.execute(
        "INSERT INTO vaults (name, id, policy, created_ms) VALUES (?1, ?2, ?3, ?4)",
        (&record.name, &record.id, &record.policy, record.created_ms),
    )?;
    Ok(())
}

/// The vault with this name or id.
///
/// # Errors
/// `Storage`.
pub fn find_vault(db: &Connection, name_or_id: &str) -> Result<Option<VaultRecord>, VaultError> {
    let sql = "SELECT name, id, policy, created_ms FROM vaults WHERE name = ?1 OR id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row([name_or_id], read_vault).optional()?)
}

/// All vaults, oldest first.
///
/// # Errors
/// `Storage`.
pub fn vaults(db: &Connection) -> Result<Vec<VaultRecord>, VaultError> {
    let sql = "SELECT name, id, policy, created_ms FROM vaults ORDER BY created_ms, name";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], read_vault)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_vault(row: &Row<'_>) -> rusqlite::Result<VaultRecord> {
    Ok(VaultRecord {
        name: row.get(0)?,
        id: row.get(1)?,
        policy: row.get(2)?,
        created_ms: row.get(3)?,
    })
}

/// Keeps a proposal, new or changed.
///
/// # Errors
/// `Storage`; `TooMany` if the vault has too many open ones.
pub fn save_proposal(db: &Connection, proposal: &Proposal) -> Result<(), VaultError> {
    let is_known = find_proposal(db, &proposal.vault, &proposal.id)?.is_some();
    if !is_known && open_count(db, &proposal.vault)? >= OPEN_MAX {
        return Err(VaultError::TooMany(OPEN_MAX));
    }
    let memo: String = proposal.memo.chars().take(MEMO_CHARS_MAX).collect();
    db.execute(
        "INSERT INTO vault_proposals (id, vault, psbt, memo, state, created_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (vault, id) DO UPDATE SET psbt = ?3, state = ?5, updated_ms = ?7",
        (
            &proposal.id,
            &proposal.vault,
            proposal.psbt.serialize(),
            memo,
            state_name(proposal.state),
            proposal.created_ms,
            proposal.updated_ms,
        ),
    )?;
    Ok(())
}

fn open_count(db: &Connection, vault: &str) -> Result<u64, VaultError> {
    let sql = "SELECT COUNT(*) FROM vault_proposals WHERE vault = ?1 AND state = 'open'";
    Ok(db
        .prepare_cached(sql)?
        .query_row([vault], |row| row.get(0))?)
}

/// A vault's proposal.
///
/// # Errors
/// `Storage`.
pub fn find_proposal(
    db: &Connection,
    vault: &str,
    id: &str,
) -> Result<Option<Proposal>, VaultError> {
    let sql = format!("SELECT {COLUMNS} FROM vault_proposals WHERE vault = ?1 AND id = ?2");
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_row([vault, id], read_proposal).optional()?)
}

/// All proposals, of one vault or of all of them, newest first.
///
/// # Errors
/// `Storage`.
pub fn proposals(db: &Connection, vault: Option<&str>) -> Result<Vec<Proposal>, VaultError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM vault_proposals WHERE ?1 IS NULL OR vault = ?1
         ORDER BY state = 'open' DESC, created_ms DESC, id LIMIT 500"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([vault], read_proposal)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const COLUMNS: &str = "id, vault, psbt, memo, state, created_ms, updated_ms";

fn read_proposal(row: &Row<'_>) -> rusqlite::Result<Proposal> {
    let psbt: Vec<u8> = row.get(2)?;
    let state: String = row.get(4)?;
    Ok(Proposal {
        id: row.get(0)?,
        vault: row.get(1)?,
        psbt: Psbt::deserialize(&psbt).map_err(|_| rusqlite::Error::InvalidQuery)?,
        memo: row.get(3)?,
        state: match state.as_str() {
            "open" => ProposalState::Open,
            "sent" => ProposalState::Sent,
            _ => ProposalState::Dropped,
        },
        created_ms: row.get(5)?,
        updated_ms: row.get(6)?,
    })
}

fn state_name(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Open => "open",
        ProposalState::Sent => "sent",
        ProposalState::Dropped => "dropped",
    }
}

/// What was reserved from the vault's allowance in the last 24 hours, this proposal's own part
/// left out. Clocks that were set back don't free anything.
///
/// # Errors
/// `Storage`.
pub fn spent_sat(
    db: &Connection,
    vault: &str,
    proposal: &str,
    now_ms: i64,
) -> Result<u64, VaultError> {
    let sql = "SELECT COALESCE(SUM(amount_sat), 0) FROM vault_reserved
               WHERE vault = ?1 AND proposal != ?2 AND created_ms > ?3";
    let since_ms = now_ms.saturating_sub(DAY_MS);
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row((vault, proposal, since_ms), |row| row.get(0))?)
}

/// Reserves what a proposal takes from the allowance: before the signature is made, in the
/// transaction that decided about it. What was reserved stays so, also if nothing is sent.
///
/// # Errors
/// `Storage`.
pub fn reserve(
    db: &Connection,
    vault: &str,
    proposal: &str,
    amount_sat: u64,
    now_ms: i64,
) -> Result<(), VaultError> {
    db.execute(
        "INSERT INTO vault_reserved (vault, proposal, amount_sat, created_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (vault, proposal) DO UPDATE SET created_ms = ?4",
        (vault, proposal, amount_sat, now_ms),
    )?;
    Ok(())
}
