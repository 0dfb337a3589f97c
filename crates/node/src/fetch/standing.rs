//! How the payment of an invoice stands by the wallet's own record, and what follows from that. Pure: `simulator.rs`
//! tries it against wallets that are slow, fail and crash.
//!
//! Two rules make it one payment. A payment is given up only when the wallet was asked to its end and its record says
//! that nothing went out; a wallet that hasn't answered yet may still pay, whatever its record says now. And a wallet is
//! asked by one task at a time, so that no earlier one can still be about to pay.

/// How the payment of an invoice stands, by the wallet's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is no such payment.
    None,
    /// It may still go either way.
    Open,
    /// It arrived.
    Paid {
        /// The proof, in hex.
        preimage: String,
        /// What the way cost.
        fee_msat: u64,
    },
    /// It didn't, and won't.
    Failed,
}

/// What asking the wallet to pay led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It answered; its record says what.
    Answered,
    /// It refused, or failed.
    Refused,
    /// It hasn't answered yet.
    Silent,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the wallet to pay: it pays an invoice once.
    Ask,
    /// Keep the proof.
    Keep {
        /// The proof, in hex.
        preimage: String,
        /// What the way cost.
        fee_msat: u64,
    },
    /// Nothing was paid, and nothing will be: give up.
    CallOff,
    /// No wallet has heard of it, and none will: as if it had never been.
    Forget,
    /// It isn't known. Keep what is reserved, and come again.
    Wait,
}

/// What to do before the wallet was asked, while nobody else is asking it. Whether a payment `may_begin` is the caller's
/// to say: after a crash it isn't known any more how narrow the caller's token was, so the background begins none.
pub(super) fn before_asking(standing: Standing, may_begin: bool) -> Next {
    match standing {
        Standing::None if !may_begin => Next::Forget,
        Standing::None | Standing::Open => Next::Ask,
        Standing::Paid { preimage, fee_msat } => Next::Keep { preimage, fee_msat },
        Standing::Failed => Next::CallOff,
    }
}

/// What to do after it, by the record as it is then.
pub(super) fn after_asking(asked: Asked, standing: Standing) -> Next {
    match (asked, standing) {
        (_, Standing::Paid { preimage, fee_msat }) => Next::Keep { preimage, fee_msat },
        (Asked::Silent, _) | (_, Standing::Open) | (Asked::Answered, Standing::None) => Next::Wait,
        (_, Standing::Failed) => Next::CallOff,
        (Asked::Refused, Standing::None) => Next::Forget,
    }
}
