//! What comes from beyond the site, in the background: a dead server mustn't hold up a round.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::drivers::{Clock, DriverError, GridEvent, PriceShape, Ven, fetch_prices, hourly};
use crate::market::Series;

/// After a failure it is tried again after so long at first, and then after twice as long each time.
const RETRY_FIRST: Duration = Duration::from_secs(5);

/// The newest word of a server, and what is wrong with it now.
#[derive(Debug, Clone)]
pub(super) struct Word<T> {
    pub said: Option<T>,
    pub trouble: Option<String>,
}

impl<T> Default for Word<T> {
    fn default() -> Self {
        Self {
            said: None,
            trouble: None,
        }
    }
}

/// A server that is asked again and again until this is dropped.
pub(super) struct Asked<T> {
    pub word: watch::Receiver<Word<T>>,
    task: AbortHandle,
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks for prices in dollars a kWh, by the hour.
pub(super) fn prices(
    url: String,
    shape: PriceShape,
    usd_per_unit: f64,
    pause: Duration,
) -> Asked<Series> {
    asked(pause, move || {
        let (url, shape) = (url.clone(), shape.clone());
        async move {
            let spans = fetch_prices(&url, &shape).await?;
            hourly(&spans, usd_per_unit).map_err(|error| DriverError::Nonsense {
                why: error.to_string(),
            })
        }
    })
}

/// Asks what the grid wants.
pub(super) fn events(
    ven: Arc<Ven>,
    program_id: String,
    clock: Arc<dyn Clock>,
    pause: Duration,
) -> Asked<Vec<GridEvent>> {
    asked(pause, move || {
        let (ven, program_id, now) = (ven.clone(), program_id.clone(), clock.now());
        async move { ven.events(&program_id, now).await }
    })
}

fn asked<T, W>(pause: Duration, mut ask: impl FnMut() -> W + Send + 'static) -> Asked<T>
where
    T: Clone + Send + Sync + 'static,
    W: Future<Output = Result<T, DriverError>> + Send,
{
    let (sender, word) = watch::channel(Word::default());
    let task = tokio::spawn(async move {
        let mut retry = RETRY_FIRST;
        loop {
            let wait = match ask().await {
                Ok(said) => {
                    retry = RETRY_FIRST;
                    sender.send_replace(Word {
                        said: Some(said),
                        trouble: None,
                    });
                    pause
                }
                Err(error) => {
                    sender.send_modify(|word| word.trouble = Some(error.to_string()));
                    let wait = retry.min(pause);
                    retry = (2 * wait).max(RETRY_FIRST);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    });
    Asked {
        word,
        task: task.abort_handle(),
    }
}
