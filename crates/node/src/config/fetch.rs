//! How requests are paid for.

use serde::{Deserialize, Serialize};

use crate::fetch::Protocol;

/// How requests are paid for, if they don't say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchConfig {
    /// By one of these only; of equally cheap ones by the first. All will do if none is named.
    pub rails: Vec<Protocol>,
}
