//! Downloads that are cut, changed, wrong, endless or never come.

use std::{sync::Arc, time::Duration};

use inference::store::{Progress, ProgressSink};
use sha2::{Digest, Sha256};

use super::{
    house::{FILE_URL, House, code, failures, hugging_face},
    server::Page,
};

#[tokio::test]
async fn a_cut_download_goes_on_where_it_stopped() {
    let house = House::new().await;
    house.server.put(
        FILE_URL,
        Page {
            cut: Some((150_000, 1)),
            ..Page::new(&house.model)
        },
    );
    let model = house.pull(vec![hugging_face()]).await.unwrap();
    house.assert_installed(&model, "Hugging Face");
    let requests = house.server.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests[1].ends_with("\"v1\"") && requests[1].contains("bytes="),
        "{requests:?}"
    );
    assert!(
        house.server.body_bytes() < house.model.len() as u64 + 150_000,
        "it did not begin again"
    );
}

#[tokio::test]
async fn dropping_the_future_leaves_a_part_that_the_next_pull_resumes() {
    let house = House::new().await;
    house.server.put(
        FILE_URL,
        Page {
            hangs_after: Some(100_000),
            ..Page::new(&house.model)
        },
    );
    let (sender, arrived) = tokio::sync::watch::channel(0);
    let sink: Arc<dyn ProgressSink> = Arc::new(move |progress: Progress| {
        sender.send_replace(progress.bytes_done);
    });
    let spec = house.spec(vec![hugging_face()]);
    let mut seen = arrived.clone();
    tokio::select! {
        _ = house.store.pull(&spec, &house.options, &sink) => panic!("the server hangs"),
        _ = seen.wait_for(|bytes| *bytes >= 100_000) => {}
    }
    house.assert_nothing_installed();
    assert_eq!(house.partial_files().len(), 2, "the part and its origin");

    house.server.put(FILE_URL, Page::new(&house.model));
    let model = house.pull(vec![hugging_face()]).await.unwrap();
    house.assert_installed(&model, "Hugging Face");
    assert_eq!(
        house.server.requests()[1],
        format!("{FILE_URL} bytes=100000- \"v1\"")
    );
    assert_eq!(
        house.server.body_bytes(),
        house.model.len() as u64,
        "no byte was sent twice"
    );
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_fetched_anew() {
    for (etag, ignores_range) in [
        (Some("\"v2\""), false),
        (Some("\"v1\""), true),
        (None, false),
    ] {
        let house = House::new().await;
        let mut old = house.model.clone();
        old[50] ^= 1;
        let first_etag = if etag.is_none() { None } else { Some("\"v1\"") };
        house.server.put(
            FILE_URL,
            Page {
                hangs_after: Some(100_000),
                etag: first_etag,
                ..Page::new(&old)
            },
        );
        let seen = house.pull(vec![hugging_face()]);
        assert!(
            tokio::time::timeout(Duration::from_millis(200), seen)
                .await
                .is_err()
        );
        // With neither ETag nor date only the hash can tell; then one whole download decides.
        house.server.put(
            FILE_URL,
            Page {
                etag,
                ignores_range,
                ..Page::new(&house.model)
            },
        );
        let model = house.pull(vec![hugging_face()]).await.unwrap();
        house.assert_installed(&model, "Hugging Face");
    }
}

#[tokio::test]
async fn a_server_that_refuses_ranges_is_asked_for_the_whole() {
    for status in [416, 206] {
        let house = House::new().await;
        house.server.put(
            FILE_URL,
            Page {
                cut: Some((100_000, 1)),
                range_status: Some(status),
                ..Page::new(&house.model)
            },
        );
        let model = house.pull(vec![hugging_face()]).await.unwrap();
        house.assert_installed(&model, "Hugging Face");
        assert_eq!(house.server.requests().len(), 3);
    }
}

#[tokio::test]
async fn wrong_bytes_leave_nothing_and_the_error_shows_both_hashes() {
    let house = House::new().await;
    let mut wrong = house.model.clone();
    wrong[1000] ^= 1;
    house.server.put(FILE_URL, Page::new(&wrong));
    let error = failures(house.pull(vec![hugging_face()]).await)
        .remove("Hugging Face")
        .unwrap();
    assert_eq!(error.code(), "hash_mismatch");
    let text = error.to_string();
    assert!(
        text.contains(&hex::encode(Sha256::digest(&house.model)))
            && text.contains(&hex::encode(Sha256::digest(&wrong)))
    );
    house.assert_nothing_installed();
    assert_eq!(house.partial_files(), [""; 0]);
    assert_eq!(
        house.server.requests().len(),
        1,
        "a wrong file is not asked for again"
    );
}

#[tokio::test]
async fn too_many_bytes_are_refused_whether_announced_or_not() {
    let mut long = House::new().await.model;
    long.extend_from_slice(&[7; 50_000]);
    for (unmeasured, expected) in [(false, "size_mismatch"), (true, "too_long")] {
        let house = House::new().await;
        house.server.put(
            FILE_URL,
            Page {
                unmeasured,
                ..Page::new(&long)
            },
        );
        assert_eq!(
            code(house.pull(vec![hugging_face()]).await, "Hugging Face"),
            expected
        );
        house.assert_nothing_installed();
        assert!(
            house
                .partial_files()
                .iter()
                .all(|name| !name.ends_with(".json"))
        );
    }
}

#[tokio::test]
async fn a_server_that_always_stops_early_or_hangs_is_given_up() {
    let house = House::new().await;
    house.server.put(
        FILE_URL,
        Page {
            unmeasured: true,
            ..Page::new(&house.model[..1000])
        },
    );
    assert_eq!(
        code(house.pull(vec![hugging_face()]).await, "Hugging Face"),
        "bad_answer"
    );
    house.server.put(
        FILE_URL,
        Page {
            hangs_after: Some(0),
            etag: None,
            ..Page::new(&house.model)
        },
    );
    let error = failures(house.pull(vec![hugging_face()]).await)
        .remove("Hugging Face")
        .unwrap();
    assert!(error.to_string().contains("timed out"), "{error}");
    house.assert_nothing_installed();
}
