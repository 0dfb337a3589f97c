//! The one error type of this crate.

/// What can go wrong before a plan is made. Once a site runs, the planner has no errors: it falls back, and says why.
///
/// Text and numbers inside are for people. Programs tell the cases apart by [`Error::code`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The site file isn't TOML, or has a field that is unknown, missing or of another type.
    #[error("the site file is wrong:\n{why}")]
    SiteSyntax {
        /// What the reader says, with the line and a mark under the place.
        why: String,
    },
    /// A field of the site file has a value that can't be.
    #[error("the site file is wrong in line {line}: `{field}` {why}")]
    SiteValue {
        /// Counted from 1.
        line: usize,
        /// The way to the field, such as `miners[0].units`.
        field: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Something is larger than this crate is willing to read.
    #[error("{what} is larger than the limit of {max}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The limit, in bytes or in rows, whichever `what` is counted in.
        max: usize,
    },
    /// A table of data can't be read.
    #[error("{what}, line {line}: {why}")]
    Table {
        /// Which table.
        what: &'static str,
        /// Counted from 1; 0 when the table as a whole is meant.
        line: u64,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The data doesn't cover the time that was asked for.
    #[error("{what} has nothing for {needed}: give data for the whole time")]
    NoData {
        /// Which data.
        what: &'static str,
        /// The moment for which there is none.
        needed: jiff::Timestamp,
    },
    /// A power curve can't be learned from so little.
    #[error("a curve can't be learned from these samples: {why}")]
    Curve {
        /// What is missing.
        why: &'static str,
    },
    /// The solver gave no answer where there is no fallback: the bound of perfect foresight.
    #[error("the solver gave no answer: {why}")]
    Solver {
        /// Its status.
        why: String,
    },
    /// A chart can't be drawn.
    #[error("the chart can't be drawn: {why}")]
    Chart {
        /// What the library says.
        why: String,
    },
}

impl Error {
    /// A short name of the case that stays the same for ever.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SiteSyntax { .. } => "site_syntax",
            Self::SiteValue { .. } => "site_value",
            Self::TooLarge { .. } => "too_large",
            Self::Table { .. } => "table",
            Self::NoData { .. } => "no_data",
            Self::Curve { .. } => "curve",
            Self::Solver { .. } => "solver",
            Self::Chart { .. } => "chart",
        }
    }
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;
