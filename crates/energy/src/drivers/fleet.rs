//! Many devices at once, within bounds.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Driver, DriverError, Reading};
use crate::controller::Command;

/// How many devices are asked at once, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many at once.
    pub concurrency: usize,
    /// One that hasn't answered for so long makes way for the next, while its answer is still waited for: a few dead ones
    /// mustn't hold up all others.
    pub patience: Duration,
    /// How many may be waited for in that way.
    pub late_max: usize,
    /// How long an answer is waited for at all.
    pub deadline: Duration,
    /// How long the first contact may take.
    pub warm_deadline: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            concurrency: 64,
            patience: Duration::from_millis(200),
            late_max: 1024,
            deadline: Duration::from_secs(2),
            warm_deadline: Duration::from_secs(15),
        }
    }
}

/// Devices in the order of the controller's units.
pub struct Fleet {
    drivers: Vec<Arc<dyn Driver>>,
    bounds: Bounds,
    on_time: Semaphore,
    late: Semaphore,
}

impl Fleet {
    /// A fleet of these devices.
    pub fn new(drivers: Vec<Arc<dyn Driver>>, bounds: Bounds) -> Self {
        Self {
            drivers,
            on_time: Semaphore::new(bounds.concurrency),
            late: Semaphore::new(bounds.late_max),
            bounds,
        }
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.drivers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.drivers.is_empty()
    }

    /// Warms all of them. Gives those that couldn't be.
    pub async fn warm(&self) -> Vec<(usize, DriverError)> {
        let each = self
            .drivers
            .iter()
            .enumerate()
            .map(|(unit, driver)| async move {
                let result = self.bounded(driver.warm(), self.bounds.warm_deadline).await;
                (unit, result)
            });
        let done: Vec<_> = each.collect::<FuturesUnordered<_>>().collect().await;
        let failed = done.into_iter();
        failed
            .filter_map(|(unit, result)| Some((unit, result.err()?)))
            .collect()
    }

    /// Reads all of them.
    pub async fn read(&self) -> Vec<(usize, Result<Reading, DriverError>)> {
        let each =
            (0..self.drivers.len()).map(|unit| async move { (unit, self.read_one(unit).await) });
        each.collect::<FuturesUnordered<_>>().collect().await
    }

    /// Gives commands. Of each it is told whether it was accepted.
    pub async fn command(&self, commands: &[Command]) -> Vec<(usize, Result<(), DriverError>)> {
        let each = commands
            .iter()
            .map(|command| async move { (command.unit, self.command_one(*command).await) });
        each.collect::<FuturesUnordered<_>>().collect().await
    }

    /// Gives one command.
    pub async fn command_one(&self, command: Command) -> Result<(), DriverError> {
        let driver = self.driver(command.unit)?;
        self.bounded(driver.command(command.power_w), self.bounds.deadline)
            .await
    }

    /// Reads one device.
    pub async fn read_one(&self, unit: usize) -> Result<Reading, DriverError> {
        let driver = self.driver(unit)?;
        let reading = self.bounded(driver.read(), self.bounds.deadline).await?;
        if reading.power_w.is_finite() {
            Ok(reading)
        } else {
            Err(DriverError::Nonsense {
                why: "its power isn't a number".into(),
            })
        }
    }

    fn driver(&self, unit: usize) -> Result<&Arc<dyn Driver>, DriverError> {
        self.drivers.get(unit).ok_or(DriverError::Unsupported {
            what: "be found: there is no such unit",
        })
    }

    /// Waits for a place, then for the answer: first on time, then in the lane of the late.
    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, DriverError>>,
        deadline: Duration,
    ) -> Result<T, DriverError> {
        let place = self.on_time.acquire().await;
        tokio::pin!(work);
        let patience = self.bounds.patience.min(deadline);
        if let Ok(result) = timeout(patience, &mut work).await {
            return result;
        }
        let Ok(_late) = self.late.try_acquire() else {
            return Err(DriverError::TimedOut);
        };
        drop(place);
        timeout(deadline.saturating_sub(patience), work)
            .await
            .unwrap_or(Err(DriverError::TimedOut))
    }
}
