//! Credentials that may buy more than one answer: L402 macaroons with their preimages, encrypted.
//!
//! One is used again by the same spender, with the same method, at the same path of the same scheme, host and port: as
//! far as it is known to reach. When the seller doesn't take it any more, it is forgotten.

use http402::l402;
use reqwest::Url;
use rusqlite::{Connection, OptionalExtension as _};

use super::{Carrier, Credential, FetchRequest, HttpAnswer, Payment, Protocol, Spender, send};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms, now_s};
use crate::sealing::SealingKey;

/// One for each thing that was bought.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS credentials (
    spender     TEXT NOT NULL,
    method      TEXT NOT NULL,
    resource    TEXT NOT NULL,
    payment_id  TEXT NOT NULL UNIQUE,
    sealed      BLOB NOT NULL,
    expires_s   INTEGER,
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (spender, method, resource)
) STRICT;
";
/// After ninety days one is forgotten that names no end.
const AGE_MAX_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// What a stored credential brought.
pub(super) enum Cached {
    /// There is none.
    None,
    /// The answer, without a payment.
    Answered(HttpAnswer),
    /// The seller doesn't take it any more. It is forgotten.
    Refused(HttpAnswer),
}

/// What a credential was bought for.
pub(super) struct Scope {
    spender: String,
    method: String,
    /// Scheme, host, port and path.
    resource: String,
}

impl Scope {
    /// None if the URL can't be read.
    pub fn of(spender: &Spender, request: &FetchRequest) -> Option<Self> {
        let url = Url::parse(&request.url).ok()?;
        Some(Self {
            spender: spender.account().to_string(),
            method: request.method.to_ascii_uppercase(),
            resource: format!("{}{}", url.origin().ascii_serialization(), url.path()),
        })
    }

    /// The credential for it: its payment, and the sealed text.
    pub fn find(&self, db: &Connection, now_s: u64) -> Result<Option<(String, Vec<u8>)>> {
        let sql = "SELECT payment_id, sealed FROM credentials WHERE spender = ?1 AND method = ?2 AND resource = ?3
                   AND (expires_s IS NULL OR expires_s > ?4)";
        let key = (&self.spender, &self.method, &self.resource, now_s);
        let found = db
            .prepare_cached(sql)?
            .query_row(key, |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(found.optional()?)
    }

    /// Keeps a payment's credential. The newest is kept.
    pub fn keep(&self, db: &Connection, payment_id: &str, bought: &Bought) -> Result<()> {
        db.execute(
            "INSERT OR REPLACE INTO credentials
             (spender, method, resource, payment_id, sealed, expires_s, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                &self.spender,
                &self.method,
                &self.resource,
                payment_id,
                &bought.sealed,
                bought.expires_s,
                now_ms(),
            ),
        )?;
        Ok(())
    }
}

/// A credential that may buy more, encrypted, and when it ends.
pub(super) struct Bought {
    sealed: Vec<u8>,
    expires_s: Option<i64>,
}

impl Bought {
    /// What a payment bought; none if it buys nothing more.
    pub fn by(payment: &Payment, key: &SealingKey) -> Result<Option<Self>> {
        let Some(authorization) = payment.unseal(key) else {
            return Ok(None);
        };
        if payment.protocol != Protocol::L402 {
            return Ok(None);
        }
        let text = std::str::from_utf8(&authorization).unwrap_or_default();
        let expires_s = valid_until_s(text).map(|s| i64::try_from(s).unwrap_or(i64::MAX));
        let sealed = key.seal(&place(&payment.id), &authorization)?;
        Ok(Some(Self { sealed, expires_s }))
    }
}

/// Forgets a credential that isn't taken any more.
pub(super) fn forget(db: &Connection, payment_id: &str) -> Result<()> {
    let sql = "DELETE FROM credentials WHERE payment_id = ?1";
    db.execute(sql, [payment_id])?;
    Ok(())
}

impl Node {
    /// Makes the request with a credential from before, if there is one.
    pub(super) async fn with_cached(
        &self,
        spender: &Spender,
        request: &FetchRequest,
    ) -> Result<Cached> {
        let rails = self.rails(request);
        let is_wanted = rails.is_empty() || rails.contains(&Protocol::L402);
        if request.has_header("authorization") || !is_wanted {
            return Ok(Cached::None);
        }
        let Some(scope) = Scope::of(spender, request) else {
            return Ok(Cached::None);
        };
        let find = move |tx: &rusqlite::Transaction<'_>| scope.find(tx, now_s());
        let Some((payment_id, sealed)) = self.inner.db.write(find).await? else {
            return Ok(Cached::None);
        };
        let opened = self.inner.proofs_key.open(&place(&payment_id), &sealed);
        let text = opened.as_deref().map(|bytes| std::str::from_utf8(bytes));
        let Some(Ok(authorization)) = text else {
            self.forget_credential(payment_id).await?;
            return Ok(Cached::None);
        };
        let credential = Some(Credential::authorization(Carrier::Headers, authorization));
        let answer = send(&self.inner.http, request, credential).await?;
        if !matches!(answer.status, 401 | 402) {
            return Ok(Cached::Answered(answer));
        }
        self.forget_credential(payment_id).await?;
        Ok(Cached::Refused(answer))
    }

    /// Keeps the credential that a payment bought, if it may buy more. The newest of its kind is kept.
    pub(super) async fn remember_credential(&self, payment: &Payment) -> Result<()> {
        let scope = Scope::of(&payment.spender, &payment.request);
        let bought = Bought::by(payment, &self.inner.proofs_key)?;
        let (Some(scope), Some(bought)) = (scope, bought) else {
            return Ok(());
        };
        let id = payment.id.clone();
        let keep = move |tx: &rusqlite::Transaction<'_>| scope.keep(tx, &id, &bought);
        self.inner.db.write(keep).await
    }

    async fn forget_credential(&self, payment_id: String) -> Result<()> {
        let forget = move |tx: &rusqlite::Transaction<'_>| forget(tx, &payment_id);
        self.inner.db.write(forget).await
    }

    /// Forgets what has expired.
    pub(super) async fn forget_credentials(&self) -> Result<()> {
        let forget = |tx: &rusqlite::Transaction<'_>| -> Result<()> {
            let sql = "DELETE FROM credentials WHERE expires_s <= ?1 OR created_ms < ?2";
            tx.execute(sql, (now_s(), now_ms() - AGE_MAX_MS))?;
            Ok::<_, NodeError>(())
        };
        self.inner.db.write(forget).await
    }
}

/// Where a credential is sealed: opened anywhere else, it is nothing.
pub(super) fn place(payment_id: &str) -> String {
    format!("credential:{payment_id}")
}

/// When a credential ends by its own caveats: the earliest of them counts.
fn valid_until_s(authorization: &str) -> Option<u64> {
    let credential = l402::Credential::parse(authorization).ok()??;
    let caveats = credential.macaroon.caveats();
    let ends = caveats.filter_map(|caveat| {
        let (key, value) = std::str::from_utf8(caveat).ok()?.split_once('=')?;
        let is_end = key.trim().ends_with("_valid_until");
        is_end.then(|| value.trim().parse().ok())?
    });
    ends.min()
}

#[cfg(test)]
mod tests {
    use wallet::purse::PurseName;

    use super::*;

    #[test]
    fn a_credential_is_for_one_method_path_host_and_spender() {
        let scope = |spender: &Spender, method: &str, url: &str| {
            let request = FetchRequest {
                method: method.into(),
                url: url.into(),
                ..FetchRequest::default()
            };
            let scope = Scope::of(spender, &request).unwrap();
            (scope.spender, scope.method, scope.resource)
        };
        let scout: PurseName = "scout".parse().unwrap();
        let scout = Spender::Purse(scout.into());
        let first = scope(&scout, "GET", "http://shop.example/a?page=1");
        assert_eq!(
            first,
            scope(&scout, "get", "http://SHOP.example:80/a?page=2#x")
        );
        for (spender, method, url) in [
            (&Spender::Owner, "GET", "http://shop.example/a"),
            (&scout, "POST", "http://shop.example/a"),
            (&scout, "GET", "https://shop.example/a"),
            (&scout, "GET", "http://shop.example:81/a"),
            (&scout, "GET", "http://shop.example.evil/a"),
            (&scout, "GET", "http://shop.example/a/b"),
        ] {
            assert_ne!(first, scope(spender, method, url), "{url}");
        }
    }

    #[test]
    fn the_earliest_end_counts() {
        let hash = [3; 32];
        let issuer = l402::Issuer::new(&[1; 32], "shop.example");
        let terms = l402::Terms {
            valid_until_unix_s: Some(2_000),
            ..l402::Terms::new("meter")
        };
        let macaroon = issuer.mint(hash, [2; 32], &terms).unwrap();
        let macaroon = macaroon.with_caveat("meter_valid_until=1500").unwrap();
        let preimage = [0; 32];
        let value = l402::Credential { macaroon, preimage }.to_value();
        assert_eq!(valid_until_s(&value), Some(1_500));
        assert_eq!(valid_until_s("Payment abc"), None);
        assert_eq!(valid_until_s("L402 nonsense:00"), None);
    }
}
