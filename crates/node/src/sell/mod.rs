//! What the node sells: its owner's other services, by the call or by the session, paid in any of four ways.
//!
//! | step | file | what is durable afterwards |
//! |---|---|---|
//! | which offer | `catalogue.rs`, `offer.rs` | nothing new |
//! | how it was paid | `door.rs` | nothing yet |
//! | at what price | `haggle.rs`, if that isn't fixed | nothing |
//! | how it can be paid | `challenge.rs`, within `bounds.rs` | an invoice |
//! | take the money | `door.rs`: Lightning in `uses.rs`, ecash in `serve/till.rs`, deposits in `sessions/` | what was paid, and for what |
//! | what carries it | `mcp.rs`, if that isn't headers | nothing |
//! | the upstream answers | in the front end | nothing: it may answer again |
//! | it counts, or not | `pass.rs` | the call, or what goes back; in `kept.rs` the answer, if it was named |
//!
//! Nothing is asked of an upstream before its payment is durable. What it couldn't do isn't charged.

mod bounds;
mod catalogue;
mod challenge;
mod chat;
mod discovery;
mod door;
mod error;
mod haggle;
mod kept;
mod mcp;
mod offer;
mod pass;
mod sessions;
#[cfg(test)]
#[path = "../simulation/seller.rs"]
pub(crate) mod simulated;
mod uses;

use http402::l402::Issuer;
use http402::mpp::ChallengeKeys;
use wallet::Db;
use zeroize::Zeroizing;

use crate::boxed;
use crate::config::Config;
use crate::error::Result;
use crate::keys::Seed;

pub(crate) use catalogue::widen;
pub use challenge::Answer;
pub use chat::Chat;
pub use door::{Call, Entry};
pub use error::SellError;
pub use haggle::Haggle;
pub use kept::{KEPT_BYTES_MAX, KeptAnswer};
pub use mcp::{Message, ToolCall, ToolEntry, ToolPass, Tools};
pub use offer::{NewOffer, Offer, Unit};
pub use pass::Pass;
pub use sessions::SessionView;
pub(crate) use sessions::{Hold, close_restored};
pub(crate) use uses::{Use, is_used};

use bounds::Bounds;
use catalogue::Catalogue;
use sessions::Sessions;

/// The tables of this module.
pub(crate) const SCHEMAS: [&str; 4] = [
    catalogue::SCHEMA,
    uses::SCHEMA,
    sessions::SCHEMA,
    kept::SCHEMA,
];

/// Everything that selling needs beside the node's money.
pub(crate) struct Selling {
    catalogue: Catalogue,
    bounds: Bounds,
    sessions: Sessions,
    issuer: Issuer,
    keys: ChallengeKeys,
    /// Signs what is offered in haggling.
    haggle_secret: Zeroizing<[u8; 32]>,
    /// The protection space of all that is sold here.
    realm: String,
}

impl Selling {
    /// Reads the catalogue and the sessions that aren't over.
    #[boxed]
    pub async fn open(config: &Config, seed: &Seed, db: &Db) -> Result<Self> {
        let realm = realm(&config.url());
        let selling = Self {
            catalogue: Catalogue::default(),
            bounds: Bounds::default(),
            sessions: Sessions::load(db).await?,
            issuer: Issuer::new(&seed.derive_32("l402"), &realm),
            keys: ChallengeKeys::new(&seed.derive("mpp")[..32]).map_err(SellError::from)?,
            haggle_secret: seed.derive_32("haggle"),
            realm,
        };
        db.write(|tx| uses::interrupt_all(tx)).await?;
        selling.load_catalogue(db).await?;
        Ok(selling)
    }
}

/// The host and port in an address.
fn realm(url: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    authority.replace(['|', '"'], "")
}
