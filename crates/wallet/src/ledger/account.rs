//! Accounts: who the money belongs to, and where it is.

use std::fmt;

use rusqlite::Connection;
use serde::Serialize;

use crate::WalletError;
use crate::purse::PurseName;

/// What a positive balance of an account means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// Something that we hold; its balance is at or below zero.
    Asset,
    /// Something that we owe to somebody; never below zero.
    Liability,
    /// What we earned.
    Income,
}

impl AccountKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Liability => "liability",
            Self::Income => "income",
        }
    }
}

/// An account of the ledger. Only these exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// Ecash held for the owner and the purses.
    PurseEcash,
    /// Ecash that customers paid with.
    TillEcash,
    /// Bitcoin in channels, and on the chain for them.
    Lightning,
    /// Bitcoin of the on-chain wallet.
    Onchain,
    /// Money of other people's wallets that back purses.
    OtherWallets,
    /// What the owner can spend as ecash.
    Owner,
    /// What the owner can spend over Lightning.
    OwnerLightning,
    /// What the owner can spend on the chain.
    OwnerOnchain,
    /// What the embedded mint owes to whoever holds its ecash, this node's wallets included.
    MintIssued,
    /// What an agent's purse can spend.
    Purse(PurseName),
    /// Received from customers for work that isn't finished.
    SalesHeld,
    /// Deposits of sessions, as far as they aren't spent: the buyers' money.
    Sessions,
    /// Earned by answering.
    InferenceIncome,
    /// Earned by selling other services, in ecash. What Lightning brings is the owner's at once.
    ServiceIncome,
}

impl Account {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> AccountKind {
        match self {
            Self::PurseEcash
            | Self::TillEcash
            | Self::OtherWallets
            | Self::Lightning
            | Self::Onchain => AccountKind::Asset,
            Self::Owner
            | Self::OwnerLightning
            | Self::OwnerOnchain
            | Self::MintIssued
            | Self::Purse(_)
            | Self::SalesHeld
            | Self::Sessions => AccountKind::Liability,
            Self::InferenceIncome | Self::ServiceIncome => AccountKind::Income,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PurseEcash => f.write_str("ecash:purses"),
            Self::TillEcash => f.write_str("ecash:till"),
            Self::Lightning => f.write_str("lightning"),
            Self::Onchain => f.write_str("onchain"),
            Self::OtherWallets => f.write_str("nwc:wallets"),
            Self::Owner => f.write_str("owner"),
            Self::OwnerLightning => f.write_str("owner:lightning"),
            Self::OwnerOnchain => f.write_str("owner:onchain"),
            Self::MintIssued => f.write_str("mint:issued"),
            Self::Purse(name) => write!(f, "purse:{name}"),
            Self::SalesHeld => f.write_str("sales:held"),
            Self::Sessions => f.write_str("sessions"),
            Self::InferenceIncome => f.write_str("income:inference"),
            Self::ServiceIncome => f.write_str("income:services"),
        }
    }
}

/// An account as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountState {
    /// Its name.
    pub name: String,
    /// `asset`, `liability` or `income`.
    pub kind: String,
    /// Credits minus debits that are posted.
    pub balance_msat: i64,
    /// Pending debits.
    pub reserved_msat: i64,
}

impl AccountState {
    /// What can still be reserved.
    #[must_use]
    pub const fn available_msat(&self) -> i64 {
        self.balance_msat - self.reserved_msat
    }
}

/// Creates `account` if it isn't there, and says how it stands.
///
/// # Errors
/// If the database fails.
pub fn ensure_account(db: &Connection, account: &Account) -> Result<AccountState, WalletError> {
    let name = account.to_string();
    db.prepare_cached("INSERT INTO accounts (name, kind) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((&name, account.kind().as_str()))?;
    let state = db
        .prepare_cached(
            "SELECT name, kind, balance_msat, reserved_msat FROM accounts WHERE name = ?1",
        )?
        .query_row([&name], read_account)?;
    Ok(state)
}

/// All accounts, by name.
///
/// # Errors
/// If the database fails.
pub fn accounts(db: &Connection) -> Result<Vec<AccountState>, WalletError> {
    let mut statement = db.prepare_cached(
        "SELECT name, kind, balance_msat, reserved_msat FROM accounts ORDER BY name",
    )?;
    let rows = statement.query_map([], read_account)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_account(row: &rusqlite::Row<'_>) -> rusqlite::Result<AccountState> {
    Ok(AccountState {
        name: row.get(0)?,
        kind: row.get(1)?,
        balance_msat: row.get(2)?,
        reserved_msat: row.get(3)?,
    })
}
