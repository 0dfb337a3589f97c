//! Tokens that only certain keys can redeem (NUT-11).

use cdk::nuts::{KeySetInfo, MintInfo, SpendingConditions};

use super::{EcashError, EcashWallet, Issued};

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
    pub async fn issue_locked(
        &self,
        amount_sat: u64,
        conditions: SpendingConditions,
    ) -> Result<Issued, EcashError> {
        let info = self.cdk.mint_connector().get_mint_info().await?;
        if !enforces_locks(&info) {
            return Err(EcashError::NoLocks);
        }
        self.issue_with(amount_sat, Some(conditions)).await
    }

    /// The mint's keysets, by which tokens are read.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint doesn't answer.
    pub async fn keysets(&self) -> Result<Vec<KeySetInfo>, EcashError> {
        let known = self.cdk.mint_connector().get_mint_keysets().await?;
        Ok(known.keysets)
    }
}
