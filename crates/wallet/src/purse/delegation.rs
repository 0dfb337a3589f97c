//! Who spends: a purse's own token, or one that was narrowed from it, perhaps several times.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::narrowing::CAVEATS_MAX;
use super::policy::total;
use super::{Intent, Narrowing, NarrowingError, PurseName};
use crate::WalletError;

/// Who wants to spend from a purse, and with which rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The purse.
    pub purse: PurseName,
    /// How its token was narrowed.
    pub delegation: Delegation,
}

impl From<PurseName> for Agent {
    /// Whoever may do all that the purse may.
    fn from(purse: PurseName) -> Self {
        Self {
            purse,
            delegation: Delegation::default(),
        }
    }
}

/// The chain of a token's narrowings, first to last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    narrowing: Narrowing,
    totals: Vec<Capped>,
}

/// A token in the chain that has a total of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Capped {
    /// Digest of the root and of all caveats up to the one with the total.
    id: [u8; 32],
    total_msat: u64,
}

impl Delegation {
    /// Reads a token's caveats. `root` is what tells this purse's token from others.
    ///
    /// # Errors
    /// If a caveat isn't understood, or there are too many.
    pub fn new<C: AsRef<str>>(root: &[u8], caveats: &[C]) -> Result<Self, NarrowingError> {
        if caveats.len() > CAVEATS_MAX {
            return Err(NarrowingError::TooMany);
        }
        let mut id: [u8; 32] = Sha256::digest(root).into();
        let mut delegation = Self::default();
        for caveat in caveats {
            let part = Narrowing::parse(caveat.as_ref())?;
            let caveat = Sha256::digest(caveat.as_ref());
            id = Sha256::new()
                .chain_update(id)
                .chain_update(caveat)
                .finalize()
                .into();
            if let Some(total_msat) = part.total_msat {
                delegation.totals.push(Capped { id, total_msat });
            }
            delegation.narrowing = delegation.narrowing.and(part);
        }
        Ok(delegation)
    }

    /// All narrowings at once.
    #[must_use]
    pub fn narrowing(&self) -> &Narrowing {
        &self.narrowing
    }

    /// Whether all tokens of the chain let a payment pass, what each has spent included.
    pub(super) fn permits(
        &self,
        db: &Connection,
        intent: &Intent,
        now_ms: i64,
    ) -> Result<(), WalletError> {
        self.narrowing
            .permits(intent, now_ms)
            .map_err(WalletError::Narrowed)?;
        for capped in &self.totals {
            let spent_msat = spent_msat(db, &capped.id)?;
            total(capped.total_msat, spent_msat, intent.amount_msat)
                .map_err(WalletError::Narrowed)?;
        }
        Ok(())
    }

    /// Counts a reservation against each total of the chain.
    pub(super) fn record(&self, db: &Connection, transfer_id: &str) -> Result<(), WalletError> {
        let sql = "INSERT INTO delegated_spends (token_id, transfer_id) VALUES (?1, ?2)
                   ON CONFLICT DO NOTHING";
        let mut insert = db.prepare_cached(sql)?;
        for capped in &self.totals {
            insert.execute((capped.id, transfer_id))?;
        }
        Ok(())
    }
}

/// What was spent or reserved with a token and those that were made from it.
fn spent_msat(db: &Connection, token_id: &[u8; 32]) -> Result<u64, WalletError> {
    let sql = "SELECT COALESCE(SUM(COALESCE(t.posted_msat, t.amount_msat)), 0)
               FROM delegated_spends d JOIN transfers t ON t.id = d.transfer_id
               WHERE d.token_id = ?1 AND t.state != 'voided'";
    Ok(db
        .prepare_cached(sql)?
        .query_row([token_id], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_total_of_the_chain_has_an_account_of_its_own() {
        let ids = |root: &[u8], caveats: &[&str]| -> Vec<[u8; 32]> {
            let chain = Delegation::new(root, caveats).unwrap();
            chain.totals.iter().map(|capped| capped.id).collect()
        };
        let parent = ids(b"p", &["nonce=1", "total_msat=9"]);
        let child = ids(b"p", &["nonce=1", "total_msat=9", "host=a", "total_msat=5"]);
        assert_eq!((parent.len(), child.len()), (1, 2));
        assert_eq!(
            child[0], parent[0],
            "the child spends from its parent's too"
        );
        assert_ne!(child[1], parent[0]);
        assert_ne!(ids(b"p", &["nonce=2", "total_msat=9"]), parent);
        assert_ne!(ids(b"q", &["nonce=1", "total_msat=9"]), parent);
        // One caveat can't pass for two.
        assert_ne!(ids(b"p", &["nonce=1total_msat=9", "total_msat=9"]), parent);
    }

    #[test]
    fn a_token_with_too_many_caveats_is_refused() {
        let many = vec!["nonce=1"; CAVEATS_MAX + 1];
        assert_eq!(Delegation::new(b"p", &many), Err(NarrowingError::TooMany));
        assert!(Delegation::new(b"p", &many[1..]).is_ok());
        assert!(Delegation::new(b"p", &["nonsense"]).is_err());
    }
}
