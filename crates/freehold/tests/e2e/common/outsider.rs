//! An ecash wallet that has nothing to do with the program under test: `cdk`'s, in memory, at the
//! node's mint over HTTP.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use cdk::Amount;
use cdk::Wallet;
use cdk::amount::SplitTarget;
use cdk::nuts::nut00::KnownMethod;
use cdk::nuts::{CurrencyUnit, MintQuoteState, PaymentMethod, Proofs, State, Token};
use cdk::wallet::{ReceiveOptions, SendOptions, WalletBuilder};

/// Somebody with a wallet.
pub struct Outsider {
    pub wallet: Wallet,
}

impl Outsider {
    /// A fresh, empty wallet at the mint of the node at `url`.
    pub async fn at(url: &str) -> Self {
        Self::at_mint(&format!("{url}/mint")).await
    }

    /// The same at anybody's mint.
    pub async fn at_mint(mint_url: &str) -> Self {
        let store = cdk_sqlite::wallet::memory::empty().await.unwrap();
        let mut seed = [0; 64];
        rand::fill(&mut seed);
        let wallet = WalletBuilder::new()
            .mint_url(mint_url.parse().unwrap())
            .unit(CurrencyUnit::Sat)
            .localstore(Arc::new(store))
            .seed(seed)
            .without_rate_limiting()
            .build()
            .unwrap();
        Self { wallet }
    }

    /// Gets play money: a mint quote, which the play mint pays itself.
    pub async fn fund(&self, sat: u64) {
        let method = PaymentMethod::Known(KnownMethod::Bolt11);
        let quote = self
            .wallet
            .mint_quote(method, Some(Amount::from(sat)), None, None)
            .await
            .unwrap();
        self.wait_until_paid(&quote.id).await;
        self.wallet
            .mint(&quote.id, SplitTarget::default(), None)
            .await
            .unwrap();
    }

    /// Waits until the play mint has paid a quote.
    pub async fn wait_until_paid(&self, quote: &str) {
        let paid = async {
            while self
                .wallet
                .check_mint_quote_status(quote)
                .await
                .unwrap()
                .state
                == MintQuoteState::Unpaid
            {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), paid)
            .await
            .expect("the play mint pays its quotes");
    }

    /// A `cashuB` token worth exactly `sat`. The wallet must be funded.
    pub async fn token(&self, sat: u64) -> String {
        let prepared = self
            .wallet
            .prepare_send(Amount::from(sat), SendOptions::default())
            .await
            .unwrap();
        prepared.confirm(None).await.unwrap().to_string()
    }

    /// Takes a token in at the mint; what it was worth.
    pub async fn redeem(&self, token: &str) -> u64 {
        self.try_redeem(token).await.unwrap()
    }

    /// The same, if it works.
    pub async fn try_redeem(&self, token: &str) -> Result<u64, cdk::Error> {
        let amount = self
            .wallet
            .receive(token, ReceiveOptions::default())
            .await?;
        Ok(amount.into())
    }

    /// The proofs in a token.
    pub async fn proofs(&self, token: &str) -> Proofs {
        let known = self
            .wallet
            .mint_connector()
            .get_mint_keysets()
            .await
            .unwrap();
        Token::from_str(token)
            .unwrap()
            .proofs(&known.keysets)
            .unwrap()
    }

    /// Whether the mint would still take all of a token.
    pub async fn is_unspent(&self, token: &str) -> bool {
        let proofs = self.proofs(token).await;
        let states = self.wallet.check_proofs_spent(proofs).await.unwrap();
        states.iter().all(|proof| proof.state == State::Unspent)
    }

    /// What is left in the wallet.
    pub async fn balance(&self) -> u64 {
        self.wallet.total_balance().await.unwrap().into()
    }
}

/// What a token says that it is worth.
pub fn token_sat(token: &str) -> u64 {
    Token::from_str(token).unwrap().value().unwrap().into()
}
