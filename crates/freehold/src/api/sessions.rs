//! Who is logged in at the home page: one-time links, and the sessions that they turn into.
//!
//! Both live in memory only. After a restart the owner uses the new link that `up` prints.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How long a link can be used.
pub const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long a session lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many of each there can be; more push the oldest out.
const COUNT_MAX: usize = 64;

/// The links and sessions of a running node.
#[derive(Debug, Default)]
pub struct Sessions {
    links: Secrets,
    sessions: Secrets,
}

impl Sessions {
    /// A new one-time token for a link.
    pub fn new_link(&self, now: Instant) -> String {
        self.links.issue(now + LINK_LIFETIME)
    }

    /// Turns a link's token into a session's, once.
    pub fn redeem(&self, token: &str, now: Instant) -> Option<String> {
        self.links
            .remove(token, now)
            .then(|| self.sessions.issue(now + SESSION_LIFETIME))
    }

    /// Whether this is a session's token.
    pub fn is_open(&self, token: &str, now: Instant) -> bool {
        self.sessions.contains(token, now)
    }

    /// Ends a session.
    pub fn close(&self, token: &str, now: Instant) {
        self.sessions.remove(token, now);
    }
}

/// Random tokens, each with the time when it expires.
#[derive(Debug, Default)]
struct Secrets(Mutex<HashMap<String, Instant>>);

impl Secrets {
    fn issue(&self, expires: Instant) -> String {
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let mut all = self.lock();
        if all.len() >= COUNT_MAX {
            let oldest = all.iter().min_by_key(|(_, expires)| **expires);
            if let Some(oldest) = oldest.map(|(token, _)| token.clone()) {
                all.remove(&oldest);
            }
        }
        all.insert(token.clone(), expires);
        token
    }

    fn contains(&self, token: &str, now: Instant) -> bool {
        self.lock().get(token).is_some_and(|expires| now < *expires)
    }

    fn remove(&self, token: &str, now: Instant) -> bool {
        self.lock()
            .remove(token)
            .is_some_and(|expires| now < expires)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let link = sessions.new_link(now);
        let session = sessions.redeem(&link, now).unwrap();
        assert!(sessions.is_open(&session, now));
        assert!(!sessions.is_open(&link, now));
        assert_eq!(sessions.redeem(&link, now), None);
        sessions.close(&session, now);
        assert!(!sessions.is_open(&session, now));
    }

    #[test]
    fn links_and_sessions_expire() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let late = sessions.new_link(now);
        assert_eq!(sessions.redeem(&late, now + LINK_LIFETIME), None);
        let link = sessions.new_link(now);
        let session = sessions.redeem(&link, now).unwrap();
        assert!(!sessions.is_open(&session, now + SESSION_LIFETIME));
    }

    #[test]
    fn their_number_is_bounded() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.new_link(now);
        for i in 0..COUNT_MAX {
            sessions.new_link(now + Duration::from_millis(1 + i as u64));
        }
        assert_eq!(sessions.redeem(&first, now), None);
        assert_eq!(sessions.links.lock().len(), COUNT_MAX);
    }
}
