//! What a client gets for a digest, and what a calendar owes it for that.

use std::collections::HashMap;
use std::fs;

use node::stamps::{Attestation, Timestamp};
use reqwest::{Client, StatusCode};

use crate::calendar::server::Calendar;

/// The length of a commitment, and of a record of the journal.
pub const RECORD_BYTES: usize = 44;

/// A digest with the calendar's answer to it.
#[derive(Clone)]
pub struct Promise {
    pub digest: [u8; 32],
    pub answer: Vec<u8>,
}

impl Promise {
    /// Hands a random digest in; nothing if there was no answer, or not all of one.
    pub async fn get(http: &Client, url: &str) -> Option<Self> {
        let (status, promise) = Self::ask(http, url).await?;
        let shown = String::from_utf8_lossy(&promise.answer);
        assert_eq!(status, StatusCode::OK, "{shown}");
        Some(promise)
    }

    /// The same at a calendar that may refuse.
    pub async fn unless_refused(http: &Client, url: &str) -> Option<Self> {
        let (status, promise) = Self::ask(http, url).await?;
        (status == StatusCode::OK).then_some(promise)
    }

    async fn ask(http: &Client, url: &str) -> Option<(StatusCode, Self)> {
        let mut digest = [0; 32];
        rand::fill(&mut digest);
        let request = http.post(format!("{url}/digest")).body(digest.to_vec());
        let reply = request.send().await.ok()?;
        let status = reply.status();
        let answer = reply.bytes().await.ok()?.to_vec();
        Some((status, Self { digest, answer }))
    }

    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_bytes(&self.answer, 32).unwrap()
    }

    /// Where the promise leads to.
    pub fn commitment(&self) -> Vec<u8> {
        let attested = self.timestamp().attestations(&self.digest).unwrap();
        let [(commitment, Attestation::Pending(_))] = attested.as_slice() else {
            panic!("a promise is one pending attestation, not {attested:?}");
        };
        assert_eq!(commitment.len(), RECORD_BYTES);
        commitment.clone()
    }
}

/// What the calendar says of a commitment: the timestamp if there is one already. It must know it.
pub async fn known(
    calendar: &Calendar,
    commitment: &[u8],
) -> Result<Option<Timestamp>, (StatusCode, String)> {
    let path = format!("/timestamp/{}", hex::encode(commitment));
    let reply = calendar.get(&path).await;
    let status = reply.status();
    let body = reply.bytes().await.unwrap();
    let text = String::from_utf8_lossy(&body);
    match status {
        StatusCode::OK => Ok(Some(
            Timestamp::from_bytes(&body, commitment.len()).unwrap(),
        )),
        StatusCode::NOT_FOUND if text.starts_with("Pending") => Ok(None),
        status => Err((status, text.into_owned())),
    }
}

/// Every promise must be kept by now: the calendar completes it, and the complete timestamp leads
/// from the digest through the commitment to the anchor. Returns how many rounds there were.
pub async fn check_all(calendar: &Calendar, promises: &[Promise]) -> usize {
    let mut rounds: HashMap<Vec<u8>, Timestamp> = HashMap::new();
    for promise in promises {
        let commitment = promise.commitment();
        if !rounds.contains_key(&commitment) {
            let found = known(calendar, &commitment).await.unwrap();
            rounds.insert(commitment.clone(), found.expect("it is anchored"));
        }
        let found = &rounds[&commitment];
        let anchors = found.attestations(&commitment).unwrap();
        let [anchor] = anchors.as_slice() else {
            panic!("there is one anchor, not {anchors:?}");
        };
        assert!(anchor.1.stand_in_time_unix_s().is_some(), "{}", anchor.1);
        let mut whole = promise.timestamp();
        assert!(whole.upgrade(&promise.digest, &commitment, found).unwrap());
        let bytes = whole.to_bytes().unwrap();
        let read = Timestamp::from_bytes(&bytes, 32).unwrap();
        let attested = read.attestations(&promise.digest).unwrap();
        assert!(attested.contains(anchor), "{attested:?} has no {anchor:?}");
    }
    rounds.len()
}

/// The journal has whole records only, in order of time, and the calendar knows all of them: also
/// those of rounds whose clients were never answered. Returns how many there are.
pub async fn check_journal(calendar: &Calendar) -> usize {
    let journal = fs::read(calendar.file("journal")).unwrap();
    assert_eq!(journal.len() % RECORD_BYTES, 0, "a record is torn");
    let records: Vec<&[u8]> = journal.chunks(RECORD_BYTES).collect();
    assert!(records.is_sorted_by_key(|record| &record[..4]));
    for record in &records {
        let reply = known(calendar, record).await;
        assert!(reply.is_ok(), "{}: {reply:?}", hex::encode(record));
    }
    records.len()
}
