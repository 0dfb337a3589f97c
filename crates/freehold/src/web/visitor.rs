//! What a visitor sees: nothing of the owner's, and everything that is needed to buy.

use maud::{Markup, html};

use super::page;
use crate::api::App;
use crate::api::error::ApiError;

pub async fn page(app: &App) -> Result<Markup, ApiError> {
    let status = app.node.status().await?;
    let model = status.model.as_deref().unwrap_or("none at the moment");
    Ok(page::shell(
        "A private model for sale",
        false,
        html! {
            (page::header(&status, html! {}))
            main {
                section class="hero" {
                    h1 { "A private model that sells its answers" }
                    p {
                        "This node runs a language model on its own hardware and sells answers for "
                        "ecash, one request at a time. There is no account to open, and nobody "
                        "to ask."
                    }
                }
                section aria-labelledby="offer" {
                    h2 id="offer" { "The offer" }
                    dl class="facts" {
                        (page::fact("Model", html! { (model) }))
                        (page::fact("Price", page::price(&status)))
                        (page::fact("You pay", html! { "the most it may cost; the rest comes back as change" }))
                        (page::fact("Mint", html! { code { (status.mint_url) } }))
                        (page::fact("Receipts signed by", page::signed_by(&status)))
                    }
                }
                (page::connect(&status, false))
                section aria-labelledby="owner" {
                    h2 id="owner" { "Is this your node?" }
                    p { "Get a link that lets you in:" }
                    pre { code { "freehold status --login-link" } }
                }
            }
        },
    ))
}
