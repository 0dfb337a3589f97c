//! What a seller offers, and what an action asks of a session.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::{DepositId, RefundTo};
use crate::mpp::charge::{check_ours, completed, opaque};
use crate::mpp::limits::AMOUNT_SAT_MAX;
use crate::mpp::request::is_return_invoice;
use crate::mpp::{
    CASHU, Challenge, ChallengeKeys, Credential, DepositTerms, Error, Invoice, InvoiceHead,
    LIGHTNING, PaymentHash, Preimage, SAT, SESSION, SessionRequest, from_rfc3339, to_rfc3339,
};
use crate::xcashu::{self, TokenOutline};

/// What is sold by the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOffer {
    /// Names what is sold, such as `inference`: a deposit for one thing buys no other.
    pub id: String,
    /// The protection space, usually the host's name.
    pub realm: String,
    /// What a unit costs.
    pub unit_price_sat: u64,
    /// What a unit is, for people.
    pub unit_type: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// The deposit: exactly that much over Lightning, at least that much in ecash.
    pub deposit_sat: u64,
    /// After how many seconds of silence a session is closed. The draft recommends 300.
    pub idle_timeout_s: u64,
    /// The mints whose ecash is taken; empty for none.
    pub mints: Vec<String>,
}

/// A checked action: the challenge is ours, the secret fits. Whether it is in order, the session says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The session that it is about; of an `open`, the one that it makes.
    pub session: PaymentHash,
    /// What it asks.
    pub kind: ActionKind,
    /// The challenge that it answers.
    pub challenge_id: String,
    pub(super) method: String,
    /// Of a deposit: until when it can be made.
    pub(super) expires_at_s: Option<u64>,
}

impl Action {
    /// The same of a deposit whose invoice was paid: its challenge's end doesn't matter any more. It bounds until when
    /// an invoice is paid, and a buyer that was away since must not lose what it paid in time.
    #[must_use]
    pub fn paid_in_time(self) -> Self {
        Self {
            expires_at_s: None,
            ..self
        }
    }
}

/// What an action asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionKind {
    /// Begin with this deposit.
    Open {
        /// What was paid.
        deposit: Deposit,
        /// How the rest goes back. The caller checks an invoice with its wallet before it opens the session.
        refund_to: RefundTo,
        /// What a unit costs, as the challenge said.
        unit_price_sat: u64,
        /// After how many seconds of silence the session is closed, as the challenge said.
        idle_timeout_s: u64,
    },
    /// Serve a request.
    Bearer,
    /// Add this deposit.
    TopUp {
        /// What was paid.
        deposit: Deposit,
    },
    /// End, and give the rest back.
    Close,
}

/// Money put into a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deposit {
    /// Paid: the preimage proves it.
    Lightning {
        /// The payment.
        payment_hash: PaymentHash,
        /// How much.
        amount_sat: u64,
    },
    /// To be redeemed: what a token says of itself is the sender's claim.
    Ecash(EcashDeposit),
}

/// A token, and its fingerprint. `Debug` hides the token.
#[derive(Clone, PartialEq, Eq)]
pub struct EcashDeposit {
    pub(super) id: DepositId,
    pub(super) token: String,
}

impl fmt::Debug for EcashDeposit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcashDeposit({})", self.id.as_str())
    }
}

impl Deposit {
    /// Its name, for ever.
    pub fn id(&self) -> DepositId {
        match self {
            Self::Lightning { payment_hash, .. } => DepositId::lightning(*payment_hash),
            Self::Ecash(ecash) => ecash.id.clone(),
        }
    }
}

// The payloads, as they are written. Unknown fields are ignored.

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenPayload {
    preimage: Preimage,
    return_invoice: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TopUpPayload {
    session_id: PaymentHash,
    top_up_preimage: Option<Preimage>,
    token: Option<String>,
}

/// `bearer` and `close`: the session, and its secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerPayload {
    session_id: PaymentHash,
    preimage: Preimage,
}

impl OwnerPayload {
    fn session(self) -> Result<PaymentHash, Error> {
        let fits = self.preimage.hash() == self.session_id;
        fits.then_some(self.session_id)
            .ok_or(Error::PreimageInvalid)
    }
}

impl SessionOffer {
    /// The challenge to open or top up a session over Lightning.
    pub fn challenge(&self, keys: &ChallengeKeys, invoice: &Invoice) -> Result<Challenge, Error> {
        let head = InvoiceHead::parse(&invoice.bolt11)
            .ok_or(Error::OfferInvalid("its invoice cannot be read"))?;
        if head.amount_sat() != Some(self.deposit_sat) {
            return Err(Error::OfferInvalid("its invoice is not over its deposit"));
        }
        let request = SessionRequest {
            deposit_invoice: Some(invoice.bolt11.clone()),
            payment_hash: Some(invoice.payment_hash),
            ..self.request()?
        };
        self.sign(keys, LIGHTNING, &request, invoice.expires_at_s)
    }

    /// The challenge to open or top up a session with ecash: an extension, see [`crate::mpp`].
    pub fn ecash_challenge(
        &self,
        keys: &ChallengeKeys,
        expires_at_s: u64,
    ) -> Result<Challenge, Error> {
        let request = SessionRequest {
            payment_request: Some(self.ecash_offer(self.deposit_sat)?.challenge().value),
            ..self.request()?
        };
        self.sign(keys, CASHU, &request, expires_at_s)
    }

    fn request(&self) -> Result<SessionRequest, Error> {
        if self.unit_price_sat == 0
            || self.unit_price_sat > self.deposit_sat
            || self.deposit_sat > AMOUNT_SAT_MAX
        {
            return Err(Error::OfferInvalid(
                "its deposit must buy at least one unit, and a unit cost something",
            ));
        }
        Ok(SessionRequest {
            unit_price_sat: self.unit_price_sat,
            currency: SAT.to_owned(),
            description: self.description.clone(),
            unit_type: self.unit_type.clone(),
            deposit_invoice: None,
            payment_hash: None,
            payment_request: None,
            deposit_sat: Some(self.deposit_sat),
            idle_timeout_s: Some(self.idle_timeout_s),
        })
    }

    fn sign(
        &self,
        keys: &ChallengeKeys,
        method: &str,
        request: &SessionRequest,
        expires_at_s: u64,
    ) -> Result<Challenge, Error> {
        keys.sign(Challenge {
            realm: self.realm.clone(),
            method: method.to_owned(),
            intent: SESSION.to_owned(),
            request: request.encode()?,
            expires: Some(to_rfc3339(expires_at_s)),
            description: self.description.clone(),
            opaque: Some(opaque(&self.id)?),
            ..Challenge::default()
        })
    }

    fn ecash_offer(&self, deposit_sat: u64) -> Result<xcashu::Offer, Error> {
        xcashu::Offer::new(deposit_sat, SAT, &self.mints)
            .map_err(|_| Error::OfferInvalid("its deposit or its mints make no ecash offer"))
    }

    /// Checks a credential as far as it can be checked without the session.
    ///
    /// Prices and deposits are those of the challenge, which the buyer has agreed to.
    pub fn read(&self, keys: &ChallengeKeys, credential: &Credential) -> Result<Action, Error> {
        let challenge = &credential.challenge;
        let opaque = opaque(&self.id)?;
        let completed = completed(challenge, &opaque);
        check_ours(keys, &completed, &self.realm, &opaque)?;
        if challenge.intent != SESSION {
            return Err(Error::ChallengeElsewhere);
        }
        let action = credential.payload.get("action").and_then(Value::as_str);
        // The terms matter where money comes in only: other actions are many.
        let (session, kind) = match action {
            Some("open") => self.open(credential)?,
            Some("bearer") => (
                credential.payload::<OwnerPayload>()?.session()?,
                ActionKind::Bearer,
            ),
            Some("topUp") => self.top_up(credential)?,
            Some("close") => (
                credential.payload::<OwnerPayload>()?.session()?,
                ActionKind::Close,
            ),
            _ => {
                return Err(Error::CredentialMalformed(
                    "its action is none that is known",
                ));
            }
        };
        let is_deposit = matches!(kind, ActionKind::Open { .. } | ActionKind::TopUp { .. });
        let expires = challenge.expires.as_deref().filter(|_| is_deposit);
        Ok(Action {
            session,
            kind,
            challenge_id: challenge.id.clone(),
            method: challenge.method.clone(),
            expires_at_s: expires.and_then(from_rfc3339),
        })
    }

    fn open(&self, credential: &Credential) -> Result<(PaymentHash, ActionKind), Error> {
        let request = SessionRequest::decode(&credential.challenge.request)?;
        let payload: OpenPayload = credential.payload()?;
        let (deposit, refund_to) = match (payload.return_invoice, payload.token) {
            (Some(invoice), None) => {
                let deposit = lightning_deposit(&request, Some(&payload.preimage))?;
                is_return_invoice(&invoice, request.deposit_network())?;
                (deposit, RefundTo::Invoice(invoice))
            }
            (None, Some(token)) => (self.ecash_deposit(&request, &token)?, RefundTo::Token),
            _ => {
                return Err(Error::CredentialMalformed(
                    "it must have a return invoice or a token",
                ));
            }
        };
        let kind = ActionKind::Open {
            deposit,
            refund_to,
            unit_price_sat: request.unit_price_sat,
            idle_timeout_s: request.idle_timeout_s.unwrap_or(self.idle_timeout_s),
        };
        Ok((payload.preimage.hash(), kind))
    }

    fn top_up(&self, credential: &Credential) -> Result<(PaymentHash, ActionKind), Error> {
        let request = SessionRequest::decode(&credential.challenge.request)?;
        let payload: TopUpPayload = credential.payload()?;
        let deposit = match payload.token {
            Some(token) => self.ecash_deposit(&request, &token)?,
            None => lightning_deposit(&request, payload.top_up_preimage.as_ref())?,
        };
        Ok((payload.session_id, ActionKind::TopUp { deposit }))
    }

    fn ecash_deposit(&self, request: &SessionRequest, token: &str) -> Result<Deposit, Error> {
        let DepositTerms::Ecash { amount_sat, .. } = request.deposit()? else {
            return Err(Error::CredentialMalformed(
                "its challenge asks for a Lightning payment",
            ));
        };
        match self.ecash_offer(amount_sat)?.decide(Some(token)) {
            xcashu::Decision::Redeem(token) => Ok(Deposit::Ecash(EcashDeposit::of(&token))),
            xcashu::Decision::Refuse { error, .. } => Err(Error::Ecash(error)),
            xcashu::Decision::Challenge(_) => Err(Error::CredentialMalformed("its token is empty")),
        }
    }
}

impl EcashDeposit {
    fn of(token: &TokenOutline) -> Self {
        Self {
            id: DepositId::ecash(token.id),
            token: token.token().to_owned(),
        }
    }
}

fn lightning_deposit(
    request: &SessionRequest,
    preimage: Option<&Preimage>,
) -> Result<Deposit, Error> {
    let DepositTerms::Lightning {
        payment_hash,
        amount_sat,
        ..
    } = request.deposit()?
    else {
        return Err(Error::CredentialMalformed("its challenge asks for ecash"));
    };
    let preimage = preimage.ok_or(Error::CredentialMalformed("it has no preimage"))?;
    if preimage.hash() != payment_hash {
        return Err(Error::PreimageInvalid);
    }
    Ok(Deposit::Lightning {
        payment_hash,
        amount_sat,
    })
}
