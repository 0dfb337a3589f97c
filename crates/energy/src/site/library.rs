//! Common models, by what their makers say of them.

use super::{Curve, CurvePoint, Firmware};

/// A model of a miner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// As a site file names it.
    pub name: &'static str,
    /// What one machine draws as it is sold, in W.
    pub power_w: f64,
    /// What it hashes then, in TH/s.
    pub hashrate_ths: f64,
}

const fn rated(name: &'static str, power_w: f64, hashrate_ths: f64) -> Model {
    Model {
        name,
        power_w,
        hashrate_ths,
    }
}

/// The library, by name. Rated values at the wall; the machines of one model differ by some percent, so a curve that was
/// learned from the machine is better.
pub const MODELS: [Model; 20] = [
    rated("avalon-1566", 3420.0, 185.0),
    rated("avalon-mini-3", 800.0, 37.5),
    rated("avalon-nano-3s", 140.0, 6.0),
    rated("bitaxe-gamma", 18.0, 1.2),
    rated("bitaxe-supra", 13.0, 0.65),
    rated("m30s++", 3472.0, 112.0),
    rated("m50s", 3276.0, 126.0),
    rated("m60s", 3441.0, 186.0),
    rated("s17", 2520.0, 56.0),
    rated("s19", 3250.0, 95.0),
    rated("s19-pro", 3250.0, 110.0),
    rated("s19-xp", 3010.0, 140.0),
    rated("s19j-pro", 3050.0, 100.0),
    rated("s19k-pro", 2760.0, 120.0),
    rated("s21", 3500.0, 200.0),
    rated("s21-pro", 3510.0, 234.0),
    rated("s21-xp", 3645.0, 270.0),
    rated("s9", 1323.0, 13.5),
    rated("t19", 3150.0, 84.0),
    rated("t21", 3610.0, 190.0),
];

/// How a tuned machine's power and hashrate fall together, as shares of the largest: measured on one of the S19 class
/// (784 W and 39.2 TH/s, 2,794 W and 121.8 TH/s, 4,195 W and 163.1 TH/s), and assumed to hold for others.
const TUNED_SHAPE: [(f64, f64); 3] = [
    (784.0 / 4195.0, 39.2 / 163.1),
    (2794.0 / 4195.0, 121.8 / 163.1),
    (1.0, 1.0),
];

/// The model of a name.
pub fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

impl Model {
    /// Its curve: with stock firmware one point, with tunable firmware an estimate down to a fifth of the power.
    pub fn curve(&self, firmware: Firmware) -> Curve {
        let at = |(power, hashrate): (f64, f64)| CurvePoint {
            power_w: self.power_w * power,
            hashrate_ths: self.hashrate_ths * hashrate,
        };
        Curve::new(match firmware {
            Firmware::Stock => vec![at((1.0, 1.0))],
            Firmware::Tunable => TUNED_SHAPE.map(at).to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_sorted_and_sane() {
        assert!(MODELS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for model in MODELS {
            let joule_per_th = model.power_w / model.hashrate_ths;
            assert!(
                (12.0..110.0).contains(&joule_per_th),
                "{}: {joule_per_th} J/TH",
                model.name
            );
            for firmware in [Firmware::Stock, Firmware::Tunable] {
                model.curve(firmware).check().unwrap();
            }
        }
    }
}
