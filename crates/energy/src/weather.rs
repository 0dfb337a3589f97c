//! Weather of a year by the hour, and what panels and turbines make of it.

use std::f64::consts::{PI, TAU};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::market::{HOUR_S, Series};
use crate::site::{Pv, Wind};
use crate::{Error, Result};

/// The hours of a year without a leap day.
pub const HOURS: usize = 8760;
/// The longest weather file, in bytes.
const BYTES_MAX: usize = 16 << 20;
const WHAT: &str = "the weather file";

/// One hour of weather.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Weather {
    /// Sunlight on a level plane, in W/m².
    pub irradiance_w_per_m2: f64,
    /// Air temperature, in °C.
    pub temperature_c: f64,
    /// Wind, in m/s.
    pub wind_m_per_s: f64,
}

/// A year of weather in local standard time, used again for each year: 29 February repeats the day before.
#[derive(Debug, Clone, PartialEq)]
pub struct TypicalYear {
    hours: Vec<Weather>,
}

impl TypicalYear {
    /// Reads a TMY3 file: a line about the station, a header, and 8,760 rows by the hour.
    ///
    /// # Errors
    /// When a column or a row is missing. A value that isn't a number, or is out of range, gets that of the hour before.
    pub fn read_tmy3(text: &str) -> Result<Self> {
        let wrong = |line: usize, why: &str| Error::Table {
            what: WHAT,
            line: line as u64,
            why: why.into(),
        };
        if text.len() > BYTES_MAX {
            return Err(Error::TooLarge {
                what: "the weather file, in bytes,",
                max: BYTES_MAX,
            });
        }
        let mut lines = text.lines().skip(1);
        let header = lines
            .next()
            .ok_or_else(|| wrong(2, "the header is missing"))?;
        let column = |name: &str| {
            let found = header
                .split(',')
                .position(|column| column.trim_matches('"') == name);
            found.ok_or_else(|| wrong(2, &format!("the column `{name}` is missing")))
        };
        let (sun, heat, wind) = (
            column("GHI (W/m^2)")?,
            column("Dry-bulb (C)")?,
            column("Wspd (m/s)")?,
        );
        let mut hours: Vec<Weather> = Vec::with_capacity(HOURS);
        for line in lines.take(HOURS) {
            let cells: Vec<&str> = line.split(',').collect();
            let before = hours.last().copied().unwrap_or_default();
            let cell = |column: usize, min: f64, max: f64, otherwise: f64| {
                let value = cells
                    .get(column)
                    .and_then(|cell| cell.trim().parse::<f64>().ok());
                value
                    .filter(|value| (min..=max).contains(value))
                    .unwrap_or(otherwise)
            };
            hours.push(Weather {
                irradiance_w_per_m2: cell(sun, 0.0, 1500.0, before.irradiance_w_per_m2),
                temperature_c: cell(heat, -90.0, 60.0, before.temperature_c),
                wind_m_per_s: cell(wind, 0.0, 120.0, before.wind_m_per_s),
            });
        }
        if hours.len() < HOURS {
            return Err(wrong(hours.len() + 3, "the file ends before the year does"));
        }
        Ok(Self { hours })
    }

    /// Makes up a year: the sun's way over a latitude, clouds that come and go within days, seasons, wind. The same seed
    /// gives the same year.
    pub fn synthetic(seed: u64, latitude_deg: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5017);
        let (mut cloud, mut warmth, mut gust) = (0.0_f64, 0.0_f64, 0.0_f64);
        let south = if latitude_deg < 0.0 { PI } else { 0.0 };
        let hours = (0..HOURS).map(|hour| {
            let mut noise = || random.random_range(-1.0..1.0_f64);
            cloud = cloud * 0.93 + noise() * 0.5;
            warmth = warmth * 0.98 + noise() * 0.8;
            gust = gust * 0.95 + noise() * 0.5;
            let season = ((hour as f64 / 24.0 - 28.0) / 365.0 * TAU + south).cos();
            let daily = ((hour % 24) as f64 / 24.0 * TAU - 0.62 * TAU).cos();
            let clear = clear_sky_w_per_m2(hour, latitude_deg);
            let mean_c = 27.0 - 0.42 * latitude_deg.abs();
            Weather {
                irradiance_w_per_m2: clear * (0.78 - 0.32 * cloud).clamp(0.12, 1.0),
                temperature_c: mean_c - 0.24 * latitude_deg.abs() * season + 4.0 * daily + warmth,
                wind_m_per_s: (5.5 + season + 2.5 * gust).max(0.0),
            }
        });
        Self {
            hours: hours.collect(),
        }
    }

    /// The weather of so many hours from a moment on, where clocks show the zone's time.
    pub fn hours(&self, start: Timestamp, hours: usize, zone: &TimeZone) -> Vec<Weather> {
        let standard = standard_offset_s(start, zone);
        (0..hours as i64)
            .map(|hour| self.at(start.as_second() + hour * HOUR_S + standard))
            .collect()
    }

    fn at(&self, local_s: i64) -> Weather {
        let local = Timestamp::from_second(local_s)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC);
        let mut day = usize::from(local.day_of_year().unsigned_abs()) - 1;
        if local.date().in_leap_year() && day >= 59 {
            day -= 1;
        }
        let index = day * 24 + usize::from(local.hour().unsigned_abs());
        self.hours.get(index).copied().unwrap_or_default()
    }
}

/// The zone's distance from UTC without daylight saving, in seconds: the smaller one of January and July.
fn standard_offset_s(start: Timestamp, zone: &TimeZone) -> i64 {
    let at = |moment: Timestamp| i64::from(zone.to_offset(moment).seconds());
    let half_a_year_on = start.checked_add((183 * 24).hours()).unwrap_or(start);
    at(start).min(at(half_a_year_on))
}

/// Sunlight on a level plane under a clear sky (Haurwitz), in W/m², in the middle of an hour of the year.
fn clear_sky_w_per_m2(hour: usize, latitude_deg: f64) -> f64 {
    let day = (hour / 24) as f64;
    let declination = -23.45_f64.to_radians() * ((day + 10.0) / 365.0 * TAU).cos();
    let hour_angle = ((hour % 24) as f64 + 0.5 - 12.0) / 24.0 * TAU;
    let latitude = latitude_deg.to_radians();
    let height =
        latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour_angle.cos();
    if height <= 0.0 {
        0.0
    } else {
        1098.0 * height * (-0.057 / height).exp()
    }
}

impl Pv {
    /// What the panels deliver, in kW. They lose 0.4 % for each degree above 25 °C, and are 25 °C warmer than the air at
    /// 800 W/m².
    pub fn power_kw(&self, weather: &Weather) -> f64 {
        let suns = weather.irradiance_w_per_m2 / 1000.0;
        let cell_c = weather.temperature_c + suns / 0.8 * 25.0;
        let heat = 1.0 - 0.004 * (cell_c - 25.0);
        (self.power_kw_peak * suns * heat * self.performance_percent / 100.0)
            .clamp(0.0, self.power_kw_peak)
    }
}

impl Wind {
    /// What the turbines deliver, in kW.
    pub fn power_kw(&self, weather: &Weather) -> f64 {
        let speed = weather.wind_m_per_s;
        if speed < self.cut_in_m_per_s || speed >= self.cut_out_m_per_s {
            return 0.0;
        }
        let cube = |v: f64| v.powi(3);
        let share = (cube(speed) - cube(self.cut_in_m_per_s))
            / (cube(self.rated_m_per_s) - cube(self.cut_in_m_per_s));
        self.power_kw_rated * share.clamp(0.0, 1.0)
    }
}

/// A series of what `power` makes of each hour's weather.
pub fn series(start: Timestamp, weather: &[Weather], power: impl Fn(&Weather) -> f64) -> Series {
    Series::new(start, weather.iter().map(power).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_weather_is_like_weather() {
        let year = TypicalYear::synthetic(7, 50.0);
        assert_eq!(year, TypicalYear::synthetic(7, 50.0));
        assert_ne!(year, TypicalYear::synthetic(8, 50.0));
        let mean = |from: usize| {
            year.hours[from..from + 720]
                .iter()
                .map(|h| h.temperature_c)
                .sum::<f64>()
                / 720.0
        };
        assert!(mean(4344) > mean(0) + 12.0, "July is warmer than January");
        let sun: f64 = year
            .hours
            .iter()
            .map(|h| h.irradiance_w_per_m2)
            .sum::<f64>()
            / 1000.0;
        assert!((900.0..1500.0).contains(&sun), "{sun} kWh/m² in a year");
        assert_eq!(year.hours[0].irradiance_w_per_m2, 0.0);
    }

    #[test]
    fn a_leap_year_has_weather_to_its_end() {
        let year = TypicalYear::synthetic(1, 35.0);
        let zone = TimeZone::get("America/Chicago").unwrap();
        let hours = year.hours("2024-01-01T06:00:00Z".parse().unwrap(), 8784, &zone);
        assert_eq!(
            hours[59 * 24 + 12],
            hours[58 * 24 + 12],
            "29 February is like the day before"
        );
        assert_eq!(hours[8783], year.hours[8759]);
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        let text = "station\nDate,GHI (W/m^2),Dry-bulb (C),Wspd (m/s)\n01/01/1988,0,x,3\n";
        assert_eq!(TypicalYear::read_tmy3(text).unwrap_err().code(), "table");
        assert_eq!(TypicalYear::read_tmy3("").unwrap_err().code(), "table");
    }

    #[test]
    fn wind_has_a_beginning_and_an_end() {
        let wind = Wind {
            power_kw_rated: 100.0,
            cut_in_m_per_s: 3.0,
            rated_m_per_s: 12.0,
            cut_out_m_per_s: 25.0,
        };
        let power = |wind_m_per_s| {
            wind.power_kw(&Weather {
                wind_m_per_s,
                ..Weather::default()
            })
        };
        assert_eq!(
            [power(2.0), power(12.0), power(20.0), power(25.0)],
            [0.0, 100.0, 100.0, 0.0]
        );
        assert!((10.0..30.0).contains(&power(7.0)));
    }
}
