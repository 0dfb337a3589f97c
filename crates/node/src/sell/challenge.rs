//! How an offer can be paid: all challenges at once, in the order that works.

use std::net::IpAddr;

use http402::l402::Terms;
use http402::mpp::session::SessionOffer;
use http402::mpp::{AcceptPayment, CHARGE, ChargeOffer, Invoice, LIGHTNING, SESSION};
use http402::{PROBLEM_CONTENT_TYPE, xcashu};
use serde_json::{Value, json};
use wallet::cashier::books::Holder;
use wallet::sat_to_msat;

use super::{Offer, SellError, Unit};
use crate::error::Result;
use crate::node::{Node, now_ms, now_s};

/// How long a challenge can be paid.
const CHALLENGE_S: u32 = 600;
/// How long what was bought with a macaroon can be used.
const MACAROON_S: u64 = 30 * 24 * 60 * 60;
/// After how long a silence a session is closed.
pub(super) const IDLE_TIMEOUT_S: u64 = 600;
/// How an L402 macaroon says how many calls were bought, as a capability.
const CALLS: &str = "calls-";

/// An answer of the door itself.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// In this order; a name may come more than once.
    pub headers: Vec<(&'static str, String)>,
    /// The body, JSON.
    pub body: Value,
}

impl Answer {
    /// A problem (RFC 9457).
    pub(super) fn problem(error: &SellError, offer: Option<&Offer>) -> Self {
        let mut answer = Self::described(error.http_status(), error.code(), &error.to_string(), error.hint(), offer);
        answer.body["type"] = json!(error.problem_type());
        answer
    }

    fn described(status: u16, code: &str, detail: &str, hint: &str, offer: Option<&Offer>) -> Self {
        let title = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            402 => "Payment Required",
            409 => "Conflict",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            _ => "Error",
        };
        let mut body = json!({
            "type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "hint": hint,
        });
        if let Some(offer) = offer {
            body["price_sat"] = json!(offer.price_sat);
            body["unit"] = json!("sat");
            body["per"] = json!(offer.unit);
        }
        let headers = vec![
            ("Content-Type", PROBLEM_CONTENT_TYPE.to_owned()),
            ("Cache-Control", "no-store".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// JSON that can be repeated, and that isn't for caches.
    pub(super) fn ok(body: Value) -> Self {
        let headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
        ];
        Self { status: 200, headers, body }
    }
}

impl Offer {
    pub(super) fn terms(&self) -> Terms {
        let calls = (self.calls > 1).then(|| format!("{CALLS}{}", self.calls));
        Terms {
            capabilities: calls.into_iter().collect(),
            valid_until_unix_s: Some(now_s().saturating_add(MACAROON_S)),
            path: Some(self.path.clone()),
            methods: self.method.iter().cloned().collect(),
            ..Terms::new(&self.id)
        }
    }
}

/// How many calls were bought, as the macaroon says: the terms that were quoted hold.
pub(super) fn calls_bought(capabilities: Option<&[String]>) -> u32 {
    let calls = capabilities.into_iter().flatten().filter_map(|word| word.strip_prefix(CALLS)?.parse().ok());
    calls.max().unwrap_or(1)
}

impl Node {
    /// What a request without a payment is answered: 402, and every way to pay.
    pub(super) async fn ask_for_payment(&self, offer: &Offer, address: IpAddr, accept: Option<&str>) -> Answer {
        let price_sat = offer.price_sat;
        let detail = format!("{}: {price_sat} sat a {}", offer.description, offer.unit.as_str());
        let hint = "pay one of the challenges in this answer's headers and send the request again";
        let mut answer = Answer::described(402, "payment_required", &detail, hint, Some(offer));
        self.add_challenges(&mut answer, offer, address, accept).await;
        answer
    }

    /// What a payment is answered that doesn't open the door: why, and every way to pay if that would help.
    pub(super) async fn refuse_call(&self, offer: &Offer, address: IpAddr, error: &SellError) -> Answer {
        let mut answer = Answer::problem(error, Some(offer));
        if error.asks_for_payment() {
            self.add_challenges(&mut answer, offer, address, None).await;
        }
        answer
    }

    /// L402, sessions, charge: clients read the first that they know, and some only find a session before a charge.
    async fn add_challenges(&self, answer: &mut Answer, offer: &Offer, address: IpAddr, accept: Option<&str>) {
        let accept = AcceptPayment::parse(accept.unwrap_or_default());
        match self.lightning_challenges(offer, address, &accept).await {
            Ok(challenges) => answer.headers.extend(challenges),
            // The other ways are still good.
            Err(error) => tracing::warn!(code = error.code(), "no Lightning challenge: {error}"),
        }
        if self.is_mint_closed() {
            return;
        }
        match xcashu::Offer::new(offer.price_sat, "sat", &[self.inner.till.mint_url()]) {
            Ok(ecash) => answer.headers.push((xcashu::X_CASHU, ecash.challenge().value)),
            Err(error) => tracing::warn!(code = error.code(), "no ecash challenge: {error}"),
        }
    }

    async fn lightning_challenges(
        &self,
        offer: &Offer,
        address: IpAddr,
        accept: &AcceptPayment,
    ) -> Result<Vec<(&'static str, String)>> {
        let selling = &self.inner.selling;
        let mut values = Vec::new();
        let session = self.session_offer(offer);
        let can_pay = self.inner.cashier.is_some() && selling.bounds.invoice(address, now_ms());
        if can_pay && let Some(invoice) = self.call_invoice(offer).await? {
            let token_id = rand::random();
            let hash = *invoice.payment_hash.as_bytes();
            let macaroon = selling.issuer.mint(hash, token_id, &offer.terms()).map_err(SellError::from)?;
            let l402 = selling.issuer.challenge(&macaroon, &invoice.bolt11).map_err(SellError::from)?;
            values.push(l402);
            // Of a method that takes sessions, a buyer that wants none of them says so.
            if let Some(session) = &session
                && accept.weight(LIGHTNING, SESSION) > 0
                && selling.bounds.invoice(address, now_ms())
            {
                let invoice = self.deposit_invoice(offer).await?;
                let challenge = session.challenge(&selling.keys, &invoice).map_err(SellError::from)?;
                values.push(challenge.to_header());
            }
            values.extend(self.ecash_session(session.as_ref()));
            if accept.weight(LIGHTNING, CHARGE) > 0 {
                let challenge = self.charge_offer(offer).challenge(&selling.keys, &invoice, None);
                values.push(challenge.map_err(SellError::from)?.to_header());
            }
        } else {
            values.extend(self.ecash_session(session.as_ref()));
        }
        Ok(values.into_iter().map(|value| ("WWW-Authenticate", value)).collect())
    }

    /// A session that is paid with ecash: nothing has to be made for it.
    fn ecash_session(&self, session: Option<&SessionOffer>) -> Option<String> {
        let session = session.filter(|session| !session.mints.is_empty())?;
        let expires_at_s = now_s().saturating_add(CHALLENGE_S.into());
        let challenge = session.ecash_challenge(&self.inner.selling.keys, expires_at_s);
        challenge.ok().map(|challenge| challenge.to_header())
    }

    async fn call_invoice(&self, offer: &Offer) -> Result<Option<Invoice>> {
        self.sale_invoice(Holder::Owner, offer.price_sat, &offer.description).await.map(Some)
    }

    async fn deposit_invoice(&self, offer: &Offer) -> Result<Invoice> {
        let description = format!("Deposit: {}", offer.description);
        self.sale_invoice(Holder::Sessions, offer.deposit_sat, &description).await
    }

    async fn sale_invoice(&self, holder: Holder, amount_sat: u64, description: &str) -> Result<Invoice> {
        let amount_msat = Some(sat_to_msat(amount_sat));
        let cashier = self.cashier()?;
        let invoice = cashier.invoice(holder, amount_msat, description, CHALLENGE_S).await?;
        Ok(Invoice {
            bolt11: invoice.text,
            payment_hash: invoice.payment_hash.0.into(),
            expires_at_s: invoice.expires_at_s,
        })
    }

    pub(super) fn charge_offer(&self, offer: &Offer) -> ChargeOffer {
        ChargeOffer {
            id: offer.id.clone(),
            realm: self.inner.selling.realm.clone(),
            price_sat: offer.price_sat,
            description: Some(offer.description.clone()),
            network: Some(self.mpp_network().to_owned()),
        }
    }

    /// None if the offer takes no deposits.
    fn session_offer(&self, offer: &Offer) -> Option<SessionOffer> {
        let is_sold = offer.deposit_sat >= offer.price_sat;
        let mints = match self.is_mint_closed() {
            true => Vec::new(),
            false => vec![self.inner.till.mint_url()],
        };
        is_sold.then(|| SessionOffer {
            id: offer.id.clone(),
            realm: self.inner.selling.realm.clone(),
            unit_price_sat: offer.price_sat,
            unit_type: Some(offer.unit.as_str().to_owned()),
            description: Some(offer.description.clone()),
            deposit_sat: offer.deposit_sat,
            idle_timeout_s: IDLE_TIMEOUT_S,
            mints,
        })
    }

    /// Reads a session's credential: of an offer, whether it still takes deposits or not.
    pub(super) fn session_reader(&self, offer_id: &str) -> SessionOffer {
        SessionOffer {
            id: offer_id.to_owned(),
            realm: self.inner.selling.realm.clone(),
            unit_price_sat: 1,
            unit_type: Some(Unit::Call.as_str().to_owned()),
            description: None,
            deposit_sat: 1,
            idle_timeout_s: IDLE_TIMEOUT_S,
            mints: vec![self.inner.till.mint_url()],
        }
    }

    fn mpp_network(&self) -> &'static str {
        match self.inner.config.network.chain() {
            bitcoin::Network::Bitcoin => "mainnet",
            bitcoin::Network::Signet => "signet",
            _ => "regtest",
        }
    }
}
