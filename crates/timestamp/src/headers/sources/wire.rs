//! The little of Bitcoin's peer-to-peer protocol that headers need.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::p2p::address::Address;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_blockdata::GetHeadersMessage;
use bitcoin::p2p::message_network::VersionMessage;
use bitcoin::p2p::{Magic, ServiceFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::HEADER_BYTES;
use super::MAX_HEADERS;

/// The version in which `headers` and `ping` are as they are today.
const PROTOCOL_VERSION: u32 = 70_016;
const AGENT: &str = "/freehold:0.1/";
const FRAME_BYTES: usize = 24;
/// What the network itself allows; such messages are skipped, not stored.
const MAX_PAYLOAD_BYTES: u32 = 4_000_000;
/// The longest message that is read: a count, and headers with the number of their transactions.
const MAX_READ_BYTES: u32 = 3 + MAX_HEADERS * (HEADER_BYTES as u32 + 1);
/// How much a peer may talk about other things before it answers.
const MAX_SKIPPED_BYTES: u64 = 16_000_000;
const MAX_SKIPPED_MESSAGES: u32 = 10_000;

/// A connection to a peer, after the handshake.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    magic: Magic,
    /// The height that the peer said it has.
    pub(super) height: u32,
}

/// What went wrong with a peer is told in words; who it was, the caller knows.
pub(super) type Outcome<T> = Result<T, String>;

impl Wire {
    /// Connects and shakes hands.
    pub(super) async fn connect(address: SocketAddr, magic: Magic) -> Outcome<Self> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| format!("it cannot be reached: {error}"))?;
        let mut wire = Self {
            stream,
            magic,
            height: 0,
        };
        wire.send(NetworkMessage::Version(introduction(address)))
            .await?;
        let (mut greeted, mut acknowledged) = (false, false);
        while !(greeted && acknowledged) {
            match wire.receive().await? {
                NetworkMessage::Version(version) => {
                    wire.height = u32::try_from(version.start_height).unwrap_or(0);
                    greeted = true;
                    wire.send(NetworkMessage::Verack).await?;
                }
                NetworkMessage::Verack => acknowledged = true,
                NetworkMessage::Ping(nonce) => wire.send(NetworkMessage::Pong(nonce)).await?,
                _ => {}
            }
        }
        Ok(wire)
    }

    /// Asks for what follows a block.
    pub(super) async fn headers_after(&mut self, hash: BlockHash) -> Outcome<Vec<Header>> {
        let question = GetHeadersMessage {
            version: PROTOCOL_VERSION,
            locator_hashes: vec![hash],
            stop_hash: BlockHash::all_zeros(),
        };
        self.send(NetworkMessage::GetHeaders(question)).await?;
        loop {
            match self.receive().await? {
                NetworkMessage::Headers(headers) => return Ok(headers),
                NetworkMessage::Ping(nonce) => self.send(NetworkMessage::Pong(nonce)).await?,
                _ => {}
            }
        }
    }

    async fn send(&mut self, message: NetworkMessage) -> Outcome<()> {
        let bytes = serialize(&RawNetworkMessage::new(self.magic, message));
        let sent = self.stream.write_all(&bytes).await;
        sent.map_err(|error| format!("the connection broke: {error}"))
    }

    /// The next message of those that matter here.
    async fn receive(&mut self) -> Outcome<NetworkMessage> {
        let mut skipped_bytes = 0;
        for _ in 0..MAX_SKIPPED_MESSAGES {
            let mut frame = [0; FRAME_BYTES];
            self.read_exact(&mut frame).await?;
            let (matters, length) = look_at(&frame, self.magic)?;
            if matters {
                return self.read_message(&frame, length).await;
            }
            self.skip(length).await?;
            skipped_bytes += u64::from(length);
            if skipped_bytes > MAX_SKIPPED_BYTES {
                break;
            }
        }
        Err("it talks and talks, but does not answer".to_owned())
    }

    async fn read_message(
        &mut self,
        frame: &[u8; FRAME_BYTES],
        length: u32,
    ) -> Outcome<NetworkMessage> {
        if length > MAX_READ_BYTES {
            return Err("it sent a message that is too long".to_owned());
        }
        let mut bytes = frame.to_vec();
        bytes.resize(FRAME_BYTES + length as usize, 0);
        let payload = bytes.get_mut(FRAME_BYTES..).unwrap_or_default();
        self.read_exact(payload).await?;
        // This also compares the checksum.
        let message: RawNetworkMessage =
            deserialize(&bytes).map_err(|error| format!("it sent a malformed message: {error}"))?;
        Ok(message.into_payload())
    }

    async fn read_exact(&mut self, bytes: &mut [u8]) -> Outcome<()> {
        let read = self.stream.read_exact(bytes).await;
        read.map(|_| ())
            .map_err(|error| format!("the connection broke: {error}"))
    }

    async fn skip(&mut self, length: u32) -> Outcome<()> {
        let mut rest = (&mut self.stream).take(u64::from(length));
        let skipped = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        match skipped {
            Ok(bytes) if bytes == u64::from(length) => Ok(()),
            Ok(_) => Err("the connection broke".to_owned()),
            Err(error) => Err(format!("the connection broke: {error}")),
        }
    }
}

/// Whether a message matters here, and its length.
fn look_at(frame: &[u8; FRAME_BYTES], magic: Magic) -> Outcome<(bool, u32)> {
    let [m0, m1, m2, m3, rest @ ..] = *frame;
    if [m0, m1, m2, m3] != magic.to_bytes() {
        return Err("it speaks of another network".to_owned());
    }
    let [command @ .., l0, l1, l2, l3, _, _, _, _] = rest;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if length > MAX_PAYLOAD_BYTES {
        return Err("it sent a message that is too long".to_owned());
    }
    let named = |name: &[u8]| {
        let (begins, padding) = (command.starts_with(name), command.get(name.len()..));
        begins && padding.is_some_and(|padding| padding.iter().all(|byte| *byte == 0))
    };
    let matters = [&b"version"[..], b"verack", b"ping", b"headers"];
    Ok((matters.into_iter().any(named), length))
}

/// What we say of ourselves: that we serve nothing and want no transactions.
fn introduction(peer: SocketAddr) -> VersionMessage {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let time_unix_s = i64::try_from(now.unwrap_or(Duration::ZERO).as_secs()).unwrap_or(0);
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut version = VersionMessage::new(
        ServiceFlags::NONE,
        time_unix_s,
        Address::new(&peer, ServiceFlags::NONE),
        Address::new(&nowhere, ServiceFlags::NONE),
        // Only who listens can connect to itself by mistake, which this number is against.
        0,
        AGENT.to_owned(),
        0,
    );
    version.version = PROTOCOL_VERSION;
    version
}
