//! Asking several calendars at once.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use timestamp::calendar::RemoteCalendar;
use timestamp::ots::{Op, Timestamp, Uri};

use super::StampError;
use super::file::readable;

/// The public calendars that are asked unless others are named: those of the reference client.
pub const DEFAULT_CALENDARS: [&str; 4] = [
    "https://a.pool.opentimestamps.org",
    "https://b.pool.opentimestamps.org",
    "https://a.pool.eternitywall.com",
    "https://ots.btc.catallaxy.com",
];

/// Whose calendars may be asked because a proof says so: `(what the host ends in)`.
const DEFAULT_WHITELIST: [&str; 3] = [
    ".calendar.opentimestamps.org",
    ".calendar.eternitywall.com",
    ".calendar.catallaxy.com",
];

/// The calendars that a proof may make this program contact. A proof is a stranger's file: it
/// must not choose whom we talk to.
#[derive(Debug, Clone)]
pub struct Whitelist {
    named: Vec<String>,
    has_defaults: bool,
}

impl Whitelist {
    /// These addresses, and the well-known ones if `has_defaults`.
    #[must_use]
    pub fn new(named: &[String], has_defaults: bool) -> Self {
        let trimmed = |url: &String| url.trim_end_matches('/').to_owned();
        Self {
            named: named.iter().map(trimmed).collect(),
            has_defaults,
        }
    }

    /// Whether this calendar may be asked.
    #[must_use]
    pub fn has(&self, uri: &Uri) -> bool {
        let uri = uri.as_str().trim_end_matches('/');
        let bare = |uri: &str| {
            let rest = uri.strip_prefix("https://").or(uri.strip_prefix("http://"));
            rest.unwrap_or(uri).to_owned()
        };
        let is_named = self
            .named
            .iter()
            // A name without a scheme means both.
            .any(|named| named == uri || *named == bare(uri));
        let is_default = uri.strip_prefix("https://").is_some_and(|host| {
            !host.contains(['/', ':']) && DEFAULT_WHITELIST.iter().any(|end| host.ends_with(end))
        });
        is_named || (self.has_defaults && is_default)
    }
}

/// What one calendar did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarAnswer {
    /// Its address.
    pub calendar: String,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// Hands a digest to all calendars, and returns when all have answered or time is up. At least
/// `needed` must give an answer that is of use after `steps_before` other operations: a proof has
/// room for so many only.
pub(crate) async fn submit(
    digest: &[u8],
    calendars: &[String],
    needed: usize,
    timeout: Duration,
    steps_before: usize,
) -> Result<(Timestamp, Vec<CalendarAnswer>), StampError> {
    let mut asked = FuturesUnordered::new();
    for address in calendars {
        asked.push(async move {
            let answer = async {
                let uri = Uri::new(address.clone())?;
                RemoteCalendar::new(&uri, timeout)?.submit(digest).await
            };
            // The clock runs for all that a calendar does, however slowly it drips.
            let answer = match tokio::time::timeout(timeout, answer).await {
                Ok(answer) => answer.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", timeout.as_secs_f32())),
            };
            (address.clone(), answer)
        });
    }
    let (mut all, mut answers) = (Timestamp::default(), Vec::new());
    while let Some((calendar, answer)) = asked.next().await {
        let more = answer.and_then(|timestamp| {
            let mut more = all.clone();
            more.merge(timestamp);
            let whole = more.clone();
            let whole = whole.after(std::iter::repeat_n(Op::SHA256, steps_before));
            // What one calendar sends must not keep the others' from being used.
            readable(&whole, digest.len())
                .map_err(|error| format!("its answer makes no proof: {error}"))?;
            Ok(more)
        });
        let error = more.map(|more| all = more).err();
        answers.push(CalendarAnswer { calendar, error });
    }
    enough(&answers, needed.max(1))?;
    Ok((all, answers))
}

fn enough(answers: &[CalendarAnswer], needed: usize) -> Result<(), StampError> {
    let failures = answers.iter().filter_map(|answer| {
        let error = answer.error.as_ref()?;
        Some(format!("{}: {error}", answer.calendar))
    });
    let failures: Vec<String> = failures.collect();
    let got = answers.len() - failures.len();
    if got >= needed {
        return Ok(());
    }
    let why = failures.join("; ");
    Err(StampError::TooFewCalendars { got, needed, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(named: &[&str], has_defaults: bool, uri: &str, expected: bool) {
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        let list = Whitelist::new(&named, has_defaults);
        assert_eq!(
            list.has(&Uri::new(uri).unwrap()),
            expected,
            "{named:?} {uri}"
        );
    }

    #[test]
    fn a_proof_does_not_choose_whom_we_talk_to() {
        check(&[], true, "https://alice.calendar.opentimestamps.org", true);
        check(
            &[],
            false,
            "https://alice.calendar.opentimestamps.org",
            false,
        );
        check(&[], true, "http://alice.calendar.opentimestamps.org", false);
        check(
            &[],
            true,
            "https://evil.example/.calendar.opentimestamps.org",
            false,
        );
        check(
            &[],
            true,
            "https://evil.example:1.calendar.opentimestamps.org",
            false,
        );
        check(&[], true, "http://127.0.0.1:80", false);
        check(
            &["http://127.0.0.1:80/"],
            false,
            "http://127.0.0.1:80",
            true,
        );
        check(&["my.calendar"], false, "https://my.calendar", true);
        check(&["https://my.calendar"], false, "http://my.calendar", false);
    }
}
