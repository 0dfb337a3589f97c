//! Any table of prices, days or weather: all values that come out are finite, and there is one for each hour.
#![no_main]

use energy::TimeZone;
use energy::market::{daily_table, read_prices};
use energy::weather::TypicalYear;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(table) = read_prices(text, &TimeZone::UTC) {
        let (start, end) = (
            table.prices.start().as_second(),
            table.prices.end().as_second(),
        );
        assert_eq!((end - start) / 3600, table.prices.values().len() as i64);
        assert!(
            table
                .prices
                .values()
                .iter()
                .all(|price| price.abs() <= 100_000.0)
        );
    }
    if let Ok(days) = daily_table(text, 1) {
        assert!(days.values().all(|value| value.is_finite()));
    }
    _ = TypicalYear::read_tmy3(text);
});
