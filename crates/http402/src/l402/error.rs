//! Everything that can be wrong with a challenge or a credential.

use crate::macaroon::MacaroonError;

/// Why a credential was refused, or an offer cannot be taken.
///
/// Carries no part of a credential, which can be used until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // What a seller finds wrong with a credential.
    /// The credential is bigger than a seller reads.
    #[error("the credential is longer than {max} bytes")]
    CredentialTooLarge {
        /// How long it may be.
        max: usize,
    },
    /// The credential cannot be read.
    #[error("the credential cannot be read: {0}")]
    CredentialMalformed(&'static str),
    /// The credential has several macaroons, separated by commas.
    #[error("the credential has more than one macaroon")]
    SeveralMacaroons,
    /// The macaroon cannot be read or believed.
    #[error(transparent)]
    Macaroon(#[from] MacaroonError),
    /// The macaroon's identifier is not one of L402 version 0.
    #[error("the macaroon's identifier is not one of L402 version 0")]
    IdentifierMalformed,
    /// The preimage is not that of the macaroon's payment hash.
    #[error("the preimage does not belong to the macaroon's payment")]
    PreimageWrong,
    /// A caveat that must be understood cannot be.
    #[error("a caveat cannot be read: {0}")]
    CaveatMalformed(&'static str),
    /// A caveat allows what an earlier one of its kind does not.
    #[error("a caveat allows more {0} than one before it")]
    CaveatWidens(&'static str),
    /// The credential's time is over.
    #[error("the credential was valid until {valid_until_unix_s}, and it is {now_unix_s}")]
    Expired {
        /// The first second in which it isn't valid.
        valid_until_unix_s: u64,
        /// The time at which it was used.
        now_unix_s: u64,
    },
    /// The credential is for other services.
    #[error("the credential is not for this service")]
    ServiceNotCovered,
    /// The credential does not have the capability that the request needs.
    #[error("the credential does not have the capability that this request needs")]
    CapabilityNotCovered,
    /// The credential is for another host.
    #[error("the credential is not for this host")]
    HostNotCovered,
    /// The credential is for another path.
    #[error("the credential is not for this path")]
    PathNotCovered,
    /// The credential is for other methods.
    #[error("the credential is not for this method")]
    MethodNotCovered,

    // What a buyer finds wrong with a challenge.
    /// 402 without an L402 challenge.
    #[error("payment is required, but L402 is not offered")]
    ChallengeMissing,
    /// The challenge cannot be read.
    #[error("the L402 challenge cannot be read: {0}")]
    ChallengeMalformed(&'static str),
    /// The invoice pays for another macaroon.
    #[error("the invoice's payment hash is not that of the macaroon")]
    InvoiceMismatch,

    // What is wrong on this side.
    /// The terms that a macaroon should be minted with make no sense.
    #[error("the terms are not valid: {0}")]
    TermsInvalid(&'static str),
}

impl Error {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CredentialTooLarge { .. } => "l402_credential_too_large",
            Self::CredentialMalformed(_) => "l402_credential_malformed",
            Self::SeveralMacaroons => "l402_several_macaroons",
            Self::Macaroon(error) => error.code(),
            Self::IdentifierMalformed => "l402_identifier_malformed",
            Self::PreimageWrong => "l402_preimage_wrong",
            Self::CaveatMalformed(_) => "l402_caveat_malformed",
            Self::CaveatWidens(_) => "l402_caveat_widens",
            Self::Expired { .. } => "l402_expired",
            Self::ServiceNotCovered => "l402_service_not_covered",
            Self::CapabilityNotCovered => "l402_capability_not_covered",
            Self::HostNotCovered => "l402_host_not_covered",
            Self::PathNotCovered => "l402_path_not_covered",
            Self::MethodNotCovered => "l402_method_not_covered",
            Self::ChallengeMissing => "l402_challenge_missing",
            Self::ChallengeMalformed(_) => "l402_challenge_malformed",
            Self::InvoiceMismatch => "l402_invoice_mismatch",
            Self::TermsInvalid(_) => "l402_terms_invalid",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::CredentialTooLarge { .. } => "use the macaroon with fewer caveats",
            Self::CredentialMalformed(_) => {
                "send L402, a macaroon in base64, a colon, and 64 hex digits"
            }
            Self::SeveralMacaroons => "send the one macaroon of the challenge that was paid",
            Self::Macaroon(error) => error.hint(),
            Self::IdentifierMalformed => "send a macaroon of this server's own challenge",
            Self::PreimageWrong => "send the preimage of the invoice that came with the macaroon",
            Self::CaveatMalformed(_) | Self::CaveatWidens(_) => {
                "use the macaroon as it was before that caveat was added"
            }
            Self::Expired { .. } => "pay for a new one: ask again without a credential",
            Self::ServiceNotCovered
            | Self::CapabilityNotCovered
            | Self::HostNotCovered
            | Self::PathNotCovered
            | Self::MethodNotCovered => "pay for this request: ask again without a credential",
            Self::ChallengeMissing => "the seller must offer L402; ask it which ways it accepts",
            Self::ChallengeMalformed(_) => {
                "report it to the seller: it wants a macaroon and an invoice"
            }
            Self::InvoiceMismatch => "do not pay: the invoice would buy nothing",
            Self::TermsInvalid(_) => "correct the offer's service, capabilities, host or path",
        }
    }

    /// The status to answer with when this error ends an HTTP request: 401 for a
    /// credential that isn't valid, with a fresh challenge beside it. The buyer's
    /// errors are for a gateway that pays on somebody's behalf.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::ChallengeMissing | Self::ChallengeMalformed(_) | Self::InvoiceMismatch => 502,
            Self::TermsInvalid(_) => 500,
            _ => 401,
        }
    }
}
