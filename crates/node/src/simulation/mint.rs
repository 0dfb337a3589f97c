//! A mint: notes that are spent once, and invoices that it pays for its customers. It keeps its books, whatever becomes of
//! its answers.

use std::collections::BTreeMap;

use wallet::ecash::{EcashError, Melted};

use super::rail::Outcome;

/// Its address.
pub(crate) const MINT: &str = "https://mint.example";
/// What a payment costs in its fees at most.
pub(crate) const FEE_MAX_SAT: u64 = 1;

/// A note: a token of one proof.
struct Note {
    amount_sat: u64,
    /// What it costs whoever swaps it; who made it pays for that, and gets it back with the note.
    fee_sat: u64,
    made_by: String,
    /// The customer that spent it.
    spent_by: Option<String>,
}

/// An invoice that it pays.
struct Melt {
    customer: String,
    payment_hash: String,
    amount_sat: u64,
    fee_max_sat: u64,
    state: MeltState,
}

enum MeltState {
    Quoted,
    Paying,
    Over(Melted),
}

#[derive(Default)]
pub(crate) struct Mint {
    /// What customers have in notes of their own.
    balances_sat: BTreeMap<String, u64>,
    /// Tokens, by their ids.
    notes: BTreeMap<String, Note>,
    melts: BTreeMap<String, Melt>,
    /// What it was paid.
    assets_sat: i64,
    fees_sat: u64,
}

impl Mint {
    /// Notes for money that comes from outside.
    pub fn fund(&mut self, customer: &str, amount_sat: u64) {
        *self.balances_sat.entry(customer.to_owned()).or_default() += amount_sat;
        self.assets_sat += amount_sat as i64;
    }

    pub fn balance_sat(&self, customer: &str) -> u64 {
        self.balances_sat.get(customer).copied().unwrap_or_default()
    }

    fn take(&mut self, customer: &str, amount_sat: u64) -> Result<(), EcashError> {
        let balance_sat = self.balances_sat.entry(customer.to_owned()).or_default();
        *balance_sat =
            (balance_sat.checked_sub(amount_sat)).ok_or(EcashError::Insufficient { amount_sat })?;
        Ok(())
    }

    fn give(&mut self, customer: &str, amount_sat: u64) {
        *self.balances_sat.entry(customer.to_owned()).or_default() += amount_sat;
    }

    /// A customer makes a token.
    pub fn issue(
        &mut self,
        customer: &str,
        id: String,
        amount_sat: u64,
        fee_sat: u64,
    ) -> Result<(), EcashError> {
        self.take(customer, amount_sat + fee_sat)?;
        let note = Note {
            amount_sat,
            fee_sat,
            made_by: customer.to_owned(),
            spent_by: None,
        };
        self.notes.insert(id, note);
        Ok(())
    }

    /// A customer swaps a token for notes of its own.
    pub fn swap(&mut self, customer: &str, id: &str) -> Result<u64, EcashError> {
        let note = self.notes.get_mut(id);
        let note = note.ok_or_else(|| EcashError::Invalid("it isn't signed here".into()))?;
        if note.spent_by.is_some() {
            return Err(EcashError::Spent);
        }
        note.spent_by = Some(customer.to_owned());
        let (amount_sat, fee_sat) = (note.amount_sat, note.fee_sat);
        match note.made_by == customer {
            true => self.give(customer, amount_sat + fee_sat),
            false => {
                self.give(customer, amount_sat);
                self.fees_sat += fee_sat;
            }
        }
        Ok(amount_sat)
    }

    /// What a token took from whoever made it.
    pub fn worth_sat(&self, id: &str) -> u64 {
        let note = self.notes.get(id);
        note.map_or(0, |note| note.amount_sat + note.fee_sat)
    }

    /// Who spent a token; none if nobody did.
    pub fn spent_by(&self, id: &str) -> Option<&str> {
        self.notes.get(id)?.spent_by.as_deref()
    }

    pub fn amount_sat(&self, id: &str) -> u64 {
        self.notes.get(id).map_or(0, |note| note.amount_sat)
    }

    // Invoices.

    pub fn quote(&mut self, id: &str, customer: &str, payment_hash: &str, amount_sat: u64) -> u64 {
        let fee_max_sat = 2 + amount_sat / 100;
        let melt = Melt {
            customer: customer.to_owned(),
            payment_hash: payment_hash.to_owned(),
            amount_sat,
            fee_max_sat,
            state: MeltState::Quoted,
        };
        self.melts.insert(id.to_owned(), melt);
        fee_max_sat
    }

    /// Takes the customer's notes; what is to be sent. None if it is under way, or over.
    pub fn begin_melt(&mut self, id: &str) -> Result<Option<(String, u64, u64)>, EcashError> {
        let unknown = || EcashError::Invalid("there is no such quote".into());
        let melt = self.melts.get(id).ok_or_else(unknown)?;
        if !matches!(melt.state, MeltState::Quoted) {
            return Ok(None);
        }
        let (hash, customer) = (melt.payment_hash.clone(), melt.customer.clone());
        let is_begun = |melt: &Melt| match &melt.state {
            MeltState::Quoted => false,
            MeltState::Paying => true,
            MeltState::Over(melted) => matches!(melted, Melted::Paid { .. }),
        };
        if self
            .melts
            .values()
            .any(|other| other.payment_hash == hash && is_begun(other))
        {
            return Err(EcashError::Invalid("the invoice was paid already".into()));
        }
        let (amount_sat, fee_max_sat) = (melt.amount_sat, melt.fee_max_sat);
        self.take(&customer, amount_sat + fee_max_sat)?;
        if let Some(melt) = self.melts.get_mut(id) {
            melt.state = MeltState::Paying;
        }
        Ok(Some((hash, amount_sat, fee_max_sat)))
    }

    /// What its Lightning node says of a payment.
    pub fn sent(&mut self, payment_hash: &str, outcome: &Outcome) {
        let is_it = |melt: &&mut Melt| {
            melt.payment_hash == payment_hash && matches!(melt.state, MeltState::Paying)
        };
        let Some(melt) = self.melts.values_mut().find(is_it) else {
            return;
        };
        let (customer, amount_sat, fee_max_sat) =
            (melt.customer.clone(), melt.amount_sat, melt.fee_max_sat);
        let back_sat = match outcome {
            Outcome::Open => return,
            Outcome::Failed => {
                melt.state = MeltState::Over(Melted::Failed);
                amount_sat + fee_max_sat
            }
            Outcome::Paid { preimage, fee_msat } => {
                let fee_sat = fee_msat.div_ceil(1_000).min(fee_max_sat);
                let preimage = Some(hex::encode(preimage));
                melt.state = MeltState::Over(Melted::Paid { fee_sat, preimage });
                self.assets_sat -= amount_sat as i64;
                self.fees_sat += fee_sat;
                fee_max_sat - fee_sat
            }
        };
        self.give(&customer, back_sat);
    }

    pub fn melted(&self, id: &str) -> Melted {
        match self.melts.get(id).map(|melt| &melt.state) {
            // A quote that was never begun takes no money.
            None | Some(MeltState::Quoted) => Melted::Failed,
            Some(MeltState::Paying) => Melted::Pending,
            Some(MeltState::Over(melted)) => melted.clone(),
        }
    }

    /// It owes what it was paid, whoever holds it.
    pub fn check(&self) -> Result<(), String> {
        let notes = self.notes.values().filter(|note| note.spent_by.is_none());
        let notes_sat: u64 = notes.map(|note| note.amount_sat + note.fee_sat).sum();
        let balances_sat: u64 = self.balances_sat.values().sum();
        let paying = self
            .melts
            .values()
            .filter(|melt| matches!(melt.state, MeltState::Paying));
        let paying_sat: u64 = paying.map(|melt| melt.amount_sat + melt.fee_max_sat).sum();
        let owed_sat = (notes_sat + balances_sat + paying_sat + self.fees_sat) as i64;
        match owed_sat == self.assets_sat {
            true => Ok(()),
            false => Err(format!(
                "the mint owes {owed_sat} sat and has {}",
                self.assets_sat
            )),
        }
    }
}
