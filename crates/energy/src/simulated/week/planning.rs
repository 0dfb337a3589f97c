//! The feed that publishes the week's prices, and plans made of what it says.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::place::Place;
use crate::backtest::World;
use crate::drivers::{PriceShape, PriceSpan, fetch_prices, hourly};
use crate::live::{Measured, Outlook};
use crate::plan::Plan;
use crate::simulated::{Reply, Served, price_feed, serve_http};
use crate::site::Site;

pub(super) struct Planning {
    outlook: Outlook,
    /// Prices in dollars a MWh, as the feed gave them last.
    prices: Vec<f64>,
    feed: Arc<Feed>,
    address: String,
    /// Whether no plans are made.
    pub is_lost: bool,
    _served: Served,
}

/// What the publisher publishes.
struct Feed {
    spans: Mutex<Vec<PriceSpan>>,
    published: AtomicUsize,
    answers: AtomicBool,
}

impl Planning {
    pub async fn new(site: &Site, world: &World, network: u8) -> io::Result<Self> {
        let zone = site.zone();
        let span = |hour: usize| PriceSpan {
            start: world.moment(hour),
            end: world.moment(hour + 1),
            per_kwh: world.step(site, &zone, hour).conditions.import_usd_per_kwh,
        };
        let feed = Arc::new(Feed {
            spans: Mutex::new((0..world.hours).map(span).collect()),
            published: AtomicUsize::new(0),
            answers: AtomicBool::new(true),
        });
        let for_answers = feed.clone();
        let answer = move |_| {
            if !for_answers.answers.load(Ordering::Relaxed) {
                return Some(Reply::status(503));
            }
            let spans = for_answers
                .spans
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let published = for_answers
                .published
                .load(Ordering::Relaxed)
                .min(spans.len());
            Some(Reply::ok(price_feed(
                &PriceShape::Awattar,
                &spans[..published],
            )))
        };
        let (address, served) =
            serve_http(SocketAddr::from(([127, network, 6, 1], 0)), answer).await?;
        Ok(Self {
            outlook: Outlook::new(site, world.start),
            prices: Vec::new(),
            feed,
            address: format!("http://{address}/v1/marketdata"),
            is_lost: false,
            _served: served,
        })
    }

    /// Lets the feed answer, or not.
    pub fn set_feed(&self, answers: bool) {
        self.feed.answers.store(answers, Ordering::Relaxed);
    }

    /// A plan from an hour on; none while plans are lost.
    pub async fn plan(
        &mut self,
        site: &Arc<Site>,
        world: &World,
        hour: usize,
        place: &Place,
    ) -> Option<Plan> {
        let zone = site.zone();
        let known = world.known(site, &zone, hour, self.outlook.knowledge());
        self.feed
            .published
            .store(known.market_usd_per_mwh.len(), Ordering::Relaxed);
        self.fetch().await;
        let groups = 0..site.miners.len();
        let measured = Measured {
            units_on: groups.map(|group| place.units_on(group)).collect(),
            done_kwh: place
                .workers
                .iter()
                .map(|worker| worker.take_done_kwh())
                .collect(),
            battery_kwh: Some(place.battery_kwh()),
        };
        self.outlook.follow(site, world.moment(hour), &measured);
        if self.is_lost {
            return None;
        }
        let planning = self.outlook.plan(site, world, hour, &self.prices);
        planning.await.ok()
    }

    /// Without an answer the prices known so far are used.
    async fn fetch(&mut self) {
        let fetched = fetch_prices(&self.address, &PriceShape::Awattar).await;
        let series = fetched.ok().and_then(|spans| hourly(&spans, 1.0).ok());
        if let Some(series) = series {
            self.prices = series
                .values()
                .iter()
                .map(|usd_per_kwh| usd_per_kwh * 1000.0)
                .collect();
        } else {
            tracing::warn!("no prices could be fetched: those known so far are used");
        }
    }
}
