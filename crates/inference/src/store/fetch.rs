//! Downloading one file so that an interruption costs nothing: a retry is a resume, after a cut as
//! after a crash.

use std::{path::PathBuf, sync::Arc};

use reqwest::{Client, Response, StatusCode, Url, header};
use serde::{Deserialize, Serialize};

use super::{
    error::{Result, StoreError},
    http::{Failure, Limits, host},
    part::{self, Part, Pin},
    progress::{Meter, Phase},
    scratch::{self, Scratch, blocking},
};

/// One file to download.
pub(super) struct Fetch<'a> {
    pub(super) client: &'a Client,
    pub(super) limits: &'a Limits,
    pub(super) url: Url,
    pub(super) path: PathBuf,
    /// What errors call the file.
    pub(super) what: String,
    pub(super) pin: Pin,
    /// The most that may be written, even if the pin has it from an index that exaggerates.
    pub(super) limit_bytes: u64,
    pub(super) scratch: &'a Arc<Scratch>,
}

/// Where the bytes of a part came from, kept beside it: only the same version of the same file may
/// go on.
#[derive(Serialize, Deserialize)]
struct Origin {
    url: String,
    /// A strong `ETag`, or else `Last-Modified`, for `If-Range`.
    validator: Option<String>,
}

impl Fetch<'_> {
    /// Downloads the file, going on with what is there already, and proves that it is the pinned
    /// one.
    pub(super) async fn run(&self, meter: &mut Meter) -> Result<PathBuf> {
        let mut attempts = self.limits.attempts();
        let outcome = loop {
            match self.attempt(meter).await {
                Err(Failure::Passing(error)) if attempts.another(&error).await => {}
                outcome => break outcome.map_err(Failure::into_error),
            }
        };
        if outcome.is_err() && std::fs::metadata(&self.path).is_ok_and(|part| part.len() == 0) {
            // Nothing came, so there is nothing to keep.
            part::discard(&self.path)?;
        }
        outcome
    }

    async fn attempt(&self, meter: &mut Meter) -> Result<PathBuf, Failure> {
        let (mut part, origin) = self.reopen().await?;
        let mut resumed = part.len_bytes() > 0;
        if !resumed || Some(part.len_bytes()) != self.pin.size_bytes {
            let response = self.request(part.len_bytes(), &origin).await?;
            resumed = resumed && response.status() == StatusCode::PARTIAL_CONTENT;
            if !resumed {
                part = self.start_anew(part, &response).await?;
            }
            part = self.receive(part, response, meter).await?;
        }
        let (what, pin) = (self.what.clone(), self.pin.clone());
        match blocking(move || part.seal(&what, &pin)).await {
            // The two halves may be of different versions: the wrong part is gone, so one whole
            // download decides.
            Err(error @ StoreError::HashMismatch { .. }) if resumed => Err(Failure::Passing(error)),
            sealed => Ok(sealed?),
        }
    }

    /// The part and its origin, emptied if it came from elsewhere.
    async fn reopen(&self) -> Result<(Part, Origin)> {
        let (path, limit_bytes, scratch) = (
            self.path.clone(),
            self.limit_bytes(),
            Arc::clone(self.scratch),
        );
        let url = self.shown_url();
        blocking(move || {
            let noted = std::fs::read(scratch::origin_of(&path)).ok();
            let origin: Option<Origin> =
                noted.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            match origin.filter(|origin| origin.url == url) {
                Some(origin) => Ok((Part::resume(path, limit_bytes, scratch)?, origin)),
                None => Ok((
                    Part::create(path, limit_bytes, scratch)?,
                    Origin {
                        url,
                        validator: None,
                    },
                )),
            }
        })
        .await
    }

    fn limit_bytes(&self) -> u64 {
        let pinned = self.pin.size_bytes.unwrap_or(self.limit_bytes);
        pinned.min(self.limit_bytes)
    }

    /// Asks for what is missing, and refuses an answer that is about something else.
    async fn request(&self, have_bytes: u64, origin: &Origin) -> Result<Response, Failure> {
        // Compressed on the way, offsets would mean nothing.
        let mut request = self
            .client
            .get(self.url.clone())
            .header(header::ACCEPT_ENCODING, "identity");
        if have_bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={have_bytes}-"));
            if let Some(validator) = &origin.validator {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        let response =
            request
                .send()
                .await
                .map_err(|error| match Failure::network(&self.url, &error) {
                    // It could be reached a moment ago.
                    Failure::Lasting(error) if have_bytes > 0 => Failure::Passing(error),
                    failure => failure,
                })?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::PARTIAL_CONTENT
                if range_start(&response) == Some(have_bytes) && have_bytes > 0 =>
            {
                Ok(response)
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if have_bytes > 0 => {
                part::discard(&self.path)?;
                Err(Failure::Passing(
                    self.bad_answer("a range that was not asked for"),
                ))
            }
            status => Err(Failure::status(&self.url, status)),
        }
    }

    /// Empties the part for a whole answer and notes where that comes from.
    async fn start_anew(&self, mut part: Part, response: &Response) -> Result<Part> {
        if let Some(actual_bytes) = response.content_length() {
            self.expect_size(actual_bytes)?;
        }
        let origin = Origin {
            url: self.shown_url(),
            validator: validator(response),
        };
        let path = scratch::origin_of(&self.path);
        blocking(move || {
            // The note goes first: bytes without a note are thrown away, bytes under a wrong note
            // would be kept.
            part.restart()?;
            scratch::write_atomically(
                &path,
                serde_json::to_string(&origin)
                    .unwrap_or_default()
                    .as_bytes(),
            )?;
            Ok(part)
        })
        .await
    }

    fn expect_size(&self, actual_bytes: u64) -> Result<()> {
        match self.pin.size_bytes {
            Some(expected_bytes) if expected_bytes != actual_bytes => {
                Err(StoreError::SizeMismatch {
                    what: self.what.clone(),
                    expected_bytes,
                    actual_bytes,
                })
            }
            _ if actual_bytes > self.limit_bytes => Err(StoreError::TooLong {
                what: self.what.clone(),
                limit_bytes: self.limit_bytes,
            }),
            _ => Ok(()),
        }
    }

    async fn receive(
        &self,
        mut part: Part,
        mut response: Response,
        meter: &mut Meter,
    ) -> Result<Part, Failure> {
        meter.report(Phase::Downloading, part.len_bytes());
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| Failure::network(&self.url, &error))?
        {
            // The part travels into the blocking task and back: if this future is dropped
            // meanwhile, the write still ends before the lock inside the part is released.
            let written = blocking(move || part.append(&chunk).map(|()| part)).await;
            part = match written {
                Err(error @ StoreError::TooLong { .. }) => {
                    part::discard(&self.path)?;
                    return Err(error.into());
                }
                written => written?,
            };
            meter.report(Phase::Downloading, part.len_bytes());
        }
        match self.pin.size_bytes {
            Some(size_bytes) if part.len_bytes() < size_bytes => {
                Err(Failure::Passing(self.bad_answer("only a part of the file")))
            }
            _ => Ok(part),
        }
    }

    /// The URL as it may be written down: a mirror's credentials stay in memory.
    fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // Only a URL without a host refuses, and that has no credentials either.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.into()
    }

    fn bad_answer(&self, reason: &str) -> StoreError {
        StoreError::BadAnswer {
            host: host(&self.url),
            reason: reason.into(),
        }
    }
}

/// The first byte of a `Content-Range: bytes 5-9/10`.
fn range_start(response: &Response) -> Option<u64> {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    range
        .trim()
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}

/// What names this version of the file. A weak `ETag` does not vouch for single bytes.
fn validator(response: &Response) -> Option<String> {
    let text = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let strong = text(header::ETAG).filter(|tag| tag.starts_with('"'));
    strong.or_else(|| text(header::LAST_MODIFIED))
}
