//! Other calendars: handing digests in, and fetching what became of them.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use crate::http::{Fault, Http, address, place};
use crate::ots::{Timestamp, Uri};

/// The longest answer that is read, as in the reference.
pub const MAX_REPLY_BYTES: usize = 10_000;
const MEDIA_TYPE: &str = "application/vnd.opentimestamps.v1";
/// How much of a calendar's own words is shown.
const MAX_REASON_CHARS: usize = 160;

/// Why a calendar was of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// It can't be reached, or doesn't answer well.
    #[error(transparent)]
    Http(#[from] Fault),
    /// It refused.
    #[error("{calendar} answered {status}: {reason}")]
    Refused {
        /// Which calendar.
        calendar: String,
        /// The HTTP status.
        status: u16,
        /// Its words, made harmless.
        reason: String,
    },
    /// What it sent is no timestamp.
    #[error("a calendar's answer is refused: {0}")]
    Proof(#[from] crate::ots::Error),
    /// Something that should be hex isn't.
    #[error("a stored promise is damaged: {0}")]
    Stored(#[from] hex::FromHexError),
}

/// A calendar server somewhere.
#[derive(Debug)]
pub struct RemoteCalendar {
    http: Http,
    base: reqwest::Url,
    uri: Uri,
}

impl RemoteCalendar {
    /// Takes a calendar's address, and how long each of its answers may take.
    ///
    /// # Errors
    /// If it isn't an HTTP address that a proof may name.
    pub fn new(uri: &Uri, timeout: Duration) -> Result<Self, RemoteError> {
        let base = address("a calendar's address", uri.as_str())?;
        let is_local = base
            .host_str()
            .is_some_and(|host| host == "127.0.0.1" || host == "localhost");
        Ok(Self {
            http: Http::new(place(&base), timeout, !is_local)?,
            base,
            uri: uri.clone(),
        })
    }

    /// Its address.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Hands a digest in. What comes back begins at it, and ends in a promise at least.
    ///
    /// # Errors
    /// If the calendar can't be reached, refuses, or sends what is no timestamp.
    pub async fn submit(&self, digest: &[u8]) -> Result<Timestamp, RemoteError> {
        let request = self
            .http
            .client()
            .post(self.join("digest"))
            .header(ACCEPT, MEDIA_TYPE)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(digest.to_vec());
        let (status, body) = self.http.send(request, MAX_REPLY_BYTES).await?;
        if status != StatusCode::OK {
            return Err(self.refused(status, &body));
        }
        Ok(Timestamp::from_bytes(&body, digest.len())?)
    }

    /// What has become of a commitment of this calendar's; `None` if there is nothing new.
    ///
    /// # Errors
    /// As [`RemoteCalendar::submit`].
    pub async fn timestamp(&self, commitment: &[u8]) -> Result<Option<Timestamp>, RemoteError> {
        let request = self
            .http
            .client()
            .get(self.join(&format!("timestamp/{}", hex::encode(commitment))))
            .header(ACCEPT, MEDIA_TYPE);
        let (status, body) = self.http.send(request, MAX_REPLY_BYTES).await?;
        match status {
            StatusCode::OK => Ok(Some(Timestamp::from_bytes(&body, commitment.len())?)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.refused(status, &body)),
        }
    }

    fn join(&self, path: &str) -> reqwest::Url {
        let mut url = self.base.clone();
        // The base ends in a slash, and the paths are plain.
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> RemoteError {
        RemoteError::Refused {
            calendar: self.http.name().to_owned(),
            status: status.as_u16(),
            reason: harmless(body),
        }
    }
}

/// A stranger's words, without anything that could pass for ours or move the cursor.
fn harmless(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .take(MAX_REASON_CHARS)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '#' | '-' | '.' | ',' | ';' | ' ' => c,
            _ => '_',
        })
        .collect()
}
