//! Where the site's devices are. Without addresses a site can be planned and replayed, not steered.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::Site;
use super::check::{Checked, fault, way, within};

/// The longest name, topic or address of the web, in bytes.
const TEXT_BYTES_MAX: usize = 512;
/// What one unit of any currency is worth at most, in dollars.
const USD_PER_UNIT_MAX: f64 = 1e3;

/// A SunSpec device over Modbus TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modbus {
    /// Its address and port, such as `192.168.1.20:502`.
    pub address: SocketAddr,
    /// Its number behind that address.
    #[serde(default = "one")]
    pub unit_id: u8,
}

/// The broker that plugs are behind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// Its name or address.
    pub host: String,
    /// Its port.
    #[serde(default = "mqtt_port")]
    pub port: u16,
    /// Who we are to it.
    pub user: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
}

/// A plug that switches a group of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plug {
    /// The topic at which it is told `ON` or `OFF`.
    pub command_topic: String,
    /// The topic at which it says what it draws, in W.
    pub power_topic: String,
    /// The way to the number in that message, if it is JSON: `ENERGY.Power`.
    pub power_path: Option<String>,
}

/// Where prices are published.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceFeed {
    /// Its address.
    pub url: String,
    /// How it writes them.
    pub shape: FeedShape,
    /// Which settlement point, of ERCOT's.
    pub settlement_point: Option<String>,
    /// What a unit of the feed's currency (EUR, GBP or USD) is worth, in dollars.
    #[serde(default = "one_usd")]
    pub usd_per_unit: f64,
}

/// How a feed writes prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedShape {
    /// As energy-charts.info does.
    EnergyCharts,
    /// As aWATTar does.
    Awattar,
    /// As Octopus Energy does.
    Octopus,
    /// As ERCOT does.
    Ercot,
}

/// Who calls for less power: a VTN of OpenADR 3.1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridCalls {
    /// Its address, such as `https://vtn.example/openadr3/3.1.0`.
    pub url: String,
    /// The program that the site takes part in.
    pub program_id: String,
    /// Who we are to it.
    pub client_id: String,
    /// The file with the secret.
    pub secret_file: PathBuf,
    /// How soon a call is to be met, in seconds: what takes longer to go is taken only when all else isn't enough.
    #[serde(default = "fifteen")]
    pub respond_seconds: f64,
}

fn one() -> u8 {
    1
}

fn one_usd() -> f64 {
    1.0
}

fn fifteen() -> f64 {
    15.0
}

fn mqtt_port() -> u16 {
    1883
}

/// A group has as many addresses as machines, or a plug, or neither; plugs have a broker; no two machines share an address.
pub(super) fn check(site: &Site) -> Checked {
    let mut taken: Vec<IpAddr> = Vec::new();
    for (i, group) in site.miners.iter().enumerate() {
        let field = |name: &'static str| way!["miners", i, name];
        if !group.addresses.is_empty() && group.addresses.len() != group.units as usize {
            let why = format!(
                "has {} entries for {} machines: one for each, or none",
                group.addresses.len(),
                group.units
            );
            return fault(field("addresses"), &why);
        }
        if let Some(twice) = group.addresses.iter().find(|ip| taken.contains(ip)) {
            return fault(
                field("addresses"),
                &format!("has {twice}, which another machine has"),
            );
        }
        taken.extend(&group.addresses);
        if let Some(plug) = &group.plug {
            self::plug(site, i, plug)?;
        }
    }
    feeds(site)
}

fn plug(site: &Site, i: usize, plug: &Plug) -> Checked {
    let group = &site.miners[i];
    let field = way!["miners", i, "plug"];
    if group.units != 1 || !group.addresses.is_empty() {
        return fault(
            field,
            "switches a single machine without an address of its own",
        );
    }
    if group.curve.power_w_min() < group.curve.power_w_max() {
        return fault(
            field,
            "switches on and off only: give the machine one power",
        );
    }
    if site.mqtt.is_none() {
        return fault(field, "needs a broker: add [mqtt] with its host");
    }
    let topics = [&plug.command_topic, &plug.power_topic];
    let is_wrong = |topic: &&&String| topic.is_empty() || topic.contains(['#', '+', '\0']);
    match topics.iter().find(is_wrong) {
        Some(topic) => fault(field, &format!("has {topic:?}, which is no topic")),
        None => topics
            .iter()
            .try_for_each(|topic| short(field.clone(), topic)),
    }
}

fn feeds(site: &Site) -> Checked {
    if let Some(mqtt) = &site.mqtt {
        short(way!["mqtt", "host"], &mqtt.host)?;
    }
    if let Some(feed) = &site.price_feed {
        web(way!["price_feed", "url"], &feed.url)?;
        within(
            way!["price_feed", "usd_per_unit"],
            feed.usd_per_unit,
            1e-6,
            USD_PER_UNIT_MAX,
        )?;
        if (feed.shape == FeedShape::Ercot) != feed.settlement_point.is_some() {
            return fault(
                way!["price_feed", "settlement_point"],
                "goes with the shape ercot, such as \"HB_HUBAVG\"",
            );
        }
    }
    if let Some(calls) = &site.grid_calls {
        web(way!["grid_calls", "url"], &calls.url)?;
        short(way!["grid_calls", "program_id"], &calls.program_id)?;
        within(
            way!["grid_calls", "respond_seconds"],
            calls.respond_seconds,
            0.0,
            3600.0,
        )?;
        if site.meter.is_none() {
            return fault(
                way!["grid_calls"],
                "needs a meter, which shows what was delivered: add [meter]",
            );
        }
    }
    Ok(())
}

fn short(path: Vec<super::file::Key>, text: &str) -> Checked {
    match text.len() {
        1..=TEXT_BYTES_MAX => Ok(()),
        _ => fault(path, &format!("must have 1 to {TEXT_BYTES_MAX} bytes")),
    }
}

fn web(path: Vec<super::file::Key>, url: &str) -> Checked {
    short(path.clone(), url)?;
    match url::Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => fault(
            path,
            "isn't an address that begins with https:// or http://",
        ),
    }
}
