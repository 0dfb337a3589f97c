//! Writes that share a commit: each keeps its own, or nothing of it, whatever becomes of the others.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::panic::AssertUnwindSafe;
use std::sync::mpsc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use rusqlite::{Error, Transaction};
use wallet::Db;

type Write = fn(&Transaction<'_>) -> Result<(), Error>;

fn insert(tx: &Transaction<'_>, n: u32) -> Result<(), Error> {
    tx.execute("INSERT INTO t VALUES (?1)", [n]).map(drop)
}

/// A database with a table, also for references that are checked at the commit.
async fn db() -> Db {
    let db = Db::in_memory().unwrap();
    let create = |tx: &Transaction<'_>| {
        tx.execute_batch(
            "CREATE TABLE t (n INTEGER PRIMARY KEY);
             CREATE TABLE c (n INTEGER REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)",
        )
    };
    db.write(create).await.unwrap();
    db
}

async fn written(db: &Db) -> Vec<u32> {
    let read = |tx: &Transaction<'_>| -> Result<Vec<u32>, Error> {
        let mut statement = tx.prepare("SELECT n FROM t ORDER BY n")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    };
    db.write(read).await.unwrap()
}

/// Has all of them wait for the connection, and then share a commit. How each of them ended.
async fn together(db: &Db, writes: Vec<Write>) -> String {
    let (begun, has_begun) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let hold = move |_: &Transaction<'_>| -> Result<(), Error> {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    };
    let holder = tokio::spawn({
        let db = db.clone();
        async move { db.write(hold).await }
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    let waiting: Vec<BoxFuture<'_, char>> = writes
        .into_iter()
        .map(|write| how_it_ends(db, write).boxed())
        .collect();
    // The first look at each puts it into the queue.
    let mut all = Box::pin(join_all(waiting));
    assert!(futures::poll!(all.as_mut()).is_pending());
    let_go.send(()).unwrap();
    holder.await.unwrap().unwrap();
    all.await.into_iter().collect()
}

async fn how_it_ends(db: &Db, write: Write) -> char {
    match AssertUnwindSafe(db.write(write)).catch_unwind().await {
        Ok(Ok(())) => 'k',
        Ok(Err(Error::InvalidQuery)) => 'e',
        Ok(Err(Error::SqliteFailure(..))) => 's',
        Ok(Err(_)) => '?',
        Err(_) => 'p',
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_keeps_its_own_or_nothing() {
    let db = db().await;
    let writes: Vec<Write> = vec![
        |tx| insert(tx, 1),
        |tx| insert(tx, 2).and(Err(Error::InvalidQuery)),
        |tx| {
            insert(tx, 3)?;
            panic!("on purpose")
        },
        |tx| insert(tx, 1),
        |tx| insert(tx, 4),
    ];
    assert_eq!(together(&db, writes).await, "kepsk");
    assert_eq!(written(&db).await, [1, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_rolls_back_is_nobodys() {
    let db = db().await;
    let writes: Vec<Write> = vec![
        |tx| insert(tx, 1),
        // What SQLite itself does when the disk is full.
        |tx| tx.execute_batch("ROLLBACK").and(Err(Error::InvalidQuery)),
        |tx| insert(tx, 3),
        |tx| insert(tx, 4),
    ];
    let told = together(&db, writes).await;
    assert_eq!(
        told, "sekk",
        "those after it get a transaction of their own"
    );
    assert_eq!(written(&db).await, [3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_is_everybodys() {
    let db = db().await;
    let writes: Vec<Write> = vec![
        |tx| insert(tx, 1),
        |tx| tx.execute_batch("INSERT INTO c VALUES (99)"),
        |tx| insert(tx, 2).and(Err(Error::InvalidQuery)),
    ];
    assert_eq!(together(&db, writes).await, "sse");
    assert!(written(&db).await.is_empty());
}

#[tokio::test]
async fn what_blocks_keeps_its_own_or_nothing() {
    let db = db().await;
    db.write_blocking(|tx| insert(tx, 1)).unwrap();
    let refused = db.write_blocking(|tx| insert(tx, 2).and(Err::<(), _>(Error::InvalidQuery)));
    assert!(matches!(refused, Err(Error::InvalidQuery)));
    assert_eq!(written(&db).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_told_their_own() {
    let db = db().await;
    let writes = (0..200_u32).map(|n| {
        let db = db.clone();
        tokio::spawn(async move {
            let write = move |tx: &Transaction<'_>| insert(tx, n).map(|()| n);
            db.write::<u32, Error, _>(write).await
        })
    });
    for (n, told) in (0..).zip(join_all(writes).await) {
        assert_eq!(told.unwrap().unwrap(), n);
    }
    assert_eq!(written(&db).await.len(), 200);
}
