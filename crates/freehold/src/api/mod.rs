//! The HTTP API. Each file has one group of routes; what they have in common is in [`guard`],
//! [`auth`] and [`error`].

pub mod approvals;
pub mod auth;
pub mod backup;
pub mod chat;
pub mod energy;
pub mod error;
pub mod extract;
pub mod fetch;
pub mod guard;
pub mod hosts;
pub mod ledger;
pub mod lightning;
pub mod log;
pub mod login;
pub mod node_state;
pub mod nwc;
pub mod offers;
pub mod onchain;
pub mod purses;
pub mod receipts;
pub mod sandbox;
pub mod savings;
pub mod sessions;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod vaults;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use node::Node;
use wire::Upstream;

use crate::proxy;
use crate::web;
use hosts::Hosts;
use sessions::Sessions;

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The node that does the work.
    pub node: Node,
    /// Who is logged in at the home page.
    pub sessions: Arc<Sessions>,
    /// The names that we are reached by.
    pub hosts: Arc<Hosts>,
    /// The way to what is sold.
    pub upstream: Upstream,
}

impl App {
    /// The API of a node, with nobody logged in.
    pub fn new(node: Node) -> Self {
        let hosts = Arc::new(Hosts::of(node.config().public_url.as_deref()));
        Self {
            node,
            sessions: Arc::default(),
            hosts,
            upstream: Upstream::default(),
        }
    }
}

/// All routes.
///
/// # Errors
/// If the mint's own routes can't be made.
pub async fn router(app: App) -> anyhow::Result<Router> {
    let mut router = Router::new()
        .merge(web::routes())
        .merge(public_routes())
        .nest("/api", owner_routes())
        .fallback(proxy::fallback)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app.clone());
    if let Some(mint) = app.node.mint() {
        let mint = cdk_axum::create_mint_router(mint, vec!["bolt11".into()]).await?;
        let door = from_fn_with_state(app.clone(), backup::mint_door);
        router = router.nest("/mint", mint.layer(door));
    }
    // The fallback isn't a route: what it is asked passes as it comes.
    let router = router.route_layer(from_fn(guard::read_body));
    Ok(router.layer(from_fn_with_state(app, guard::guard)))
}

/// What anyone may ask for, for money or not.
fn public_routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(node_state::healthz))
        .route("/login", get(login::login))
        .route("/logout", post(login::logout))
        .route("/v1/models", get(chat::models))
        .route("/v1/chat/completions", post(chat::completions))
        .route("/openapi.json", get(offers::openapi))
        .route("/.well-known/payment", get(offers::well_known))
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/tile/{*address}", get(log::tile))
        // For the nodes of a vault's other signers, who sign their requests.
        .route("/vault/{id}/proposals", post(vaults::from_peer))
}

/// Vaults: only the owner's.
fn vault_routes() -> Router<App> {
    Router::new()
        .route("/vault-key", get(vaults::key))
        .route("/vaults", get(vaults::list).post(vaults::create))
        .route("/vaults/{name}", get(vaults::show))
        .route("/vaults/{name}/address", post(vaults::address))
        .route("/vaults/{name}/proposals", post(vaults::propose))
        .route("/vaults/{name}/token-requests", post(vaults::token_request))
        .route("/vaults/{name}/tokens/show", post(vaults::token_show))
        .route("/vaults/{name}/tokens/sign", post(vaults::token_sign))
        .route(
            "/vault-proposals",
            get(vaults::proposals).post(vaults::receive),
        )
        .route("/vault-proposals/{id}", get(vaults::proposal))
        .route("/vault-proposals/{id}/sign", post(vaults::sign))
        .route("/vault-proposals/{id}/send", post(vaults::send))
        .route("/vault-proposals/{id}/broadcast", post(vaults::broadcast))
        .route("/vault-proposals/{id}/drop", post(vaults::give_up))
}

/// What only the owner may do, except for `purse` and `fetch`, which purses use too.
fn owner_routes() -> Router<App> {
    Router::new()
        .route("/status", get(node_state::status))
        .route("/energy", get(energy::show))
        .route("/doctor", get(node_state::doctor))
        .route("/login-links", post(login::new_link))
        .route("/models/use", post(node_state::use_model))
        .route("/purses", get(purses::list).post(purses::create))
        .route("/purses/{name}", get(purses::show))
        .route("/purses/{name}/policy", post(purses::policy))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}/approve", post(approvals::approve))
        .route("/approvals/{id}/deny", post(approvals::deny))
        .route("/disputes", post(approvals::dispute))
        .route("/purses/{name}/fund", post(purses::fund))
        .route("/purses/{name}/revoke", post(purses::revoke))
        .route("/purses/{name}/back", post(nwc::back))
        .route("/purses/{name}/unback", post(nwc::unback))
        .route("/nwc", get(nwc::list).post(nwc::create))
        .route("/nwc/{id}/revoke", post(nwc::revoke))
        .route("/purse", get(purses::own))
        .route("/purse/pay", post(lightning::own_purse_pay))
        .route("/purses/{name}/pay", post(lightning::purse_pay))
        .nest("/lightning", lightning_routes())
        .nest("/sandbox", sandbox_routes())
        .route("/offers", get(offers::list).post(offers::sell))
        .route("/offers/{id}/remove", post(offers::remove))
        .route("/sessions", get(offers::sessions))
        .route("/fetch", post(fetch::fetch))
        .route("/payments", get(fetch::payments))
        .route("/backup", get(backup::status).post(backup::write))
        .route("/restore", get(backup::returning))
        .route("/restore/open-mint", post(backup::open_mint))
        .route("/ledger", get(ledger::list))
        .route("/ledger/check", get(ledger::check))
        .route("/receipts", get(receipts::list))
        .route("/receipts/{id}", get(receipts::show))
        .route("/receipts/by-answer/{sha256}", get(receipts::by_answer))
        .route("/receipt-key", get(receipts::key))
        .merge(onchain_routes())
        .merge(vault_routes())
}

/// Bitcoin on the chain.
fn onchain_routes() -> Router<App> {
    Router::new()
        .route("/onchain", get(onchain::balance))
        .route("/onchain/address", post(onchain::address))
        .route("/onchain/addresses", get(onchain::addresses))
        .route("/onchain/coins", get(onchain::coins))
        .route("/onchain/history", get(onchain::history))
        .route("/onchain/spends", get(onchain::spends))
        .route("/onchain/send", post(onchain::send))
        .route("/onchain/bump", post(onchain::bump))
        .route("/onchain/freeze", post(onchain::freeze))
        .route("/onchain/label", post(onchain::label))
        .route("/onchain/descriptors", get(onchain::descriptors))
        .route("/onchain/watch", get(onchain::watched).post(onchain::watch))
        .route("/onchain/psbt/create", post(onchain::psbt_create))
        .route("/onchain/psbt/show", post(onchain::psbt_show))
        .route("/onchain/psbt/sign", post(onchain::psbt_sign))
        .route("/onchain/psbt/combine", post(onchain::psbt_combine))
        .route("/onchain/psbt/broadcast", post(onchain::psbt_broadcast))
        .route("/savings", get(savings::show).post(savings::set))
        .route("/savings/off", post(savings::off))
        .route("/savings/now", post(savings::now))
}

fn lightning_routes() -> Router<App> {
    Router::new()
        .route("/", get(lightning::status))
        .route("/sync", post(lightning::sync))
        .route("/addresses", post(lightning::address))
        .route("/send", post(lightning::send))
        .route("/channels", get(lightning::channels).post(lightning::open))
        .route("/channels/{id}/close", post(lightning::close))
        .route("/peers", get(lightning::peers))
        .route(
            "/invoices",
            get(lightning::invoices).post(lightning::invoice),
        )
        .route("/offers", post(lightning::offer))
        .route("/claim", post(lightning::claim))
        .route("/fail", post(lightning::fail))
        .route("/payments", get(lightning::payments).post(lightning::pay))
        .route("/keysends", post(lightning::keysend))
}

fn sandbox_routes() -> Router<App> {
    Router::new()
        .route("/", get(sandbox::status))
        .route("/mine", post(sandbox::mine))
        .route("/reorg", post(sandbox::reorg))
        .route("/fund", post(sandbox::fund))
        .route("/invoice", post(sandbox::invoice))
        .route("/pay", post(sandbox::pay))
}
