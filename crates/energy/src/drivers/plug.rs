//! Smart plugs over MQTT, by Home Assistant's conventions: `ON` and `OFF`, power in W as a number or within JSON.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};
use serde_json::Value;
use tokio::task::AbortHandle;

use super::{Driver, DriverError, Reading};

/// The largest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Requests that may wait for the broker.
const QUEUE: usize = 1024;
/// A value older than this isn't one any more.
const STALE: Duration = Duration::from_secs(120);
/// The longest topic, in bytes.
const TOPIC_BYTES_MAX: usize = 512;

/// A connection to a broker, shared by the plugs behind it. It ends when the last of them is dropped.
pub struct Plugs {
    client: AsyncClient,
    latest: Latest,
    topics: Topics,
    poll: AbortHandle,
}

/// What was asked for, to be asked for again after the connection broke.
type Topics = Arc<Mutex<Vec<String>>>;
type Latest = Arc<Mutex<HashMap<String, (String, Instant)>>>;

/// Where a plug is spoken to and heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlugTopics {
    /// Where `payload_on` and `payload_off` are sent to.
    pub command: String,
    /// Where the plug says what it draws.
    pub power: String,
    /// The way to the number in the message, if it is JSON: `ENERGY.Power`.
    pub power_path: Option<String>,
    /// What switches it on.
    pub payload_on: String,
    /// What switches it off.
    pub payload_off: String,
}

impl PlugTopics {
    /// Reads the two messages by which a plug announces itself to Home Assistant: that of its switch and that of its power
    /// sensor (`homeassistant/switch/…/config`, `homeassistant/sensor/…/config`).
    ///
    /// # Errors
    /// When a topic is missing, or the template isn't one of the common forms `{{ value }}` and `{{ value_json.a.b }}`.
    pub fn from_discovery(switch: &str, sensor: &str) -> Result<Self, DriverError> {
        let (switch, sensor) = (announced(switch)?, announced(sensor)?);
        let template = text(&sensor, &["value_template", "val_tpl"]).unwrap_or_default();
        Ok(Self {
            command: topic(&switch, &["command_topic", "cmd_t"])?,
            power: topic(&sensor, &["state_topic", "stat_t"])?,
            power_path: power_path(&template)?,
            payload_on: text(&switch, &["payload_on", "pl_on"]).unwrap_or_else(|| "ON".into()),
            payload_off: text(&switch, &["payload_off", "pl_off"]).unwrap_or_else(|| "OFF".into()),
        })
    }
}

fn announced(message: &str) -> Result<Value, DriverError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(nonsense("the announcement is too long"));
    }
    serde_json::from_str(message).map_err(|_| nonsense("the announcement isn't JSON"))
}

fn text(message: &Value, names: &[&str]) -> Option<String> {
    let found = names.iter().find_map(|name| message.get(name)?.as_str())?;
    Some(found.to_owned())
}

/// A topic; `~` at one of its ends stands for the announcement's base.
fn topic(message: &Value, names: &[&str]) -> Result<String, DriverError> {
    let found = text(message, names).ok_or_else(|| nonsense("the announcement has no topic"))?;
    let base = text(message, &["~"]).unwrap_or_default();
    let full = match (found.strip_prefix('~'), found.strip_suffix('~')) {
        (Some(rest), _) => format!("{base}{rest}"),
        (None, Some(rest)) => format!("{rest}{base}"),
        (None, None) => found,
    };
    let is_fine =
        !full.is_empty() && full.len() <= TOPIC_BYTES_MAX && !full.contains(['#', '+', '\0']);
    is_fine
        .then_some(full)
        .ok_or_else(|| nonsense("a topic that can't be"))
}

/// The way into JSON that a template goes; nothing for the whole message.
fn power_path(template: &str) -> Result<Option<String>, DriverError> {
    let inner = template
        .trim()
        .trim_start_matches("{{")
        .trim_end_matches("}}")
        .trim();
    // A filter such as `| float` changes nothing here.
    let inner = inner.split('|').next().unwrap_or_default().trim();
    match inner {
        "" | "value" => Ok(None),
        _ => {
            let path = inner
                .strip_prefix("value_json")
                .ok_or_else(|| nonsense("a template that isn't understood"))?;
            let path = path.replace("['", ".").replace("']", "");
            let path = path.trim_start_matches('.').to_owned();
            let is_plain = path
                .chars()
                .all(|c| c.is_alphanumeric() || "._- ".contains(c));
            (is_plain && !path.is_empty())
                .then_some(Some(path))
                .ok_or_else(|| nonsense("a template that isn't understood"))
        }
    }
}

/// The number of W in a message.
fn power_w(message: &str, path: Option<&str>) -> Option<f64> {
    let number = match path {
        None => message.trim().parse().ok(),
        Some(path) => {
            let json: Value = serde_json::from_str(message).ok()?;
            let found = path
                .split('.')
                .try_fold(&json, |value, key| value.get(key))?;
            found
                .as_f64()
                .or_else(|| found.as_str()?.trim().parse().ok())
        }
    };
    number.filter(|power_w: &f64| power_w.is_finite() && power_w.abs() < 1e6)
}

fn nonsense(why: &str) -> DriverError {
    DriverError::Nonsense { why: why.into() }
}

impl Plugs {
    /// Begins to connect to a broker, and keeps trying. `client_id` must be this node's own.
    pub fn connect(
        host: &str,
        port: u16,
        client_id: &str,
        credentials: Option<(&str, &str)>,
    ) -> Arc<Self> {
        let mut options = MqttOptions::new(client_id, host, port);
        options.set_keep_alive(Duration::from_secs(15));
        options.set_max_packet_size(MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX);
        if let Some((user, password)) = credentials {
            options.set_credentials(user, password);
        }
        let (client, events) = AsyncClient::new(options, QUEUE);
        let latest = Latest::default();
        let topics = Topics::default();
        let poll = poll(events, client.clone(), topics.clone(), latest.clone());
        let poll = tokio::spawn(poll).abort_handle();
        Arc::new(Self {
            client,
            latest,
            topics,
            poll,
        })
    }

    /// A plug behind this broker.
    pub fn plug(self: &Arc<Self>, topics: PlugTopics) -> Plug {
        Plug {
            plugs: self.clone(),
            topics,
        }
    }

    /// Asks for a topic's messages, once.
    async fn subscribe(&self, topic: &str) -> Result<(), DriverError> {
        {
            let mut topics = lock(&self.topics);
            if topics.iter().any(|known| known == topic) {
                return Ok(());
            }
            topics.push(topic.to_owned());
        }
        let asked = self.client.subscribe(topic, QoS::AtLeastOnce).await;
        asked.map_err(DriverError::unreachable)
    }

    fn latest(&self, topic: &str) -> Option<String> {
        let latest = lock(&self.latest);
        let (message, at) = latest.get(topic)?;
        (at.elapsed() < STALE).then(|| message.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Plugs {
    fn drop(&mut self) {
        self.poll.abort();
    }
}

/// Takes what the broker sends. Only topics that were asked for come, so the map stays small.
async fn poll(mut events: EventLoop, client: AsyncClient, topics: Topics, latest: Latest) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                for topic in lock(&topics).iter() {
                    _ = client.try_subscribe(topic, QoS::AtLeastOnce);
                }
            }
            Ok(Event::Incoming(Incoming::Publish(message))) => {
                if let Ok(text) = String::from_utf8(message.payload.to_vec()) {
                    lock(&latest).insert(message.topic, (text, Instant::now()));
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the MQTT broker can't be reached; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// A smart plug. It is on or off; what is behind it may be a heater that mines.
pub struct Plug {
    plugs: Arc<Plugs>,
    topics: PlugTopics,
}

#[async_trait]
impl Driver for Plug {
    async fn warm(&self) -> Result<(), DriverError> {
        self.plugs.subscribe(&self.topics.power).await
    }

    async fn command(&self, power_w: f64) -> Result<(), DriverError> {
        let payload = if power_w > 0.0 {
            &self.topics.payload_on
        } else {
            &self.topics.payload_off
        };
        let sent = self.plugs.client.publish(
            self.topics.command.as_str(),
            QoS::AtLeastOnce,
            false,
            payload.as_str(),
        );
        sent.await.map_err(DriverError::unreachable)
    }

    async fn read(&self) -> Result<Reading, DriverError> {
        self.warm().await?;
        let message = self.plugs.latest(&self.topics.power).ok_or_else(|| {
            DriverError::unreachable(format!("nothing was heard on {}", self.topics.power))
        })?;
        let power_w = power_w(&message, self.topics.power_path.as_deref())
            .ok_or_else(|| nonsense("its message holds no power"))?;
        Ok(Reading {
            power_w,
            ..Reading::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_in_short_names_is_read() {
        let switch = r#"{"~":"tasmota/plug","cmd_t":"~/cmnd/POWER","pl_on":"1","pl_off":"0"}"#;
        let sensor = r#"{"~":"tasmota/plug","stat_t":"~/SENSOR","val_tpl":"{{ value_json['ENERGY']['Power'] | float }}"}"#;
        let topics = PlugTopics::from_discovery(switch, sensor).unwrap();
        assert_eq!(topics.command, "tasmota/plug/cmnd/POWER");
        assert_eq!(topics.power_path.as_deref(), Some("ENERGY.Power"));
        let message = r#"{"ENERGY":{"Power":812.5}}"#;
        assert_eq!(power_w(message, topics.power_path.as_deref()), Some(812.5));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let sensor = r#"{"stat_t":"a","val_tpl":"{{ states('x') }}"}"#;
        let refused = PlugTopics::from_discovery(r#"{"cmd_t":"b"}"#, sensor);
        assert_eq!(refused.unwrap_err().code(), "device_nonsense");
        assert!(PlugTopics::from_discovery(r#"{"cmd_t":"a/#"}"#, "{}").is_err());
        assert_eq!(power_w("nan", None), None);
        assert_eq!(power_w("1e300", None), None);
    }
}
