//! What a seller offers, and what an action asks of a session.

use std::fmt;

use serde::Deserialize;

use super::{DepositId, RefundTo};
use crate::mpp::charge::{Opaque, check_ours};
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
    pub(super) expires_at_s: Option<u64>,
    pub(super) unit_price_sat: u64,
    pub(super) idle_timeout_s: u64,
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

/// The payloads, as they are written. Unknown fields are ignored.
#[derive(Deserialize)]
#[serde(
    tag = "action",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Payload {
    Open {
        preimage: Preimage,
        return_invoice: Option<String>,
        token: Option<String>,
    },
    Bearer {
        session_id: PaymentHash,
        preimage: Preimage,
    },
    TopUp {
        session_id: PaymentHash,
        top_up_preimage: Option<Preimage>,
        token: Option<String>,
    },
    Close {
        session_id: PaymentHash,
        preimage: Preimage,
    },
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
            payment_request: Some(self.ecash_offer()?.challenge().value),
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
            opaque: Some(Opaque::encode(&self.id)?),
            ..Challenge::default()
        })
    }

    fn ecash_offer(&self) -> Result<xcashu::Offer, Error> {
        xcashu::Offer::new(self.deposit_sat, SAT, &self.mints)
            .map_err(|_| Error::OfferInvalid("its deposit or its mints make no ecash offer"))
    }

    /// Checks a credential as far as it can be checked without the session.
    ///
    /// Prices and deposits are those of the challenge, which the buyer has agreed to.
    pub fn read(&self, keys: &ChallengeKeys, credential: &Credential) -> Result<Action, Error> {
        let challenge = &credential.challenge;
        check_ours(keys, challenge, &self.realm, &self.id)?;
        if challenge.intent != SESSION {
            return Err(Error::ChallengeElsewhere);
        }
        let request = SessionRequest::decode(&challenge.request)?;
        let (session, kind) = self.read_payload(credential, &request)?;
        Ok(Action {
            session,
            kind,
            challenge_id: challenge.id.clone(),
            method: challenge.method.clone(),
            expires_at_s: challenge.expires.as_deref().and_then(from_rfc3339),
            unit_price_sat: request.unit_price_sat,
            idle_timeout_s: request.idle_timeout_s.unwrap_or(self.idle_timeout_s),
        })
    }

    fn read_payload(
        &self,
        credential: &Credential,
        request: &SessionRequest,
    ) -> Result<(PaymentHash, ActionKind), Error> {
        Ok(match credential.payload()? {
            Payload::Open {
                preimage,
                return_invoice,
                token,
            } => {
                let (deposit, refund_to) = match (return_invoice, token) {
                    (Some(invoice), None) => {
                        let deposit = lightning_deposit(request, Some(&preimage))?;
                        is_return_invoice(&invoice, deposit_network(request))?;
                        (deposit, RefundTo::Invoice(invoice))
                    }
                    (None, Some(token)) => (self.ecash_deposit(request, &token)?, RefundTo::Token),
                    _ => {
                        return Err(Error::CredentialMalformed(
                            "it must have a return invoice or a token",
                        ));
                    }
                };
                (preimage.hash(), ActionKind::Open { deposit, refund_to })
            }
            Payload::Bearer {
                session_id,
                preimage,
            } => (owned(session_id, &preimage)?, ActionKind::Bearer),
            Payload::TopUp {
                session_id,
                top_up_preimage,
                token,
            } => {
                let deposit = match token {
                    Some(token) => self.ecash_deposit(request, &token)?,
                    None => lightning_deposit(request, top_up_preimage.as_ref())?,
                };
                (session_id, ActionKind::TopUp { deposit })
            }
            Payload::Close {
                session_id,
                preimage,
            } => (owned(session_id, &preimage)?, ActionKind::Close),
        })
    }

    fn ecash_deposit(&self, request: &SessionRequest, token: &str) -> Result<Deposit, Error> {
        if !matches!(request.deposit()?, DepositTerms::Ecash { .. }) {
            return Err(Error::CredentialMalformed(
                "its challenge asks for a Lightning payment",
            ));
        }
        match self.ecash_offer()?.decide(Some(token)) {
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

/// That the secret is the session's.
fn owned(session: PaymentHash, preimage: &Preimage) -> Result<PaymentHash, Error> {
    (preimage.hash() == session)
        .then_some(session)
        .ok_or(Error::PreimageInvalid)
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

fn deposit_network(request: &SessionRequest) -> &'static str {
    let invoice = request.deposit_invoice.as_deref().unwrap_or_default();
    InvoiceHead::parse(invoice).map_or("", |head| head.network)
}
