//! A SunSpec device over Modbus TCP: a meter, an inverter, or an inverter with a battery.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response};

use super::http::Served;

/// Where SunSpec's map begins.
const BASE: u16 = 40_000;
/// Where the body of the third model begins: mark, the common model, and an inverter's.
const STORAGE: u16 = BASE + 2 + 68 + 52 + 2;

/// What a device shows: the models it has are made anew for each request.
#[derive(Clone)]
pub enum Image {
    /// A three-phase meter (model 203), by what is imported, in W.
    Meter(Arc<dyn Fn() -> f64 + Send + Sync>),
    /// A three-phase inverter (model 103), by what it gives, in W.
    Inverter(Arc<dyn Fn() -> f64 + Send + Sync>),
    /// An inverter with storage control (models 103 and 124).
    Battery(Arc<Battery>),
}

/// A simulated battery. It takes what it is told until it is full, and gives until it is empty.
#[derive(Debug)]
pub struct Battery {
    charge_w_max: f64,
    energy_kwh_min: f64,
    energy_kwh_max: f64,
    energy_kwh: Mutex<f64>,
    /// The rates for charging and discharging, in hundredths of a percent, and which of them count.
    controls: Mutex<(i16, i16, u16)>,
}

impl Battery {
    /// A battery at rest, half full.
    pub fn new(charge_w_max: f64, energy_kwh_min: f64, energy_kwh_max: f64) -> Arc<Self> {
        Arc::new(Self {
            charge_w_max,
            energy_kwh_min,
            energy_kwh_max,
            energy_kwh: Mutex::new(f64::midpoint(energy_kwh_min, energy_kwh_max)),
            controls: Mutex::new((0, 0, 0)),
        })
    }

    /// What is in it, in kWh.
    pub fn energy_kwh(&self) -> f64 {
        *self
            .energy_kwh
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Time passes. A tenth of what is put in is lost.
    pub fn advance(&self, hours: f64) {
        let moved_kwh = self.power_w() * hours / 1000.0;
        let kept_kwh = if moved_kwh > 0.0 {
            0.9 * moved_kwh
        } else {
            moved_kwh
        };
        let mut energy_kwh = self
            .energy_kwh
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *energy_kwh = (*energy_kwh + kept_kwh).clamp(self.energy_kwh_min, self.energy_kwh_max);
    }

    /// What it takes, in W; below zero what it gives. The rates are limits, and less than nothing forces the other way.
    pub fn power_w(&self) -> f64 {
        let (charge, discharge, mode) =
            *self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        if mode & 3 != 3 {
            return 0.0;
        }
        let rate = |hundredths: i16| f64::from(hundredths) / 10_000.0 * self.charge_w_max;
        let power_w = 0.0_f64.max(-rate(discharge)).min(rate(charge));
        let energy_kwh = self.energy_kwh();
        let can_take = energy_kwh < self.energy_kwh_max - 1e-9;
        let can_give = energy_kwh > self.energy_kwh_min + 1e-9;
        if (power_w > 0.0 && can_take) || (power_w < 0.0 && can_give) {
            power_w
        } else {
            0.0
        }
    }

    fn write(&self, offset: u16, value: u16) -> bool {
        let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        match offset {
            3 => controls.2 = value,
            10 => controls.1 = value.cast_signed(),
            11 => controls.0 = value.cast_signed(),
            _ => return false,
        }
        true
    }

    fn registers(&self) -> Vec<u16> {
        let (charge, discharge, mode) =
            *self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut model = vec![0x8000_u16; 24];
        model[0] = (self.charge_w_max / 10.0) as u16;
        model[1..5].copy_from_slice(&[100, 100, mode, 0xffff]);
        model[5..10].fill(0xffff);
        model[6] = (self.energy_kwh() / self.energy_kwh_max * 10_000.0) as u16;
        model[10] = discharge.cast_unsigned();
        model[11] = charge.cast_unsigned();
        model[12..16].fill(0xffff);
        model[16] = 1;
        model[17] = 0;
        model[20] = (-2_i16).cast_unsigned();
        model[23] = (-2_i16).cast_unsigned();
        model
    }
}

/// Serves a device at an address. Gives the address, for port 0.
///
/// # Errors
/// When the address can't be taken.
pub async fn sunspec(address: SocketAddr, image: Image) -> io::Result<(SocketAddr, Served)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let served = Served::task(async move {
        let on_connected = |stream, peer| {
            let image = image.clone();
            async move { accept_tcp_connection(stream, peer, move |_| Ok(Some(Device(image.clone())))) }
        };
        _ = Server::new(listener).serve(&on_connected, |_| {}).await;
    });
    Ok((address, served))
}

struct Device(Image);

impl Service for Device {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(match request {
            Request::ReadHoldingRegisters(address, count) => self
                .0
                .read(address, count)
                .map(Response::ReadHoldingRegisters),
            Request::WriteMultipleRegisters(address, values) => {
                let count = values.len() as u16;
                self.0
                    .write(address, &values)
                    .map(|()| Response::WriteMultipleRegisters(address, count))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

impl Image {
    fn read(&self, address: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        let map = self.map();
        let start = usize::from(
            address
                .checked_sub(BASE)
                .ok_or(ExceptionCode::IllegalDataAddress)?,
        );
        let end = start + usize::from(count);
        map.get(start..end)
            .map(<[u16]>::to_vec)
            .ok_or(ExceptionCode::IllegalDataAddress)
    }

    fn write(&self, address: u16, values: &[u16]) -> Result<(), ExceptionCode> {
        let Self::Battery(battery) = self else {
            return Err(ExceptionCode::IllegalDataAddress);
        };
        for (i, value) in (0_u16..).zip(values) {
            let offset = address
                .checked_sub(STORAGE)
                .ok_or(ExceptionCode::IllegalDataAddress)?;
            if !battery.write(offset + i, *value) {
                return Err(ExceptionCode::IllegalDataAddress);
            }
        }
        Ok(())
    }

    /// Everything from the mark `SunS` to the end model.
    fn map(&self) -> Vec<u16> {
        let mut map = vec![0x5375, 0x6e53];
        let mut add = |id: u16, body: &[u16]| {
            map.extend([id, body.len() as u16]);
            map.extend(body);
        };
        add(1, &common());
        match self {
            Self::Meter(import_w) => add(203, &meter(import_w())),
            Self::Inverter(gives_w) => add(103, &inverter(gives_w())),
            Self::Battery(battery) => {
                add(103, &inverter(-battery.power_w()));
                add(124, &battery.registers());
            }
        }
        map.extend([0xffff, 0]);
        map
    }
}

/// A value in tens of W with its scale factor, so that 16 bits reach 327 kW; beyond that in hundreds or thousands.
fn scaled(power_w: f64) -> (u16, u16) {
    let scale = (1..=4)
        .find(|scale| power_w.abs() / 10_f64.powi(*scale) < 32_000.0)
        .unwrap_or(4);
    let value = (power_w / 10_f64.powi(scale)).round() as i16;
    (value.cast_unsigned(), scale as u16)
}

fn common() -> Vec<u16> {
    let mut model = Vec::with_capacity(66);
    for (words, name) in [
        (16, "Freehold"),
        (16, "Simulated"),
        (8, ""),
        (8, "1"),
        (16, "1"),
    ] {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(words * 2, 0);
        model.extend(
            bytes
                .chunks(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]])),
        );
    }
    model.extend([1, 0x8000]);
    model
}

fn inverter(gives_w: f64) -> Vec<u16> {
    let mut model = vec![0_u16; 50];
    let (value, scale) = scaled(gives_w);
    (model[12], model[13]) = (value, scale);
    (model[14], model[15]) = (5000, (-2_i16).cast_unsigned());
    // Working: MPPT.
    model[36] = 4;
    model
}

fn meter(import_w: f64) -> Vec<u16> {
    let mut model = vec![0_u16; 105];
    let (value, scale) = scaled(import_w);
    (model[16], model[20]) = (value, scale);
    (model[14], model[15]) = (5000, (-2_i16).cast_unsigned());
    model
}
