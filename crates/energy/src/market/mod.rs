//! Prices and hashprice over time: tables, calendars, and what was published when.

mod hashprice;
mod price_file;
mod publication;
mod series;
pub mod synthetic;

pub use hashprice::{
    BitcoinDay, Network2024, btc_closes, daily_table, hashprice_usd_per_th_day, settled_at,
    subsidy_btc,
};
pub use price_file::{PriceTable, Repairs, read_prices};
pub use publication::Publication;
pub use series::{HOUR_S, Series, local_hour_and_day};
