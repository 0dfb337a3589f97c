//! A comparison as a table.

use std::fmt;

use super::Tally;

/// A comparison of policies over one world.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The site's name.
    pub site: String,
    /// What came of each policy. The second is on/off at break-even, against which capture is measured.
    pub tallies: Vec<Tally>,
    /// What perfect foresight could earn at most, in dollars.
    pub bound_usd: f64,
    /// What isn't data.
    pub assumptions: Vec<String>,
}

impl Report {
    /// How much of what lies between on/off and perfect foresight a policy took, in percent.
    pub fn capture_percent(&self, tally: &Tally) -> f64 {
        let base_usd = self
            .tallies
            .get(1)
            .map_or(0.0, |tally| tally.money.net_usd());
        100.0 * (tally.money.net_usd() - base_usd) / (self.bound_usd - base_usd).max(1e-9)
    }

    /// The tally of a policy.
    pub fn tally(&self, name: &str) -> Option<&Tally> {
        self.tallies.iter().find(|tally| tally.name == name)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22} {:>12} {:>8} {:>9} {:>11} {:>10} {:>10} {:>9} {:>8} {:>9}",
            "policy",
            "net $",
            "capture",
            "firm SLA",
            "batch kWh",
            "mining kWh",
            "grid kWh",
            "own kWh",
            "lost",
            "CO2 t"
        )?;
        // At home, cents matter.
        let digits = if self.bound_usd.abs() < 1000.0 { 2 } else { 0 };
        for t in &self.tallies {
            writeln!(
                f,
                "{:<22} {:>12.digits$} {:>7.1}% {:>8.3}% {:>11.0} {:>10.0} {:>10.0} {:>9.0} {:>8.0} {:>9.1}",
                t.name,
                t.money.net_usd(),
                self.capture_percent(t),
                t.sla_percent(),
                t.batch_kwh,
                t.miners_kwh,
                t.import_kwh,
                t.own_kwh,
                t.curtailed_kwh,
                t.carbon_kg / 1000.0
            )?;
        }
        writeln!(
            f,
            "{:<22} {:>12.digits$}   100.0%",
            "perfect foresight", self.bound_usd
        )?;
        for t in &self.tallies {
            details(f, t)?;
        }
        for assumption in &self.assumptions {
            writeln!(f, "assumed: {assumption}")?;
        }
        Ok(())
    }
}

fn details(f: &mut fmt::Formatter<'_>, t: &Tally) -> fmt::Result {
    if t.shortfall_kwh > 1e-6 {
        let why = "cap, sun, wind and battery together were too little";
        writeln!(
            f,
            "{}: {:.1} kWh of firm AI weren't served, by force: {why}",
            t.name, t.shortfall_kwh
        )?;
    }
    if t.plans.count > 0 {
        writeln!(
            f,
            "{}: {} plans, {} without the solver, mean {:.1} ms, slowest {:.0} ms; surplus used {:.0} of {:.0} kWh, {:.0} kWh at no price or less",
            t.name,
            t.plans.count,
            t.plans.fallbacks,
            t.plans.took.as_secs_f64() * 1000.0 / t.plans.count as f64,
            t.plans.took_max.as_secs_f64() * 1000.0,
            t.surplus_used_kwh(),
            t.surplus_kwh,
            t.unwanted_kwh
        )?;
    }
    for note in &t.plans.notes {
        writeln!(f, "{}: {note}", t.name)?;
    }
    Ok(())
}
