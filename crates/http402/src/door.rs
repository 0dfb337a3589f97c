//! The seller's door: all challenges of one offer in one answer, and which credential a request brings.
//!
//! The order of the challenges was measured with programs in use. Repeated headers reach many of them joined by
//! commas, and some take the first challenge of a kind that they know, or the first challenge at all: so L402
//! comes first, then sessions, then charges. X-Cashu has a header of its own.

use crate::mpp::{AcceptPayment, Challenge, SESSION};
use crate::xcashu::{self, X_CASHU};
use crate::{l402, mpp};

/// Values of `Authorization` and `X-Cashu` together that are looked at.
const CREDENTIALS_MAX: usize = 16;

/// Why a request's credentials cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two credentials, of which only one could be taken.
    #[error("the request brings two payments: {first} and {second}")]
    SeveralCredentials {
        /// The first one's protocol.
        first: &'static str,
        /// The other one's.
        second: &'static str,
    },
    /// A header is bigger than what is read.
    #[error("the header {header} has too many bytes (at most {max})")]
    TooLarge {
        /// Its name.
        header: &'static str,
        /// How many are read.
        max: usize,
    },
}

impl Error {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SeveralCredentials { .. } => "several_credentials",
            Self::TooLarge { .. } => "credential_header_too_large",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::SeveralCredentials { .. } => {
                "nothing was taken: send one payment with each request"
            }
            Self::TooLarge { .. } => "nothing was taken: send a payment with fewer parts",
        }
    }

    /// The status to answer with. It is the request that is wrong, whatever its payments are worth.
    pub fn http_status(&self) -> u16 {
        400
    }
}

/// Everything by which one request can be paid.
#[derive(Debug, Clone, Copy, Default)]
pub struct Challenges<'a> {
    /// The L402 challenge, as a header's value.
    pub l402: Option<&'a str>,
    /// The `Payment` challenges, in any order.
    pub payments: &'a [Challenge],
    /// The X-Cashu challenge.
    pub x_cashu: Option<&'a xcashu::Challenge>,
}

impl Challenges<'_> {
    /// The headers of a 402, in the order that works, each to be sent as a line of its own.
    ///
    /// `accept_payment` is the buyer's `Accept-Payment`, which may leave `Payment` challenges out and put them in
    /// another order. A challenge that can't be written is a mistake on this side.
    pub fn headers(
        &self,
        accept_payment: Option<&str>,
    ) -> Result<Vec<(&'static str, String)>, mpp::Error> {
        let mut headers = vec![("Cache-Control", "no-store".to_owned())];
        headers.extend(
            self.l402
                .map(|challenge| ("WWW-Authenticate", challenge.to_owned())),
        );
        let mut payments: Vec<&Challenge> = self.payments.iter().collect();
        payments.sort_by_key(|challenge| challenge.intent != SESSION);
        let accept = accept_payment.map(AcceptPayment::parse).unwrap_or_default();
        for challenge in
            accept.arrange(payments, |challenge| (&challenge.method, &challenge.intent))
        {
            headers.push(("WWW-Authenticate", challenge.to_header()?));
        }
        headers.extend(
            self.x_cashu
                .map(|challenge| (challenge.name, challenge.value.clone())),
        );
        Ok(headers)
    }
}

/// The payment that a request brings, to be read by its protocol. `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// None: answer 402. Credentials of other schemes, such as `Bearer`, are not looked at here.
    Nothing,
    /// For [`crate::l402::Credential::parse`].
    L402(&'a str),
    /// For [`crate::mpp::Credential::parse`].
    Payment(&'a str),
    /// For [`crate::xcashu::Offer::decide`].
    XCashu(&'a str),
}

impl<'a> Presented<'a> {
    /// Finds the one payment in a request's headers. Two are refused rather than one of them taken: the buyer
    /// would not learn which. Header names are compared without regard to case.
    pub fn find(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut found = Self::Nothing;
        let credentials = headers
            .into_iter()
            .filter_map(|(name, value)| credential(name, value));
        for next in credentials.take(CREDENTIALS_MAX) {
            let next = next?;
            if found != Self::Nothing {
                return Err(Error::SeveralCredentials {
                    first: found.protocol(),
                    second: next.protocol(),
                });
            }
            found = next;
        }
        Ok(found)
    }

    /// The protocol's name.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::L402(_) => l402::L402,
            Self::Payment(_) => mpp::SCHEME,
            Self::XCashu(_) => X_CASHU,
        }
    }
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.protocol())
    }
}

fn credential<'a>(name: &str, value: &'a str) -> Option<Result<Presented<'a>, Error>> {
    let value = value.trim();
    if name.eq_ignore_ascii_case(X_CASHU) {
        if value.is_empty() {
            return None;
        }
        let max = xcashu::limits::TOKEN_BYTES_MAX;
        return Some(
            bounded(X_CASHU, value, max).and_then(|()| match value.contains(',') {
                true => Err(Error::SeveralCredentials {
                    first: X_CASHU,
                    second: X_CASHU,
                }),
                false => Ok(Presented::XCashu(value)),
            }),
        );
    }
    if !name.eq_ignore_ascii_case("Authorization") {
        return None;
    }
    let presented = authorization(value)?;
    let max = mpp::limits::CREDENTIAL_BYTES_MAX;
    Some(bounded("Authorization", value, max).and_then(|()| {
        // A proxy has joined two headers.
        let joined = value
            .split(',')
            .skip(1)
            .find_map(|part| authorization(part.trim()));
        match joined {
            Some(second) => Err(Error::SeveralCredentials {
                first: presented.protocol(),
                second: second.protocol(),
            }),
            None => Ok(presented),
        }
    }))
}

/// A payment by its scheme; `None` for any other scheme.
fn authorization(value: &str) -> Option<Presented<'_>> {
    let scheme = value.split([' ', '\t']).next()?;
    if scheme.eq_ignore_ascii_case(mpp::SCHEME) {
        Some(Presented::Payment(value))
    } else if [l402::L402, l402::LSAT]
        .iter()
        .any(|name| scheme.eq_ignore_ascii_case(name))
    {
        Some(Presented::L402(value))
    } else {
        None
    }
}

fn bounded(header: &'static str, value: &str, max: usize) -> Result<(), Error> {
    if value.len() > max {
        Err(Error::TooLarge { header, max })
    } else {
        Ok(())
    }
}
