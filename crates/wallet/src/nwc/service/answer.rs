//! Answers to what moves no money.

use serde::Serialize;
use serde_json::{Value, json};

use super::Inner;
use crate::nwc::backend::NewInvoice;
use crate::nwc::connection::Connection;
use crate::nwc::invoice::InvoiceFacts;
use crate::nwc::limits::{DESCRIPTION_BYTES_MAX, INVOICE_EXPIRY_MAX_S, TRANSACTIONS_MAX};
use crate::nwc::message::{Call, ErrorCode, Failure, MakeInvoice};
use crate::nwc::transaction::{ListTransactions, Lookup, NotificationKind, TransactionState};

impl Inner {
    /// Asks the backend.
    pub(super) async fn answer(
        &self,
        connection: &Connection,
        call: Call,
    ) -> Result<Value, Failure> {
        match call {
            Call::GetInfo => self.info(connection).await,
            Call::GetBalance => {
                let balance_msat = self.backend.balance_msat(connection).await?;
                Ok(json!({ "balance": balance_msat }))
            }
            Call::GetBudget => match self.backend.budget(connection).await? {
                Some(budget) => value(&budget),
                None => Ok(json!({})),
            },
            Call::MakeInvoice(wanted) => {
                let invoice = within_bounds(wanted)?;
                value(&self.backend.make_invoice(connection, &invoice).await?)
            }
            Call::LookupInvoice(lookup) => {
                let payment_hash = wanted_hash(lookup)?;
                let found = self.backend.lookup(connection, &payment_hash).await?;
                let not_found =
                    || Failure::new(ErrorCode::NotFound, "there is no such invoice or payment");
                value(&found.ok_or_else(not_found)?)
            }
            Call::ListTransactions(query) => self.list(connection, query).await,
            // These go the way of `pay.rs`.
            Call::PayInvoice(_) | Call::PayKeysend(_) => {
                Err(Failure::new(ErrorCode::Internal, "a payment went astray"))
            }
        }
    }

    async fn info(&self, connection: &Connection) -> Result<Value, Failure> {
        let mut info = self.backend.info(connection).await?;
        let offered = self.backend.methods(connection).await;
        let methods = connection
            .methods
            .iter()
            .filter(|method| offered.contains(method));
        info.methods = methods.map(ToString::to_string).collect();
        info.notifications = NotificationKind::SUPPORTED.map(ToOwned::to_owned).to_vec();
        value(&info)
    }

    async fn list(
        &self,
        connection: &Connection,
        mut query: ListTransactions,
    ) -> Result<Value, Failure> {
        let limit = query
            .limit
            .unwrap_or(TRANSACTIONS_MAX)
            .min(TRANSACTIONS_MAX);
        query.limit = Some(limit);
        let mut found = self.backend.list(connection, &query).await?;
        if query.unpaid != Some(true) {
            found.retain(|transaction| transaction.state() == TransactionState::Settled);
        }
        found.truncate(limit as usize);
        Ok(json!({ "transactions": found }))
    }
}

fn wanted_hash(lookup: Lookup) -> Result<String, Failure> {
    if let Some(payment_hash) = lookup.payment_hash.filter(|hash| !hash.is_empty()) {
        let is_hash =
            payment_hash.len() == 64 && payment_hash.bytes().all(|b| b.is_ascii_hexdigit());
        return if is_hash {
            Ok(payment_hash.to_ascii_lowercase())
        } else {
            Err(Failure::new(
                ErrorCode::Other,
                "a payment hash is 64 hex digits",
            ))
        };
    }
    let invoice = lookup.invoice.unwrap_or_default();
    let facts = InvoiceFacts::read(&invoice);
    facts
        .map(|facts| facts.payment_hash)
        .map_err(|error| Failure::new(ErrorCode::Other, error.to_string()))
}

fn within_bounds(wanted: MakeInvoice) -> Result<NewInvoice, Failure> {
    let refuse = |message| Failure::new(ErrorCode::Other, message);
    if wanted.amount_msat == 0 || i64::try_from(wanted.amount_msat).is_err() {
        return Err(refuse("an invoice needs an amount"));
    }
    let description = wanted.description.filter(|text| !text.is_empty());
    if description
        .as_ref()
        .is_some_and(|text| text.len() > DESCRIPTION_BYTES_MAX)
    {
        return Err(refuse("the description is too long; send its hash"));
    }
    if wanted
        .expiry_s
        .is_some_and(|expiry_s| expiry_s > INVOICE_EXPIRY_MAX_S)
    {
        return Err(refuse("an invoice lives a year at most"));
    }
    let description_hash = match wanted.description_hash.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let mut hash = [0; 32];
            hex::decode_to_slice(text, &mut hash)
                .map_err(|_| refuse("the description's hash is no hash"))?;
            Some(hash)
        }
    };
    Ok(NewInvoice {
        amount_msat: wanted.amount_msat,
        description,
        description_hash,
        expiry_s: wanted.expiry_s.filter(|expiry_s| *expiry_s > 0),
    })
}

fn value(result: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(result)
        .map_err(|_| Failure::new(ErrorCode::Internal, "the answer can't be written"))
}
