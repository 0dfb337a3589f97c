//! What can go wrong before anything is planned.

use std::io;
use std::path::PathBuf;

use energy::Timestamp;

/// Why a site can't be planned, replayed or simulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnergyError {
    /// A file can't be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// What is in a file can't be used.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        source: energy::Error,
    },
    /// The data doesn't fit together.
    #[error(transparent)]
    Room(#[from] energy::Error),
    /// The table of prices has none for the moment that is to be planned.
    #[error("the prices reach from {first} to {end}, and the plan is to begin at {at}")]
    NotCovered {
        /// Their first hour.
        first: Timestamp,
        /// Where they end.
        end: Timestamp,
        /// When the plan is to begin.
        at: Timestamp,
    },
    /// The simulated devices can't be served.
    #[error("the simulated devices can't take their addresses: {0}")]
    Simulation(io::Error),
    /// Work on another thread ended without a result.
    #[error("the work was ended: {0}")]
    Ended(String),
}

impl EnergyError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "file_error",
            Self::Content { source, .. } | Self::Room(source) => source.code(),
            Self::NotCovered { .. } => "moment_not_covered",
            Self::Simulation(_) => "simulation_failed",
            Self::Ended(_) => "energy_ended",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::File { .. } => "check the path and its permissions",
            Self::Content { source, .. } | Self::Room(source) => match source.code() {
                "site_syntax" | "site_value" => {
                    "mend that line; docs/energy.md says what a site file holds, and examples/ has two"
                }
                "no_data" => "give a table that covers the whole time",
                "solver" => "try fewer days",
                _ => "mend the file; docs/energy.md says how it is read",
            },
            Self::NotCovered { .. } => "say with --at for when to plan, within the table",
            Self::Simulation(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "miners are spoken to at port 80: run it as root, or first \
                 `sysctl net.ipv4.ip_unprivileged_port_start=80`"
            }
            Self::Simulation(_) => {
                "is another simulation running? --energy-network takes other addresses"
            }
            Self::Ended(_) => "try again with -v; if it stays, please report it",
        };
        hint.to_owned()
    }

    /// Whether the user can mend it.
    pub fn is_users(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}
