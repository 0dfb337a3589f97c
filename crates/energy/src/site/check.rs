//! What a site must be for a plan to make sense: every number finite and in a range that somebody could mean.

use jiff::tz::TimeZone;

use super::file::{Fault, Key};
use super::{LIST_MAX, MinerGroup, Prices, Profile, Site, devices};

pub(super) type Checked = Result<(), Fault>;

/// The largest power that a site may have, in kW: 100 GW.
const KW_MAX: f64 = 1e8;
/// The largest price per kWh, in dollars.
const USD_PER_KWH_MAX: f64 = 1e4;

macro_rules! way {
    ($($key:expr),+) => { vec![$($crate::site::file::Key::from($key)),+] };
}
pub(super) use way;

impl From<&'static str> for Key {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for Key {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

pub(super) fn check(site: &Site) -> Checked {
    if TimeZone::get(&site.time_zone).is_err() {
        return fault(
            way!["time_zone"],
            "isn't a name of the IANA database, such as `Europe/Berlin`",
        );
    }
    lists_are_short(site)?;
    within(
        way!["grid", "import_kw_max"],
        site.grid.import_kw_max,
        0.0,
        KW_MAX,
    )?;
    within(
        way!["grid", "export_kw_max"],
        site.grid.export_kw_max,
        0.0,
        KW_MAX,
    )?;
    within(
        way!["grid", "carbon_g_per_kwh"],
        site.grid.carbon_g_per_kwh,
        0.0,
        1e4,
    )?;
    profile(way!["base_load_kw"], &site.base_load_kw, KW_MAX)?;
    tariff(site)?;
    for (i, group) in site.miners.iter().enumerate() {
        miners(i, group)?;
    }
    ai(site)?;
    supply(site)?;
    cooling(site)?;
    heat_and_reserves(site)?;
    devices::check(site)
}

fn lists_are_short(site: &Site) -> Checked {
    let lists = [
        ("miners", site.miners.len()),
        ("ai", site.ai.firm.len()),
        ("ai", site.ai.batch.len()),
        ("reserves", site.reserves.len()),
        ("cooling", site.cooling.pue.len()),
    ];
    for (name, len) in lists {
        if len > LIST_MAX {
            return fault(
                way![name],
                &format!("has {len} entries, {LIST_MAX} at most: join those that are alike"),
            );
        }
    }
    Ok(())
}

fn tariff(site: &Site) -> Checked {
    let tariff = &site.tariff;
    let price = |value| {
        within(
            way!["tariff", "import", "usd_per_kwh"],
            value,
            -USD_PER_KWH_MAX,
            USD_PER_KWH_MAX,
        )
    };
    match &tariff.import {
        Prices::Flat { usd_per_kwh } => price(*usd_per_kwh)?,
        Prices::TimeOfUse {
            usd_per_kwh,
            periods,
        } => {
            price(*usd_per_kwh)?;
            if periods.len() > LIST_MAX {
                return fault(
                    way!["tariff", "import", "periods"],
                    &format!("has more than {LIST_MAX} entries"),
                );
            }
            for (i, period) in periods.iter().enumerate() {
                let field = |name| way!["tariff", "import", "periods", i, name];
                price(period.usd_per_kwh)?;
                within(field("from_hour"), period.from_hour.into(), 0.0, 23.0)?;
                within(field("to_hour"), period.to_hour.into(), 0.0, 24.0)?;
            }
        }
        Prices::Hourly {
            adder_usd_per_kwh,
            published_at,
        } => {
            within(
                way!["tariff", "import", "adder_usd_per_kwh"],
                *adder_usd_per_kwh,
                0.0,
                USD_PER_KWH_MAX,
            )?;
            if published_at.parse::<jiff::civil::Time>().is_err() {
                return fault(
                    way!["tariff", "import", "published_at"],
                    "isn't a time of day, such as \"13:30\"",
                );
            }
        }
    }
    within(
        way!["tariff", "export", "usd_per_kwh"],
        tariff.export.usd_per_kwh,
        -USD_PER_KWH_MAX,
        USD_PER_KWH_MAX,
    )?;
    within(
        way!["tariff", "export", "market_share"],
        tariff.export.market_share,
        0.0,
        1.0,
    )?;
    within(
        way!["tariff", "demand_usd_per_kw_month"],
        tariff.demand_usd_per_kw_month,
        0.0,
        USD_PER_KWH_MAX,
    )
}

fn miners(i: usize, group: &MinerGroup) -> Checked {
    let field = |name: &'static str| way!["miners", i, name];
    within(field("units"), group.units.into(), 1.0, 1e6)?;
    within(
        field("pool_fee_percent"),
        group.pool_fee_percent,
        0.0,
        100.0,
    )?;
    within(field("ramp_up_minutes"), group.ramp_up_minutes, 0.0, 240.0)?;
    within(field("stop_seconds"), group.stop_seconds, 0.0, 3600.0)?;
    within(
        field("on_time_minutes_min"),
        group.on_time_minutes_min,
        0.0,
        1440.0,
    )?;
    within(field("start_wear_usd"), group.start_wear_usd, 0.0, 1e6)?;
    group.curve.check().map_err(|why| Fault {
        path: field("curve"),
        why: why.into(),
    })
}

fn ai(site: &Site) -> Checked {
    for (i, firm) in site.ai.firm.iter().enumerate() {
        let field = |name: &'static str| way!["ai", "firm", i, name];
        profile(field("power_kw"), &firm.power_kw, KW_MAX)?;
        within(field("sla_percent"), firm.sla_percent, 0.0, 100.0)?;
        within(
            field("penalty_usd_per_kwh"),
            firm.penalty_usd_per_kwh,
            0.0,
            USD_PER_KWH_MAX,
        )?;
        within(
            field("revenue_usd_per_kwh"),
            firm.revenue_usd_per_kwh,
            0.0,
            USD_PER_KWH_MAX,
        )?;
    }
    for (i, batch) in site.ai.batch.iter().enumerate() {
        let field = |name: &'static str| way!["ai", "batch", i, name];
        within(field("power_kw_max"), batch.power_kw_max, 0.0, KW_MAX)?;
        within(
            field("revenue_usd_per_kwh"),
            batch.revenue_usd_per_kwh,
            0.0,
            USD_PER_KWH_MAX,
        )?;
        within(
            field("penalty_usd_per_kwh"),
            batch.penalty_usd_per_kwh,
            0.0,
            USD_PER_KWH_MAX,
        )?;
        within(field("due_hour"), batch.due_hour.into(), 0.0, 23.0)?;
        within(
            field("energy_kwh_per_day"),
            batch.energy_kwh_per_day,
            0.0,
            KW_MAX,
        )?;
        if batch.energy_kwh_per_day > 24.0 * batch.power_kw_max {
            return fault(
                field("energy_kwh_per_day"),
                "can't be done in a day, even at power_kw_max all the time",
            );
        }
    }
    Ok(())
}

fn supply(site: &Site) -> Checked {
    if let Some(battery) = &site.battery {
        let field = |name: &'static str| way!["battery", name];
        within(field("energy_kwh"), battery.energy_kwh, 0.0, KW_MAX)?;
        within(
            field("energy_kwh_min"),
            battery.energy_kwh_min,
            0.0,
            battery.energy_kwh,
        )?;
        within(field("charge_kw_max"), battery.charge_kw_max, 0.0, KW_MAX)?;
        within(
            field("discharge_kw_max"),
            battery.discharge_kw_max,
            0.0,
            KW_MAX,
        )?;
        within(
            field("round_trip_percent"),
            battery.round_trip_percent,
            20.0,
            100.0,
        )?;
        within(
            field("wear_usd_per_kwh"),
            battery.wear_usd_per_kwh,
            0.0,
            USD_PER_KWH_MAX,
        )?;
    }
    if let Some(pv) = &site.pv {
        within(way!["pv", "power_kw_peak"], pv.power_kw_peak, 0.0, KW_MAX)?;
        within(
            way!["pv", "performance_percent"],
            pv.performance_percent,
            0.0,
            100.0,
        )?;
        within(way!["pv", "latitude_deg"], pv.latitude_deg, -66.0, 66.0)?;
    }
    if let Some(wind) = &site.wind {
        let field = |name: &'static str| way!["wind", name];
        within(field("power_kw_rated"), wind.power_kw_rated, 0.0, KW_MAX)?;
        within(field("cut_in_m_per_s"), wind.cut_in_m_per_s, 0.0, 50.0)?;
        within(
            field("rated_m_per_s"),
            wind.rated_m_per_s,
            wind.cut_in_m_per_s + 0.1,
            60.0,
        )?;
        within(
            field("cut_out_m_per_s"),
            wind.cut_out_m_per_s,
            wind.rated_m_per_s,
            100.0,
        )?;
    }
    Ok(())
}

fn cooling(site: &Site) -> Checked {
    for (i, point) in site.cooling.pue.iter().enumerate() {
        within(way!["cooling", "pue", i, "ratio"], point.ratio, 1.0, 5.0)?;
        within(
            way!["cooling", "pue", i, "temperature_c"],
            point.temperature_c,
            -90.0,
            90.0,
        )?;
    }
    let rising = site
        .cooling
        .pue
        .windows(2)
        .all(|pair| pair[0].temperature_c < pair[1].temperature_c);
    if site.cooling.pue.is_empty() || !rising {
        return fault(
            way!["cooling", "pue"],
            "needs at least one point, by rising temperature",
        );
    }
    Ok(())
}

fn heat_and_reserves(site: &Site) -> Checked {
    if let Some(heat) = &site.heat {
        profile(way!["heat", "demand_kw"], &heat.demand_kw, KW_MAX)?;
        within(way!["heat", "cold_below_c"], heat.cold_below_c, -90.0, 90.0)?;
        within(
            way!["heat", "value_usd_per_kwh"],
            heat.value_usd_per_kwh,
            0.0,
            USD_PER_KWH_MAX,
        )?;
        within(
            way!["heat", "recovered_share"],
            heat.recovered_share,
            0.0,
            1.0,
        )?;
    }
    for (i, reserve) in site.reserves.iter().enumerate() {
        let field = |name: &'static str| way!["reserves", i, name];
        within(field("power_kw_max"), reserve.power_kw_max, 0.0, KW_MAX)?;
        within(
            field("price_usd_per_mw_h"),
            reserve.price_usd_per_mw_h,
            0.0,
            1e6,
        )?;
        within(
            field("respond_seconds_max"),
            reserve.respond_seconds_max,
            0.0,
            3600.0,
        )?;
    }
    Ok(())
}

fn profile(path: Vec<Key>, profile: &Profile, max: f64) -> Checked {
    // The smallest is NaN when any is.
    within(path.clone(), profile.min(), 0.0, max)?;
    within(path, profile.max(), 0.0, max)
}

pub(super) fn within(path: Vec<Key>, value: f64, min: f64, max: f64) -> Checked {
    if value >= min && value <= max {
        return Ok(());
    }
    fault(
        path,
        &format!("is {value}: it must be a number from {min} to {max}"),
    )
}

pub(super) fn fault(path: Vec<Key>, why: &str) -> Checked {
    Err(Fault {
        path,
        why: why.into(),
    })
}
