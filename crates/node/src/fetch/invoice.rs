//! Paying an invoice for a request, once.
//!
//! The payment is recorded before any wallet hears of it, and every wallet pays an invoice once: the owner's channels
//! and a purse by its payment hash, a wallet elsewhere by the payment's own name. So whatever a call said, or however
//! long it took, what counts is what the wallet's own record says afterwards (`standing.rs`). An end that isn't known
//! keeps what is reserved, and is asked for again in the background and by the next request with the same id.

use std::sync::Arc;
use std::time::Duration;

use http402::Error;
use sha2::{Digest as _, Sha256};
use wallet::ledger::Account;
use wallet::lightning::Payable;
use wallet::nwc::{self, PaymentState as WalletState};
use wallet::{MSAT_PER_SAT, sat_to_msat};
use zeroize::Zeroizing;

use super::standing::{Asked, Next, Standing, after_asking, before_asking};
use super::{Payment, PaymentState, Spender, ways};
use crate::error::{NodeError, Result};
use crate::lightning::{
    self, BookedPayment, PayInput, PurseOrder, PursePayment, PursePaymentState,
};
use crate::node::{Node, now_s};
use crate::nwc::PurseLightning;
use crate::sealing::SealingKey;

/// What the mint sets aside for the way at least, and the wallets that pay for purses elsewhere.
pub(super) const MINT_FEE_MIN_SAT: u64 = 5;
const ELSEWHERE_FEE_MIN_SAT: u64 = 10;
/// How long to wait for a wallet. It goes on, and is asked again later.
pub(super) const WALLET_TIME_MAX: Duration = Duration::from_secs(75);

/// What pays invoices.
#[derive(Clone)]
pub(super) enum Wallet {
    /// The owner's channels.
    Channels,
    /// The mint, for a purse's ecash.
    Mint,
    /// A wallet elsewhere that backs the purse.
    Elsewhere(Arc<dyn PurseLightning>),
}

impl Wallet {
    /// What paying is expected to cost at least.
    pub const fn fee_min_sat(&self) -> u64 {
        match self {
            Self::Channels => 0,
            Self::Mint => MINT_FEE_MIN_SAT,
            Self::Elsewhere(_) => ELSEWHERE_FEE_MIN_SAT,
        }
    }
}

impl Node {
    /// What pays this spender's invoices, if anything does.
    pub(super) async fn invoice_wallet(&self, spender: &Spender) -> Result<Option<Wallet>> {
        Ok(match spender {
            Spender::Owner => self.cashier().ok().map(|_| Wallet::Channels),
            Spender::Purse(agent) => match self.wallet_backing(&agent.purse).await? {
                Some(wallet) => Some(Wallet::Elsewhere(wallet)),
                None => self.has_lightning().then_some(Wallet::Mint),
            },
        })
    }

    /// Records what is about to be paid, and what for: from here on the payment exists.
    pub(super) async fn note_invoice(
        &self,
        mut payment: Payment,
        challenge: &ways::Headers,
    ) -> Result<Payment> {
        payment.seal_challenge(&self.inner.proofs_key, challenge)?;
        let row = payment.clone();
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                row.refuse_repeated_invoice(tx)?;
                row.insert(tx)
            })
            .await?;
        Ok(payment)
    }

    /// Has the invoice paid, unless it was; stores the credential that this buys.
    pub(super) async fn pay_invoice(&self, payment: Payment) -> Result<Payment> {
        // An earlier task may still wait for the wallet: until it is done, nothing can be concluded.
        let Some(alone) = self.inner.payments.try_lock(&payment.asking_key()) else {
            return Err(pending(payment, "the wallet hasn't answered"));
        };
        let wallet = self.paying_wallet(&payment).await?;
        let standing = self.standing(&wallet, &payment).await?;
        let (mut next, mut why) = (before_asking(standing, payment.may_begin), None);
        if next == Next::Ask {
            let asking = tokio::spawn({
                let (node, wallet, payment) = (self.clone(), wallet.clone(), payment.clone());
                async move {
                    let _alone = alone;
                    node.ask_wallet(&wallet, &payment).await
                }
            });
            let asked = match tokio::time::timeout(WALLET_TIME_MAX, asking).await {
                Ok(Ok(Ok(()))) => Asked::Answered,
                Ok(Ok(Err(error))) => {
                    why = Some(error);
                    Asked::Refused
                }
                // It goes on without us, or was cut off in the middle.
                Ok(Err(_)) | Err(_) => Asked::Silent,
            };
            next = after_asking(asked, self.standing(&wallet, &payment).await?);
        }
        match next {
            Next::Keep { preimage, fee_msat } => {
                self.keep_proof(payment, &preimage, fee_msat).await
            }
            Next::CallOff | Next::Forget => {
                let unpaid = || NodeError::PaymentFailed("the invoice couldn't be paid".into());
                self.call_off(payment, next == Next::Forget, why.unwrap_or_else(unpaid))
                    .await
            }
            Next::Ask | Next::Wait => {
                let why = why.map(|error| error.to_string());
                Err(pending(
                    payment,
                    why.as_deref().unwrap_or("it is being paid"),
                ))
            }
        }
    }

    /// The wallet that the payment was begun with, or else the one that pays now: another may back the purse by now.
    async fn paying_wallet(&self, payment: &Payment) -> Result<Wallet> {
        if let Spender::Purse(_) = &payment.spender {
            for wallet in [Wallet::Elsewhere(self.wallets_elsewhere()), Wallet::Mint] {
                if self.standing(&wallet, payment).await? != Standing::None {
                    return Ok(wallet);
                }
            }
        }
        let wallet = self.invoice_wallet(&payment.spender).await?;
        wallet.ok_or(NodeError::NoLightning)
    }

    /// How the payment stands. An open one is asked about.
    async fn standing(&self, wallet: &Wallet, payment: &Payment) -> Result<Standing> {
        let hash = &payment.bill()?.payment_hash;
        Ok(match wallet {
            Wallet::Channels => {
                let booked = self.cashier()?.payment(hash.clone()).await?;
                booked.map_or(Standing::None, Standing::from)
            }
            Wallet::Mint => {
                let found = self.find_purse_payment(hash).await?;
                let payer = payment.spender.account();
                let is_ours = |paid: &PursePayment| Account::Purse(paid.purse.clone()) == payer;
                let ours = found.filter(is_ours);
                ours.map_or(Standing::None, Standing::from)
            }
            Wallet::Elsewhere(wallet) => {
                let found = wallet.payment(&payment.wallet_key()).await?;
                found.map_or(Standing::None, Standing::from)
            }
        })
    }

    /// Has the wallet pay. What it answers is in its record too.
    async fn ask_wallet(&self, wallet: &Wallet, payment: &Payment) -> Result<()> {
        let bill = payment.bill()?;
        if bill.expires_s <= now_s() && self.standing(wallet, payment).await? == Standing::None {
            return Err(wallet::lightning::LightningError::InvoiceExpired.into());
        }
        let Spender::Purse(agent) = &payment.spender else {
            let input = PayInput {
                request: bill.invoice.clone(),
                amount_msat: None,
                fee_max_msat: payment.fee_max_msat(),
                id: None,
            };
            return self.lightning_pay(input).await.map(|_| ());
        };
        let (key, purpose) = (payment.wallet_key(), payment.purpose()?);
        match wallet {
            Wallet::Elsewhere(wallet) => {
                let amount_msat = Payable::parse(&bill.invoice)?.amount_msat()?;
                let ask = nwc::Payment {
                    key,
                    invoice: bill.invoice.clone(),
                    payment_hash: bill.payment_hash.clone(),
                    amount_msat: amount_msat.unwrap_or(sat_to_msat(payment.amount_sat)),
                    expires_s: bill.expires_s,
                };
                wallet.pay(agent, &ask, Some(&purpose)).await.map(|_| ())
            }
            // What has failed meanwhile isn't begun again.
            _ if !payment.may_begin => self.look_up_purse_payment(&bill.payment_hash).await,
            _ => {
                let order = PurseOrder {
                    agent: agent.clone(),
                    invoice: bill.invoice.clone(),
                    fee_max_sat: payment.fee_max_sat,
                    key: Some(key),
                    purpose: Some(purpose),
                };
                let paid = self.purse_order(order).await;
                paid.map(|_| ())
                    .map_err(|error| whole_price(error, payment))
            }
        }
    }

    /// The proof is durable before the seller sees it.
    async fn keep_proof(
        &self,
        mut payment: Payment,
        preimage: &str,
        fee_msat: u64,
    ) -> Result<Payment> {
        payment.take_proof(&self.inner.proofs_key, preimage, fee_msat)?;
        self.save(&payment).await?;
        Ok(payment)
    }

    /// What is sealed in a payment's row.
    pub(super) fn unseal(&self, payment: &Payment) -> Option<Zeroizing<Vec<u8>>> {
        payment.unseal(&self.inner.proofs_key)
    }

    /// Nothing was paid, and nothing will be. What no wallet has heard of leaves no trace: the same id may be used again,
    /// once the owner has approved it, say.
    async fn call_off(
        &self,
        mut payment: Payment,
        is_forgotten: bool,
        why: NodeError,
    ) -> Result<Payment> {
        payment.void();
        payment.error = Some(why.to_string());
        if is_forgotten {
            let row = payment.clone();
            self.inner.db.write(move |tx| row.delete(tx)).await?;
        } else {
            self.save(&payment).await?;
        }
        tracing::info!(
            code = why.code(),
            id = payment.id,
            "nothing was paid: {why}"
        );
        Err(why)
    }
}

pub(super) fn pending(payment: Payment, reason: &str) -> NodeError {
    NodeError::PaymentPending {
        id: payment.id,
        reason: reason.to_owned(),
    }
}

/// The limit is on price and fees together, so both are in the message too.
pub(super) fn whole_price(error: NodeError, payment: &Payment) -> NodeError {
    match error {
        NodeError::Http402(Error::PriceAboveLimit {
            amount_sat,
            max_sat,
        }) => Error::PriceAboveLimit {
            amount_sat: amount_sat.saturating_add(payment.amount_sat),
            max_sat: max_sat.saturating_add(payment.amount_sat),
        }
        .into(),
        other => other,
    }
}

impl Payment {
    /// Keeps the challenge until it is paid: the credential is made of it.
    pub(super) fn seal_challenge(
        &mut self,
        key: &SealingKey,
        challenge: &ways::Headers,
    ) -> Result<()> {
        let headers = ways::challenge_headers(challenge);
        let json = serde_json::to_vec(&headers).unwrap_or_default();
        self.sealed = Some(key.seal(&self.place(), &json)?);
        Ok(())
    }

    /// Makes the credential of the proof. Without one there is nothing that the seller could be shown.
    pub(super) fn take_proof(
        &mut self,
        key: &SealingKey,
        preimage: &str,
        fee_msat: u64,
    ) -> Result<()> {
        self.fee_sat = fee_msat.div_ceil(MSAT_PER_SAT);
        let mut secret = [0; 32];
        let is_read = hex::decode_to_slice(preimage, &mut secret).is_ok();
        let hash = hex::encode(Sha256::digest(secret));
        let authorization = match is_read && hash == self.bill()?.payment_hash {
            true => self.authorization(key, secret),
            false => Err(NodeError::ProofMissing),
        };
        match authorization {
            Ok(authorization) => {
                self.sealed = Some(key.seal(&self.place(), authorization.as_bytes())?);
                self.state = PaymentState::Paid;
            }
            Err(error) => {
                self.error = Some(error.to_string());
                self.sealed = None;
                self.state = PaymentState::Answered;
            }
        }
        Ok(())
    }

    fn authorization(&self, key: &SealingKey, preimage: [u8; 32]) -> Result<String> {
        let headers = self.unseal(key).ok_or(NodeError::ProofMissing)?;
        let headers: Vec<(String, String)> =
            serde_json::from_slice(&headers).map_err(|_| NodeError::ProofMissing)?;
        let invoice = &self.bill()?.invoice;
        let body = self.request.body.as_deref().unwrap_or_default();
        ways::authorization(&headers, self.protocol, invoice, body, preimage)
    }

    /// What is sealed in its row.
    pub(super) fn unseal(&self, key: &SealingKey) -> Option<Zeroizing<Vec<u8>>> {
        key.open(&self.place(), self.sealed.as_deref()?)
    }

    /// Where its secrets are sealed.
    fn place(&self) -> String {
        format!("payment:{}", self.id)
    }

    /// Its name with the wallets that pay for purses.
    pub(super) fn wallet_key(&self) -> String {
        format!("fetch:{}", self.id)
    }

    /// Held by the task that asks the wallet, also when nobody waits for it any more.
    pub(super) fn asking_key(&self) -> String {
        format!("fetch-asks:{}", self.id)
    }

    /// What the owner's channels may take for the way.
    pub(super) fn fee_max_msat(&self) -> Option<u64> {
        let usual_msat = lightning::fee_max_msat(sat_to_msat(self.amount_sat));
        self.fee_max_sat
            .map(|max_sat| sat_to_msat(max_sat).min(usual_msat))
    }
}

impl From<BookedPayment> for Standing {
    fn from(booked: BookedPayment) -> Self {
        match booked.state {
            lightning::PaymentState::Pending => Self::Open,
            lightning::PaymentState::Failed => Self::Failed,
            lightning::PaymentState::Succeeded => Self::Paid {
                preimage: booked.preimage.unwrap_or_default(),
                fee_msat: booked.fee_msat.unwrap_or(0),
            },
        }
    }
}

impl From<PursePayment> for Standing {
    fn from(payment: PursePayment) -> Self {
        match payment.state {
            PursePaymentState::Paying => Self::Open,
            PursePaymentState::Voided => Self::Failed,
            PursePaymentState::Settled => Self::Paid {
                preimage: payment.preimage.unwrap_or_default(),
                fee_msat: sat_to_msat(payment.fee_sat.unwrap_or(0)),
            },
        }
    }
}

impl From<WalletState> for Standing {
    fn from(state: WalletState) -> Self {
        match state {
            WalletState::Paid {
                preimage,
                fees_paid_msat,
            } => Self::Paid {
                preimage,
                fee_msat: fees_paid_msat,
            },
            WalletState::Failed(_) => Self::Failed,
            WalletState::Pending => Self::Open,
            WalletState::NeverBegan => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wallet_says_is_paid_open_or_failed() {
        let paid = WalletState::Paid {
            preimage: "ab".into(),
            fees_paid_msat: 7,
        };
        let expected = Standing::Paid {
            preimage: "ab".into(),
            fee_msat: 7,
        };
        assert_eq!(Standing::from(paid), expected);
        assert_eq!(Standing::from(WalletState::Pending), Standing::Open);
        assert_eq!(Standing::from(WalletState::NeverBegan), Standing::None);
    }
}
