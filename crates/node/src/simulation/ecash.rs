//! A wallet at the mint, in the shape of the node's own (`wallet::ecash`): what it has begun is on its disk, and the mint
//! may be away, at any moment.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use http402::xcashu::TokenOutline;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use uuid::Uuid;
use wallet::ecash::{EcashError, Melted, PaymentQuote, Redemption, TokenFate};

use super::faults::{Mutation, persist_point};
use super::mint::{FEE_MAX_SAT, MINT};
use super::rail::Outcome;
use super::world::{MINUTE_MS, Machine, SECOND_MS, W};

/// A token that was made: recovery waits until this is dropped.
pub(crate) struct Issued {
    pub operation: Uuid,
    pub token: String,
    pub amount_sat: u64,
    pub fee_sat: u64,
    _live: OwnedRwLockReadGuard<()>,
}

/// What is on the wallet's disk.
#[derive(Default)]
struct Disk {
    /// Tokens that were made, by operation.
    issued: BTreeMap<Uuid, String>,
    /// What became of tokens that it began to redeem.
    redemptions: BTreeMap<String, Redemption>,
}

pub(crate) struct EcashWallet {
    world: W,
    machine: Machine,
    /// Its name at the mint.
    pub name: String,
    live: Arc<RwLock<()>>,
    disk: RefCell<Disk>,
}

/// In thousandths: the mint doesn't get the question, or its answer is lost.
const MINT_AWAY: u64 = 25;

fn away() -> EcashError {
    EcashError::Unknown("the mint doesn't answer".into())
}

fn outline(token: &str) -> Result<TokenOutline, EcashError> {
    TokenOutline::parse(token).map_err(|error| EcashError::Malformed(error.to_string()))
}

impl EcashWallet {
    pub fn new(world: &W, machine: Machine, name: &str) -> Self {
        Self {
            world: Rc::clone(world),
            machine,
            name: name.to_owned(),
            live: Arc::default(),
            disk: RefCell::default(),
        }
    }

    pub fn balance_sat(&self) -> u64 {
        self.world.mint.borrow().balance_sat(&self.name)
    }

    /// What is in tokens that were made and aren't recorded: recovery will take them back.
    pub fn unrecorded_sat(&self, recorded: &HashSet<Uuid>) -> u64 {
        let mint = self.world.mint.borrow();
        let disk = self.disk.borrow();
        let ours = disk
            .issued
            .iter()
            .filter(|(operation, _)| !recorded.contains(operation));
        let live = ours.filter(|(_, id)| mint.spent_by(id).is_none());
        live.map(|(_, id)| mint.worth_sat(id)).sum()
    }

    /// The ids of the tokens of an operation.
    pub fn token_id(&self, operation: Uuid) -> Option<String> {
        self.disk.borrow().issued.get(&operation).cloned()
    }

    async fn ask(&self) -> Result<(), EcashError> {
        self.world.sleep(self.world.between(2, 300)).await;
        if self.world.fails("mint slow", 10) {
            self.world
                .sleep(self.world.between(SECOND_MS, 20 * MINUTE_MS))
                .await;
        }
        match self.world.fails("mint away", MINT_AWAY) {
            true => Err(away()),
            false => Ok(()),
        }
    }

    fn answered(&self) -> Result<(), EcashError> {
        match self.world.fails("mint's answer lost", MINT_AWAY) {
            true => Err(away()),
            false => Ok(()),
        }
    }

    /// Makes a token.
    pub async fn issue(&self, amount_sat: u64) -> Result<Issued, EcashError> {
        let live = Arc::clone(&self.live).read_owned().await;
        self.ask().await?;
        let secret = hex::encode(self.world.bytes::<16>());
        let token = token_text(&secret, amount_sat);
        let id = outline(&token)?.id.to_string();
        let fee_sat = self.world.below(FEE_MAX_SAT + 1);
        let operation = Uuid::from_bytes(self.world.bytes());
        (self.world.mint.borrow_mut()).issue(&self.name, id.clone(), amount_sat, fee_sat)?;
        self.disk.borrow_mut().issued.insert(operation, id);
        persist_point(&self.world, self.machine, "a token is made").await;
        Ok(Issued {
            operation,
            token,
            amount_sat,
            fee_sat,
            _live: live,
        })
    }

    /// What became of a token; takes it back if nobody has redeemed it.
    pub async fn take_back(&self, operation: Uuid) -> Result<TokenFate, EcashError> {
        let _live = self.live.read().await;
        let id = self.token_id(operation).ok_or_else(away)?;
        self.ask().await?;
        let spent_by = self.world.mint.borrow().spent_by(&id).map(str::to_owned);
        let fate = match spent_by {
            Some(by) if by == self.name => TokenFate::TakenBack,
            Some(_) => TokenFate::Claimed,
            None => {
                self.world.mint.borrow_mut().swap(&self.name, &id)?;
                persist_point(&self.world, self.machine, "a token is taken back").await;
                TokenFate::TakenBack
            }
        };
        self.answered()?;
        Ok(fate)
    }

    /// Redeems a token. If it isn't known what came of it, recovery finds out.
    pub async fn redeem(&self, token: &str) -> Result<u64, EcashError> {
        let _live = self.live.read().await;
        let id = outline(token)?.id.to_string();
        if self.disk.borrow().redemptions.get(&id) == Some(&Redemption::Unknown) {
            return Err(away());
        }
        self.ask().await?;
        if self.world.mint.borrow().spent_by(&id).is_some() {
            return Err(EcashError::Spent);
        }
        self.note(&id, Redemption::Unknown);
        persist_point(&self.world, self.machine, "a redemption is begun").await;
        self.ask().await?;
        let swapped = self.world.mint.borrow_mut().swap(&self.name, &id);
        persist_point(&self.world, self.machine, "a token is swapped").await;
        self.answered()?;
        match swapped {
            Ok(amount_sat) => {
                self.note(&id, Redemption::Done { amount_sat });
                Ok(amount_sat)
            }
            // Somebody was faster: recovery tells who.
            Err(EcashError::Spent) => Err(away()),
            Err(error) => {
                self.note(&id, Redemption::None);
                Err(error)
            }
        }
    }

    fn note(&self, id: &str, redemption: Redemption) {
        let mut disk = self.disk.borrow_mut();
        disk.redemptions.insert(id.to_owned(), redemption);
    }

    /// What became of a redemption, as far as it was found out.
    pub fn redemption(&self, token: &str) -> Result<Redemption, EcashError> {
        let id = outline(token)?.id.to_string();
        let known = self.disk.borrow().redemptions.get(&id).copied();
        Ok(known.unwrap_or(Redemption::None))
    }

    /// Takes back tokens that nobody can know, since they weren't recorded, and finds out what became of redemptions.
    /// False if the mint is away.
    pub async fn recover(&self, recorded: impl AsyncFnOnce() -> HashSet<Uuid>) -> bool {
        let _alone = self.live.write().await;
        let mut recorded = recorded().await;
        if self.world.is_mutated(Mutation::TakesBackRecorded) {
            recorded.clear();
        }
        if self.ask().await.is_err() {
            return false;
        }
        let mut disk = self.disk.borrow_mut();
        let mut mint = self.world.mint.borrow_mut();
        let unknown = disk
            .issued
            .iter()
            .filter(|(operation, _)| !recorded.contains(operation));
        for (_, id) in unknown {
            let _ = mint.swap(&self.name, id);
        }
        let unsettled = disk
            .redemptions
            .iter_mut()
            .filter(|(_, known)| **known == Redemption::Unknown);
        for (id, known) in unsettled {
            *known = match mint.spent_by(id) {
                None => Redemption::None,
                Some(by) if by == self.name => Redemption::Done {
                    amount_sat: mint.amount_sat(id),
                },
                Some(_) => Redemption::Lost,
            };
        }
        true
    }

    /// Finds out what became of redemptions, and takes nothing back.
    pub async fn settle(&self) -> bool {
        let all: HashSet<Uuid> = self.disk.borrow().issued.keys().copied().collect();
        self.recover(async || all).await
    }

    // Invoices.

    pub async fn quote_payment(
        &self,
        payment_hash: &str,
        amount_sat: u64,
    ) -> Result<PaymentQuote, EcashError> {
        self.ask().await?;
        let id = hex::encode(self.world.bytes::<16>());
        let mut mint = self.world.mint.borrow_mut();
        let fee_max_sat = mint.quote(&id, &self.name, payment_hash, amount_sat);
        Ok(PaymentQuote {
            id,
            amount_sat,
            fee_max_sat,
        })
    }

    /// Has the mint pay a quote's invoice, once.
    pub async fn pay(&self, quote_id: &str) -> Result<Melted, EcashError> {
        self.ask().await?;
        let begun = self.world.mint.borrow_mut().begin_melt(quote_id)?;
        if let Some((hash, amount_sat, fee_max_sat)) = begun {
            let sent = super::rail::send(
                &self.world,
                MINT,
                None,
                &hash,
                amount_sat * 1_000,
                fee_max_sat * 1_000,
            );
            if sent.is_err() {
                self.world.mint.borrow_mut().sent(&hash, &Outcome::Failed);
            }
        }
        persist_point(&self.world, self.machine, "the mint pays").await;
        for _ in 0..30 {
            self.world.sleep(2 * SECOND_MS).await;
            if !matches!(self.world.mint.borrow().melted(quote_id), Melted::Pending) {
                break;
            }
        }
        self.answered()?;
        Ok(self.world.mint.borrow().melted(quote_id))
    }

    /// What became of a payment.
    pub async fn melted(&self, quote_id: &str) -> Result<Melted, EcashError> {
        self.ask().await?;
        Ok(self.world.mint.borrow().melted(quote_id))
    }
}

/// A token of one proof, as wallets write it.
pub(crate) fn token_text(secret: &str, amount_sat: u64) -> String {
    use base64::Engine as _;
    let proof = serde_json::json!({ "amount": amount_sat, "id": "009a1f293253e41e", "secret": secret, "C": "02ab" });
    let token =
        serde_json::json!({ "token": [{ "mint": MINT, "proofs": [proof] }], "unit": "sat" });
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token.to_string());
    format!("cashuA{text}")
}
