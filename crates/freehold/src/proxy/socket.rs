//! Web sockets: two connections joined, for as long as they are paid for.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::mpsc;

use super::meter::Meter;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 16 << 10;

/// Passes on what either side says until one of them ends, or nothing pays any more.
pub async fn join(client: OnUpgrade, upstream: OnUpgrade, meter: Meter) {
    let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else {
        return;
    };
    let (client_reads, client_writes) = split(TokioIo::new(client));
    let (upstream_reads, upstream_writes) = split(TokioIo::new(upstream));
    // The copies say what they pass on, and wait until it is paid.
    let (said, counted) = mpsc::channel(1);
    let there = copy(client_reads, upstream_writes, said.clone());
    let back = copy(upstream_reads, client_writes, said);
    tokio::select! {
        () = async { tokio::join!(there, back); } => {}
        () = pay(meter, counted) => {}
    }
}

async fn pay(mut meter: Meter, mut counted: mpsc::Receiver<usize>) {
    loop {
        let bytes = tokio::select! {
            bytes = counted.recv() => bytes,
            () = meter.minutes() => return,
        };
        match bytes {
            Some(bytes) if meter.pay_for(bytes).await => {}
            Some(_) => return,
            // Both sides are through: the copies end by themselves.
            None => std::future::pending().await,
        }
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    said: mpsc::Sender<usize>,
) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(bytes @ 1..) = from.read(&mut piece).await {
        if said.send(bytes).await.is_err() || to.write_all(&piece[..bytes]).await.is_err() {
            break;
        }
        if to.flush().await.is_err() {
            break;
        }
    }
    // The other side learns that no more comes; if it is gone, it knows.
    let _ = to.shutdown().await;
}
