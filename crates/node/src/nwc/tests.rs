//! The way of a payment: a program's request, the purse, and the wallet that backs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use tempfile::TempDir;
use wallet::ledger;
use wallet::nwc::{
    BudgetState, ClientSecret, Connection, ConnectionUri, ErrorCode, Failure, InvoiceFacts,
    ListTransactions, Method, NewInvoice, NwcWallet, PayOutcome, Payment, PaymentState, Service,
    SqliteRequestLog, Transaction, TransactionState, TransactionType, WalletBackend, WalletInfo,
    WalletKey,
};

use super::hub::clock;
use super::*;
use crate::config::{Config, Overrides};
use crate::engine::Worker;
use crate::node::Node;
use crate::purses::PolicySat;

/// Longer than anything takes; the tests wait for what happens, not for time.
const LONG: Duration = Duration::from_secs(60);

/// An invoice, and the preimage that proves its payment.
#[derive(serde::Deserialize)]
struct Vector {
    text: String,
    preimage: String,
    payment_hash: String,
}

/// Invoices that somebody made, payable for decades: of 20 and of 60 sat.
fn vectors() -> [Vector; 2] {
    serde_json::from_str(include_str!("../../../freehold/tests/compat/invoices.json")).unwrap()
}

/// A friend's wallet, which has plenty and does as it is told.
#[derive(Default)]
struct Friend {
    payments: Mutex<HashMap<String, PaymentState>>,
    transactions: Mutex<Vec<Transaction>>,
    ponders: Mutex<bool>,
}

#[async_trait]
impl WalletBackend for Friend {
    async fn methods(&self, _: &Connection) -> Vec<Method> {
        Method::ALL.to_vec()
    }

    async fn info(&self, _: &Connection) -> std::result::Result<WalletInfo, Failure> {
        Ok(WalletInfo {
            alias: Some("a friend".into()),
            ..WalletInfo::default()
        })
    }

    async fn balance_msat(&self, _: &Connection) -> std::result::Result<u64, Failure> {
        Ok(9_000_000)
    }

    async fn budget(&self, _: &Connection) -> std::result::Result<Option<BudgetState>, Failure> {
        Ok(None)
    }

    async fn pay(
        &self,
        _: &Connection,
        payment: &Payment,
    ) -> std::result::Result<PaymentState, Failure> {
        let state = if *self.ponders.lock().unwrap() {
            PaymentState::Pending
        } else {
            let known = vectors();
            let vector = known
                .iter()
                .find(|v| v.payment_hash == payment.payment_hash)
                .unwrap();
            PaymentState::Paid {
                preimage: vector.preimage.clone(),
                fees_paid_msat: 2_000,
            }
        };
        let mut payments = self.payments.lock().unwrap();
        assert!(
            payments
                .insert(payment.key.clone(), state.clone())
                .is_none()
        );
        self.transactions.lock().unwrap().push(Transaction {
            kind: TransactionType::Outgoing,
            state: Some(TransactionState::Pending),
            invoice: Some(payment.invoice.clone()),
            description: None,
            description_hash: None,
            preimage: None,
            payment_hash: payment.payment_hash.clone(),
            amount_msat: payment.amount_msat,
            fees_paid_msat: 2_000,
            created_s: 1,
            expires_s: None,
            settled_s: None,
        });
        Ok(state)
    }

    async fn payment(&self, key: &str) -> std::result::Result<PaymentState, Failure> {
        let payments = self.payments.lock().unwrap();
        Ok(payments
            .get(key)
            .cloned()
            .unwrap_or(PaymentState::NeverBegan))
    }

    async fn make_invoice(
        &self,
        _: &Connection,
        _: &NewInvoice,
    ) -> std::result::Result<Transaction, Failure> {
        Err(Failure::new(ErrorCode::NotImplemented, "no"))
    }

    async fn lookup(
        &self,
        _: &Connection,
        hash: &str,
    ) -> std::result::Result<Option<Transaction>, Failure> {
        let transactions = self.transactions.lock().unwrap();
        Ok(transactions
            .iter()
            .find(|t| t.payment_hash == hash)
            .cloned())
    }

    async fn list(
        &self,
        _: &Connection,
        _: &ListTransactions,
    ) -> std::result::Result<Vec<Transaction>, Failure> {
        Ok(Vec::new())
    }
}

impl Friend {
    /// The payments that were pending arrive.
    fn arrive(&self) {
        for transaction in self.transactions.lock().unwrap().iter_mut() {
            transaction.state = Some(TransactionState::Settled);
            let known = vectors();
            let vector = known
                .iter()
                .find(|v| v.payment_hash == transaction.payment_hash);
            transaction.preimage = vector.map(|vector| vector.preimage.clone());
        }
    }
}

struct House {
    node: Node,
    relay: LocalRelay,
    friend: Arc<Friend>,
    friends_uri: String,
    _service: Service,
    dir: TempDir,
}

async fn try_open(dir: &TempDir) -> crate::Result<Node> {
    let overrides = Overrides {
        config_file: Some("/dev/null".into()),
        data_dir: Some(dir.path().join("data")),
        ..Overrides::default()
    };
    let worker = Worker {
        program: "/bin/false".into(),
        args: Vec::new(),
    };
    Node::open(Config::load(&overrides)?, worker).await
}

async fn open(dir: &TempDir) -> Node {
    let node = try_open(dir).await.unwrap();
    // There is no model; the background works all the same.
    assert_eq!(node.start().await.unwrap_err().code(), "model_missing");
    node
}

impl House {
    /// A node with a purse, and a friend's wallet at a relay.
    async fn build() -> Self {
        let relay = LocalRelay::new(RelayBuilder::default().rate_limit(RateLimit {
            max_reqs: 500,
            notes_per_minute: 10_000,
        }));
        relay.run().await.unwrap();
        let friend = Arc::new(Friend::default());
        let (secret, key) = (
            ClientSecret::new(&[1; 32]).unwrap(),
            WalletKey::from_secret(&[2; 32]).unwrap(),
        );
        let log = SqliteRequestLog::open(wallet::Db::in_memory().unwrap())
            .await
            .unwrap();
        let service = Service::start(friend.clone(), Arc::new(log), clock());
        let connection = Connection {
            id: "friend".into(),
            wallet: "friend".into(),
            client: secret.public(),
            key: key.clone(),
            relays: vec![relay.url().await],
            methods: Method::ALL.to_vec(),
            ends_s: None,
        };
        service.set_connections(vec![connection]).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let node = open(&dir).await;
        let policy = PolicySat {
            per_payment_sat: 50,
            per_day_sat: 100,
            total_sat: 1_000,
            ..PolicySat::default()
        };
        node.purse_new(scout(), policy).await.unwrap();
        Self {
            friends_uri: secret.uri(&key, vec![relay.url().await]).to_string(),
            node,
            relay,
            friend,
            _service: service,
            dir,
        }
    }

    async fn back(&self) {
        let backed =
            eventually(async || self.node.purse_back(&scout(), &self.friends_uri).await.ok()).await;
        assert_eq!(backed.alias.as_deref(), Some("a friend"));
    }

    /// Another process, after this one ended.
    async fn reopen(mut self) -> Self {
        self.node.shutdown().await;
        let House { node, dir, .. } = self;
        // The lock goes with the last handle; the background lets go of its own when it ends.
        drop(node);
        self.node = eventually(async || try_open(&dir).await.ok()).await;
        self.dir = dir;
        self.node.start().await.unwrap_err();
        self
    }

    async fn connect(&self, read_only: bool) -> (NwcConnectionView, NwcWallet) {
        let new = self.node.nwc_new(NewNwc {
            purse: scout(),
            relays: vec![self.relay.url().await.to_string()],
            expires_s: None,
            read_only,
        });
        let new = new.await.unwrap();
        let uri: ConnectionUri = new.uri.parse().unwrap();
        let wallet = eventually(async || NwcWallet::connect(&uri, clock(), LONG).await.ok()).await;
        (new.connection, wallet)
    }

    async fn purse(&self) -> crate::PurseView {
        self.node.purse_show(&scout()).await.unwrap()
    }

    async fn assert_sound(&self) {
        let report = self
            .node
            .inner
            .db
            .write(|tx| -> crate::Result<_> { Ok(ledger::check(tx)?) })
            .await
            .unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
    }
}

fn scout() -> crate::PurseName {
    "scout".parse().unwrap()
}

/// Tries until there is something.
async fn eventually<T>(try_once: impl AsyncFn() -> Option<T>) -> T {
    let tried = async {
        loop {
            if let Some(value) = try_once().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, tried)
        .await
        .expect("it happens in time")
}

#[test]
fn the_vectors_are_what_they_say() {
    for vector in vectors() {
        let facts = InvoiceFacts::read(&vector.text).unwrap();
        assert_eq!(facts.payment_hash, vector.payment_hash);
        assert!(facts.is_proved_by(&vector.preimage));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_pays_through_the_purse_within_its_budget() {
    let house = House::build().await;
    house.back().await;
    let (_, program) = house.connect(false).await;
    assert_eq!(
        program.balance_msat().await.unwrap(),
        100_000,
        "not what the friend has"
    );
    let [cheap, dear] = vectors();
    let paid = program.pay_invoice(&cheap.text, None, LONG).await.unwrap();
    let proof = PayOutcome::Paid {
        preimage: cheap.preimage.clone(),
        fees_paid_msat: Some(2_000),
    };
    assert_eq!(paid, proof);
    let budget = program.budget().await.unwrap().unwrap();
    assert_eq!((budget.used_msat, budget.total_msat), (22_000, 100_000));
    let refused = program.pay_invoice(&dear.text, None, LONG).await.unwrap();
    assert!(
        matches!(&refused, PayOutcome::Failed(failure) if failure.code == ErrorCode::QuotaExceeded),
        "{refused:?}"
    );
    assert_eq!(
        program.pay_invoice(&cheap.text, None, LONG).await.unwrap(),
        proof,
        "paid once"
    );
    assert_eq!(house.friend.payments.lock().unwrap().len(), 1);
    let list = program.list(ListTransactions::default()).await.unwrap();
    assert_eq!(list.len(), 1);
    let purse = house.purse().await;
    assert_eq!(
        (purse.balance_sat, purse.reserved_sat, purse.spent_total_sat),
        (0, 0, 22)
    );
    house.assert_sound().await;
    house.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_keeps_its_reservation_and_is_looked_up_by_the_next_process() {
    let house = House::build().await;
    house.back().await;
    *house.friend.ponders.lock().unwrap() = true;
    let (_, program) = house.connect(false).await;
    let [cheap, _] = vectors();
    let unknown = program
        .pay_invoice(&cheap.text, None, Duration::from_secs(3))
        .await
        .unwrap();
    assert_eq!(unknown, PayOutcome::Unknown);
    assert_eq!(
        house.purse().await.reserved_sat,
        30,
        "with the reserve for the fee"
    );
    let kept = house.node.purse_unback(&scout()).await.unwrap_err();
    assert_eq!(kept.code(), "nwc_payments_open");

    let house = house.reopen().await;
    assert_eq!(house.purse().await.reserved_sat, 30);
    house.friend.arrive();
    let settled = eventually(async || {
        house.node.settle_backed().await.unwrap();
        Some(house.purse().await).filter(|purse| purse.reserved_sat == 0)
    });
    assert_eq!(settled.await.spent_total_sat, 22);
    assert_eq!(
        house.friend.payments.lock().unwrap().len(),
        1,
        "it was never sent again"
    );
    house.node.purse_unback(&scout()).await.unwrap();
    house.assert_sound().await;
    house.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purse_without_lightning_tells_what_it_has_and_says_what_it_cant() {
    let house = House::build().await;
    house.node.purse_fund(&scout(), 40).await.unwrap();
    let (view, program) = house.connect(false).await;
    assert!(!program.can(Method::PayInvoice));
    assert_eq!(program.balance_msat().await.unwrap(), 40_000);
    let [cheap, _] = vectors();
    let refused = program.pay_invoice(&cheap.text, None, LONG).await.unwrap();
    assert!(
        matches!(&refused, PayOutcome::Failed(failure) if failure.code == ErrorCode::NotImplemented)
    );

    house.node.nwc_revoke(&view.id).await.unwrap();
    let told = eventually(async || program.balance_msat().await.err()).await;
    assert_eq!(told.refusal(), Some(ErrorCode::Unauthorized));
    assert_eq!(
        house.node.nwc_revoke("nobody").await.unwrap_err().code(),
        "not_found"
    );
    house.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_may_not_pay() {
    let house = House::build().await;
    house.back().await;
    let (_, program) = house.connect(true).await;
    assert!(program.balance_msat().await.unwrap() > 0);
    let [cheap, _] = vectors();
    let refused = program.pay_invoice(&cheap.text, None, LONG).await.unwrap();
    assert!(
        matches!(&refused, PayOutcome::Failed(failure) if failure.code == ErrorCode::Restricted)
    );
    house.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_stored_opens_a_connection() {
    let house = House::build().await;
    house.back().await;
    let new = house.node.nwc_new(NewNwc {
        purse: scout(),
        relays: vec![house.relay.url().await.to_string()],
        expires_s: Some(60),
        read_only: false,
    });
    let new = new.await.unwrap();
    let secret_of = |uri: &str| uri.split_once("secret=").unwrap().1[..64].to_owned();
    house.node.shutdown().await;
    let folder = house.node.config().network_dir();
    for name in ["freehold.db", "freehold.db-wal"] {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        for secret in [secret_of(&new.uri), secret_of(&house.friends_uri)] {
            let is_in = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!is_in(secret.as_bytes()), "{name}");
            assert!(!is_in(&hex::decode(secret).unwrap()), "{name}");
        }
    }
    let no_relay = house.node.nwc_new(NewNwc {
        purse: scout(),
        relays: vec![],
        expires_s: None,
        read_only: false,
    });
    assert_eq!(no_relay.await.unwrap_err().code(), "nwc_relay_missing");
}
