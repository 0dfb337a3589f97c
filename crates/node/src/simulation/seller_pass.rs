//! A call that was let in, and what it costs: as in `sell/pass.rs` and the front end's proxy.

use http402::mpp::{PAYMENT_RECEIPT, Receipt};
use http402::xcashu::X_CASHU;
use serde_json::json;

use super::{Payer, Seller, plain, reply};
use crate::error::Result;
use crate::node::now_ms;
use crate::sell::kept::{self, KeptAnswer};
use crate::sell::{Answer, Offer, SellError};
use crate::serve::simulated as till;
use crate::simulation::faults::Mutation;
use crate::simulation::network::Reply;
use crate::simulation::world::{MINUTE_MS, SECOND_MS};

impl Seller {
    pub(super) async fn work(
        &self,
        offer: &Offer,
        payer: Payer,
        receipt: Option<Receipt>,
        name: Option<String>,
    ) -> Result<Option<Reply>> {
        let world = &self.ground().world;
        self.must_be_durable(&payer)?;
        world.sleep(world.between(5, 2_000)).await;
        if world.fails("upstream slow", 10) {
            world.sleep(world.between(SECOND_MS, 4 * MINUTE_MS)).await;
        }
        if world.fails("upstream failed", 40) {
            let error = SellError::UpstreamFailed(500);
            return Ok(Some(reply(self.failed(offer, payer, error).await?)));
        }
        if world.fails("buyer hangs up", 15) {
            if let Payer::Lightning(taken, _) = &payer {
                self.ground()
                    .commit("a use is interrupted", |tx| taken.interrupted(tx))
                    .await?;
            }
            return Ok(None);
        }
        if let Some(name) = name {
            self.keep(offer, &payer, &name).await?;
        }
        Ok(Some(self.served(offer, payer, receipt).await?))
    }

    /// Keeps the answer for a buyer that may lose it.
    async fn keep(&self, offer: &Offer, payer: &Payer, name: &str) -> Result<()> {
        let payment = match payer {
            Payer::Lightning(taken, _) => taken.payment.clone(),
            Payer::Ecash(sale, _) => kept::of_sale(&sale.id),
            Payer::Session(..) => return Ok(()),
        };
        let Reply {
            status,
            headers,
            body,
        } = plain(200, &offer.id);
        let answer = KeptAnswer {
            status,
            headers,
            body,
        };
        let keep = self.ground().commit("an answer is kept", |tx| {
            answer.insert(tx, &payment, name, now_ms())
        });
        keep.await
    }

    async fn served(&self, offer: &Offer, payer: Payer, receipt: Option<Receipt>) -> Result<Reply> {
        let ground = self.ground();
        let mut answer = plain(200, &offer.id);
        let payment = match payer {
            Payer::Lightning(taken, payment) => {
                ground
                    .commit("a use is served", |tx| taken.served(tx))
                    .await?;
                payment.as_str().trim_start_matches("lightning:").to_owned()
            }
            Payer::Ecash(sale, _guard) => {
                let change = till::settle_call_sale(ground, &sale).await?;
                answer
                    .headers
                    .extend(change.map(|token| (X_CASHU.to_owned(), token)));
                sale.id.clone()
            }
            Payer::Session(hold, id) => {
                hold.take()?;
                self.shop.note_spent();
                ground.world.deeds.borrow_mut().serve_session(&id);
                answer
                    .headers
                    .extend(receipt.map(|one| (PAYMENT_RECEIPT.to_owned(), one.encode())));
                return Ok(answer);
            }
        };
        answer
            .headers
            .extend(receipt.map(|one| (PAYMENT_RECEIPT.to_owned(), one.encode())));
        self.must_be_paid(&payment);
        if let Err(what) = ground.world.deeds.borrow_mut().serve(&payment) {
            ground.world.violation(what);
        }
        ground.note(&format!("serves {payment:.8}"));
        Ok(answer)
    }

    pub(super) async fn failed(
        &self,
        offer: &Offer,
        payer: Payer,
        error: SellError,
    ) -> Result<Answer> {
        let mut answer = Answer::problem(&error, Some(offer));
        let payment = match payer {
            Payer::Lightning(taken, _) => {
                self.ground()
                    .commit("a use failed", |tx| taken.failed(tx))
                    .await?;
                "not_consumed"
            }
            Payer::Session(hold, _) => {
                drop(hold);
                "not_consumed"
            }
            Payer::Ecash(sale, _guard) => {
                let change = till::refund_sale(self.ground(), &sale, &error.into()).await?;
                answer.headers.extend(change.map(|token| (X_CASHU, token)));
                "returned"
            }
        };
        answer.body["payment"] = json!(payment);
        Ok(answer)
    }

    /// Whether its disk says that a payment was worked for.
    pub fn has_served(&self, payment: &str) -> bool {
        let sql = "SELECT EXISTS (SELECT 1 FROM payment_uses WHERE payment = 'lightning:' || ?1 AND state = 'served')
                       OR EXISTS (SELECT 1 FROM sales WHERE id = ?1 AND state = 'settled' AND price_sat > 0)";
        let found = self
            .ground()
            .look(|db| Ok(db.query_row(sql, [payment], |row| row.get(0))?));
        found.unwrap()
    }

    /// Nothing is asked of the service before its payment is on the disk.
    fn must_be_durable(&self, payer: &Payer) -> Result<()> {
        let sql = match payer {
            Payer::Lightning(..) => {
                "SELECT count(*) FROM payment_uses WHERE payment = ?1 AND state = 'begun'"
            }
            Payer::Ecash(..) => "SELECT count(*) FROM sales WHERE id = ?1 AND state = 'paid'",
            Payer::Session(..) => {
                "SELECT count(*) FROM sessions WHERE id = ?1 AND state IN ('open', 'redeeming')"
            }
        };
        let key = match payer {
            Payer::Lightning(_, payment) => payment.as_str(),
            Payer::Ecash(sale, _) => &sale.id,
            Payer::Session(_, id) => id,
        };
        let world = &self.ground().world;
        let found: u32 = self
            .ground()
            .look(|db| Ok(db.query_row(sql, [key], |row| row.get(0))?))?;
        if found == 0 && !world.is_mutated(Mutation::ForgetsUses) {
            world.violation(format!("work for {key} before its payment is durable"));
        }
        Ok(())
    }

    fn must_be_paid(&self, payment: &str) {
        let world = &self.ground().world;
        let by_token = world.mint.borrow().spent_by(payment) == Some(&*self.ground().name);
        if !by_token && !world.rail.borrow().is_paid(payment) {
            world.violation(format!("{payment} was served, and wasn't paid"));
        }
    }
}
