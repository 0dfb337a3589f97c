//! What is installed: its life from pull to removal, and who may touch it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use inference::store::{ModelSpec, ModelStore, Source, silent};

use super::{
    house::{FILE_URL, House, hugging_face, refusal},
    server::Page,
};

#[tokio::test]
async fn a_model_is_pulled_once_and_removed() {
    let house = House::new().await;
    house.server.put(FILE_URL, Page::new(&house.model));
    let model = house.pull(vec![hugging_face()]).await.unwrap();
    house.assert_installed(&model, "Hugging Face");
    assert_eq!(house.pull(vec![hugging_face()]).await.unwrap(), model);
    assert_eq!(
        house.server.requests().len(),
        1,
        "an installed model is not fetched again"
    );
    assert_eq!(house.store.get("tiny").unwrap(), model);
    assert_eq!(house.store.verify("tiny", &silent()).await.unwrap(), model);

    house.store.remove("tiny").unwrap();
    house.assert_nothing_installed();
    assert_eq!(house.partial_files(), [""; 0]);
    assert_eq!(refusal(house.store.remove("tiny")), "not_installed");
    assert_eq!(refusal(house.store.get("tiny")), "not_installed");
}

#[tokio::test]
async fn concurrent_pulls_fetch_once() {
    let house = House::new().await;
    house.server.put(
        FILE_URL,
        Page {
            slow: true,
            ..Page::new(&house.model)
        },
    );
    // Stores of their own, as two processes would have: they share nothing but the folder.
    let stores = [(); 4].map(|()| ModelStore::open(house.folder.path().join("models")).unwrap());
    let spec = house.spec(vec![hugging_face()]);
    let pulls = stores.iter().map(|store| {
        let (store, spec, options) = (store.clone(), spec.clone(), house.options.clone());
        tokio::spawn(async move { store.pull(&spec, &options, &silent()).await })
    });
    for pulled in futures::future::join_all(pulls).await {
        house.assert_installed(&pulled.unwrap().unwrap(), "Hugging Face");
    }
    assert_eq!(house.server.requests().len(), 1);
}

#[tokio::test]
async fn a_file_of_the_owners_is_imported_verified_and_used() {
    let house = House::new().await;
    let path = house.folder.path().join("mine.gguf");
    fs::write(&path, &house.model).unwrap();
    let model = house.import(&path, "mine").await.unwrap();
    house.assert_installed(&model, "local file");
    assert_eq!(
        (model.spec.licence.as_str(), model.spec.file_name.as_str()),
        ("my own", "mine.gguf")
    );
    assert_eq!(
        house.store.selected().unwrap(),
        Some(model.clone()),
        "the only one is in use"
    );
    assert_eq!(house.store.select("mine").unwrap(), model);
    assert_eq!(refusal(house.store.select("other")), "not_installed");
    house.store.remove("mine").unwrap();
    assert_eq!(house.store.selected().unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_imported_is_refused_and_changes_nothing() {
    let house = House::new().await;
    let path = house.folder.path().join("mine.gguf");
    fs::write(&path, &house.model).unwrap();
    let model = house.import(&path, "mine").await.unwrap();
    fs::write(&path, b"GGUF other").unwrap();
    assert_eq!(
        fs::read(&model.path).unwrap(),
        house.model,
        "the copy is the store's own"
    );
    assert_eq!(refusal(house.import(&path, "mine").await), "name_taken");
    fs::write(&path, b"PK").unwrap();
    for (path, expected) in [
        (path, "not_gguf"),
        (house.folder.path().into(), "not_gguf"),
        (PathBuf::from("no/such"), "io"),
    ] {
        assert_eq!(refusal(house.import(&path, "new").await), expected);
    }
    house.assert_installed(&model, "local file");
}

#[tokio::test]
async fn damage_is_found_and_healed_by_the_next_pull() {
    let house = House::new().await;
    let local = house.folder.path().join("tiny.gguf");
    fs::write(&local, &house.model).unwrap();
    let model = house
        .pull(vec![Source::LocalPath(local.clone())])
        .await
        .unwrap();
    let mut changed = house.model.clone();
    changed[77] ^= 1;
    fs::write(&model.path, &changed).unwrap();
    assert_eq!(
        refusal(house.store.verify("tiny", &silent()).await),
        "hash_mismatch"
    );
    fs::write(&model.path, &changed[..100]).unwrap();
    assert_eq!(refusal(house.store.get("tiny")), "damaged");
    assert!(house.store.list().unwrap().is_empty());
    let healed = house.pull(vec![Source::LocalPath(local)]).await.unwrap();
    house.assert_installed(&healed, "local file");
}

#[tokio::test]
async fn hostile_names_touch_nothing() {
    let house = House::new().await;
    house.server.put(FILE_URL, Page::new(&house.model));
    for name in [
        "../x",
        "/etc/passwd",
        "a\0b",
        ".partial",
        "",
        &"x".repeat(500),
    ] {
        let spec = ModelSpec {
            name: name.into(),
            ..house.spec(vec![hugging_face()])
        };
        assert_eq!(refusal(house.pull_spec(&spec).await), "invalid_name");
        assert_eq!(refusal(house.store.get(name)), "invalid_name");
        assert_eq!(refusal(house.store.remove(name)), "invalid_name");
        assert_eq!(
            refusal(house.import(Path::new("x"), name).await),
            "invalid_name"
        );
    }
    let spec = ModelSpec {
        sha256: "../../escape".into(),
        ..house.spec(vec![hugging_face()])
    };
    assert_eq!(refusal(house.pull_spec(&spec).await), "invalid_spec");
    assert_eq!(house.server.requests(), [""; 0]);
}
