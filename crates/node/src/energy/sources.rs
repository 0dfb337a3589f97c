//! Which files a site's past and future are read from.

use std::path::{Path, PathBuf};

use energy::backtest::{Hashprice, Inputs, bitcoin_days};
use energy::market::{daily_table, read_prices};
use energy::site::Site;
use energy::weather::TypicalYear;

use super::EnergyError;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What there is. Whatever is missing is made up from the seed.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The site, in TOML.
    pub site: PathBuf,
    /// Hourly market prices, in CSV.
    pub prices: Option<PathBuf>,
    /// A typical year of weather, in the format TMY3.
    pub weather: Option<PathBuf>,
    /// What a TH/s brings in a day, in dollars.
    pub hashprice_usd_per_th_day: Option<f64>,
    /// What hashprice is computed from instead, day by day.
    pub bitcoin: Option<BitcoinTables>,
    /// What is made up depends on it, and on nothing else.
    pub seed: u64,
}

/// Daily tables in CSV: a day, then a number.
#[derive(Debug, Clone)]
pub struct BitcoinTables {
    /// Dollars a bitcoin.
    pub price: PathBuf,
    /// The network's difficulty.
    pub difficulty: PathBuf,
    /// The share of fees in what a block pays, in percent.
    pub fees: PathBuf,
}

impl Sources {
    /// The site.
    pub(super) fn site(&self) -> Result<Site, EnergyError> {
        content(&self.site, Site::parse(&text(&self.site)?))
    }

    /// What its world is made of.
    pub(super) fn inputs(&self, site: &Site) -> Result<Inputs, EnergyError> {
        let prices = self.prices.as_deref();
        let prices = prices.map(|path| content(path, read_prices(&text(path)?, &site.zone())));
        let weather = self.weather.as_deref();
        let weather = weather.map(|path| content(path, TypicalYear::read_tmy3(&text(path)?)));
        let hashprice = match (&self.bitcoin, self.hashprice_usd_per_th_day) {
            (Some(tables), _) => tables.hashprice()?,
            (None, Some(usd)) => Hashprice::Constant(usd),
            (None, None) => Hashprice::default(),
        };
        Ok(Inputs {
            prices: prices.transpose()?,
            weather: weather.transpose()?,
            hashprice,
            start: None,
            days: None,
            seed: self.seed,
        })
    }
}

impl BitcoinTables {
    fn hashprice(&self) -> Result<Hashprice, EnergyError> {
        let table = |path: &Path| content(path, daily_table(&text(path)?, 1));
        let days = bitcoin_days(
            &table(&self.price)?,
            &table(&self.difficulty)?,
            &table(&self.fees)?,
        );
        Ok(Hashprice::Days(days))
    }
}

fn content<T>(path: &Path, read: energy::Result<T>) -> Result<T, EnergyError> {
    read.map_err(|source| EnergyError::Content {
        path: path.to_owned(),
        source,
    })
}

fn text(path: &Path) -> Result<String, EnergyError> {
    let fault = |source| EnergyError::File {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(fault)?;
    let mut text = String::new();
    let mut bounded = std::io::Read::take(file, FILE_BYTES_MAX + 1);
    std::io::Read::read_to_string(&mut bounded, &mut text).map_err(fault)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(std::io::Error::other("it is larger than 64 MiB")));
    }
    Ok(text)
}
