//! This node's own AI workers: batch work that is slowed down or stopped.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Driver, DriverError, Reading};

/// What runs AI work and can be slowed down. The node's scheduler is one.
pub trait Throttle: Send + Sync {
    /// How many pieces of work it may do at once.
    fn slots(&self) -> u32;

    /// Lets it do so many at once from now on. What has begun is finished.
    fn set_slots(&self, slots: u32);

    /// How many it is doing.
    fn busy(&self) -> u32;

    /// What the machine's own sensor says that it draws, in W, if there is one.
    fn measured_power_w(&self) -> Option<f64>;
}

/// A worker that is steered by how much it may do at once.
pub struct Worker {
    throttle: Arc<dyn Throttle>,
    idle_w: f64,
    slot_w: f64,
    slots_max: u32,
}

impl Worker {
    /// A worker that draws `idle_w` when it does nothing and `slot_w` more for each piece of work, of which it can do
    /// `slots_max` at once.
    pub const fn new(
        throttle: Arc<dyn Throttle>,
        idle_w: f64,
        slot_w: f64,
        slots_max: u32,
    ) -> Self {
        Self {
            throttle,
            idle_w,
            slot_w,
            slots_max,
        }
    }

    /// As many pieces of work as fit into a power; never more than that.
    fn slots_for(&self, power_w: f64) -> u32 {
        let fit = (power_w - self.idle_w) / self.slot_w + 1e-9;
        fit.clamp(0.0, f64::from(self.slots_max)) as u32
    }
}

#[async_trait]
impl Driver for Worker {
    async fn warm(&self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn command(&self, power_w: f64) -> Result<(), DriverError> {
        self.throttle.set_slots(self.slots_for(power_w));
        Ok(())
    }

    /// What is measured, or else what its work should draw.
    async fn read(&self) -> Result<Reading, DriverError> {
        let by_work_w = self.idle_w + f64::from(self.throttle.busy()) * self.slot_w;
        Ok(Reading {
            power_w: self.throttle.measured_power_w().unwrap_or(by_work_w),
            ..Reading::default()
        })
    }
}
