//! A site's devices at the addresses that its file has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::controller::UnitSpec;
use crate::drivers::{
    Driver, DriverError, Measures, Miners, Placed, PlugTopics, Plugs, PriceShape, SunSpec,
    Throttle, Ven, Worker,
};
use crate::site::{FeedShape, GridCalls, MinerGroup, Modbus, Mqtt, PriceFeed, Site};

/// The longest password or secret, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// Why a site can't be steered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// Nothing shows what is imported.
    #[error("the site has no meter")]
    NoMeter,
    /// Prices change by the hour, and nobody says them.
    #[error("the site's tariff is hourly, and it has no price_feed")]
    NoPrices,
    /// A file with a secret can't be read.
    #[error("{}: {source}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A device can't be spoken to, whatever its state.
    #[error("{what}: {source}")]
    Device {
        /// Which.
        what: String,
        /// Why.
        source: DriverError,
    },
}

impl LiveError {
    /// A short name of the case that stays the same for ever.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMeter => "site_unmetered",
            Self::NoPrices => "site_unpriced",
            Self::Secret { .. } => "secret_unreadable",
            Self::Device { .. } => "device_impossible",
        }
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoMeter => {
                "add [meter] with `modbus = { address = \"…:502\" }` to the site's file"
            }
            Self::NoPrices => "add [price_feed] with url and shape to the site's file",
            Self::Secret { .. } => "check the path that the site's file names, and its permissions",
            Self::Device { .. } => "mend the address in the site's file",
        }
    }
}

/// The devices, in the order of the controller's units.
pub(super) struct Devices {
    pub placed: Vec<Placed>,
    pub meter: Arc<dyn Driver>,
}

/// What does the work of batch AI, by its name, and how many pieces at once.
type Workers = BTreeMap<String, (Arc<dyn Throttle>, u32)>;

/// Finds all devices that have addresses.
pub(super) fn devices(site: &Site, folder: &Path, workers: &Workers) -> Result<Devices, LiveError> {
    let meter = site.meter.as_ref().ok_or(LiveError::NoMeter)?;
    if site.tariff.is_hourly() && site.price_feed.is_none() {
        return Err(LiveError::NoPrices);
    }
    let mut devices = Devices {
        placed: Vec::new(),
        meter: Arc::new(sunspec(meter, Measures::Import)),
    };
    let miners = Miners::new(&[]).map_err(|source| impossible("miners", source))?;
    let plugs = site
        .mqtt
        .as_ref()
        .map(|mqtt| broker(mqtt, folder))
        .transpose()?;
    for (group, kind) in site.miners.iter().enumerate() {
        let found = drivers(kind, &miners, plugs.as_ref());
        let placed = found
            .into_iter()
            .enumerate()
            .map(|(number, driver)| Placed {
                spec: UnitSpec::miner(site, group, number),
                driver,
            });
        devices.placed.extend(placed);
    }
    devices.work(site, workers);
    devices.battery(site);
    Ok(devices)
}

impl Devices {
    fn work(&mut self, site: &Site, workers: &Workers) {
        for (job, batch) in site.ai.batch.iter().enumerate() {
            let Some((throttle, slots_max)) = workers.get(&batch.name) else {
                continue;
            };
            let slot_w = batch.power_kw_max * 1000.0 / f64::from(*slots_max).max(1.0);
            self.placed.push(Placed {
                spec: UnitSpec::worker(site, job, slot_w),
                driver: Arc::new(Worker::new(throttle.clone(), 0.0, slot_w, *slots_max)),
            });
        }
    }

    fn battery(&mut self, site: &Site) {
        let Some(battery) = &site.battery else { return };
        if let Some(modbus) = &battery.modbus {
            self.placed.push(Placed {
                spec: UnitSpec::battery(battery),
                driver: Arc::new(sunspec(modbus, Measures::Battery)),
            });
        }
    }
}

fn drivers(kind: &MinerGroup, miners: &Miners, plugs: Option<&Arc<Plugs>>) -> Vec<Arc<dyn Driver>> {
    if let Some((plug, plugs)) = kind.plug.as_ref().zip(plugs) {
        let topics = PlugTopics {
            command: plug.command_topic.clone(),
            power: plug.power_topic.clone(),
            power_path: plug.power_path.clone(),
            payload_on: "ON".into(),
            payload_off: "OFF".into(),
        };
        return vec![Arc::new(plugs.plug(topics))];
    }
    let at = |address| Arc::new(miners.at(address, kind.curve.power_w_min())) as Arc<dyn Driver>;
    kind.addresses.iter().copied().map(at).collect()
}

fn sunspec(modbus: &Modbus, measures: Measures) -> SunSpec {
    SunSpec::new(modbus.address, modbus.unit_id, measures)
}

fn broker(mqtt: &Mqtt, folder: &Path) -> Result<Arc<Plugs>, LiveError> {
    let password = mqtt
        .password_file
        .as_ref()
        .map(|file| secret(&folder.join(file)));
    let password = password.transpose()?.unwrap_or_default();
    let credentials = mqtt.user.as_deref().map(|user| (user, password.as_str()));
    Ok(Plugs::connect(
        &mqtt.host,
        mqtt.port,
        "freehold",
        credentials,
    ))
}

/// The VEN of a site.
pub(super) fn ven(calls: &GridCalls, folder: &Path) -> Result<Ven, LiveError> {
    let secret = secret(&folder.join(&calls.secret_file))?;
    Ven::new(&calls.url, &calls.client_id, &secret)
        .map_err(|source| impossible("grid_calls", source))
}

/// How a feed's prices are read.
pub(super) fn shape(feed: &PriceFeed) -> PriceShape {
    match feed.shape {
        FeedShape::EnergyCharts => PriceShape::EnergyCharts,
        FeedShape::Awattar => PriceShape::Awattar,
        FeedShape::Octopus => PriceShape::Octopus,
        FeedShape::Ercot => PriceShape::Ercot {
            settlement_point: feed.settlement_point.clone().unwrap_or_default(),
        },
    }
}

fn impossible(what: &str, source: DriverError) -> LiveError {
    LiveError::Device {
        what: what.to_owned(),
        source,
    }
}

fn secret(path: &Path) -> Result<String, LiveError> {
    let fault = |source| LiveError::Secret {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(fault)?;
    let mut text = String::new();
    let mut bounded = std::io::Read::take(file, SECRET_BYTES_MAX);
    std::io::Read::read_to_string(&mut bounded, &mut text).map_err(fault)?;
    Ok(text.trim_end().to_owned())
}
