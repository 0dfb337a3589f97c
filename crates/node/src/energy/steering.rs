//! The site that this node steers, while it runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use energy::Timestamp;
use energy::drivers::Clock;
use energy::live::{Income, Live, LiveEvent, LiveView, With};
use energy::site::Site;
use tokio::sync::watch;

use super::Sources;
use super::capacity::{Capacity, Place};
use super::income::{self, Known};
use super::seen::{Line, Seen};
use crate::config::Config;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};
use crate::stamps::HeaderSources;

/// How often it is written down how much was answered, and income is looked up.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// So many of the newest lines and deliveries are kept for show.
const LINES_MAX: usize = 100;

/// The site, and the places that its power leaves for others.
#[derive(Default)]
pub(crate) struct Steering {
    pub(super) site: Option<Site>,
    folder: PathBuf,
    pub capacity: Capacity,
    known: Arc<Mutex<Known>>,
    pub(super) seen: Mutex<Seen>,
}

/// The time of this machine.
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        now()
    }
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(now_ms()).unwrap_or_default()
}

/// What is known of income, looked up once a minute.
struct Shared(Arc<Mutex<Known>>);

impl Income for Shared {
    fn hashprice_usd_per_th_day(&self) -> Option<f64> {
        lock(&self.0).hashprice_usd_per_th_day()
    }

    fn ai_usd_per_kwh(&self, job: &str) -> Option<f64> {
        lock(&self.0).ai_usd_per_kwh(job)
    }
}

impl Steering {
    /// Reads the site's file, if one is named.
    ///
    /// # Errors
    /// `config_invalid` if it can't be used, or has no batch AI of the name that is given for answers.
    pub fn open(config: &Config) -> Result<Self> {
        let settings = &config.energy;
        let Some(path) = &settings.site else {
            return Ok(Self::default());
        };
        let sources = Sources {
            site: path.clone(),
            ..Sources::default()
        };
        let site = sources
            .site()
            .map_err(|error| NodeError::Config(error.to_string()))?;
        let has = |name: &String| site.ai.batch.iter().any(|batch| batch.name == *name);
        if let Some(name) = settings.answers.as_ref().filter(|name| !has(name)) {
            let why = format!(
                "{}: there is no batch AI {name:?}, which [energy] says answers are",
                path.display()
            );
            return Err(NodeError::Config(why));
        }
        Ok(Self {
            site: Some(site),
            folder: path.parent().map(PathBuf::from).unwrap_or_default(),
            ..Self::default()
        })
    }

    fn note(&self, what: String) {
        tracing::info!("energy: {what}");
        let at = now().to_string();
        push(&mut lock(&self.seen).lines, Line { at, what });
    }
}

impl Node {
    /// A place for an answer that somebody else than the owner gets.
    pub(crate) fn place(&self) -> Result<Arc<Place>> {
        Ok(Arc::new(self.inner.steering.capacity.enter(now())?))
    }

    /// Steers the site, if there is one, until the node stops.
    pub(crate) async fn keep_steering(&self) {
        let steering = &self.inner.steering;
        let Some(site) = &steering.site else { return };
        loop {
            match self.steer(site.clone()).await {
                Ok(never) => match never {},
                Err(error) => {
                    steering.note(format!(
                        "the site isn't steered: {error} ({})",
                        error.hint()
                    ));
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn steer(&self, site: Site) -> Result<std::convert::Infallible, energy::live::LiveError> {
        let steering = &self.inner.steering;
        let config = &self.inner.config;
        let mut with = With {
            income: Arc::new(Shared(steering.known.clone())),
            folder: steering.folder.clone(),
            ..With::clock(Arc::new(Now))
        };
        if let Some(name) = &config.energy.answers {
            let worker = (
                Arc::new(steering.capacity.clone()) as _,
                config.engine.parallel,
            );
            with.workers.insert(name.clone(), worker);
        }
        self.account().await;
        let (mut live, left_out) = Live::new(site, with)?;
        let view = live.view();
        for name in &left_out {
            steering.note(format!(
                "{name} isn't steered: the site's file has no address for it"
            ));
        }
        {
            let mut seen = lock(&steering.seen);
            seen.view = Some(view.clone());
            seen.left_out = left_out;
        }
        let (deliver, delivered) = tokio::sync::mpsc::unbounded_channel();
        let mut tell = |event: LiveEvent| match event {
            LiveEvent::Controller(event) => steering.note(event.what.to_string()),
            LiveEvent::Said { what, .. } => steering.note(what),
            LiveEvent::Planned(plan) => steering.note(planned(&plan)),
            LiveEvent::Delivered(evidence) => _ = deliver.send(evidence),
        };
        tokio::select! {
            never = live.run(&mut tell) => match never {},
            never = self.keep_records(delivered) => match never {},
            never = self.keep_accounts(view) => match never {},
        }
    }

    /// Signs what was delivered, and puts it on record.
    async fn keep_records(
        &self,
        mut delivered: tokio::sync::mpsc::UnboundedReceiver<Box<energy::evidence::Evidence>>,
    ) -> std::convert::Infallible {
        let steering = &self.inner.steering;
        while let Some(evidence) = delivered.recv().await {
            let view = loop {
                match self.put_on_record(&evidence).await {
                    Ok(view) => break view,
                    Err(error) => {
                        steering.note(format!("a delivery isn't on record yet: {error}"));
                        tokio::time::sleep(RETRY).await;
                    }
                }
            };
            let kw = |w: i64| w as f64 / 1000.0;
            steering.note(format!(
                "{:.1} kW less were called for, {:.1} kW less were drawn in the mean: receipt {}",
                kw(evidence.called_w),
                kw(evidence.mean_less_w),
                view.receipt
            ));
            push(&mut lock(&steering.seen).deliveries, view);
        }
        std::future::pending().await
    }

    /// Looks up income, and tells the door when there will be more power.
    async fn keep_accounts(
        &self,
        mut view: watch::Receiver<Option<LiveView>>,
    ) -> std::convert::Infallible {
        let job = self.answers_job();
        let mut every = tokio::time::interval(ACCOUNTS_EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => self.account().await,
                changed = view.changed() => {
                    if changed.is_err() {
                        return std::future::pending().await;
                    }
                    let until = view.borrow_and_update().as_ref().zip(job).and_then(|(view, job)| view.more_at(job));
                    self.inner.steering.capacity.set_short_until(until);
                }
            }
        }
    }

    /// Which of the batch AI that are steered the answers are: it is the only one that this node does.
    fn answers_job(&self) -> Option<usize> {
        self.inner.config.energy.answers.as_ref().map(|_| 0)
    }

    /// Writes down how much was answered, and looks up what that and mining bring.
    async fn account(&self) {
        let (steering, config) = (&self.inner.steering, &self.inner.config);
        let busy_ms = steering.capacity.take_busy_ms();
        let booked = self.inner.db.write(move |tx| -> Result<Option<f64>> {
            income::note(tx, now_ms().div_euclid(1000), busy_ms)?;
            income::btc_per_hour(tx)
        });
        let btc_per_hour = match booked.await {
            Ok(btc_per_hour) => btc_per_hour,
            Err(error) => {
                tracing::warn!(
                    code = error.code(),
                    "what answers bring isn't known: {error}"
                );
                None
            }
        };
        let answers = btc_per_hour.and_then(|btc_per_hour| {
            let name = config.energy.answers.as_ref()?;
            let batch = steering
                .site
                .as_ref()?
                .ai
                .batch
                .iter()
                .find(|batch| batch.name == *name)?;
            let kw_each = batch.power_kw_max / f64::from(config.engine.parallel.max(1));
            let usd_per_hour = btc_per_hour * config.energy.bitcoin_usd?;
            (kw_each > 0.0).then(|| (name.clone(), usd_per_hour / kw_each))
        });
        let tip = HeaderSources::offline(config).tip();
        let hashprice = tip
            .and_then(|(height, difficulty)| income::hashprice(&config.energy, difficulty, height));
        *lock(&steering.known) = Known {
            hashprice_usd_per_th_day: hashprice,
            answers,
        };
    }
}

/// Adds to a list of the newest.
fn push<T>(list: &mut Vec<T>, newest: T) {
    if list.len() >= LINES_MAX {
        list.remove(0);
    }
    list.push(newest);
}

fn planned(plan: &energy::plan::Plan) -> String {
    let hours = plan.steps.len();
    format!("planned {hours} hours, worth ${:.2}", plan.value_usd)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
