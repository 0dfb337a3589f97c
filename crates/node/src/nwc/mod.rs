//! Nostr Wallet Connect: other programs use a purse, or a purse uses somebody else's wallet.
//!
//! A connection is a purse's second door. Its client is known by its public key only, the wallet's end
//! is derived from the seed, so nothing that is stored opens it. What it spends is the purse's: the
//! budget holds for all connections and the purse's own token together.

mod backend;
mod backing;
mod budget;
mod connections;
mod hub;
mod lightning;
mod own;
mod store;
#[cfg(test)]
mod tests;

pub use backing::BackingView;
pub(crate) use backing::payment_transfer_id;
pub use connections::{NewNwc, NewNwcConnection, NwcConnectionView};
pub(crate) use hub::Hub;
pub(crate) use lightning::PurseLightning;

/// Connections, backings, and the payments of backed purses.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS nwc_connections (
    id          TEXT PRIMARY KEY,
    purse       TEXT NOT NULL REFERENCES purses (name),
    client      TEXT NOT NULL UNIQUE,
    relays      TEXT NOT NULL,
    read_only   INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER,
    revoked_ms  INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS nwc_backings (
    purse       TEXT PRIMARY KEY REFERENCES purses (name),
    sealed_uri  TEXT NOT NULL,
    wallet      TEXT NOT NULL,
    relays      TEXT NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS nwc_payments (
    key           TEXT PRIMARY KEY,
    purse         TEXT NOT NULL REFERENCES purses (name),
    wallet        TEXT NOT NULL,
    payment_hash  TEXT NOT NULL,
    invoice       TEXT NOT NULL,
    amount_msat   INTEGER NOT NULL CHECK (amount_msat > 0),
    reserved_msat INTEGER NOT NULL CHECK (reserved_msat >= amount_msat),
    expires_s     INTEGER NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('paying', 'paid', 'failed')),
    preimage      TEXT,
    fee_msat      INTEGER NOT NULL DEFAULT 0,
    error         TEXT,
    created_ms    INTEGER NOT NULL,
    settled_ms    INTEGER,
    CHECK ((state = 'paying') = (settled_ms IS NULL))
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS nwc_payments_once ON nwc_payments (payment_hash) WHERE state != 'failed';
CREATE INDEX IF NOT EXISTS nwc_payments_open ON nwc_payments (state) WHERE state = 'paying';
";
