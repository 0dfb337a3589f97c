//! What becomes of sessions in the background: as in `sell/sessions/metering.rs` and `refund.rs`.

use std::sync::Arc;

use http402::mpp::PaymentHash;
use http402::mpp::session::Effect;

use super::Shop;
use crate::error::Result;
use crate::sell::sessions::{Live, store};
use crate::simulation::world::{DAY_MS, SECOND_MS};

impl Shop {
    /// Something was taken from a session.
    pub fn note_spent(&self) {
        self.spent.notify_one();
    }

    pub async fn keep_metering(&self) {
        for round in 1_u32.. {
            self.spent.notified().await;
            self.ground.sleep(SECOND_MS / 10).await;
            let and_book = round.is_multiple_of(8);
            let dirty: Vec<_> = self
                .all()
                .into_iter()
                .filter(|live| live.is_unwritten(and_book))
                .collect();
            let write = self.ground.commit("meters are written", |tx| {
                dirty.iter().try_for_each(|live| live.write(tx, and_book))
            });
            write.await.unwrap();
        }
    }

    pub async fn keep_settling(&self) {
        loop {
            let all = self.all();
            let wait_ms = if all.is_empty() {
                DAY_MS
            } else {
                20 * SECOND_MS
            };
            self.ground
                .world
                .timeout(wait_ms, self.begun.notified())
                .await;
            for live in all {
                let sessions = self.sessions();
                if let Some(_alone) = sessions.alone.try_lock(&live.id.to_string()) {
                    let _ = self.resume(&live).await;
                }
            }
        }
    }

    async fn resume(&self, live: &Arc<Live>) -> Result<()> {
        if live.is_idle() {
            self.end(live, None).await?;
        }
        let unfinished = live.lock().session.unfinished();
        for effect in unfinished {
            match effect {
                Effect::Redeem { deposit, token } => {
                    self.redeem_deposit(live, &deposit, &token, true).await?;
                }
                Effect::Refund { amount_sat, to } => {
                    self.refund(live, amount_sat, &to).await?;
                }
                Effect::Consume(_) | Effect::Persist => {}
            }
        }
        Ok(())
    }

    /// Each session is over, and took no more than what was served.
    pub fn check_at_rest(&self) -> std::result::Result<(), String> {
        let views = self.ground.look(|db| store::list(db, u32::MAX)).unwrap();
        for view in views {
            let id: PaymentHash = view.id.parse().unwrap();
            let live = self.ground.look(|db| store::find(db, id)).unwrap().unwrap();
            let unit_price_sat = live.lock().session.unit_price_sat();
            let served = (self.ground.world.deeds.borrow()).served_by_session(&view.id);
            if view.state != "closed" || view.spent_sat > served * unit_price_sat {
                return Err(format!("a session served {served} calls: {view:?}"));
            }
        }
        Ok(())
    }
}
