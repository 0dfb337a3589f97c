//! What the controller did, and why.

use std::fmt;

use jiff::Timestamp;

use super::meter::Distrust;
use super::unit::Health;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The controller goes by something else from now on.
    Mode(Mode),
    /// A machine is to be believed more, or less.
    Unit {
        /// Its name.
        name: String,
        /// How it is now.
        health: Health,
        /// What it was told, in W.
        ordered_w: f64,
        /// What it draws by its own reading, in W.
        seen_w: f64,
    },
    /// The meter can't be believed any more, or can again.
    Meter(Option<Distrust>),
    /// Load was dropped for a limit.
    Cut {
        /// How much, in kW at the meter.
        power_kw: f64,
        /// Of how many machines.
        units: usize,
        /// For what.
        limit: Limit,
    },
    /// A limit can't be kept: there is nothing left to drop.
    Short {
        /// How much is missing, in kW.
        power_kw: f64,
        /// Of what.
        limit: Limit,
    },
    /// A call's power has gone, by the meter.
    Delivered {
        /// How long it took, in seconds.
        after_seconds: f64,
        /// What the meter shows, in kW.
        import_kw: f64,
    },
    /// A call is over.
    Released,
}

/// What the controller goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It has just started, and reads what is there before it changes anything.
    Adopting,
    /// The plan.
    Planned,
    /// There is no plan for now: what runs goes on for a while.
    Holding,
    /// There has been no plan for long: AI goes on, miners and battery rest.
    Safe,
}

/// What load is dropped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The line's import cap.
    Cap,
    /// A call to shed.
    Call,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(Mode::Adopting) => f.write_str("reads what runs before changing anything"),
            Self::Mode(Mode::Planned) => f.write_str("goes by the plan"),
            Self::Mode(Mode::Holding) => f.write_str("there is no plan for now: what runs goes on"),
            Self::Mode(Mode::Safe) => {
                f.write_str("there has been no plan for long: AI goes on, miners and battery rest")
            }
            Self::Unit {
                name,
                health,
                ordered_w,
                seen_w,
            } => match health {
                Health::Good => write!(f, "{name} does what it is told again"),
                Health::Deaf => write!(f, "{name} was told {ordered_w:.0} W and draws {seen_w:.0} W: others take its part"),
                Health::Lost => write!(f, "{name} gives no reading: it counts with {:.0} W", ordered_w.max(*seen_w)),
                Health::Unknown => write!(f, "{name} wasn't read yet"),
            },
            Self::Meter(None) => f.write_str("the meter is believed again"),
            Self::Meter(Some(Distrust::Silent)) => {
                f.write_str("the meter is silent: machines are added up instead, firm AI at its most")
            }
            Self::Meter(Some(Distrust::Stuck)) => f.write_str(
                "the meter shows one value while machines change: they are added up instead, firm AI at its most",
            ),
            Self::Cut {
                power_kw,
                units,
                limit,
            } => {
                let machines = if *units == 1 { "machine" } else { "machines" };
                write!(f, "drops {power_kw:.1} kW of {units} {machines} for {limit}")
            }
            Self::Short { power_kw, limit } => {
                write!(f, "{power_kw:.1} kW too much for {limit}, and nothing left to drop")
            }
            Self::Delivered {
                after_seconds,
                import_kw,
            } => write!(f, "delivered after {after_seconds:.1} s: the meter shows {import_kw:.1} kW"),
            Self::Released => f.write_str("the call is over"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cap => "the import cap",
            Self::Call => "the call",
        })
    }
}
