//! Where backups go, and how often.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Within so long a change of the books is in the backup.
const INTERVAL_S: u64 = 300;

/// Where backups go, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupConfig {
    /// Folders that get a copy of each backup: on another disk, say.
    pub copies: Vec<PathBuf>,
    /// Within so long a change of the books is in the backup. A change of the channels is at once.
    pub interval_s: u64,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            copies: Vec::new(),
            interval_s: INTERVAL_S,
        }
    }
}

impl BackupConfig {
    /// Within so long a change is in the backup: a second at least.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s.max(1))
    }
}
