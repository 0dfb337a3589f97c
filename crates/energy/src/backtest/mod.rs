//! History replayed without foresight: each policy decides by what was known at the time, the plant says what came of
//! it, and both are set against what perfect foresight could have earned at most.

mod bound;
mod inputs;
mod known;
mod policies;
mod report;
mod run;
mod tally;
mod world;

pub use bound::bound_usd;
pub use inputs::{Hashprice, Inputs, bitcoin_days};
pub use known::{Forecasters, Known};
pub use policies::{AlwaysOn, BestGear, Foresight, OnOff, Planned, Policy};
pub use report::Report;
pub use run::{Options, compare, run};
pub use tally::{Hour, Plans, Tally};
pub use world::{Knowledge, World};
