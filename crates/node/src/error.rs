//! The node's one error type: what happened, whose fault it is, and what to do.

use inference::store::StoreError;
use wallet::WalletError;
use wallet::cashier::CashierError;
use wallet::ecash::EcashError;
use wallet::onchain::ChainError;
use wallet::purse::PolicyError;
use wallet::vault::VaultError;

use crate::serve::Settled;

/// Short for results of the node.
pub type Result<T, E = NodeError> = std::result::Result<T, E>;

/// What can go wrong at a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The configuration can't be used.
    #[error("the configuration can't be used: {0}")]
    Config(String),
    /// Another process has this data directory open.
    #[error("another Freehold process is using {0}")]
    AlreadyRunning(String),
    /// A file of the node can't be read or written.
    #[error("{what}: {source}")]
    File {
        /// Which file, and what was to be done with it.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A secret's file is readable by others.
    #[error("{0} can be read by other users")]
    SecretExposed(String),
    /// The bearer token opens nothing.
    #[error("the bearer token is not valid here")]
    TokenInvalid,
    /// A token of the first kind.
    #[error("a token that begins with fhp_ can't be narrowed")]
    TokenPlain,
    /// A token that can't be narrowed so.
    #[error("the token can't be narrowed: {0}")]
    TokenNarrowing(String),
    /// A human is asked before the payment is made.
    #[error(
        "payment of up to {} sat from purse {} needs approval {}: {}",
        .0.amount_sat, .0.purse, .0.id, .0.reason
    )]
    ApprovalNeeded(Box<crate::purses::ApprovalView>),
    /// No model is installed.
    #[error("no model is installed")]
    ModelMissing,
    /// The request names a model that isn't loaded.
    #[error("there is no model {0:?} here")]
    ModelUnknown(String),
    /// The model room refused or failed.
    #[error(transparent)]
    Inference(#[from] inference::Error),
    /// The model store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger refused or failed.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The ecash rail refused or failed.
    #[error(transparent)]
    Ecash(#[from] EcashError),
    /// The payment protocol refused.
    #[error(transparent)]
    Http402(#[from] http402::Error),
    /// A challenge or a credential of L402 is wrong.
    #[error(transparent)]
    L402(#[from] http402::l402::Error),
    /// A challenge or a credential of the scheme `Payment` is wrong.
    #[error(transparent)]
    Mpp(#[from] http402::mpp::Error),
    /// The seller doesn't keep to the rules of haggling, or the buyer's plan makes no sense.
    #[error(transparent)]
    Haggle(#[from] http402::haggle::Error),
    /// The seller can be paid, but not in a way that the caller wants.
    #[error("the seller takes {offered} only")]
    RailUnwanted {
        /// What it takes.
        offered: String,
    },
    /// The request has an `Authorization` already, where the proof of payment would go.
    #[error(
        "the request has an Authorization of its own, and the seller wants the proof of payment there"
    )]
    AuthorizationTaken,
    /// The invoice isn't what its challenge says.
    #[error("the invoice's {0} is not that of its challenge")]
    InvoiceContradicts(&'static str),
    /// The invoice is this very node's.
    #[error("the invoice is this very node's own")]
    OwnInvoice,
    /// The seller showed the same invoice for another request.
    #[error("the seller asks with an invoice that was for another request")]
    InvoiceReused,
    /// An invoice was paid, and there's no proof of it.
    #[error("the invoice was paid, and the wallet has no proof of it that the seller would take")]
    ProofMissing,
    /// Paid, and the seller wants to be paid again.
    #[error("payment {id} was made, and the seller answers {status} to the proof of it")]
    PaidAndRefused {
        /// The payment.
        id: String,
        /// 401 or 402.
        status: u16,
    },
    /// Paid, and sent elsewhere.
    #[error(
        "payment {id} was made, and the seller sends us to {to:?}, where its proof doesn't belong"
    )]
    PaidAndRedirected {
        /// The payment.
        id: String,
        /// Where to.
        to: String,
    },
    /// Paid, and given up.
    #[error("payment {id} was made, and nothing came for it: {reason}")]
    PaidUnanswered {
        /// The payment.
        id: String,
        /// What went wrong.
        reason: String,
    },
    /// The receipts log refused or failed.
    #[error(transparent)]
    Receipt(#[from] timestamp::Error),
    /// A timestamp can't be made or checked.
    #[error(transparent)]
    Stamp(#[from] crate::stamps::StampError),
    /// The recovery phrase, a backup or a restore.
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    /// The on-chain wallet refused or failed.
    #[error(transparent)]
    Onchain(#[from] wallet::onchain::OnchainError),
    /// Lightning refused or failed.
    #[error(transparent)]
    Lightning(#[from] wallet::lightning::LightningError),
    /// Something is wrong with what is sold, or with how it was paid for.
    #[error(transparent)]
    Sell(#[from] crate::sell::SellError),
    /// This network has no Lightning.
    #[error("the network `play` has no Lightning")]
    NoLightning,
    /// This isn't the network `sandbox`.
    #[error("only the network `sandbox` has a chain and a neighbour of its own")]
    NoSandbox,
    /// The network `sandbox` failed.
    #[error("the sandbox: {0}")]
    Sandbox(String),
    /// A payment failed for good.
    #[error("the payment failed: {0}")]
    PaymentFailed(String),
    /// No chain source is named.
    #[error("this node sees no chain, so it has no bitcoin on it")]
    OnchainOff,
    /// Neither an amount nor all, or both.
    #[error("a payment is of an amount, or of all there is")]
    OnchainAmount,
    /// A vault refused or failed.
    #[error(transparent)]
    Vault(#[from] wallet::vault::VaultError),
    /// Nostr Wallet Connect refused or failed.
    #[error(transparent)]
    Nwc(#[from] wallet::nwc::NwcError),
    /// No relay was named for a connection.
    #[error("no relay is named at which the two sides could meet")]
    NwcRelayMissing,
    /// Payments of a backed purse whose end isn't known.
    #[error("it isn't known yet how {0} payments of the purse ended")]
    NwcPaymentsOpen(usize),
    /// The invoice was paid, or is being paid.
    #[error("this invoice was paid already, or is being paid")]
    InvoicePaid,
    /// The token already paid for another request.
    #[error("this token already paid for another request")]
    PaymentUsed,
    /// Far more money than the price.
    #[error("the token is worth {given_sat} sat, far above the price of {price_sat} sat")]
    PaymentTooMuch {
        /// The token's worth.
        given_sat: u64,
        /// The highest price of the request.
        price_sat: u64,
    },
    /// A paid request failed; the money goes back.
    #[error("{error}; the payment is returned")]
    Refunded {
        /// What failed.
        error: Box<NodeError>,
        /// What goes back.
        settled: Box<Settled>,
    },
    /// A paid request that failed earlier; its refund is handed out again.
    #[error("{message}")]
    FailedBefore {
        /// The code of what failed.
        code: String,
        /// What failed.
        message: String,
    },
    /// Nothing with this id.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// The request to another server can't be made or failed before any payment.
    #[error("{url}: {reason}")]
    Upstream {
        /// Where to.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// A request for `fetch` that can't be sent.
    #[error("the request can't be sent: {0}")]
    BadFetch(String),
    /// The site's power is needed elsewhere.
    #[error("power is short here now")]
    PowerShort {
        /// When there should be more, in seconds from now.
        retry_after_s: u64,
    },
    /// The node is shutting down.
    #[error("the node is stopping")]
    Stopping,
    /// Paid, and no answer yet.
    #[error("payment {id} was sent, and the seller hasn't answered yet: {reason}")]
    PaymentPending {
        /// The payment.
        id: String,
        /// The last thing that went wrong.
        reason: String,
    },
}

impl From<ChainError> for NodeError {
    fn from(error: ChainError) -> Self {
        Self::Onchain(error.into())
    }
}

impl From<CashierError> for NodeError {
    fn from(error: CashierError) -> Self {
        match error {
            CashierError::Books(error) => Self::Wallet(error),
            CashierError::Lightning(error) => Self::Lightning(error),
        }
    }
}

impl From<rusqlite::Error> for NodeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Wallet(error.into())
    }
}

impl NodeError {
    /// For `map_err` on file operations.
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }

    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Config(_) => "config_invalid",
            Self::AlreadyRunning(_) => "already_running",
            Self::File { .. } => "file_error",
            Self::SecretExposed(_) => "secret_exposed",
            Self::TokenInvalid => "token_invalid",
            Self::TokenPlain => "token_plain",
            Self::TokenNarrowing(_) => "token_narrowing",
            Self::ApprovalNeeded(_) => "approval_needed",
            Self::ModelMissing => "model_missing",
            Self::ModelUnknown(_) => "model_not_found",
            Self::Inference(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Wallet(error) => error.code(),
            Self::Ecash(error) => error.code(),
            Self::Http402(error) => error.code(),
            Self::L402(error) => error.code(),
            Self::Mpp(error) => error.code(),
            Self::Haggle(error) => error.code(),
            Self::RailUnwanted { .. } => "rail_unwanted",
            Self::AuthorizationTaken => "authorization_taken",
            Self::InvoiceContradicts(_) => "invoice_contradicts",
            Self::OwnInvoice => "own_invoice",
            Self::InvoiceReused => "invoice_reused",
            Self::ProofMissing => "proof_missing",
            Self::PaidAndRefused { .. } => "paid_and_refused",
            Self::PaidAndRedirected { .. } => "paid_and_redirected",
            Self::PaidUnanswered { .. } => "paid_unanswered",
            Self::Receipt(error) => error.code(),
            Self::Stamp(error) => error.code(),
            Self::Backup(error) => error.code(),
            Self::Onchain(error) => error.code(),
            Self::Lightning(error) => error.code(),
            Self::Sell(error) => error.code(),
            Self::NoLightning => "no_lightning",
            Self::NoSandbox => "no_sandbox",
            Self::Sandbox(_) => "sandbox_failed",
            Self::PaymentFailed(_) => "payment_failed",
            Self::OnchainOff => "onchain_off",
            Self::OnchainAmount => "amount_invalid",
            Self::Vault(error) => error.code(),
            Self::Nwc(error) => error.code(),
            Self::NwcRelayMissing => "nwc_relay_missing",
            Self::NwcPaymentsOpen(_) => "nwc_payments_open",
            Self::InvoicePaid => "invoice_paid",
            Self::PaymentUsed => "payment_used",
            Self::PaymentTooMuch { .. } => "payment_too_much",
            Self::Refunded { error, .. } => error.code(),
            Self::FailedBefore { code, .. } => code,
            Self::NotFound { .. } => "not_found",
            Self::Upstream { .. } => "upstream_failed",
            Self::BadFetch(_) => "fetch_invalid",
            Self::PowerShort { .. } => "power_short",
            Self::Stopping => "stopping",
            Self::PaymentPending { .. } => "payment_pending",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Config(_) => "mend the file or the flag that it names",
            Self::AlreadyRunning(_) => "stop the other process, or use another --data-dir",
            Self::File { .. } => "check the path, its permissions and the disk's free space",
            Self::SecretExposed(_) => "run `chmod 600` on it, and think about who may have read it",
            Self::TokenInvalid => "use the owner's token or a purse's; leave it out to pay per request",
            Self::TokenPlain => "make a new purse: its token can be narrowed",
            Self::TokenNarrowing(_) => "`freehold purse narrow --help` shows what can be taken away",
            Self::ApprovalNeeded(approval) => {
                return format!(
                    "nothing was paid; once the owner has run `freehold approvals approve {}`, ask for the same again \
                     (with the same id, if it had one)",
                    approval.id
                );
            }
            Self::ModelMissing => "run `freehold model pull`",
            Self::ModelUnknown(_) => "GET /v1/models lists what is here",
            Self::Inference(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Wallet(error) => error.hint(),
            Self::Ecash(error) => error.hint(),
            Self::Http402(error) => error.hint(),
            Self::L402(error) => error.hint(),
            Self::Mpp(error) => error.hint(),
            Self::Haggle(error) => error.hint(),
            Self::RailUnwanted { .. } => "allow one of these with --rail; nothing was paid",
            Self::OwnInvoice => "buy from this node with its ecash: --rail x-cashu",
            Self::AuthorizationTaken => "leave the header Authorization out; nothing was paid",
            Self::InvoiceContradicts(_) | Self::InvoiceReused => "report it to the seller; nothing was paid",
            Self::ProofMissing => "ask the seller, and name the payment hash that `freehold payments` shows",
            Self::PaidAndRefused { .. } => {
                "it isn't paid again: the same --id shows the proof once more, for a day; or ask the seller"
            }
            Self::PaidAndRedirected { .. } => {
                "the proof goes to no other address than the one that was paid; the same --id shows it there once more"
            }
            Self::PaidUnanswered { .. } => "the same --id shows the proof once more, for a day; or ask the seller",
            Self::Receipt(error) => error.hint(),
            Self::Stamp(error) => error.hint(),
            Self::Backup(error) => error.hint(),
            Self::Lightning(error) => error.hint(),
            Self::Sell(error) => error.hint(),
            Self::NoLightning => "use --network sandbox to try it out",
            Self::NoSandbox => "use --network sandbox",
                    Self::Sandbox(_) => "check what was asked for; `make install` puts `freehold-sandbox` beside this program",
            Self::PaymentFailed(_) => "nothing was paid; try again, or allow a higher fee",
            Self::Onchain(error) => error.hint(),
            Self::OnchainOff => {
                "name a chain source: [chain] in the configuration file, or --chain-esplora"
            }
            Self::OnchainAmount => "give an amount such as 20000sat, or --all",
            Self::Vault(error) => error.hint(),
            Self::Nwc(error) => error.hint(),
            Self::NwcRelayMissing => {
                "name one with --relay, or `relays` below [nwc] in the configuration file"
            }
            Self::NwcPaymentsOpen(_) => "wait until the other wallet says; `freehold ledger list` shows what is reserved",
            Self::InvoicePaid => "ask for a new invoice",
            Self::PaymentUsed => "repeat the request that it paid for unchanged, or pay with a fresh token",
            Self::PaymentTooMuch { .. } => "send a token close to the price; nothing was taken",
            Self::Refunded { error, .. } => return error.hint(),
            Self::FailedBefore { .. } => "the refund is in the X-Cashu header",
            Self::NotFound { .. } => "check the id",
            Self::Upstream { .. } => "check the address, and that the server is up; nothing was paid",
            Self::BadFetch(_) => "check the method, the URL and the headers",
            Self::PowerShort { retry_after_s } => {
                return format!("ask again in {retry_after_s} s; nothing was taken, and what was paid stays good");
            }
            Self::Stopping => "ask again when it is back; what was begun is finished then",
            Self::PaymentPending { .. } => {
                "nothing is lost: the node goes on trying, and takes the money back if it can't be had"
            }
        }
        .to_owned()
    }

    /// The HTTP status that says this to a client.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Config(_) | Self::SecretExposed(_) | Self::File { .. } => 500,
            Self::AlreadyRunning(_) | Self::PaymentUsed | Self::OnchainOff => 409,
            Self::OnchainAmount => 400,
            Self::InvoicePaid | Self::NwcPaymentsOpen(_) => 409,
            Self::NwcRelayMissing => 400,
            Self::Nwc(error) => nwc_status(error),
            Self::TokenInvalid => 401,
            Self::TokenPlain | Self::TokenNarrowing(_) => 400,
            Self::ApprovalNeeded(_) => 403,
            Self::ModelMissing => 503,
            Self::ModelUnknown(_) | Self::NotFound { .. } => 404,
            Self::Inference(error) => error.http_status(),
            Self::Store(error) => store_status(error),
            Self::Receipt(_) => 500,
            Self::Onchain(error) => error.http_status(),
            Self::Stamp(error) => error.http_status(),
            Self::Backup(error) => error.http_status(),
            Self::Vault(error) => vault_status(error),
            Self::Wallet(error) => wallet_status(error),
            Self::Lightning(error) if error.is_unknown() => 504,
            Self::Lightning(_) | Self::NoLightning | Self::NoSandbox => 400,
            Self::Sell(error) => error.http_status(),
            Self::Sandbox(_) => 400,
            Self::PaymentFailed(_) => 502,
            Self::Ecash(error) if error.is_unknown() => 503,
            Self::Ecash(EcashError::Insufficient { .. }) => 402,
            Self::Ecash(_) | Self::PaymentTooMuch { .. } | Self::BadFetch(_) => 400,
            Self::Http402(error) => error.http_status(),
            Self::L402(error) => error.http_status(),
            Self::Haggle(http402::haggle::Error::LimitsInvalid(_)) => 400,
            Self::Mpp(_) | Self::Haggle(_) | Self::InvoiceContradicts(_) | Self::InvoiceReused => {
                502
            }
            Self::RailUnwanted { .. } | Self::AuthorizationTaken | Self::OwnInvoice => 422,
            Self::ProofMissing | Self::PaidUnanswered { .. } => 502,
            Self::PaidAndRefused { .. } | Self::PaidAndRedirected { .. } => 502,
            Self::Refunded { error, .. } => error.http_status(),
            Self::FailedBefore { .. } => 500,
            Self::Upstream { .. } => 502,
            Self::PowerShort { .. } | Self::Stopping => 503,
            Self::PaymentPending { .. } => 504,
        }
    }

    /// True if the user can mend it (exit code 1), false if it is ours (exit code 2).
    #[must_use]
    pub fn is_users(&self) -> bool {
        match self {
            Self::Config(_) | Self::AlreadyRunning(_) | Self::SecretExposed(_) => true,
            Self::ModelMissing | Self::Upstream { .. } | Self::Store(_) | Self::Receipt(_) => true,
            Self::Stamp(_) | Self::Onchain(_) | Self::Backup(_) | Self::PaymentFailed(_) => true,
            Self::L402(_) | Self::Mpp(_) | Self::Haggle(_) | Self::InvoiceContradicts(_) => true,
            Self::InvoiceReused | Self::ProofMissing | Self::PaidUnanswered { .. } => true,
            Self::PaidAndRefused { .. } | Self::PaidAndRedirected { .. } => true,
            Self::Vault(error) => !matches!(error, VaultError::Storage(_) | VaultError::Crypto(_)),
            Self::Nwc(error) => nwc_status(error) != 500,
            other => other.http_status() < 500,
        }
    }

    /// The approval that the payment waits for.
    #[must_use]
    pub fn approval(&self) -> Option<&crate::purses::ApprovalView> {
        match self {
            Self::ApprovalNeeded(approval) => Some(approval),
            _ => None,
        }
    }

    /// When it is worth asking again, in seconds, if that is known.
    #[must_use]
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::PowerShort { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }

    /// What goes back to the payer of a request that failed.
    #[must_use]
    pub fn refund(&self) -> Option<&Settled> {
        match self {
            Self::Refunded { settled, .. } => Some(settled),
            _ => None,
        }
    }
}

fn store_status(error: &StoreError) -> u16 {
    match error.code() {
        "unknown_model" | "not_installed" => 404,
        "invalid_name" => 400,
        _ => 500,
    }
}

fn vault_status(error: &VaultError) -> u16 {
    match error {
        VaultError::Storage(_) | VaultError::Crypto(_) => 500,
        VaultError::Chain(_) => 502,
        VaultError::Missing(_) => 404,
        VaultError::Taken(_) | VaultError::Contradiction { .. } => 409,
        VaultError::Unauthorized(_) => 401,
        VaultError::TooMany(_) => 429,
        VaultError::NotASigner
        | VaultError::NotYourPath { .. }
        | VaultError::Allowance { .. }
        | VaultError::HumanFirst { .. } => 403,
        _ => 400,
    }
}

fn nwc_status(error: &wallet::nwc::NwcError) -> u16 {
    match error.code() {
        "nwc_uri_invalid" | "nwc_relay_invalid" | "invoice_invalid" => 400,
        "nwc_too_many_connections" => 409,
        "nwc_key_invalid" | "nwc_signature" | "nwc_log" | "nwc_cipher" => 500,
        _ => 502,
    }
}

fn wallet_status(error: &WalletError) -> u16 {
    match error {
        WalletError::Database(_) | WalletError::TransferState { .. } => 500,
        WalletError::UnknownPurse(_)
        | WalletError::UnknownInvoice(_)
        | WalletError::UnknownApproval(_)
        | WalletError::NotAPayment(_) => 404,
        WalletError::PurseExists(_)
        | WalletError::IdempotencyConflict(_)
        | WalletError::PolicyChanged(_)
        | WalletError::ApprovalState { .. } => 409,
        WalletError::Insufficient { .. } => 402,
        WalletError::Policy { reason, .. } | WalletError::Narrowed(reason) => match reason {
            PolicyError::Rate(_) => 429,
            _ => 403,
        },
        WalletError::Revoked(_) | WalletError::ApprovalDenied(_) => 403,
        WalletError::ApprovalsFull(_) => 429,
        WalletError::Amount(_) | WalletError::Name(_) | WalletError::PolicyInvalid(_) => 400,
    }
}
