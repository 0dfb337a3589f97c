//! A token is taken for a call, and what is due goes back: as in `serve/till.rs`, `serve/settle.rs` and `serve/replay.rs`.

use http402::xcashu::TokenOutline;
use wallet::ecash::{EcashError, Redemption};

use super::replay::RETRY_MAX_MS;
use super::sale::{Ending, Quote, Sale, SaleState, change_operations};
use super::settle::book_ending;
use super::till::{Begun, begin_sale, book_paid};
use crate::error::{NodeError, Result};
use crate::node::now_ms;
use crate::simulation::ecash::Issued;
use crate::simulation::ground::Ground;
use crate::simulation::mint::FEE_MAX_SAT;

/// Swaps the token, unless this very request was paid with it before.
pub(crate) async fn take_payment(
    ground: &Ground,
    outline: &TokenOutline,
    quote: Quote,
) -> Result<Sale> {
    let begun = ground.commit("a sale begins", |tx| begin_sale(tx, outline, quote));
    match begun.await? {
        Begun::Now(fresh) => redeem(ground, fresh).await,
        Begun::Before(sale) => collect(ground, sale).await,
    }
}

/// The token's outline, if a sale for this very request began with it.
pub(crate) fn paid_before(
    ground: &Ground,
    token: &str,
    request: &str,
) -> Result<Option<TokenOutline>> {
    let Ok(outline) = TokenOutline::parse(token) else {
        return Ok(None);
    };
    let sale = ground.look(|db| Sale::find(db, &outline.id.to_string()))?;
    Ok(sale.filter(|sale| sale.is_for(request)).map(|_| outline))
}

async fn collect(ground: &Ground, sale: Sale) -> Result<Sale> {
    if sale.state != SaleState::Redeeming {
        return Ok(sale);
    }
    ground.settle_ecash(change_operations).await;
    match ground.ecash.redemption(&sale.token)? {
        Redemption::None => redeem(ground, sale).await,
        Redemption::Done { amount_sat } => book(ground, sale, amount_sat).await,
        Redemption::Lost => {
            drop_sale(ground, &sale.id).await?;
            Err(EcashError::Spent.into())
        }
        Redemption::Unknown => {
            Err(EcashError::Unknown("the mint hasn't settled the swap".into()).into())
        }
    }
}

async fn redeem(ground: &Ground, sale: Sale) -> Result<Sale> {
    match ground.ecash.redeem(&sale.token).await {
        Ok(received_sat) => book(ground, sale, received_sat).await,
        Err(error) => {
            ground.note_ecash(&error);
            if !error.is_unknown() {
                drop_sale(ground, &sale.id).await?;
            }
            Err(error.into())
        }
    }
}

async fn book(ground: &Ground, mut sale: Sale, received_sat: u64) -> Result<Sale> {
    let book = ground.commit("a sale is paid", |tx| book_paid(tx, &sale.id, received_sat));
    book.await?;
    sale.state = SaleState::Paid;
    sale.received_sat = received_sat;
    Ok(sale)
}

async fn drop_sale(ground: &Ground, id: &str) -> Result<()> {
    ground
        .commit("a sale is dropped", |tx| Sale::delete(tx, id))
        .await
}

/// Ends the sale of a call that was answered; the change, if there is any.
pub(crate) async fn settle_call_sale(ground: &Ground, sale: &Sale) -> Result<Option<String>> {
    let due_sat = sale.received_sat.saturating_sub(sale.max_price_sat);
    let change = make_change(ground, due_sat).await?;
    let ending = Ending {
        price_sat: sale.max_price_sat,
        ..Ending::default()
    };
    close(ground, sale, ending, change).await
}

/// Gives everything back, and remembers why.
pub(crate) async fn refund_sale(
    ground: &Ground,
    sale: &Sale,
    error: &NodeError,
) -> Result<Option<String>> {
    let change = make_change(ground, sale.received_sat).await?;
    let ending = Ending {
        error: Some((error.code().to_owned(), error.to_string())),
        ..Ending::default()
    };
    close(ground, sale, ending, change).await
}

/// A token over what is due, less the mint's fee for making it.
pub(crate) async fn make_change(ground: &Ground, due_sat: u64) -> Result<Option<Issued>> {
    let change_sat = due_sat.saturating_sub(FEE_MAX_SAT);
    if change_sat == 0 {
        return Ok(None);
    }
    let issued = ground.ecash.issue(change_sat).await;
    Ok(Some(issued.inspect_err(|error| ground.note_ecash(error))?))
}

async fn close(
    ground: &Ground,
    sale: &Sale,
    mut ending: Ending,
    change: Option<Issued>,
) -> Result<Option<String>> {
    let out_sat = change
        .as_ref()
        .map_or(0, |issued| issued.amount_sat + issued.fee_sat);
    let token = change.as_ref().map(|issued| issued.token.clone());
    ending.change = change
        .as_ref()
        .map(|issued| (issued.operation, issued.token.clone()));
    let close = ground.commit("a sale is settled", |tx| {
        book_ending(tx, sale, &ending, out_sat)
    });
    close.await?;
    drop(change);
    Ok(token)
}

/// Brings open sales to their end; how many are left.
pub(crate) async fn resume(ground: &Ground, why: &NodeError) -> Result<usize> {
    let ids = ground.look(Sale::open_ids)?;
    for id in &ids {
        let Some(_guard) = ground.locks.try_lock(id) else {
            continue;
        };
        let Some(sale) = ground
            .look(|db| Sale::find(db, id))?
            .filter(|sale| !sale.is_settled())
        else {
            continue;
        };
        let Ok(sale) = collect(ground, sale).await else {
            continue;
        };
        if now_ms() - sale.created_ms > RETRY_MAX_MS {
            let _ = refund_sale(ground, &sale, why).await;
        }
    }
    Ok(ids.len())
}
