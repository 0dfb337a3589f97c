//! Bearers that were checked before. Whether a credential is ours never changes, and one comes with each call of a session:
//! so it is read once, and known again by its hash. What the session says of it is asked each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http402::mpp::Credential;
use http402::mpp::session::{Action, ActionKind};
use sha2::{Digest as _, Sha256};

use super::Hold;
use crate::node::Node;
use crate::sell::Offer;

/// How many are remembered. When there are more, all are forgotten: each costs its next call a few microseconds.
const KNOWN_MAX: usize = 4_096;

/// What a header's hash stands for: the offer that it is for, and what it asks.
type Meaning = Arc<(String, Action)>;

#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<[u8; 32], Meaning>>);

impl Known {
    fn get(&self, header: &str) -> Option<Meaning> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&hash(header)).cloned()
    }

    fn insert(&self, header: &str, meaning: Meaning) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(hash(header), meaning);
    }
}

fn hash(header: &str) -> [u8; 32] {
    Sha256::digest(header).into()
}

impl Node {
    /// Pays a call by a bearer that is known. None if it isn't, or doesn't pay: then it is looked at as if for the first
    /// time.
    pub(in crate::sell) fn bear_again(&self, offer: &Offer, header: &str) -> Option<Hold> {
        let sessions = &self.inner.selling.sessions;
        let meaning = sessions.known.get(header)?;
        let (known_for, action) = &*meaning;
        let live = sessions.get(action.session)?;
        live.must_be_of(&offer.id).ok()?;
        (*known_for == offer.id).then(|| live.bear(action).ok())?
    }

    /// Knows a credential again that has just paid a call, if it is a bearer.
    pub(in crate::sell) fn remember_bearer(&self, offer: &Offer, header: &str) {
        let selling = &self.inner.selling;
        let action = Credential::parse(header).and_then(|credential| {
            self.session_reader(&offer.id)
                .read(&selling.keys, &credential)
        });
        if let Ok(action) = action
            && matches!(action.kind, ActionKind::Bearer)
        {
            let meaning = Arc::new((offer.id.clone(), action));
            selling.sessions.known.insert(header, meaning);
        }
    }
}
