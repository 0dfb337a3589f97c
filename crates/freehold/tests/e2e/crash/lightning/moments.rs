//! Where money and proofs are half moved.

use crate::crash::killer::{Moment, Whose, moment};

use super::deal::Deal;

/// Of every payment.
const PAYMENT: [Moment; 5] = [
    moment(
        "purse pays",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM purse_payments WHERE state = 'paying'",
    ),
    moment(
        "channel pays",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM lightning_payments WHERE state = 'pending'",
    ),
    moment(
        "purse paid",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM purse_payments WHERE state = 'settled'",
    ),
    moment(
        "invoice made",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM lightning_invoices",
    ),
    moment(
        "invoice paid",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM lightning_invoices WHERE received_msat > 0",
    ),
];

/// Of a purchase.
const PURCHASE: [Moment; 3] = [
    moment(
        "invoice noted",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'paying'",
    ),
    moment(
        "proof kept",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM payments WHERE state = 'paid'",
    ),
    moment(
        "call begun",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM payment_uses",
    ),
];

/// Of a session.
const SESSION: [Moment; 9] = [
    moment(
        "deposit paid",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM lightning_invoices WHERE holder = 'sessions' AND received_msat > 0",
    ),
    moment(
        "session open",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM sessions",
    ),
    moment(
        "deposit credited",
        Whose::Seller,
        "freehold",
        "SELECT coalesce(sum(json_extract(session, '$.deposits_sat')), 0) FROM sessions",
    ),
    moment(
        "calls metered",
        Whose::Seller,
        "freehold",
        "SELECT coalesce(sum(json_extract(session, '$.spent_sat')), 0) FROM sessions",
    ),
    moment(
        "session closing",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM sessions WHERE state = 'refunding'",
    ),
    moment(
        "rest on its way",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM lightning_payments WHERE holder = 'sessions'",
    ),
    moment(
        "rest arrived",
        Whose::Payer,
        "freehold",
        "SELECT count(*) FROM lightning_invoices WHERE holder = 'owner' AND received_msat > 0",
    ),
    moment(
        "rest paid",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM lightning_payments WHERE holder = 'sessions' AND state = 'succeeded'",
    ),
    moment(
        "session over",
        Whose::Seller,
        "freehold",
        "SELECT count(*) FROM sessions WHERE state = 'closed'",
    ),
];

/// Those that come in these deals.
pub fn of(deals: &[Deal]) -> Vec<Moment> {
    let mut moments = PAYMENT.to_vec();
    if deals.iter().any(|deal| deal.session.is_some()) {
        moments.extend(SESSION);
    }
    if deals.iter().any(|deal| deal.session.is_none()) {
        moments.extend(PURCHASE);
    }
    moments
}
