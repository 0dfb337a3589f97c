//! The rows of connections.

use rusqlite::{Connection, Row};

use super::connections::NwcConnectionView;
use crate::error::Result;

const COLUMNS: &str = "id, purse, client, relays, read_only, created_ms, expires_ms, revoked_ms";

pub(super) fn insert(db: &Connection, view: &NwcConnectionView) -> Result<()> {
    db.prepare_cached(&format!(
        "INSERT INTO nwc_connections ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    ))?
    .execute((
        &view.id,
        view.purse.as_str(),
        &view.client,
        view.relays.join(" "),
        view.read_only,
        view.created_ms,
        view.expires_ms,
        view.revoked_ms,
    ))?;
    Ok(())
}

/// All of them, the newest first.
pub(super) fn list(db: &Connection) -> Result<Vec<NwcConnectionView>> {
    let sql = format!("SELECT {COLUMNS} FROM nwc_connections ORDER BY created_ms DESC, id");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// Ends a connection. False if there is none with this id.
pub(super) fn revoke(db: &Connection, id: &str, now_ms: i64) -> Result<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE nwc_connections SET revoked_ms = COALESCE(revoked_ms, ?2) WHERE id = ?1",
        )?
        .execute((id, now_ms))?;
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> rusqlite::Result<NwcConnectionView> {
    let (purse, relays): (String, String) = (row.get(1)?, row.get(3)?);
    Ok(NwcConnectionView {
        id: row.get(0)?,
        purse: purse
            .parse()
            .map_err(|_| rusqlite::Error::InvalidColumnName(purse))?,
        client: row.get(2)?,
        relays: relays.split(' ').map(ToOwned::to_owned).collect(),
        read_only: row.get(4)?,
        created_ms: row.get(5)?,
        expires_ms: row.get(6)?,
        revoked_ms: row.get(7)?,
    })
}
