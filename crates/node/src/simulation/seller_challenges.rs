//! How a call can be paid: as in `sell/challenge.rs`.

use http402::door::Challenges;
use http402::mpp::session::SessionOffer;
use http402::mpp::{Challenge, ChargeOffer, Invoice};
use http402::xcashu;
use serde_json::json;
use wallet::cashier::books::{self, Holder};
use wallet::sat_to_msat;

use super::{Entry, Seller, reply};
use crate::error::Result;
use crate::node::{now_ms, now_s};
use crate::sell::challenge::IDLE_TIMEOUT_S;
use crate::sell::{Answer, Offer, SellError};
use crate::simulation::mint::MINT;
use crate::simulation::network::Reply;
use crate::simulation::rail;

/// How long a challenge can be paid.
const CHALLENGE_S: u64 = 600;

impl Seller {
    pub(super) async fn ask_for_payment(&self, offer: &Offer) -> Result<Entry> {
        let mut answer = Answer::ok(json!({ "code": "payment_required" }));
        answer.status = 402;
        self.add_challenges(&mut answer, offer).await?;
        Ok(Entry::Answer(answer))
    }

    pub(super) async fn refuse(&self, offer: &Offer, error: &SellError) -> Reply {
        let mut answer = Answer::problem(error, Some(offer));
        if error.asks_for_payment() {
            let _ = self.add_challenges(&mut answer, offer).await;
        }
        reply(answer)
    }

    async fn add_challenges(&self, answer: &mut Answer, offer: &Offer) -> Result<()> {
        let keys = &self.shop.keys;
        let invoice = self.invoice(Holder::Owner, offer.price_sat).await?;
        let hash = *invoice.payment_hash.as_bytes();
        (self.ground().world.deeds.borrow_mut()).offer(&hex::encode(hash), offer.calls);
        let token_id = self.ground().world.bytes();
        let macaroon = self
            .issuer
            .mint(hash, token_id, &offer.terms())
            .map_err(SellError::from)?;
        let l402 = self
            .issuer
            .challenge(&macaroon, &invoice.bolt11)
            .map_err(SellError::from)?;
        let charge = self
            .charge_offer(offer)
            .challenge(keys, &invoice, None)
            .map_err(SellError::from)?;
        let mut payments = vec![charge];
        payments.extend(self.sessions_offered(offer).await?);
        let x_cashu = xcashu::Offer::new(offer.price_sat, "sat", &[MINT])?.challenge();
        let challenges = Challenges {
            l402: Some(&l402),
            payments: &payments,
            x_cashu: Some(&x_cashu),
        };
        answer
            .headers
            .extend(challenges.headers(None).map_err(SellError::from)?);
        Ok(())
    }

    async fn sessions_offered(&self, offer: &Offer) -> Result<Vec<Challenge>> {
        if offer.deposit_sat == 0 {
            return Ok(Vec::new());
        }
        let session = SessionOffer {
            id: offer.id.clone(),
            realm: self.shop.realm.clone(),
            unit_price_sat: offer.price_sat,
            unit_type: Some(offer.unit.as_str().to_owned()),
            description: None,
            deposit_sat: offer.deposit_sat,
            idle_timeout_s: IDLE_TIMEOUT_S,
            mints: vec![MINT.to_owned()],
        };
        let invoice = self.invoice(Holder::Sessions, offer.deposit_sat).await?;
        let keys = &self.shop.keys;
        let lightning = session.challenge(keys, &invoice).map_err(SellError::from)?;
        let ecash = session
            .ecash_challenge(keys, now_s() + CHALLENGE_S)
            .map_err(SellError::from)?;
        Ok(vec![lightning, ecash])
    }

    async fn invoice(&self, holder: Holder, amount_sat: u64) -> Result<Invoice> {
        let ground = self.ground();
        let amount_msat = Some(sat_to_msat(amount_sat));
        let new = rail::invoice(
            &ground.world,
            &ground.name,
            Some(ground.machine),
            amount_msat,
            CHALLENGE_S,
        );
        let hash = hex::encode(new.payment_hash);
        let record = ground.commit("an invoice is noted", |tx| {
            Ok(books::record_invoice(
                tx,
                &hash,
                holder,
                amount_msat,
                "",
                now_ms(),
            )?)
        });
        record.await?;
        Ok(Invoice {
            bolt11: new.bolt11,
            payment_hash: new.payment_hash.into(),
            expires_at_s: new.expires_s,
        })
    }

    pub(super) fn charge_offer(&self, offer: &Offer) -> ChargeOffer {
        ChargeOffer {
            id: offer.id.clone(),
            realm: self.shop.realm.clone(),
            price_sat: offer.price_sat,
            description: None,
            network: Some("regtest".to_owned()),
            agreed: None,
        }
    }
}
