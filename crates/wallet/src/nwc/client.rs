//! The client: we use somebody else's wallet.

use std::time::Duration;

use nostr_sdk::{
    Event, EventBuilder, EventId, Filter, Keys, Kind, PublicKey, RelayMessage,
    RelayPoolNotification, RelayUrl, Tag, TagKind, Timestamp,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::backend::{BudgetState, WalletInfo};
use super::encryption::Encryption;
use super::error::NwcError;
use super::invoice::{InvoiceFacts, proves};
use super::message::{Call, ErrorCode, Failure, MakeInvoice, PayInvoice, Request, Response};
use super::method::Method;
use super::relays::Relays;
use super::service::Clock;
use super::transaction::{ListTransactions, Lookup, Transaction, TransactionState};
use super::uri::ConnectionUri;

use crate::boxed;

/// How long an answer to anything but a payment may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
const SUBSCRIPTION: &str = "nwc-answers";

/// What is known of a payment after it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayOutcome {
    /// It arrived; here is the proof.
    Paid {
        /// The preimage, hex, checked against the invoice.
        preimage: String,
        /// What the way cost, as the wallet says; none if it doesn't.
        fees_paid_msat: Option<u64>,
    },
    /// It didn't, and never will.
    Failed(Failure),
    /// Nobody knows yet. Never pay again before [`NwcWallet::look_up`] says that it failed.
    Unknown,
}

/// What a wallet says about a payment of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookedUp {
    /// It arrived.
    Paid {
        /// The preimage, hex, if the wallet gives it and it is the right one.
        preimage: Option<String>,
        /// What the way cost.
        fees_paid_msat: u64,
    },
    /// It didn't, and never will.
    Failed,
    /// It is under way.
    Pending,
    /// The wallet knows nothing of it. That proves little: some wallets look for invoices only.
    NotFound,
}

/// Somebody else's wallet, at the other end of a connection.
pub struct NwcWallet {
    relays: Relays,
    urls: Vec<RelayUrl>,
    wallet: PublicKey,
    keys: Keys,
    encryption: Encryption,
    methods: Vec<String>,
    clock: Clock,
}

impl std::fmt::Debug for NwcWallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NwcWallet")
            .field("wallet", &self.wallet.to_hex())
            .field("relays", &self.urls)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

impl NwcWallet {
    /// Connects, and reads what the wallet says about itself.
    ///
    /// # Errors
    /// [`NwcError::NotConnected`], [`NwcError::NoInfo`] or [`NwcError::NoEncryption`].
    #[boxed]
    pub async fn connect(
        uri: &ConnectionUri,
        clock: Clock,
        time_max: Duration,
    ) -> Result<Self, NwcError> {
        let (relays, urls, wallet, keys) = (
            Relays::new(),
            uri.relays().to_vec(),
            uri.wallet(),
            uri.keys(),
        );
        relays.set(&urls.iter().cloned().collect()).await?;
        relays.wait(&urls, time_max).await?;
        let answers = Filter::new()
            .kind(Kind::WalletConnectResponse)
            .author(wallet)
            .pubkey(keys.public_key());
        relays.subscribe(urls.clone(), SUBSCRIPTION, answers).await;
        let info = Filter::new()
            .kind(Kind::WalletConnectInfo)
            .author(wallet)
            .limit(1);
        let info = relays.newest(&urls, info, time_max).await;
        let info =
            info.filter(|event| event.pubkey == wallet && event.kind == Kind::WalletConnectInfo);
        let info = info.ok_or(NwcError::NoInfo)?;
        Ok(Self {
            relays,
            urls,
            wallet,
            keys,
            encryption: Encryption::best_of_info(&info).ok_or(NwcError::NoEncryption)?,
            methods: info
                .content
                .split_whitespace()
                .take(64)
                .map(ToOwned::to_owned)
                .collect(),
            clock,
        })
    }

    /// True if the wallet says that it can do this.
    #[must_use]
    pub fn can(&self, method: Method) -> bool {
        self.methods.iter().any(|name| name == method.as_str())
    }

    /// How messages are encrypted.
    #[must_use]
    pub const fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// Who the wallet is.
    ///
    /// # Errors
    /// If there is no answer, or a refusal.
    #[boxed]
    pub async fn info(&self) -> Result<WalletInfo, NwcError> {
        self.ask(Call::GetInfo).await
    }

    /// What the wallet has.
    ///
    /// # Errors
    /// If there is no answer, or a refusal.
    #[boxed]
    pub async fn balance_msat(&self) -> Result<u64, NwcError> {
        #[derive(Deserialize)]
        struct Balance {
            balance: u64,
        }
        let Balance { balance } = self.ask(Call::GetBalance).await?;
        Ok(balance)
    }

    /// What this connection may spend; none if there is no limit.
    ///
    /// # Errors
    /// If there is no answer, or a refusal.
    #[boxed]
    pub async fn budget(&self) -> Result<Option<BudgetState>, NwcError> {
        let result: serde_json::Value = self.ask(Call::GetBudget).await?;
        if result.get("total_budget").is_none() {
            return Ok(None);
        }
        serde_json::from_value(result)
            .map(Some)
            .map_err(|_| NwcError::Answer("its budget isn't one"))
    }

    /// Has the wallet make an invoice, and checks that it is what was asked for.
    ///
    /// # Errors
    /// If there is no answer, a refusal, or another invoice.
    #[boxed]
    pub async fn make_invoice(&self, wanted: MakeInvoice) -> Result<Transaction, NwcError> {
        let amount_msat = wanted.amount_msat;
        let mut made: Transaction = self.ask(Call::MakeInvoice(wanted)).await?;
        let facts = InvoiceFacts::read(made.invoice.as_deref().unwrap_or_default())?;
        if facts.amount_msat != Some(amount_msat) {
            return Err(NwcError::Answer("its invoice asks for another amount"));
        }
        made.payment_hash = facts.payment_hash;
        Ok(made)
    }

    /// Invoices and payments, newest first.
    ///
    /// # Errors
    /// If there is no answer, or a refusal.
    #[boxed]
    pub async fn list(&self, query: ListTransactions) -> Result<Vec<Transaction>, NwcError> {
        #[derive(Deserialize)]
        struct List {
            transactions: Vec<Transaction>,
        }
        let list: List = self.ask(Call::ListTransactions(query)).await?;
        Ok(list.transactions)
    }

    /// What became of a payment.
    ///
    /// # Errors
    /// If there is no answer, or a refusal other than that there is none.
    #[boxed]
    pub async fn look_up(&self, payment_hash: &str) -> Result<LookedUp, NwcError> {
        let lookup = Lookup {
            payment_hash: Some(payment_hash.to_owned()),
            invoice: None,
        };
        let found: Transaction = match self.ask(Call::LookupInvoice(lookup)).await {
            Err(error) if error.refusal() == Some(ErrorCode::NotFound) => {
                return Ok(LookedUp::NotFound);
            }
            answer => answer?,
        };
        if !found.payment_hash.eq_ignore_ascii_case(payment_hash) {
            return Err(NwcError::Answer("it is about another payment"));
        }
        Ok(match found.state() {
            TransactionState::Settled => LookedUp::Paid {
                preimage: found
                    .preimage
                    .filter(|preimage| proves(preimage, payment_hash)),
                fees_paid_msat: found.fees_paid_msat,
            },
            TransactionState::Failed => LookedUp::Failed,
            TransactionState::Pending | TransactionState::Accepted | TransactionState::Expired => {
                LookedUp::Pending
            }
        })
    }

    /// Pays an invoice, and waits at most `time_max` for the outcome. `amount_msat` is for invoices
    /// that name none.
    ///
    /// # Errors
    /// Only if nothing was sent: the invoice can't be read, or no relay can be reached.
    #[boxed]
    pub async fn pay_invoice(
        &self,
        invoice: &str,
        amount_msat: Option<u64>,
        time_max: Duration,
    ) -> Result<PayOutcome, NwcError> {
        let facts = InvoiceFacts::read(invoice)?;
        facts.amount_to_pay_msat(amount_msat)?;
        let call = Call::PayInvoice(PayInvoice {
            invoice: invoice.to_owned(),
            // Some wallets refuse an amount that the invoice names already.
            amount_msat: amount_msat.filter(|_| facts.amount_msat.is_none()),
        });
        match self.request(&call, time_max).await {
            Ok(response) => Ok(self.outcome(&facts, response).await),
            Err(error @ (NwcError::NotConnected | NwcError::Cipher(_) | NwcError::Signature)) => {
                Err(error)
            }
            Err(_) => Ok(PayOutcome::Unknown),
        }
    }

    /// Closes the connections to the relays.
    #[boxed]
    pub async fn close(&self) {
        self.relays.close().await;
    }

    async fn outcome(&self, facts: &InvoiceFacts, response: Response) -> PayOutcome {
        #[derive(Deserialize)]
        struct Paid {
            preimage: String,
            #[serde(default)]
            fees_paid: Option<u64>,
        }
        match response.result::<Paid>() {
            Ok(paid) if facts.is_proved_by(&paid.preimage) => PayOutcome::Paid {
                preimage: paid.preimage,
                fees_paid_msat: paid.fees_paid,
            },
            Err(NwcError::Refused(failure)) if nothing_was_paid(failure.code) => {
                PayOutcome::Failed(failure)
            }
            Err(NwcError::Refused(failure)) => self.after_failure(facts, failure).await,
            // A wallet that shows no proof, or a false one, may have paid all the same.
            Ok(_) | Err(_) => PayOutcome::Unknown,
        }
    }

    /// A wallet reports time-outs as failures too, so what it says is compared with its own books.
    async fn after_failure(&self, facts: &InvoiceFacts, failure: Failure) -> PayOutcome {
        let says_failed = failure.code == ErrorCode::PaymentFailed;
        match self.look_up(&facts.payment_hash).await {
            Ok(LookedUp::Paid {
                preimage: Some(preimage),
                fees_paid_msat,
            }) => PayOutcome::Paid {
                preimage,
                fees_paid_msat: Some(fees_paid_msat),
            },
            Ok(LookedUp::Failed) => PayOutcome::Failed(failure),
            Ok(LookedUp::NotFound) if says_failed => PayOutcome::Failed(failure),
            Err(error) if says_failed && error.refusal().is_some() => PayOutcome::Failed(failure),
            _ => PayOutcome::Unknown,
        }
    }

    async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, NwcError> {
        self.request(&call, ANSWER_TIME_MAX).await?.result()
    }

    /// Sends a request and waits for its answer.
    async fn request(&self, call: &Call, time_max: Duration) -> Result<Response, NwcError> {
        let event = self.write(call, time_max)?;
        let mut messages = self.relays.messages();
        self.relays.wait(&self.urls, time_max).await?;
        let answered = async {
            let answer = self.answer(&mut messages, event.id);
            tokio::pin!(answer);
            tokio::select! {
                response = &mut answer => response,
                // A relay that says nothing, or refuses, may have passed it on all the same: so the
                // answer is waited for in any case.
                _ = self.relays.send(&self.urls, &event) => answer.await,
            }
        };
        tokio::time::timeout(time_max, answered)
            .await
            .unwrap_or(Err(NwcError::Silent))
    }

    fn write(&self, call: &Call, time_max: Duration) -> Result<Event, NwcError> {
        let now_s = (self.clock)() / 1_000;
        let content = self
            .encryption
            .encrypt(&self.keys, &self.wallet, &Request::write(call))?;
        let encryption = Tag::custom(TagKind::custom("encryption"), [self.encryption.as_str()]);
        // After that nobody waits for it any more, and a payment would come as a surprise.
        let expiration = Timestamp::from_secs(now_s.saturating_add(time_max.as_secs().max(1)));
        EventBuilder::new(Kind::WalletConnectRequest, content)
            .tags([
                Tag::public_key(self.wallet),
                encryption,
                Tag::expiration(expiration),
            ])
            .custom_created_at(Timestamp::from_secs(now_s))
            .sign_with_keys(&self.keys)
            .map_err(|_| NwcError::Signature)
    }

    async fn answer(
        &self,
        messages: &mut Receiver<RelayPoolNotification>,
        id: EventId,
    ) -> Result<Response, NwcError> {
        loop {
            match messages.recv().await {
                Ok(RelayPoolNotification::Message {
                    message: RelayMessage::Event { event, .. },
                    ..
                }) if self.answers(&event, id) => {
                    let json = self
                        .encryption
                        .decrypt(&self.keys, &self.wallet, &event.content);
                    // Not the error of a request that can't be encrypted: this one was sent.
                    let json = json.map_err(|_| NwcError::Answer("it can't be decrypted"))?;
                    return Response::parse(&json);
                }
                Ok(RelayPoolNotification::Shutdown) | Err(RecvError::Closed) => {
                    return Err(NwcError::Silent);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            }
        }
    }

    fn answers(&self, event: &Event, id: EventId) -> bool {
        event.kind == Kind::WalletConnectResponse
            && event.pubkey == self.wallet
            && event.tags.event_ids().any(|of| *of == id)
            && event.verify().is_ok()
    }
}

/// Refusals that come before any money moves.
fn nothing_was_paid(code: ErrorCode) -> bool {
    match code {
        ErrorCode::RateLimited
        | ErrorCode::NotImplemented
        | ErrorCode::InsufficientBalance
        | ErrorCode::QuotaExceeded
        | ErrorCode::Restricted
        | ErrorCode::Unauthorized
        | ErrorCode::UnsupportedEncryption => true,
        ErrorCode::PaymentFailed | ErrorCode::NotFound | ErrorCode::Internal | ErrorCode::Other => {
            false
        }
    }
}
