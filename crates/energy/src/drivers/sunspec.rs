//! Meters, inverters and batteries that speak SunSpec over Modbus TCP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sunspec::client::{AsyncClient, AsyncDevice, Config};
use sunspec::models::model103::Model103;
use sunspec::models::model124::{Model124, StorCtlMod};
use sunspec::models::model203::Model203;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_modbus::client::{Context, tcp};

use super::{Driver, DriverError, Reading};

const TIMEOUT: Duration = Duration::from_secs(2);

/// What a device measures, and which of SunSpec's models it is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measures {
    /// The site's import, below zero when power is fed in: a three-phase meter (203).
    Import,
    /// What panels give, as a reading below zero: a three-phase inverter (103).
    Panels,
    /// What a battery takes, below zero when it gives: an inverter (103) with storage control (124).
    Battery,
}

type Device = AsyncDevice<Arc<Mutex<Context>>>;

/// A SunSpec device.
pub struct SunSpec {
    address: SocketAddr,
    device_id: u8,
    measures: Measures,
    /// Connected at the first use, and again after an error.
    device: Mutex<Option<Device>>,
}

impl SunSpec {
    /// The device with a Modbus unit id at an address (port 502, usually).
    pub fn new(address: SocketAddr, device_id: u8, measures: Measures) -> Self {
        Self {
            address,
            device_id,
            measures,
            device: Mutex::new(None),
        }
    }

    /// Connects, and finds the models that the device has.
    async fn connect(&self) -> Result<Device, DriverError> {
        let context = timeout(TIMEOUT, tcp::connect(self.address))
            .await
            .map_err(|_| DriverError::TimedOut)?
            .map_err(DriverError::unreachable)?;
        let config = Config {
            read_timeout: Some(TIMEOUT),
            write_timeout: Some(TIMEOUT),
            ..Config::default()
        };
        AsyncClient::new(context, config)
            .device(self.device_id)
            .await
            .map_err(DriverError::unreachable)
    }

    async fn power_w(&self, device: &Device) -> Result<f64, DriverError> {
        let (value, scale) = if self.measures == Measures::Import {
            let value = device.read_point(Model203::W).await;
            (value, device.read_point(Model203::W_SF).await)
        } else {
            let value = device.read_point(Model103::W).await;
            (value, device.read_point(Model103::W_SF).await)
        };
        let value = value.map_err(DriverError::refused)?;
        let power_w = scaled(value, scale.map_err(DriverError::refused)?)?;
        // An inverter's power is what it gives.
        Ok(if self.measures == Measures::Import {
            power_w
        } else {
            -power_w
        })
    }

    /// What a battery says that it holds. Not all say it.
    async fn stored_share(&self, device: &Device) -> Result<Option<f64>, DriverError> {
        if self.measures != Measures::Battery {
            return Ok(None);
        }
        let percent = device.read_point(Model124::CHA_STATE).await;
        let Some(percent) = percent.map_err(DriverError::refused)? else {
            return Ok(None);
        };
        let scale = device.read_point(Model124::CHA_STATE_SF).await;
        let scale = scale.map_err(DriverError::refused)?.unwrap_or(0);
        let share = f64::from(percent) * ten_to(scale)? / 100.0;
        Ok((0.0..=1.0).contains(&share).then_some(share))
    }

    /// Storage control: the rates are percentages of the largest charge. Discharging at less than nothing is how a model
    /// 124 is made to charge.
    async fn store(&self, device: &Device, power_w: f64) -> Result<(), DriverError> {
        let model: Model124 = device.read_model().await.map_err(DriverError::refused)?;
        let most_w = f64::from(model.w_cha_max) * ten_to(model.w_cha_max_sf)?;
        if most_w <= 0.0 {
            return Err(DriverError::Nonsense {
                why: "it says that it can't charge at all".into(),
            });
        }
        let percent = (power_w / most_w * 100.0).clamp(-100.0, 100.0);
        let steps = percent / ten_to(model.in_out_w_rte_sf.unwrap_or(0))?;
        let rate = steps.round().clamp(-32_000.0, 32_000.0) as i16;
        let limits = StorCtlMod::all();
        for (point, value) in [(Model124::IN_W_RTE, rate), (Model124::OUT_W_RTE, -rate)] {
            let written = device.write_point(point, Some(value)).await;
            written.map_err(DriverError::refused)?;
        }
        let written = device.write_point(Model124::STOR_CTL_MOD, limits).await;
        written.map_err(DriverError::refused)
    }

    /// The connection, or a new one. Whoever uses it puts it back if nothing went wrong.
    async fn take(&self, slot: &mut Option<Device>) -> Result<Device, DriverError> {
        match slot.take() {
            Some(device) => Ok(device),
            None => self.connect().await,
        }
    }
}

#[async_trait]
impl Driver for SunSpec {
    async fn warm(&self) -> Result<(), DriverError> {
        self.read().await.map(|_| ())
    }

    async fn command(&self, power_w: f64) -> Result<(), DriverError> {
        if self.measures != Measures::Battery {
            return Err(DriverError::Unsupported {
                what: "be commanded",
            });
        }
        let mut slot = self.device.lock().await;
        let device = self.take(&mut slot).await?;
        self.store(&device, power_w).await?;
        *slot = Some(device);
        Ok(())
    }

    async fn read(&self) -> Result<Reading, DriverError> {
        let mut slot = self.device.lock().await;
        let device = self.take(&mut slot).await?;
        let power_w = self.power_w(&device).await?;
        let stored_share = self.stored_share(&device).await?;
        *slot = Some(device);
        Ok(Reading {
            power_w,
            stored_share,
            ..Reading::default()
        })
    }
}

/// A value with its scale factor. 0x8000 means that there is none.
fn scaled(value: i16, scale: i16) -> Result<f64, DriverError> {
    if value == i16::MIN {
        return Err(DriverError::Nonsense {
            why: "it has no power to show".into(),
        });
    }
    Ok(f64::from(value) * ten_to(scale)?)
}

/// Ten to a scale factor, which may be −10 to 10.
fn ten_to(scale: i16) -> Result<f64, DriverError> {
    if (-10..=10).contains(&scale) {
        Ok(10f64.powi(i32::from(scale)))
    } else {
        Err(DriverError::Nonsense {
            why: format!("scale factor {scale}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_scaled_and_what_means_nothing_is_refused() {
        assert_eq!(scaled(1234, 1), Ok(12_340.0));
        assert_eq!(scaled(-1234, -1), Ok(-123.4));
        assert_eq!(scaled(i16::MIN, 0).unwrap_err().code(), "device_nonsense");
        assert_eq!(scaled(1, 11).unwrap_err().code(), "device_nonsense");
    }
}
