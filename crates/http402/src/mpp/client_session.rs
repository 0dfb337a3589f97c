//! The buyer's side of a session, as a value that survives a crash.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::is_return_invoice;
use super::{
    Challenge, Credential, DepositTerms, Error, PaymentHash, Preimage, Quote, Receipt,
    SessionRequest,
};

/// Where a buyer's session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientStage {
    /// The deposit is to be paid.
    Paying,
    /// It is paid; the seller hasn't acknowledged it.
    Opening,
    /// Requests can be paid from it.
    Open,
    /// It is to be closed; the seller hasn't acknowledged it.
    Closing,
    /// It is over.
    Closed,
}

/// A session, as the buyer stores it. Every method that changes it says so: store it *before* acting on what
/// changed, since it holds the only proof of a deposit. `Debug` hides its secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSession {
    stage: ClientStage,
    challenge: Challenge,
    unit_price_sat: u64,
    secret: Option<Preimage>,
    /// Where the rest is to be sent; `None` if it comes back as a token.
    return_invoice: Option<String>,
    deposits_sat: u64,
    spent_sat: u64,
    funding: Option<Funding>,
    refund_sat: Option<u64>,
}

/// A deposit under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Funding {
    challenge: Challenge,
    amount_sat: u64,
    means: Means,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Means {
    Lightning {
        invoice: String,
        payment_hash: PaymentHash,
        preimage: Option<Preimage>,
    },
    Ecash {
        token: String,
    },
}

impl ClientSession {
    /// Agrees to a Lightning deposit of at most `deposit_max_sat`. The rest will be sent to `return_invoice`, which
    /// names no amount and should live for a month. Store it, then pay [`ClientSession::invoice_due`].
    pub fn begin(
        quote: Quote,
        return_invoice: String,
        deposit_max_sat: u64,
    ) -> Result<Self, Error> {
        let (challenge, request) = session_terms(quote)?;
        let funding = Funding::lightning(challenge, &request, deposit_max_sat)?;
        // The seller would refuse it after the deposit is paid.
        is_return_invoice(&return_invoice, request.deposit_network())?;
        Ok(Self::new(
            ClientStage::Paying,
            funding,
            &request,
            None,
            Some(return_invoice),
        ))
    }

    /// Agrees to a deposit in ecash: `token` is worth `amount_sat` and meets the challenge's payment request, `secret`
    /// are 32 fresh random bytes. Store it, then send [`ClientSession::deposit_credential`].
    pub fn begin_ecash(
        quote: Quote,
        secret: [u8; 32],
        token: String,
        amount_sat: u64,
    ) -> Result<Self, Error> {
        let (challenge, request) = session_terms(quote)?;
        let funding = Funding::ecash(challenge, &request, token, amount_sat)?;
        Ok(Self::new(
            ClientStage::Opening,
            funding,
            &request,
            Some(secret.into()),
            None,
        ))
    }

    fn new(
        stage: ClientStage,
        funding: Funding,
        request: &SessionRequest,
        secret: Option<Preimage>,
        return_invoice: Option<String>,
    ) -> Self {
        Self {
            stage,
            challenge: funding.challenge.clone(),
            unit_price_sat: request.unit_price_sat,
            secret,
            return_invoice,
            deposits_sat: 0,
            spent_sat: 0,
            funding: Some(funding),
            refund_sat: None,
        }
    }

    /// Where it is.
    pub fn stage(&self) -> ClientStage {
        self.stage
    }

    /// Its id, once the secret is known.
    pub fn id(&self) -> Option<PaymentHash> {
        self.secret.as_ref().map(Preimage::hash)
    }

    /// What a unit costs.
    pub fn unit_price_sat(&self) -> u64 {
        self.unit_price_sat
    }

    /// What is left by the buyer's own count: acknowledged deposits without what was delivered.
    pub fn rest_sat(&self) -> u64 {
        self.deposits_sat.saturating_sub(self.spent_sat)
    }

    /// What came back at the end, or is to come.
    pub fn refund_sat(&self) -> Option<u64> {
        self.refund_sat
    }

    /// The invoice that is to be paid now, for the deposit or a top-up, and its payment hash. After a crash it is the
    /// same: ask the wallet about the payment hash before paying again.
    pub fn invoice_due(&self) -> Option<(&str, PaymentHash)> {
        match &self.funding.as_ref()?.means {
            Means::Lightning {
                invoice,
                payment_hash,
                preimage: None,
            } => Some((invoice, *payment_hash)),
            _ => None,
        }
    }

    /// Takes the preimage of the payment. Store the session before anything else: the preimage is the money.
    pub fn paid(&mut self, preimage: Preimage) -> Result<(), Error> {
        let Some(Funding {
            means:
                Means::Lightning {
                    payment_hash,
                    preimage: slot,
                    ..
                },
            ..
        }) = &mut self.funding
        else {
            return Err(Error::OutOfOrder("no invoice is due"));
        };
        if preimage.hash() != *payment_hash {
            return Err(Error::PreimageInvalid);
        }
        *slot = Some(preimage.clone());
        if self.stage == ClientStage::Paying {
            self.secret = Some(preimage);
            self.stage = ClientStage::Opening;
        }
        Ok(())
    }

    /// Gives up a deposit whose invoice was never paid, for certain.
    pub fn not_paid(&mut self) -> Result<(), Error> {
        if self.invoice_due().is_none() {
            return Err(Error::OutOfOrder("no unpaid invoice is due"));
        }
        self.funding = None;
        if self.stage == ClientStage::Paying {
            self.stage = ClientStage::Closed;
        }
        Ok(())
    }

    /// The credential that hands over a deposit: `open` or `topUp`. Send it again and again until it is acknowledged.
    pub fn deposit_credential(&self) -> Option<Credential> {
        let funding = self.funding.as_ref()?;
        let secret = self.secret.as_ref()?;
        let payload = match (&funding.means, self.stage) {
            (Means::Lightning { preimage: None, .. }, _) => return None,
            (Means::Lightning { .. }, ClientStage::Opening) => {
                json!({ "action": "open", "preimage": secret, "returnInvoice": self.return_invoice })
            }
            (Means::Ecash { token }, ClientStage::Opening) => {
                json!({ "action": "open", "preimage": secret, "token": token })
            }
            (Means::Lightning { preimage, .. }, _) => {
                json!({ "action": "topUp", "sessionId": secret.hash(), "topUpPreimage": preimage })
            }
            (Means::Ecash { token }, _) => {
                json!({ "action": "topUp", "sessionId": secret.hash(), "token": token })
            }
        };
        Some(credential(&funding.challenge, payload))
    }

    /// The seller has acknowledged the deposit.
    pub fn deposited(&mut self) -> Result<(), Error> {
        if self.deposit_credential().is_none() {
            return Err(Error::OutOfOrder("no paid deposit is under way"));
        }
        if let Some(funding) = self.funding.take() {
            // An amount of a challenge is bounded, and the sum of many is for show.
            self.deposits_sat = self.deposits_sat.saturating_add(funding.amount_sat);
        }
        if self.stage == ClientStage::Opening {
            self.stage = ClientStage::Open;
        }
        Ok(())
    }

    /// The credential that pays for a request.
    pub fn bearer_credential(&self) -> Result<Credential, Error> {
        let secret = self.open_secret()?;
        let payload = json!({ "action": "bearer", "preimage": secret, "sessionId": secret.hash() });
        Ok(credential(&self.challenge, payload))
    }

    /// Notes what was delivered, so that a top-up comes in time.
    pub fn spent(&mut self, amount_sat: u64) {
        self.spent_sat = self.spent_sat.saturating_add(amount_sat);
    }

    /// Agrees to a Lightning top-up. Store it, then pay [`ClientSession::invoice_due`].
    pub fn top_up(&mut self, quote: Quote, deposit_max_sat: u64) -> Result<(), Error> {
        let (challenge, request) = self.top_up_terms(quote)?;
        self.funding = Some(Funding::lightning(challenge, &request, deposit_max_sat)?);
        Ok(())
    }

    /// Agrees to a top-up in ecash. Store it, then send [`ClientSession::deposit_credential`].
    pub fn top_up_ecash(
        &mut self,
        quote: Quote,
        token: String,
        amount_sat: u64,
    ) -> Result<(), Error> {
        let (challenge, request) = self.top_up_terms(quote)?;
        self.funding = Some(Funding::ecash(challenge, &request, token, amount_sat)?);
        Ok(())
    }

    /// Decides to close. Store it, then send [`ClientSession::close_credential`] until it is acknowledged.
    pub fn close(&mut self) -> Result<(), Error> {
        self.open_secret()?;
        if self.funding.is_some() {
            return Err(Error::OutOfOrder(
                "a top-up is under way, and would be lost",
            ));
        }
        self.stage = ClientStage::Closing;
        Ok(())
    }

    /// The credential that closes the session; always the same, so that a lost answer can be asked for again.
    pub fn close_credential(&self) -> Option<Credential> {
        let secret = self
            .secret
            .as_ref()
            .filter(|_| self.stage == ClientStage::Closing)?;
        let payload = json!({ "action": "close", "preimage": secret, "sessionId": secret.hash() });
        Some(credential(&self.challenge, payload))
    }

    /// The seller has closed it. Store the token that came with the answer, if any, before this is stored.
    pub fn closed(&mut self, receipt: &Receipt) -> Result<(), Error> {
        if self.id().map(|id| id.to_string()).as_ref() != Some(&receipt.reference) {
            return Err(Error::ReceiptMalformed("it is for another session"));
        }
        self.refund_sat = Some(receipt.refund_sats.unwrap_or_default());
        self.stage = ClientStage::Closed;
        Ok(())
    }

    fn open_secret(&self) -> Result<&Preimage, Error> {
        let secret = self
            .secret
            .as_ref()
            .filter(|_| self.stage == ClientStage::Open);
        secret.ok_or(Error::OutOfOrder("it is not open"))
    }

    fn top_up_terms(&self, quote: Quote) -> Result<(Challenge, SessionRequest), Error> {
        self.open_secret()?;
        if self.funding.is_some() {
            return Err(Error::OutOfOrder("a top-up is under way already"));
        }
        let (challenge, request) = session_terms(quote)?;
        if challenge.realm != self.challenge.realm {
            return Err(Error::ChallengeMalformed(
                "it is of another realm than the session",
            ));
        }
        Ok((challenge, request))
    }
}

impl Funding {
    fn lightning(
        challenge: Challenge,
        request: &SessionRequest,
        deposit_max_sat: u64,
    ) -> Result<Self, Error> {
        let DepositTerms::Lightning {
            invoice,
            payment_hash,
            amount_sat,
        } = request.deposit()?
        else {
            return Err(Error::ChallengeMalformed("it asks for ecash"));
        };
        if amount_sat > deposit_max_sat {
            return Err(Error::ChallengeMalformed("its deposit is above the limit"));
        }
        let means = Means::Lightning {
            invoice: invoice.to_owned(),
            payment_hash,
            preimage: None,
        };
        Ok(Self {
            challenge,
            amount_sat,
            means,
        })
    }

    fn ecash(
        challenge: Challenge,
        request: &SessionRequest,
        token: String,
        amount_sat: u64,
    ) -> Result<Self, Error> {
        let DepositTerms::Ecash {
            amount_sat: wanted_sat,
            ..
        } = request.deposit()?
        else {
            return Err(Error::ChallengeMalformed("it asks for a Lightning payment"));
        };
        if amount_sat < wanted_sat {
            return Err(Error::PaidTooLittle {
                given_sat: amount_sat,
                price_sat: wanted_sat,
            });
        }
        Ok(Self {
            challenge,
            amount_sat,
            means: Means::Ecash { token },
        })
    }
}

fn session_terms(quote: Quote) -> Result<(Challenge, SessionRequest), Error> {
    match quote {
        Quote::Session { challenge, request } => Ok((challenge, request)),
        Quote::Charge { .. } => Err(Error::ChallengeMalformed("it is no session")),
    }
}

fn credential(challenge: &Challenge, payload: Value) -> Credential {
    Credential {
        challenge: challenge.clone(),
        source: None,
        payload,
    }
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("id", &self.id())
            .field("stage", &self.stage)
            .field("deposits_sat", &self.deposits_sat)
            .field("spent_sat", &self.spent_sat)
            .finish_non_exhaustive()
    }
}
