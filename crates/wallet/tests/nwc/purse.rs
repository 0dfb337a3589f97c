//! A wallet behind the connections: it makes real invoices, and remembers by key what it paid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::bitcoin::secp256k1::{Secp256k1, SecretKey};
use ldk_node::lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use tokio::sync::Notify;
use wallet::nwc::{
    BudgetState, Connection, ErrorCode, Failure, ListTransactions, Method, NewInvoice, PayKeysend,
    Payment, PaymentState, Transaction, TransactionState, TransactionType, WalletBackend,
    WalletInfo,
};

use crate::world::now_ms;

/// The preimage of every invoice that `invoice` makes from this number.
pub fn preimage(number: u8) -> String {
    hex::encode([number; 32])
}

/// An invoice of a stranger.
pub fn invoice(number: u8, amount_msat: Option<u64>) -> String {
    make(number, amount_msat, "a coffee", Duration::from_secs(3_600))
}

pub fn make(number: u8, amount_msat: Option<u64>, description: &str, expiry: Duration) -> String {
    let key = SecretKey::from_slice(&[42; 32]).unwrap();
    let builder = InvoiceBuilder::new(Currency::Regtest)
        .description(description.into())
        .payment_hash(sha256::Hash::hash(&[number; 32]))
        .payment_secret(PaymentSecret([9; 32]))
        .duration_since_epoch(Duration::from_secs(now_ms() / 1_000))
        .expiry_time(expiry)
        .min_final_cltv_expiry_delta(144);
    let builder = match amount_msat {
        Some(amount_msat) => builder.amount_milli_satoshis(amount_msat),
        None => builder,
    };
    let invoice = builder.build_signed(|hash| Secp256k1::new().sign_ecdsa_recoverable(hash, &key));
    invoice.unwrap().to_string()
}

/// How the purse treats payments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Pays,
    /// It says neither yes nor no.
    Ponders,
    Refuses(ErrorCode),
    /// It reports a failure, and pays all the same.
    PaysAndDenies,
    /// It shows a preimage that proves nothing.
    ShowsNoProof,
}

#[derive(Default)]
struct State {
    balance_msat: u64,
    mood: Mood,
    payments: HashMap<String, PaymentState>,
    paid: Vec<Payment>,
    transactions: Vec<Transaction>,
}

/// Clones share one purse, as a database would outlive the process.
#[derive(Clone, Default)]
pub struct Purse {
    state: Arc<Mutex<State>>,
    pub asked: Arc<Notify>,
}

impl Purse {
    pub fn with(balance_msat: u64) -> Self {
        let purse = Self::default();
        purse.state.lock().unwrap().balance_msat = balance_msat;
        purse
    }

    pub fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// The payments that left the purse.
    pub fn paid(&self) -> Vec<Payment> {
        self.state.lock().unwrap().paid.clone()
    }

    pub fn balance_msat(&self) -> u64 {
        self.state.lock().unwrap().balance_msat
    }

    /// A payment that was pending arrives.
    pub fn arrive(&self, number: u8) {
        let mut state = self.state.lock().unwrap();
        for payment in state.payments.values_mut() {
            if *payment == PaymentState::Pending {
                *payment = PaymentState::Paid {
                    preimage: preimage(number),
                    fees_paid_msat: 1_000,
                };
            }
        }
    }

    /// As if it had crashed before it recorded anything.
    pub fn forget_payments(&self) {
        self.state.lock().unwrap().payments.clear();
    }
}

impl State {
    fn settle(&mut self, payment: &Payment) -> PaymentState {
        // The tests' invoices are made of one number each.
        let number = (0..=u8::MAX)
            .find(|number| sha256::Hash::hash(&[*number; 32]).to_string() == payment.payment_hash)
            .unwrap();
        self.balance_msat -= payment.amount_msat + 1_000;
        self.paid.push(payment.clone());
        self.transactions.push(Transaction {
            kind: TransactionType::Outgoing,
            state: Some(TransactionState::Settled),
            invoice: Some(payment.invoice.clone()),
            description: None,
            description_hash: None,
            preimage: Some(preimage(number)),
            payment_hash: payment.payment_hash.clone(),
            amount_msat: payment.amount_msat,
            fees_paid_msat: 1_000,
            created_s: now_ms() / 1_000,
            expires_s: Some(payment.expires_s),
            settled_s: Some(now_ms() / 1_000),
        });
        PaymentState::Paid {
            preimage: preimage(number),
            fees_paid_msat: 1_000,
        }
    }
}

#[async_trait]
impl WalletBackend for Purse {
    async fn methods(&self, _: &Connection) -> Vec<Method> {
        Method::ALL.to_vec()
    }

    async fn info(&self, connection: &Connection) -> Result<WalletInfo, Failure> {
        Ok(WalletInfo {
            alias: Some(format!("purse {}", connection.wallet)),
            network: Some("regtest".into()),
            block_height: Some(101),
            ..WalletInfo::default()
        })
    }

    async fn balance_msat(&self, _: &Connection) -> Result<u64, Failure> {
        Ok(self.balance_msat())
    }

    async fn budget(&self, _: &Connection) -> Result<Option<BudgetState>, Failure> {
        Ok(Some(BudgetState {
            used_msat: 3_000,
            total_msat: 10_000,
            renews_s: None,
            renewal_period: "daily".into(),
        }))
    }

    async fn pay(&self, _: &Connection, payment: &Payment) -> Result<PaymentState, Failure> {
        let mut state = self.state.lock().unwrap();
        let before = state.payments.contains_key(&payment.key);
        assert!(
            !before,
            "the service asked twice to pay for {}",
            payment.key
        );
        let outcome = match state.mood.clone() {
            Mood::Refuses(code) => return Err(Failure::new(code, "not today")),
            Mood::Ponders => PaymentState::Pending,
            Mood::Pays => state.settle(payment),
            Mood::PaysAndDenies => {
                state.settle(payment);
                PaymentState::Failed(Failure::new(ErrorCode::Internal, "timed out"))
            }
            Mood::ShowsNoProof => PaymentState::Paid {
                preimage: preimage(0xee),
                fees_paid_msat: 0,
            },
        };
        state.payments.insert(payment.key.clone(), outcome.clone());
        drop(state);
        self.asked.notify_one();
        Ok(outcome)
    }

    async fn pay_keysend(
        &self,
        _: &Connection,
        key: &str,
        keysend: &PayKeysend,
    ) -> Result<PaymentState, Failure> {
        let mut state = self.state.lock().unwrap();
        state.balance_msat -= keysend.amount_msat;
        let outcome = PaymentState::Paid {
            preimage: preimage(0xaa),
            fees_paid_msat: 0,
        };
        state.payments.insert(key.to_owned(), outcome.clone());
        Ok(outcome)
    }

    async fn payment(&self, key: &str) -> Result<PaymentState, Failure> {
        let state = self.state.lock().unwrap();
        Ok(state
            .payments
            .get(key)
            .cloned()
            .unwrap_or(PaymentState::NeverBegan))
    }

    async fn make_invoice(
        &self,
        _: &Connection,
        wanted: &NewInvoice,
    ) -> Result<Transaction, Failure> {
        let mut state = self.state.lock().unwrap();
        let number = 100 + u8::try_from(state.transactions.len()).unwrap();
        let expiry_s = wanted.expiry_s.unwrap_or(3_600);
        let description = wanted.description.clone().unwrap_or_default();
        let invoice = make(
            number,
            Some(wanted.amount_msat),
            &description,
            Duration::from_secs(expiry_s),
        );
        let made = Transaction {
            kind: TransactionType::Incoming,
            state: Some(TransactionState::Pending),
            invoice: Some(invoice),
            description: wanted.description.clone(),
            description_hash: None,
            preimage: None,
            payment_hash: sha256::Hash::hash(&[number; 32]).to_string(),
            amount_msat: wanted.amount_msat,
            fees_paid_msat: 0,
            created_s: now_ms() / 1_000,
            expires_s: Some(now_ms() / 1_000 + expiry_s),
            settled_s: None,
        };
        state.transactions.push(made.clone());
        Ok(made)
    }

    async fn lookup(
        &self,
        _: &Connection,
        payment_hash: &str,
    ) -> Result<Option<Transaction>, Failure> {
        let state = self.state.lock().unwrap();
        Ok(state
            .transactions
            .iter()
            .find(|t| t.payment_hash == payment_hash)
            .cloned())
    }

    async fn list(
        &self,
        _: &Connection,
        query: &ListTransactions,
    ) -> Result<Vec<Transaction>, Failure> {
        let state = self.state.lock().unwrap();
        let wanted = |t: &&Transaction| query.kind.is_none_or(|kind| t.kind == kind);
        Ok(state
            .transactions
            .iter()
            .rev()
            .filter(wanted)
            .cloned()
            .collect())
    }
}
