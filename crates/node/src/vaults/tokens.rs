//! Ecash that is locked to a vault's signers: asked for, and signed. No money of this node moves.

use serde::{Deserialize, Serialize};
use wallet::vault::{EcashLock, LOCK_NUMBERS, LockStanding};

use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_s};

/// A request for ecash that only the vault's signers can redeem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenRequestView {
    /// `creqA…` (NUT-18): any wallet pays it.
    pub request: String,
    /// From which moment on the delayed path is open, Unix seconds.
    pub opens_unix_s: Option<u64>,
}

/// A locked token.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenView {
    /// The token, with the signatures that it has now.
    pub token: String,
    /// How far it is signed.
    #[serde(flatten)]
    pub standing: LockStanding,
}

impl std::fmt::Debug for TokenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenView")
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Asks for ecash of this node's mint that only a vault's signers can redeem.
    ///
    /// # Errors
    /// `vault_not_lockable` if NUT-11 can't say what the policy says, `mint_lacks_locks`.
    #[boxed]
    pub async fn vault_token_request(
        &self,
        name: &str,
        amount_sat: u64,
    ) -> Result<TokenRequestView> {
        let open = self.find_vault(name).await?;
        self.inner.purses.check_locks().await?;
        let number = rand::random::<u32>() % LOCK_NUMBERS;
        let lock = EcashLock::new(open.vault.policy(), number, now_s())?;
        Ok(TokenRequestView {
            request: lock.request(&self.inner.purses.mint_url(), amount_sat)?,
            opens_unix_s: lock.opens_unix_s(),
        })
    }

    /// How far a locked token is signed.
    ///
    /// # Errors
    /// `vault_not_lockable` if it isn't locked as the vault's policy wants it.
    #[boxed]
    pub async fn vault_token_show(&self, name: &str, token: &str) -> Result<TokenView> {
        let open = self.find_vault(name).await?;
        let policy = open.vault.policy();
        let lock = EcashLock::of_token(policy, token)?;
        Ok(TokenView {
            standing: lock.standing(policy, token, now_s())?,
            token: token.trim().to_owned(),
        })
    }

    /// Adds this node's signatures to a locked token, because the owner said so.
    ///
    /// # Errors
    /// `vault_human_first`, `vault_path_not_due`, and as [`Self::vault_token_show`].
    #[boxed]
    pub async fn vault_token_sign(&self, name: &str, token: &str) -> Result<TokenView> {
        let open = self.find_vault(name).await?;
        let policy = open.vault.policy();
        let lock = EcashLock::of_token(policy, token)?;
        let signed = lock.sign(policy, token, &self.inner.vaults.key, now_s())?;
        Ok(TokenView {
            standing: lock.standing(policy, &signed, now_s())?,
            token: signed,
        })
    }
}
