//! What all pages have.

use maud::{DOCTYPE, Markup, html};
use node::Status;

/// A page around its content. `leads_home` takes the reader to the home page by itself.
pub fn shell(title: &str, leads_home: bool, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if leads_home { meta http-equiv="refresh" content="0; url=/"; }
                title { (title) " · Freehold" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
            }
            body { (content) }
        }
    }
}

/// The page's head: the name, and a loud word about the money.
pub fn header(status: &Status, action: Markup) -> Markup {
    html! {
        header class="top" {
            a class="brand" href="/" {
                img src="/assets/icon.svg" alt="" width="28" height="28";
                "Freehold"
            }
            @if status.network == "play" {
                p class="badge" { "PLAY MONEY" span { " — these sats are worth nothing" } }
            }
            (action)
        }
    }
}

/// How programs connect.
pub fn connect(status: &Status, is_owner: bool) -> Markup {
    let url = &status.url;
    let base = format!("base_url = \"{url}/v1\"");
    html! {
        section aria-labelledby="connect" {
            h2 id="connect" { "Connect" }
            p { "The API speaks OpenAI's chat format. Any client works with" }
            pre { code { (base) } }
            @if is_owner {
                p { "As the owner, from a shell on this machine:" }
                pre { code { "freehold ask \"What is a merkle tree?\"" } }
                p { "For an agent with a budget of its own: make a purse, fund it, and let it pay." }
                pre { code {
                    "freehold purse new scout\n"
                    "freehold purse fund scout --sat 100\n"
                    "freehold fetch --purse scout " (url) "/v1/chat/completions \\\n"
                    "  -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'"
                } }
            } @else {
                p {
                    "Ask without a token, and the answer is " code { "402 Payment Required" }
                    " with a Cashu payment request in the " code { "X-Cashu" } " header:"
                }
                pre { code {
                    "curl -i " (url) "/v1/chat/completions \\\n"
                    "  -H 'Content-Type: application/json' \\\n"
                    "  -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'"
                } }
                p {
                    "Send the same request again with " code { "X-Cashu: cashuB…" }
                    ". You get the answer, your change and a receipt that can be checked offline."
                }
            }
        }
    }
}

/// A name and its value.
pub fn fact(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Whose keys receipts are checked against, and the log that they stand in.
pub fn signed_by(status: &Status) -> Markup {
    html! {
        code { (status.receipt_key) }
        " in an " a href="/log/checkpoint" { "open log" }
    }
}

/// What strangers pay.
pub fn price(status: &Status) -> Markup {
    let price = &status.price;
    html! {
        (price.prompt_msat_per_token) " msat a token in, "
        (price.completion_msat_per_token) " out"
    }
}
