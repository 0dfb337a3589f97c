//! The client for Bitcoin's peers.

use std::net::SocketAddr;
use std::time::Duration;

use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::p2p::address::Address;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_network::VersionMessage;
use bitcoin::p2p::{Magic, ServiceFlags};
use proptest::prelude::*;
use timestamp::headers::Params;
use timestamp::headers::sources::{HeaderSource, Peer, seed_addresses};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ask, at, check_serves};
use crate::mine::Miner;

/// How a peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Says much that nobody has asked for.
    Chatty,
    /// Shakes hands and then says nothing.
    Silent,
    /// Hangs up instead of giving headers.
    CutsOff,
    AnotherNetwork,
    WrongChecksum,
    TooLong,
    /// Longer than what is read, but not than what the network allows.
    TooManyHeaders,
    Malformed,
}

fn raw(magic: Magic, message: NetworkMessage) -> Vec<u8> {
    serialize(&RawNetworkMessage::new(magic, message))
}

async fn receive(stream: &mut TcpStream) -> std::io::Result<NetworkMessage> {
    let mut bytes = vec![0; 24];
    stream.read_exact(&mut bytes).await?;
    let length = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    bytes.resize(24 + length, 0);
    stream.read_exact(&mut bytes[24..]).await?;
    let message: RawNetworkMessage = deserialize(&bytes).unwrap();
    Ok(message.into_payload())
}

async fn start(miner: &Miner, manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let miner = miner.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let miner = miner.clone();
            tokio::spawn(async move { serve(stream, &miner, manner).await.ok() });
        }
    });
    address
}

async fn serve(mut stream: TcpStream, miner: &Miner, manner: Manner) -> std::io::Result<()> {
    let magic = match manner {
        Manner::AnotherNetwork => Magic::BITCOIN,
        _ => miner.params.magic(),
    };
    let nowhere = Address::new(&([0, 0, 0, 0], 0).into(), ServiceFlags::NONE);
    loop {
        let answer = match receive(&mut stream).await? {
            NetworkMessage::Version(version) => {
                assert_eq!(version.version, 70_016);
                let mut greeting = VersionMessage::new(
                    ServiceFlags::NETWORK,
                    0,
                    nowhere.clone(),
                    nowhere.clone(),
                    1,
                    String::new(),
                    miner.height() as i32,
                );
                greeting.version = 70_016;
                let mut bytes = raw(magic, NetworkMessage::Version(greeting));
                bytes.extend(raw(magic, NetworkMessage::SendHeaders));
                bytes.extend(raw(magic, NetworkMessage::Ping(7)));
                bytes.extend(raw(magic, NetworkMessage::Verack));
                bytes
            }
            NetworkMessage::GetHeaders(question) => {
                let mut hashes = miner.headers.iter().map(|header| header.block_hash());
                let known = hashes.position(|hash| question.locator_hashes.contains(&hash));
                let from = known.unwrap_or(0) + 1;
                let headers = miner.headers[from..].iter().take(2000).copied();
                let headers = NetworkMessage::Headers(headers.collect());
                match misbehave(manner, raw(magic, headers)) {
                    Some(bytes) => bytes,
                    None if manner == Manner::CutsOff => return Ok(()),
                    None => continue,
                }
            }
            NetworkMessage::Pong(nonce) => {
                assert_eq!(nonce, 7);
                continue;
            }
            NetworkMessage::Verack => continue,
            other => panic!("{other:?}"),
        };
        stream.write_all(&answer).await?;
    }
}

/// The answer as this peer gives it, if it gives one.
fn misbehave(manner: Manner, mut headers: Vec<u8>) -> Option<Vec<u8>> {
    let magic = Magic::from_bytes(headers[..4].try_into().unwrap());
    match manner {
        Manner::Honest | Manner::AnotherNetwork => {}
        Manner::Chatty => {
            let mut bytes = Vec::new();
            for _ in 0..50 {
                bytes.extend(raw(magic, NetworkMessage::Addr(Vec::new())));
                bytes.extend(raw(magic, NetworkMessage::Ping(7)));
            }
            bytes.extend(headers);
            return Some(bytes);
        }
        Manner::Silent | Manner::CutsOff => return None,
        Manner::WrongChecksum => headers[20] ^= 1,
        Manner::TooLong => headers[16..20].copy_from_slice(&u32::MAX.to_le_bytes()),
        Manner::TooManyHeaders => headers[16..20].copy_from_slice(&200_000_u32.to_le_bytes()),
        Manner::Malformed => {
            // After the frame and the count, which takes three bytes here.
            let header = deserialize(&headers[27..107]).unwrap();
            headers = raw(magic, NetworkMessage::Headers(vec![header]));
            // That many transactions can't be.
            *headers.last_mut()? = 1;
            let sum = <sha256d::Hash as Hash>::hash(&headers[24..]);
            headers[20..24].copy_from_slice(&sum.as_byte_array()[..4]);
        }
    }
    Some(headers)
}

async fn peer(miner: &Miner, manner: Manner) -> Peer {
    let address = start(miner, manner).await;
    Peer::new(address, &miner.params).with_timeout(Duration::from_millis(500))
}

#[tokio::test]
async fn a_peer_gives_headers_two_thousand_at_a_time() {
    let miner = Miner::regtest(4100);
    let peer = peer(&miner, Manner::Honest).await;
    check_serves(&peer, &miner).await;
    // Who doesn't know the block begins with the first: it doesn't link, as it should be.
    let other = miner.fork(10).grow(1, 600, 9).clone();
    let headers = peer.headers_after(at(&other, 11), 2000).await.unwrap();
    assert_eq!(headers.first(), miner.headers.get(1));
}

#[tokio::test]
async fn a_talkative_peer_is_understood() {
    let miner = Miner::regtest(30);
    let peer = peer(&miner, Manner::Chatty).await;
    check_serves(&peer, &miner).await;
}

#[tokio::test]
async fn bad_manners_are_refused_and_the_peer_named() {
    let miner = Miner::regtest(3000);
    let cases = [
        (Manner::Silent, "did not answer in time"),
        (Manner::CutsOff, "connection broke"),
        (Manner::AnotherNetwork, "speaks of another network"),
        (Manner::WrongChecksum, "malformed message"),
        (Manner::TooLong, "too long"),
        (Manner::TooManyHeaders, "too long"),
        (Manner::Malformed, "malformed message"),
    ];
    for (manner, why) in cases {
        let peer = peer(&miner, manner).await;
        for _ in 0..2 {
            // The second time over a new connection.
            let error = ask(&peer, &miner, 2000).await.unwrap_err();
            assert!(error.to_string().contains(why), "{manner:?}: {error}");
            assert!(
                error.to_string().starts_with("the peer 127.0.0.1:"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn nobody_at_home_is_an_error() {
    let peer = Peer::new(([127, 0, 0, 1], 1).into(), &Params::regtest());
    let error = peer.tip_height().await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(seed_addresses(&Params::regtest(), 8).await.is_empty());
}

/// Answers the handshake, and then anything with these bytes in a frame that is right.
async fn start_nonsense(miner: &Miner, command: &'static str, payload: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let magic = miner.params.magic();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut frame = magic.to_bytes().to_vec();
        frame.extend(command.as_bytes());
        frame.resize(16, 0);
        frame.extend((payload.len() as u32).to_le_bytes());
        let sum = <sha256d::Hash as Hash>::hash(&payload);
        frame.extend(&sum.as_byte_array()[..4]);
        frame.extend(payload);
        receive(&mut stream).await.ok();
        stream.write_all(&frame).await.ok();
        stream.shutdown().await.ok();
        // Reads what else comes, so that hanging up doesn't take the answer back.
        while receive(&mut stream).await.is_ok() {}
    });
    address
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nonsense_in_a_message_is_an_error(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        command in prop::sample::select(vec!["version", "verack", "ping", "headers", "inv", "\u{1}"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(async {
            let miner = Miner::regtest(1);
            let address = start_nonsense(&miner, command, payload).await;
            let peer = Peer::new(address, &miner.params).with_timeout(Duration::from_millis(200));
            peer.tip_height().await
        });
        prop_assert!(outcome.is_err());
    }
}
