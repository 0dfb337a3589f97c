//! Forecasts with holes: what isn't a number, or can't be, gets a value that keeps the site safe.

use crate::plant::{Conditions, Step};
use crate::site::Site;

/// A price beyond this, either way, is nonsense, in dollars a kWh.
const USD_PER_KWH_MAX: f64 = 1000.0;

/// Mends the steps, and says what was wrong. Prices that are missing are taken from the step before; power that is
/// missing is taken as none; firm load that is missing as what the site promises at most.
pub(super) fn mend(site: &Site, steps: &[Step], notes: &mut Vec<String>) -> Vec<Step> {
    let firm_kw_max = site.ai.firm.iter().map(|firm| firm.power_kw.max()).sum();
    let (mut import, mut export, mut hashprice) = (0.0, 0.0, 0.0);
    let mut mended = 0_usize;
    let mut steps = steps.to_vec();
    steps.retain(|step| step.hours.is_finite() && step.hours > 0.0);
    for step in &mut steps {
        let c = &mut step.conditions;
        let before = *c;
        fix(
            &mut c.import_usd_per_kwh,
            -USD_PER_KWH_MAX,
            USD_PER_KWH_MAX,
            import,
        );
        fix(
            &mut c.export_usd_per_kwh,
            -USD_PER_KWH_MAX,
            USD_PER_KWH_MAX,
            export,
        );
        c.export_usd_per_kwh = c.export_usd_per_kwh.min(c.import_usd_per_kwh);
        fix(&mut c.hashprice_usd_per_th_day, 0.0, 1e3, hashprice);
        fix(&mut c.import_kw_max, 0.0, f64::MAX, site.grid.import_kw_max);
        c.import_kw_max = c.import_kw_max.min(site.grid.import_kw_max);
        fix(&mut c.firm_kw, 0.0, 1e9, firm_kw_max);
        fix(&mut c.base_kw, 0.0, 1e9, site.base_load_kw.max());
        fix(&mut c.pue, 1.0, 5.0, 1.2);
        for power in [&mut c.pv_kw, &mut c.wind_kw, &mut c.heat_kw] {
            fix(power, 0.0, 1e9, 0.0);
        }
        (import, export, hashprice) = (
            c.import_usd_per_kwh,
            c.export_usd_per_kwh,
            c.hashprice_usd_per_th_day,
        );
        mended += usize::from(!same(&before, c));
    }
    if mended > 0 {
        notes.push(format!(
            "{mended} of {} steps of the forecast had a value that can't be; it was replaced",
            steps.len()
        ));
    }
    steps
}

fn fix(value: &mut f64, min: f64, max: f64, otherwise: f64) {
    if !(*value >= min && *value <= max) {
        *value = otherwise;
    }
}

fn same(a: &Conditions, b: &Conditions) -> bool {
    // The cap and the price of what is fed in may be lowered without anything being wrong.
    let lowered = |before: f64, after: f64| if before >= after { after } else { before };
    let a = Conditions {
        import_kw_max: lowered(a.import_kw_max, b.import_kw_max),
        export_usd_per_kwh: lowered(a.export_usd_per_kwh, b.export_usd_per_kwh),
        ..*a
    };
    a == *b
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// So many equal steps.
    pub fn steady(start: &str, count: i64, hours: f64) -> Vec<Step> {
        let start: jiff::Timestamp = start.parse().unwrap();
        let conditions = Conditions {
            import_usd_per_kwh: 0.05,
            export_usd_per_kwh: 0.0,
            import_kw_max: 1e6,
            pv_kw: 0.0,
            wind_kw: 0.0,
            pue: 1.0,
            firm_kw: 0.0,
            base_kw: 0.0,
            heat_kw: 0.0,
            hashprice_usd_per_th_day: 0.05,
        };
        let at = |i: i64| {
            jiff::Timestamp::from_second(start.as_second() + i * (hours * 3600.0).round() as i64)
                .unwrap()
        };
        (0..count)
            .map(|i| Step {
                start: at(i),
                hours,
                conditions,
            })
            .collect()
    }

    #[test]
    fn nonsense_is_replaced_and_reported() {
        let site = Site::parse(
            "name = \"a\"\ntime_zone = \"UTC\"\n[grid]\nimport_kw_max = 10\n[tariff]\n\
             import = { kind = \"flat\", usd_per_kwh = 0.1 }\n[[ai.firm]]\nname = \"b\"\npower_kw = 3\n",
        )
        .unwrap();
        let mut steps = steady("2024-01-01T00:00:00Z", 3, 1.0);
        steps[1].conditions.import_usd_per_kwh = f64::NAN;
        steps[1].conditions.firm_kw = f64::INFINITY;
        steps[2].hours = f64::NAN;
        let mut notes = Vec::new();
        let mended = mend(&site, &steps, &mut notes);
        assert_eq!(mended.len(), 2);
        assert_eq!(mended[1].conditions.import_usd_per_kwh, 0.05);
        assert_eq!(mended[1].conditions.firm_kw, 3.0);
        assert_eq!(mended[1].conditions.import_kw_max, 10.0);
        assert_eq!(notes.len(), 1);
    }
}
