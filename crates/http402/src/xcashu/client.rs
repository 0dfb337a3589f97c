//! The buyer's side: from an answer to the next step (NUT-24).

use super::limits::HEADER_VALUES_MAX;
use super::mint_url::normalize_mint_url;
use super::{Nut10Option, PaymentRequest, TokenOutline, X_CASHU};
use crate::Error;

/// What the buyer does after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once per answer and matched at once"
)]
pub enum ClientStep {
    /// No payment is asked for: the answer is for the caller. See [`change`].
    Done,
    /// The server wants to be paid.
    Pay(PaymentRequest),
}

/// A payment that the buyer can and may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The buyer's own mint to pay from, spelt as the buyer spells it.
    pub mint: String,
    /// What the token must be worth to the seller, net of the mint's input
    /// fees, counted in `unit`.
    pub amount_sat: u64,
    /// The unit.
    pub unit: String,
}

/// Decides what an answer asks of the buyer.
///
/// Of several challenges, in several headers or joined by commas, the first
/// that can be read counts. Header names are compared without regard to case.
pub fn next_step<'a, H>(status: u16, headers: H) -> Result<ClientStep, Error>
where
    H: IntoIterator<Item = (&'a str, &'a str)>,
{
    if status != 402 {
        return Ok(ClientStep::Done);
    }
    first_ok(x_cashu_values(headers), PaymentRequest::decode)?
        .map(ClientStep::Pay)
        .ok_or(Error::ChallengeMissing)
}

/// The change in an answer, to a success or to a refusal (400).
///
/// An error means that there is a token which cannot be read. It is money: keep
/// the answer.
pub fn change<'a, H>(headers: H) -> Result<Option<TokenOutline>, Error>
where
    H: IntoIterator<Item = (&'a str, &'a str)>,
{
    // A refusal carries a fresh challenge in the same header.
    let is_request = |value: &str| {
        value
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("creq"))
    };
    let tokens = x_cashu_values(headers).filter(|value| !is_request(value));
    first_ok(tokens, TokenOutline::parse)
}

/// Picks the mint to pay `request` from, or says what stands against paying.
///
/// `my_mints` is in the buyer's order of preference. A request that names no
/// mint is refused: NUT-24 demands the list, and a token of the wrong mint
/// would have been shown to the seller for nothing.
pub fn choose<M: AsRef<str>>(
    request: &PaymentRequest,
    my_mints: &[M],
    unit: &str,
    max_sat: u64,
) -> Result<Purchase, Error> {
    let amount_sat = request
        .amount
        .filter(|amount| *amount > 0)
        .ok_or(Error::AmountMissing)?;
    let wanted = request.unit.as_deref().unwrap_or_default();
    if !wanted.eq_ignore_ascii_case(unit) {
        return Err(Error::UnitUnavailable {
            wanted: wanted.to_owned(),
        });
    }
    if let Some(Nut10Option { kind, .. }) = &request.nut10 {
        return Err(Error::LockUnsupported { kind: kind.clone() });
    }
    let mint = shared_mint(&request.mints, my_mints).ok_or(Error::MintUnavailable)?;
    if amount_sat > max_sat {
        return Err(Error::PriceAboveLimit {
            amount_sat,
            max_sat,
        });
    }
    Ok(Purchase {
        mint: mint.to_owned(),
        amount_sat,
        unit: unit.to_owned(),
    })
}

fn shared_mint<'a, M: AsRef<str>>(accepted: &[String], my_mints: &'a [M]) -> Option<&'a str> {
    let accepted: Vec<String> = accepted
        .iter()
        .filter_map(|m| normalize_mint_url(m))
        .collect();
    my_mints
        .iter()
        .map(AsRef::as_ref)
        .find(|mine| normalize_mint_url(mine).is_some_and(|mine| accepted.contains(&mine)))
}

/// All `X-Cashu` values. No comma occurs inside one: proxies join with it.
fn x_cashu_values<'a, H>(headers: H) -> impl Iterator<Item = &'a str>
where
    H: IntoIterator<Item = (&'a str, &'a str)>,
{
    headers
        .into_iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(X_CASHU))
        .flat_map(|(_, value)| value.split(','))
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .take(HEADER_VALUES_MAX)
}

/// The first value that parses; the first error if none does; `None` if there
/// are no values.
fn first_ok<'a, T>(
    values: impl Iterator<Item = &'a str>,
    parse: impl Fn(&str) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut first_error = None;
    for value in values {
        match parse(value) {
            Ok(parsed) => return Ok(Some(parsed)),
            Err(error) => _ = first_error.get_or_insert(error),
        }
    }
    first_error.map_or(Ok(None), Err)
}
