//! `freehold stamp|upgrade|verify|info|prune`: timestamps of files. Names and flags are those of
//! the reference client `ots`. No node needs to run, except to find the proof of a saved answer.

mod calendars;
mod flags;
mod info;
mod prune;
mod stamp;
mod upgrade;
mod verify;

pub use info::{InfoArgs, run as info};
pub use prune::{PruneArgs, run as prune};
pub use stamp::{StampArgs, answered, note_failures, run as stamp};
pub use upgrade::{UpgradeArgs, run as upgrade};
pub use verify::{VerifyArgs, described, report, run as verify};

pub use calendars::{CalendarFlags, complete};
pub use flags::{ChainFlags, UPGRADE_TIMEOUT, WhitelistFlags, header_progress};
