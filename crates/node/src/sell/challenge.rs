//! How an offer can be paid: all challenges at once, in the order that works.

use std::net::IpAddr;

use http402::door::Challenges;
use http402::l402::Terms;
use http402::mpp::session::SessionOffer;
use http402::mpp::{AcceptPayment, Challenge, ChargeOffer, Invoice, LIGHTNING, SESSION};
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
/// How it says what was paid, where not all calls cost the same.
const SAT: &str = "sat-";

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
        let mut answer = Self::described(
            error.http_status(),
            error.code(),
            &error.to_string(),
            error.hint(),
            offer,
        );
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
        Self {
            status,
            headers,
            body,
        }
    }

    /// JSON that can be repeated, and that isn't for caches.
    pub(super) fn ok(body: Value) -> Self {
        let headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
        ];
        Self {
            status: 200,
            headers,
            body,
        }
    }
}

impl Offer {
    pub(super) fn terms(&self) -> Terms {
        let calls = (self.calls > 1).then(|| format!("{CALLS}{}", self.calls));
        let price = self.is_chat().then(|| format!("{SAT}{}", self.price_sat));
        Terms {
            capabilities: calls.into_iter().chain(price).collect(),
            valid_until_unix_s: Some(now_s().saturating_add(MACAROON_S)),
            path: Some(self.path.clone()),
            methods: self.method.iter().cloned().collect(),
            ..Terms::new(&self.id)
        }
    }

    /// What a macaroon is known by.
    fn token_id(&self) -> [u8; 32] {
        self.agreed.map_or_else(rand::random, |agreed| agreed.0)
    }
}

/// How many calls were bought, as the macaroon says: the terms that were quoted hold.
pub(super) fn calls_bought(capabilities: Option<&[String]>) -> u32 {
    let calls = capabilities
        .into_iter()
        .flatten()
        .filter_map(|word| word.strip_prefix(CALLS)?.parse().ok());
    calls.max().unwrap_or(1)
}

/// What was paid, as the macaroon says.
pub(super) fn sat_bought(capabilities: Option<&[String]>) -> u64 {
    let sat = capabilities
        .into_iter()
        .flatten()
        .filter_map(|word| word.strip_prefix(SAT)?.parse().ok());
    sat.max().unwrap_or(0)
}

impl Node {
    /// What a request without a payment is answered: 402, and every way to pay. Without an address no invoice is made.
    pub(super) async fn ask_for_payment(
        &self,
        offer: &Offer,
        address: Option<IpAddr>,
        accept: Option<&str>,
    ) -> Answer {
        let price_sat = offer.price_sat;
        let detail = format!(
            "{}: {price_sat} sat a {}",
            offer.description,
            offer.unit.as_str()
        );
        let hint = "pay one of the challenges in this answer's headers and send the request again";
        let mut answer = Answer::described(402, "payment_required", &detail, hint, Some(offer));
        self.add_challenges(&mut answer, offer, address, accept)
            .await;
        answer
    }

    /// What a payment is answered that doesn't open the door: why, and every way to pay if that would help.
    pub(super) async fn refuse_call(
        &self,
        offer: &Offer,
        address: IpAddr,
        error: &SellError,
    ) -> Answer {
        let mut answer = Answer::problem(error, Some(offer));
        if error.asks_for_payment() {
            self.add_challenges(&mut answer, offer, Some(address), None)
                .await;
        }
        answer
    }

    /// Every way to pay. What fails leaves the others.
    async fn add_challenges(
        &self,
        answer: &mut Answer,
        offer: &Offer,
        address: Option<IpAddr>,
        accept: Option<&str>,
    ) {
        let mut l402 = None;
        let mut payments = Vec::new();
        if let Err(error) = self
            .lightning_challenges(offer, address, accept, &mut l402, &mut payments)
            .await
        {
            tracing::warn!(code = error.code(), "no Lightning challenge: {error}");
        }
        payments.extend(self.ecash_session(offer));
        // Whoever says how it accepts a `Payment` speaks that scheme, and some only find it at the front.
        let l402 = l402.filter(|_| accept.is_none());
        let x_cashu = match self.is_mint_closed() {
            true => None,
            false => self.ecash_offer(offer).ok(),
        };
        let x_cashu = x_cashu.map(|offer| offer.challenge());
        let challenges = Challenges {
            l402: l402.as_deref(),
            payments: &payments,
            x_cashu: x_cashu.as_ref(),
        };
        match challenges.headers(accept) {
            // `no-store` is there already.
            Ok(headers) => answer.headers.extend(
                headers
                    .into_iter()
                    .filter(|(name, _)| *name != "Cache-Control"),
            ),
            Err(error) => tracing::warn!(code = error.code(), "no challenge: {error}"),
        }
    }

    /// The challenges that need an invoice, as long as this address gets any.
    async fn lightning_challenges(
        &self,
        offer: &Offer,
        address: Option<IpAddr>,
        accept: Option<&str>,
        l402: &mut Option<String>,
        payments: &mut Vec<Challenge>,
    ) -> Result<()> {
        let selling = &self.inner.selling;
        let gets_invoice =
            || address.is_some_and(|address| selling.bounds.invoice(address, now_ms()));
        if self.inner.cashier.is_none() || !gets_invoice() {
            return Ok(());
        }
        let invoice = self.call_invoice(offer).await?;
        let hash = *invoice.payment_hash.as_bytes();
        let macaroon = selling
            .issuer
            .mint(hash, offer.token_id(), &offer.terms())
            .map_err(SellError::from)?;
        *l402 = Some(
            selling
                .issuer
                .challenge(&macaroon, &invoice.bolt11)
                .map_err(SellError::from)?,
        );
        let charge = self
            .charge_offer(offer)
            .challenge(&selling.keys, &invoice, None)
            .map_err(SellError::from)?;
        payments.push(charge);
        // A buyer that wants no sessions says so, and saves us an invoice.
        let accept = AcceptPayment::parse(accept.unwrap_or_default());
        if let Some(session) = self.session_offer(offer)
            && accept.weight(LIGHTNING, SESSION) > 0
            && gets_invoice()
        {
            let invoice = self.deposit_invoice(offer).await?;
            payments.push(
                session
                    .challenge(&selling.keys, &invoice)
                    .map_err(SellError::from)?,
            );
        }
        Ok(())
    }

    /// A session that is paid with ecash: nothing has to be made for it.
    fn ecash_session(&self, offer: &Offer) -> Option<Challenge> {
        let session = self
            .session_offer(offer)
            .filter(|session| !session.mints.is_empty())?;
        let expires_at_s = now_s().saturating_add(CHALLENGE_S.into());
        session
            .ecash_challenge(&self.inner.selling.keys, expires_at_s)
            .ok()
    }

    async fn call_invoice(&self, offer: &Offer) -> Result<Invoice> {
        self.sale_invoice(Holder::Owner, offer.price_sat, &offer.description)
            .await
    }

    async fn deposit_invoice(&self, offer: &Offer) -> Result<Invoice> {
        let description = format!("Deposit: {}", offer.description);
        self.sale_invoice(Holder::Sessions, offer.deposit_sat, &description)
            .await
    }

    async fn sale_invoice(
        &self,
        holder: Holder,
        amount_sat: u64,
        description: &str,
    ) -> Result<Invoice> {
        let amount_msat = Some(sat_to_msat(amount_sat));
        let cashier = self.cashier()?;
        let invoice = cashier
            .invoice(holder, amount_msat, description, CHALLENGE_S)
            .await?;
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
            agreed: offer.agreed,
        }
    }

    /// A call, paid with ecash.
    pub(super) fn ecash_offer(&self, offer: &Offer) -> Result<xcashu::Offer, http402::Error> {
        let asked = xcashu::Offer::new(offer.price_sat, "sat", &[self.inner.till.mint_url()])?;
        match &offer.agreed {
            Some(agreed) => asked.with_id(&agreed.to_string()),
            None => Ok(asked),
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
            unit_price_sat: if offer.is_chat() { 1 } else { offer.price_sat },
            unit_type: Some(
                if offer.is_chat() {
                    "sat"
                } else {
                    offer.unit.as_str()
                }
                .to_owned(),
            ),
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
