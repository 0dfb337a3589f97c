//! Power against hashrate of one machine.

use serde::Deserialize;

use crate::{Error, Result};

/// The most points that a curve may have.
const POINTS_MAX: usize = 16;
/// How many classes of power samples are sorted into when a curve is learned.
const CLASSES: usize = 8;
/// A class with fewer samples than this says nothing.
const SAMPLES_MIN: usize = 3;

/// What one machine hashes at which power, by rising power. Between the points both are mixed, over time or over
/// machines. Below the first point a machine can only be off.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(transparent)]
pub struct Curve {
    points: Vec<CurvePoint>,
}

/// A point of a [`Curve`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// What the machine draws, in W.
    pub power_w: f64,
    /// What it hashes, in TH/s.
    pub hashrate_ths: f64,
}

/// What a machine was seen to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurveSample {
    /// What it drew, in W.
    pub power_w: f64,
    /// What it hashed, in TH/s.
    pub hashrate_ths: f64,
}

/// A stretch of a curve's concave hull, from the end of the one before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// How much power it is long, in W.
    pub power_w: f64,
    /// What each watt of it adds, in TH/s.
    pub ths_per_w: f64,
}

impl Curve {
    /// A curve through points that are ordered by rising power.
    pub const fn new(points: Vec<CurvePoint>) -> Self {
        Self { points }
    }

    /// Its points.
    pub fn points(&self) -> &[CurvePoint] {
        &self.points
    }

    /// Whether it has no point.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The least that the machine draws when it hashes, in W.
    pub fn power_w_min(&self) -> f64 {
        self.points.first().map_or(0.0, |point| point.power_w)
    }

    /// The most that the machine draws, in W.
    pub fn power_w_max(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.power_w)
    }

    /// What the machine hashes at a power, in TH/s: nothing below the least, and no more than at the most.
    pub fn hashrate_ths(&self, power_w: f64) -> f64 {
        let after = self
            .points
            .partition_point(|point| point.power_w <= power_w + 1e-6);
        match (
            after.checked_sub(1).and_then(|i| self.points.get(i)),
            self.points.get(after),
        ) {
            (Some(low), Some(high)) => {
                let share = ((power_w - low.power_w) / (high.power_w - low.power_w)).max(0.0);
                low.hashrate_ths + share * (high.hashrate_ths - low.hashrate_ths)
            }
            (Some(last), None) => last.hashrate_ths,
            (None, _) => 0.0,
        }
    }

    /// The upper concave hull above the first point, from the steepest stretch to the flattest.
    pub fn segments(&self) -> Vec<Segment> {
        hull(&self.points)
            .windows(2)
            .map(|pair| Segment {
                power_w: pair[1].power_w - pair[0].power_w,
                ths_per_w: (pair[1].hashrate_ths - pair[0].hashrate_ths)
                    / (pair[1].power_w - pair[0].power_w),
            })
            .collect()
    }

    /// The gear that is worth most when a watt costs as much as so many TH/s bring, in W; zero is off.
    pub fn best_power_w(&self, ths_per_w_to_pay: f64) -> f64 {
        let gain = |point: &CurvePoint| point.hashrate_ths - point.power_w * ths_per_w_to_pay;
        let best = self
            .points
            .iter()
            .max_by(|a, b| gain(a).total_cmp(&gain(b)));
        best.filter(|point| gain(point) > 0.0)
            .map_or(0.0, |point| point.power_w)
    }

    /// Says what is wrong with it.
    pub(super) fn check(&self) -> std::result::Result<(), &'static str> {
        let sane = |p: &CurvePoint| {
            (0.1..1e6).contains(&p.power_w) && (1e-6..1e6).contains(&p.hashrate_ths)
        };
        if self.points.is_empty() || self.points.len() > POINTS_MAX {
            return Err("needs 1 to 16 points");
        }
        if !self.points.iter().all(sane) {
            return Err("has a power or a hashrate that isn't a positive number of W or TH/s");
        }
        if !self
            .points
            .windows(2)
            .all(|pair| pair[0].power_w < pair[1].power_w)
        {
            return Err("isn't by rising power");
        }
        Ok(())
    }

    /// Learns a curve from what a machine was seen to do: the median of each class of power, and the concave hull
    /// of those, so that a few samples taken while it was ramping don't matter.
    ///
    /// # Errors
    /// When the samples are too few, or when none of them hashes.
    pub fn learn(samples: &[CurveSample]) -> Result<Self> {
        let mut good: Vec<CurveSample> = samples
            .iter()
            .copied()
            .filter(|s| {
                s.power_w.is_finite()
                    && s.hashrate_ths.is_finite()
                    && s.power_w > 1.0
                    && s.hashrate_ths > 0.0
            })
            .collect();
        if good.len() < SAMPLES_MIN {
            return Err(Error::Curve {
                why: "at least three in which the machine draws power and hashes are needed",
            });
        }
        good.sort_by(|a, b| a.power_w.total_cmp(&b.power_w));
        let (low, high) = (good[0].power_w, good[good.len() - 1].power_w);
        let width = ((high - low) / CLASSES as f64).max(high * 0.01);
        let points: Vec<CurvePoint> = good
            .chunk_by(|a, b| {
                ((a.power_w - low) / width).floor() == ((b.power_w - low) / width).floor()
            })
            .filter(|class| class.len() >= SAMPLES_MIN)
            .map(medians)
            .collect();
        let curve = Self {
            points: hull(&points),
        };
        curve.check().map_err(|_| Error::Curve {
            why: "three samples near the same power are needed",
        })?;
        Ok(curve)
    }
}

fn medians(class: &[CurveSample]) -> CurvePoint {
    let median = |of: fn(&CurveSample) -> f64| {
        let mut values: Vec<f64> = class.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    CurvePoint {
        power_w: median(|s| s.power_w),
        hashrate_ths: median(|s| s.hashrate_ths),
    }
}

/// The points of the upper concave hull, without any beyond the highest hashrate.
fn hull(points: &[CurvePoint]) -> Vec<CurvePoint> {
    let mut kept: Vec<CurvePoint> = Vec::new();
    let slope = |a: &CurvePoint, b: &CurvePoint| {
        (b.hashrate_ths - a.hashrate_ths) / (b.power_w - a.power_w)
    };
    for point in points {
        while let [.., before, last] = kept.as_slice() {
            if slope(before, last) > slope(last, point) {
                break;
            }
            kept.pop();
        }
        kept.push(*point);
    }
    while let [.., before, last] = kept.as_slice() {
        if last.hashrate_ths > before.hashrate_ths {
            break;
        }
        kept.pop();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s19() -> Curve {
        let point = |(power_w, hashrate_ths)| CurvePoint {
            power_w,
            hashrate_ths,
        };
        Curve::new(
            [(784.0, 39.2), (2794.0, 121.8), (4195.0, 163.1)]
                .map(point)
                .to_vec(),
        )
    }

    #[test]
    fn a_curve_is_read_between_its_points() {
        let curve = s19();
        assert_eq!(curve.hashrate_ths(500.0), 0.0);
        assert_eq!(curve.hashrate_ths(784.0), 39.2);
        assert!((curve.hashrate_ths(1789.0) - 80.5).abs() < 1e-9);
        assert_eq!(curve.hashrate_ths(9000.0), 163.1);
    }

    #[test]
    fn gears_are_chosen_by_what_a_watt_costs() {
        let curve = s19();
        assert_eq!(curve.best_power_w(0.0), 4195.0);
        // 29.5 mTH/W is what the last stretch adds, 41 mTH/W the one before.
        assert_eq!(curve.best_power_w(0.035), 2794.0);
        assert_eq!(curve.best_power_w(0.045), 784.0);
        assert_eq!(curve.best_power_w(0.06), 0.0);
    }

    #[test]
    fn a_curve_is_learned_from_noisy_samples() {
        let truth = s19();
        let mut samples = Vec::new();
        for i in 0..300_u32 {
            let power_w = 784.0 + f64::from(i % 100) / 99.0 * (4195.0 - 784.0);
            let noise = 1.0 + (f64::from(i * 7919 % 13) - 6.0) / 600.0;
            samples.push(CurveSample {
                power_w,
                hashrate_ths: truth.hashrate_ths(power_w) * noise,
            });
        }
        // Ramping: full power, no hash. And nonsense from the machine's API.
        samples.push(CurveSample {
            power_w: 4195.0,
            hashrate_ths: 0.0,
        });
        samples.push(CurveSample {
            power_w: f64::NAN,
            hashrate_ths: 1.0,
        });
        let learned = Curve::learn(&samples).unwrap();
        for power_w in [1200.0, 2000.0, 2794.0, 3500.0] {
            let error = learned.hashrate_ths(power_w) / truth.hashrate_ths(power_w) - 1.0;
            assert!(error.abs() < 0.03, "{power_w} W: {error}");
        }
    }

    #[test]
    fn nothing_is_learned_from_nothing() {
        let idle = CurveSample {
            power_w: 0.0,
            hashrate_ths: 0.0,
        };
        assert_eq!(Curve::learn(&[idle; 50]).unwrap_err().code(), "curve");
        let spread = [1000.0, 2000.0, 3000.0].map(|power_w| CurveSample {
            power_w,
            hashrate_ths: 50.0,
        });
        assert_eq!(Curve::learn(&spread).unwrap_err().code(), "curve");
    }

    #[test]
    fn the_hull_is_concave_and_ends_at_the_highest_hashrate() {
        let point = |(power_w, hashrate_ths)| CurvePoint {
            power_w,
            hashrate_ths,
        };
        let dented = Curve::new(
            [(1.0, 1.0), (2.0, 1.2), (3.0, 3.0), (4.0, 2.9)]
                .map(point)
                .to_vec(),
        );
        let segments = dented.segments();
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].power_w, 2.0);
        assert!(
            s19()
                .segments()
                .windows(2)
                .all(|pair| pair[0].ths_per_w > pair[1].ths_per_w)
        );
    }
}
