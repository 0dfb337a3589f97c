//! The catalogue: what is sold, durable, and in memory for every request.

use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::offer::{NewOffer, Offer, Unit};
use super::{SellError, Selling};
use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_ms};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS offers (
    id             TEXT PRIMARY KEY,
    upstream       TEXT NOT NULL,
    path           TEXT NOT NULL,
    method         TEXT,
    price_sat      INTEGER NOT NULL CHECK (price_sat > 0),
    unit           TEXT NOT NULL,
    calls          INTEGER NOT NULL CHECK (calls > 0),
    free_per_day   INTEGER NOT NULL,
    description    TEXT NOT NULL,
    deposit_sat    INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL,
    haggle         TEXT,
    tools          TEXT
) STRICT;
";

/// Adds what offers didn't have at first.
pub(crate) fn widen(db: &Connection) -> Result<()> {
    for column in ["haggle", "tools"] {
        let find = "SELECT count(*) FROM pragma_table_info('offers') WHERE name = ?1";
        if db.query_row(find, [column], |row| row.get::<_, u32>(0))? == 0 {
            db.execute_batch(&format!("ALTER TABLE offers ADD COLUMN {column} TEXT"))?;
        }
    }
    Ok(())
}

/// How many offers there may be: each request looks through them.
const OFFERS_MAX: usize = 256;

/// All offers, the most specific first.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(RwLock<Arc<Vec<Arc<Offer>>>>);

impl Catalogue {
    pub fn all(&self) -> Arc<Vec<Arc<Offer>>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn find(&self, method: &str, path: &str) -> Option<Arc<Offer>> {
        let all = self.all();
        let mut covering = all.iter().filter(|offer| offer.covers(method, path));
        covering.next().cloned()
    }

    /// What a tool is sold by at the same path as another offer of tools.
    pub fn find_tool(&self, beside: &Offer, name: &str) -> Option<Arc<Offer>> {
        let sells = |offer: &&Arc<Offer>| {
            let tools = offer.tools.as_ref();
            offer.path == beside.path && tools.is_some_and(|tools| tools.has(name))
        };
        self.all().iter().find(sells).cloned()
    }

    fn set(&self, offers: Vec<Offer>) {
        let mut offers: Vec<_> = offers.into_iter().map(Arc::new).collect();
        offers.sort_by_key(|offer| std::cmp::Reverse(offer.specificity()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(offers);
    }
}

impl Selling {
    /// Reads the catalogue again.
    pub(super) async fn load_catalogue(&self, db: &wallet::Db) -> Result<()> {
        self.catalogue.set(db.write(|tx| list(tx)).await?);
        Ok(())
    }
}

impl Node {
    /// Offers an upstream's answers for money. The same method and path again changes the offer.
    ///
    /// # Errors
    /// `offer_invalid`, `offers_too_many`.
    #[boxed]
    pub async fn sell_new(&self, input: NewOffer) -> Result<Offer> {
        let offer = Offer::new(input, now_ms())?;
        let own = format!("http://{}", self.inner.config.listen);
        if offer.upstream == own || offer.upstream == self.inner.config.url() {
            return Err(SellError::OfferInvalid("the upstream is this node itself").into());
        }
        let row = offer.clone();
        let write = move |tx: &rusqlite::Transaction<'_>| -> Result<()> {
            if list(tx)?.iter().filter(|old| old.id != row.id).count() >= OFFERS_MAX {
                return Err(SellError::TooManyOffers(OFFERS_MAX).into());
            }
            insert(tx, &row)
        };
        self.inner.db.write(write).await?;
        self.inner.selling.load_catalogue(&self.inner.db).await?;
        Ok(offer)
    }

    /// What is sold, the most specific first.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let all = self.inner.selling.catalogue.all();
        all.iter().map(|offer| Offer::clone(offer)).collect()
    }

    /// What is sold at this method and path.
    #[must_use]
    pub fn offer_for(&self, method: &str, path: &str) -> Option<Arc<Offer>> {
        self.inner.selling.catalogue.find(method, path)
    }

    /// Sells something no longer. Sessions that were opened for it end, and what is left of them goes back.
    ///
    /// # Errors
    /// `not_found`.
    #[boxed]
    pub async fn sell_remove(&self, id: &str) -> Result<()> {
        let name = id.to_owned();
        let delete = move |tx: &rusqlite::Transaction<'_>| -> Result<usize> {
            Ok(tx.execute("DELETE FROM offers WHERE id = ?1", [name])?)
        };
        if self.inner.db.write(delete).await? == 0 {
            return Err(crate::error::NodeError::NotFound {
                what: "offer",
                id: id.to_owned(),
            });
        }
        self.inner.selling.load_catalogue(&self.inner.db).await
    }
}

fn insert(db: &Connection, offer: &Offer) -> Result<()> {
    db.execute(
        "INSERT OR REPLACE INTO offers (id, upstream, path, method, price_sat, unit, calls, free_per_day, description,
             deposit_sat, created_ms, haggle, tools)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        (
            &offer.id,
            &offer.upstream,
            &offer.path,
            &offer.method,
            offer.price_sat,
            offer.unit.as_str(),
            offer.calls,
            offer.free_per_day,
            &offer.description,
            offer.deposit_sat,
            offer.created_ms,
            to_json(offer.haggle.as_ref()),
            to_json(offer.tools.as_ref()),
        ),
    )?;
    Ok(())
}

fn list(db: &Connection) -> Result<Vec<Offer>> {
    let mut statement = db.prepare_cached(
        "SELECT id, upstream, path, method, price_sat, unit, calls, free_per_day, description, deposit_sat, created_ms,
             haggle, tools
         FROM offers ORDER BY id",
    )?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Offer> {
    let unit: String = row.get(5)?;
    Ok(Offer {
        id: row.get(0)?,
        upstream: row.get(1)?,
        path: row.get(2)?,
        method: row.get(3)?,
        price_sat: row.get(4)?,
        unit: Unit::of(&unit),
        calls: row.get(6)?,
        free_per_day: row.get(7)?,
        description: row.get(8)?,
        deposit_sat: row.get(9)?,
        created_ms: row.get(10)?,
        haggle: from_json(row.get(11)?),
        tools: from_json(row.get(12)?),
        agreed: None,
    })
}

fn to_json<T: Serialize>(value: Option<&T>) -> Option<String> {
    value.and_then(|value| serde_json::to_string(value).ok())
}

fn from_json<T: DeserializeOwned>(json: Option<String>) -> Option<T> {
    json.and_then(|json| serde_json::from_str(&json).ok())
}
