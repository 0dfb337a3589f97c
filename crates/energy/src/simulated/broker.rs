//! An MQTT broker with smart plugs behind it. Packets are read and written by the library that the driver uses.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Error, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::http::Served;

/// The largest packet that is taken, in bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024;
/// Packets that may wait for a client that is slow.
const QUEUE: usize = 64;

/// A plug, with what is behind it.
#[derive(Debug, Clone)]
pub struct SimulatedPlug {
    /// Its topics are `<name>/set`, `<name>/state` and `<name>/power`.
    pub name: String,
    /// What is drawn when it is on, in W.
    pub load_w: f64,
    /// Whether it ignores commands.
    pub is_deaf: bool,
}

/// The broker.
pub struct Broker {
    shared: Arc<Mutex<Shared>>,
    address: SocketAddr,
    _served: Served,
}

#[derive(Default)]
struct Shared {
    plugs: Vec<(SimulatedPlug, bool)>,
    /// Who hears which topic.
    subscribers: Vec<(String, mpsc::Sender<Packet>)>,
    retained: HashMap<String, String>,
}

impl Broker {
    /// Serves at an address. All plugs are off.
    ///
    /// # Errors
    /// When the address can't be taken.
    pub async fn serve(address: SocketAddr, plugs: Vec<SimulatedPlug>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared {
            plugs: plugs.into_iter().map(|plug| (plug, false)).collect(),
            ..Shared::default()
        }));
        let for_task = shared.clone();
        let served = Served::task(async move {
            let mut clients = tokio::task::JoinSet::new();
            loop {
                while clients.try_join_next().is_some() {}
                if let Ok((stream, _)) = listener.accept().await {
                    clients.spawn(client(stream, for_task.clone()));
                }
            }
        });
        let broker = Self {
            shared,
            address,
            _served: served,
        };
        broker.publish_all();
        Ok(broker)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What all plugs let through, in W.
    pub fn power_w(&self) -> f64 {
        let shared = lock(&self.shared);
        shared
            .plugs
            .iter()
            .filter(|(_, is_on)| *is_on)
            .map(|(plug, _)| plug.load_w)
            .sum()
    }

    /// What a plug lets through, in W.
    pub fn plug_w(&self, plug: usize) -> f64 {
        let shared = lock(&self.shared);
        let (plug, is_on) = match shared.plugs.get(plug) {
            Some((plug, is_on)) => (plug, *is_on),
            None => return 0.0,
        };
        if is_on { plug.load_w } else { 0.0 }
    }

    /// How many plugs there are.
    pub fn plugs(&self) -> usize {
        lock(&self.shared).plugs.len()
    }

    /// Lets a plug ignore commands, or heed them again.
    pub fn set_deaf(&self, plug: usize, is_deaf: bool) {
        if let Some((plug, _)) = lock(&self.shared).plugs.get_mut(plug) {
            plug.is_deaf = is_deaf;
        }
    }

    /// Says what each plug draws, as plugs do now and then.
    pub fn publish_all(&self) {
        let mut shared = lock(&self.shared);
        for plug in 0..shared.plugs.len() {
            shared.publish_state(plug);
        }
    }
}

impl Shared {
    fn publish_state(&mut self, plug: usize) {
        let (plug, is_on) = &self.plugs[plug];
        let (name, power_w) = (plug.name.clone(), if *is_on { plug.load_w } else { 0.0 });
        let state = if *is_on { "ON" } else { "OFF" };
        self.publish(&format!("{name}/state"), state);
        self.publish(&format!("{name}/power"), &power_w.to_string());
    }

    /// Passes a message on, and keeps it for those who come later.
    fn publish(&mut self, topic: &str, message: &str) {
        self.retained.insert(topic.to_owned(), message.to_owned());
        self.subscribers.retain(|(wanted, client)| {
            wanted != topic || client.try_send(packet(topic, message)).is_ok()
        });
    }

    fn command(&mut self, topic: &str, message: &str) {
        let found = self.plugs.iter().position(|(plug, _)| {
            topic
                .strip_suffix("/set")
                .is_some_and(|name| name == plug.name)
        });
        if let Some(index) = found {
            let (plug, is_on) = &mut self.plugs[index];
            if !plug.is_deaf {
                *is_on = message == "ON";
            }
            self.publish_state(index);
        }
    }
}

fn packet(topic: &str, message: &str) -> Packet {
    Packet::Publish(Publish::new(topic, QoS::AtMostOnce, message))
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn client(stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let (mut reader, mut writer) = stream.into_split();
    let (sender, mut queue) = mpsc::channel::<Packet>(QUEUE);
    let mut buffer = BytesMut::new();
    loop {
        tokio::select! {
            Some(packet) = queue.recv() => {
                let mut bytes = BytesMut::new();
                if packet.write(&mut bytes, PACKET_BYTES_MAX).is_err() || writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            read = reader.read_buf(&mut buffer) => {
                if !matches!(read, Ok(1..)) || !take_all(&mut buffer, &sender, &shared) {
                    return;
                }
            }
        }
    }
}

/// Answers all packets that are complete. Gives whether the client may stay.
fn take_all(buffer: &mut BytesMut, sender: &mpsc::Sender<Packet>, shared: &Mutex<Shared>) -> bool {
    loop {
        match Packet::read(buffer, PACKET_BYTES_MAX) {
            Ok(Packet::Disconnect) => return false,
            Ok(packet) => answer(packet, sender, shared),
            Err(Error::InsufficientBytes(_)) => return true,
            Err(_) => return false,
        }
    }
}

fn answer(packet: Packet, sender: &mpsc::Sender<Packet>, shared: &Mutex<Shared>) {
    let reply = |packet: Packet| _ = sender.try_send(packet);
    match packet {
        Packet::Connect(_) => reply(Packet::ConnAck(ConnAck::new(
            ConnectReturnCode::Success,
            false,
        ))),
        Packet::PingReq => reply(Packet::PingResp),
        Packet::Subscribe(asked) => {
            let codes = vec![SubscribeReasonCode::Success(QoS::AtMostOnce); asked.filters.len()];
            reply(Packet::SubAck(SubAck::new(asked.pkid, codes)));
            let mut shared = lock(shared);
            for filter in asked.filters {
                if let Some(message) = shared.retained.get(&filter.path) {
                    reply(self::packet(&filter.path, message));
                }
                shared.subscribers.push((filter.path, sender.clone()));
            }
        }
        Packet::Publish(message) => {
            if message.qos == QoS::AtLeastOnce {
                reply(Packet::PubAck(PubAck::new(message.pkid)));
            }
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            lock(shared).command(&message.topic, &text);
        }
        _ => {}
    }
}
