//! Miners, by `asic-rs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use asic_rs::MinerFactory;
use asic_rs::core::data::collector::DataField;
use asic_rs::core::data::hashrate::HashRateUnit;
use asic_rs::core::traits::miner::{Miner as Handle, MinerAuth};
use async_trait::async_trait;
use measurements::Power;
use tokio::sync::OnceCell;

use super::{Driver, DriverError, Reading};

/// Makes handles for miners. What a machine runs is found out when it is warmed.
pub struct Miners {
    factory: Arc<MinerFactory>,
}

impl Miners {
    /// Without credentials each firmware's own defaults are used. `credentials` are firmware (as `asic-rs` calls it, such as
    /// `Braiins`), user and password.
    ///
    /// # Errors
    /// When a firmware isn't known.
    pub fn new(credentials: &[(&str, &str, &str)]) -> Result<Self, DriverError> {
        // Two TLS libraries are in the program, so one must be chosen; if somebody has, that is kept.
        _ = rustls::crypto::ring::default_provider().install_default();
        let mut factory = MinerFactory::new().with_nofile_adjustment(false);
        for (firmware, user, password) in credentials {
            factory = factory
                .with_firmware_discovery_auth_by_name(firmware, MinerAuth::new(*user, *password))
                .map_err(DriverError::refused)?;
        }
        Ok(Self {
            factory: Arc::new(factory),
        })
    }

    /// The miner at an address. `power_w_min` is the least that it can run at; an order for less than half of it is off.
    pub fn at(&self, address: IpAddr, power_w_min: f64) -> Miner {
        Miner {
            address,
            power_w_min,
            factory: self.factory.clone(),
            handle: OnceCell::new(),
            may_be_paused: AtomicBool::new(true),
        }
    }
}

/// A miner.
pub struct Miner {
    address: IpAddr,
    power_w_min: f64,
    factory: Arc<MinerFactory>,
    handle: OnceCell<Box<dyn Handle>>,
    may_be_paused: AtomicBool,
}

impl Miner {
    async fn handle(&self) -> Result<&dyn Handle, DriverError> {
        let find = || async {
            let found = self.factory.get_miner(self.address).await;
            found.map_err(DriverError::unreachable)?.ok_or_else(|| {
                DriverError::unreachable(format!("no known miner at {}", self.address))
            })
        };
        self.handle.get_or_try_init(find).await.map(AsRef::as_ref)
    }
}

#[async_trait]
impl Driver for Miner {
    /// Finds out what it runs. The handle's HTTP client is made and logged in by a first reading.
    async fn warm(&self) -> Result<(), DriverError> {
        self.read().await.map(|_| ())
    }

    async fn command(&self, power_w: f64) -> Result<(), DriverError> {
        let handle = self.handle().await?;
        let accepted = |done: Result<bool, _>| match done {
            Ok(true) => Ok(()),
            Ok(false) => Err(DriverError::refused("the miner says no")),
            Err(error) => Err(DriverError::refused(error)),
        };
        if power_w < 0.5 * self.power_w_min {
            if !handle.supports_pause() {
                return Err(DriverError::Unsupported { what: "pause" });
            }
            self.may_be_paused.store(true, Ordering::Relaxed);
            return accepted(handle.pause(None).await);
        }
        if handle.supports_set_power_limit() {
            let limit = Power::from_watts(power_w);
            accepted(handle.set_power_limit(limit).await)?;
        }
        if self.may_be_paused.load(Ordering::Relaxed) {
            accepted(handle.resume(None).await)?;
            self.may_be_paused.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn read(&self) -> Result<Reading, DriverError> {
        let handle = self.handle().await?;
        let wanted = [DataField::Wattage, DataField::Hashrate];
        let data = handle.get_collector().collect(&wanted).await;
        let power = handle
            .parse_wattage(&data)
            .ok_or_else(|| DriverError::Nonsense {
                why: "it doesn't say what it draws".into(),
            })?;
        let hashrate = handle.parse_hashrate(&data);
        Ok(Reading {
            power_w: power.as_watts(),
            hashrate_ths: hashrate.map(|rate| rate.as_unit(HashRateUnit::TeraHash).value),
            stored_share: None,
        })
    }
}
