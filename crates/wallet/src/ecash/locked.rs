//! Tokens that only certain keys can redeem (NUT-11).

use cdk::nuts::{MintInfo, SpendingConditions};

use super::{EcashError, EcashWallet, Issued};

use crate::boxed;

/// Whether a mint says that it enforces locks. At one that doesn't, a locked token is anybody's.
#[must_use]
pub fn enforces_locks(info: &MintInfo) -> bool {
    info.nuts.nut10.supported && info.nuts.nut11.supported
}

impl EcashWallet {
    /// Makes a token of `amount_sat` that only the keys of `conditions` can redeem. Asks the mint first
    /// whether it enforces that.
    ///
    /// # Errors
    /// [`EcashError::NoLocks`] if it doesn't say so, and as [`Self::issue`].
    #[boxed]
    pub async fn issue_locked(
        &self,
        amount_sat: u64,
        conditions: SpendingConditions,
    ) -> Result<Issued, EcashError> {
        self.check_locks().await?;
        self.issue_with(amount_sat, Some(conditions)).await
    }

    /// Asks the mint whether it enforces locks.
    ///
    /// # Errors
    /// [`EcashError::NoLocks`] if it doesn't say so, [`EcashError::Unknown`] if it doesn't answer.
    #[boxed]
    pub async fn check_locks(&self) -> Result<(), EcashError> {
        let info = self.cdk.mint_connector().get_mint_info().await?;
        if enforces_locks(&info) {
            return Ok(());
        }
        Err(EcashError::NoLocks)
    }
}
