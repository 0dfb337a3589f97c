//! What the owner sees.

use maud::{Markup, html};
use node::{ApprovalState, ApprovalView, PurseView, Status, Transfer, TransferState};

use super::page;
use crate::api::App;
use crate::api::error::ApiError;
use crate::cli::sat;
use crate::when;

/// How many lines of the ledger are shown.
const LEDGER_LINES: u32 = 10;
/// How many open approvals are shown.
const APPROVAL_LINES: u32 = 50;

/// A question with its answer, where scripts don't run.
pub struct Turn {
    pub question: String,
    pub answer: Result<String, ApiError>,
}

pub async fn page(app: &App, turn: Option<Turn>) -> Result<Markup, ApiError> {
    let status = app.node.status().await?;
    let purses = app.node.purse_list().await?;
    let approvals = app.node.approvals(true, APPROVAL_LINES).await?;
    let mut ledger = app.node.ledger_list(None, LEDGER_LINES).await?;
    ledger.reverse();
    let logout = html! {
        form method="post" action="/logout" { button class="quiet" type="submit" { "Log out" } }
    };
    Ok(page::shell(
        "Home",
        false,
        html! {
            (page::header(&status, logout))
            main {
                h1 class="heard" { "Your node" }
                (balances(&status))
                (chat(&status, turn))
                (approvals_table(&approvals))
                (purses_table(&purses))
                (ledger_table(&ledger))
                (facts(&status))
                (page::connect(&status, true))
            }
            script src="/assets/chat.js" defer {}
        },
    ))
}

fn balances(status: &Status) -> Markup {
    let tile = |name: &str, value: u64, unit: &str| {
        html! { div { dt { (name) } dd { (value) " " small { (unit) } } } }
    };
    html! {
        section aria-label="Balances" {
            dl class="tiles" {
                (tile("Yours", status.owner_sat, "sat"))
                (tile("In purses", status.purses_sat, "sat"))
                (tile("Earned", status.earned_sat, "sat"))
                (tile("Receipts", status.receipts, "issued"))
            }
        }
    }
}

fn chat(status: &Status, turn: Option<Turn>) -> Markup {
    html! {
        section class="chat" aria-labelledby="chat" {
            h2 id="chat" { "Chat" }
            @match &status.model {
                None => {
                    p { "There's no model yet. This fetches one:" }
                    pre { code { "freehold model pull" } }
                }
                Some(model) => {
                    p class="muted" { (model) " runs on this machine; nothing leaves it." }
                    div id="log" role="log" aria-live="polite" aria-label="Conversation" {
                        @if let Some(turn) = turn { (answered(&turn)) }
                    }
                    form id="ask" method="post" action="/chat" {
                        label for="prompt" { "Your question" }
                        textarea id="prompt" name="prompt" rows="2" required
                            placeholder="What is a merkle tree?" {}
                        div class="row" {
                            button type="submit" { "Ask" }
                            button id="stop" class="quiet" type="button" hidden { "Stop" }
                            button id="clear" class="quiet" type="button" hidden { "New chat" }
                        }
                    }
                }
            }
        }
    }
}

fn answered(turn: &Turn) -> Markup {
    html! {
        p class="turn user" { (turn.question) }
        @match &turn.answer {
            Ok(answer) => p class="turn assistant" { (answer) },
            Err(error) => p class="turn error" { (error.message()) " — " (error.hint()) },
        }
    }
}

/// Nothing, if nobody is waited for.
fn approvals_table(approvals: &[ApprovalView]) -> Markup {
    html! {
        @if !approvals.is_empty() {
            section aria-labelledby="approvals" {
                h2 id="approvals" { "Waiting for your word" }
                div class="scroll" role="region" aria-labelledby="approvals" tabindex="0" { table {
                    thead { tr {
                        th scope="col" { "Purse" }
                        th scope="col" class="number" { "At most" }
                        th scope="col" { "What for" }
                        th scope="col" { "Why you are asked" }
                        th scope="col" { "Until" }
                        th scope="col" { "Your word" }
                    } }
                    tbody { @for approval in approvals { (approval_row(approval)) } }
                } }
            }
        }
    }
}

fn approval_row(approval: &ApprovalView) -> Markup {
    let action = |word: &str| format!("/approvals/{}/{word}", approval.id);
    html! {
        tr {
            th scope="row" { (approval.purse) }
            td class="number" { (approval.amount_sat) " sat" }
            td { @if let Some(method) = &approval.method { (method) " " } (approval.what) }
            td { (approval.reason) }
            td class="time" { (when::utc(approval.deadline_ms)) }
            td { div class="row" {
                @if approval.state == ApprovalState::Waiting {
                    form method="post" action=(action("approve")) { button type="submit" { "Approve" } }
                } @else { "approved" }
                form method="post" action=(action("deny")) {
                    button class="quiet" type="submit" { "Deny" }
                }
            } }
        }
    }
}

fn purses_table(purses: &[PurseView]) -> Markup {
    html! {
        section aria-labelledby="purses" {
            h2 id="purses" { "Purses" }
            @if purses.is_empty() {
                p class="muted" { "None yet. A purse lets an agent pay, within limits that hold." }
                pre { code { "freehold purse new scout" } }
            } @else {
                div class="scroll" role="region" aria-labelledby="purses" tabindex="0" { table {
                    thead { tr {
                        th scope="col" { "Purse" }
                        th scope="col" class="number" { "Balance" }
                        th scope="col" class="number" { "Reserved" }
                        th scope="col" class="number" { "24 hours" }
                        th scope="col" class="number" { "In total" }
                        th scope="col" { "Mode" }
                    } }
                    tbody { @for purse in purses { (purse_row(purse)) } }
                } }
            }
        }
    }
}

fn purse_row(purse: &PurseView) -> Markup {
    let policy = &purse.policy;
    html! {
        tr {
            th scope="row" {
                (purse.name)
                @if purse.revoked_ms.is_some() { " " span class="muted" { "revoked" } }
            }
            td class="number" { (purse.balance_sat) " sat" }
            td class="number" { (purse.reserved_sat) }
            td class="number" { (purse.spent_day_sat) " of " (policy.per_day_sat) }
            td class="number" { (purse.spent_total_sat) " of " (policy.total_sat) }
            td { (policy.mode) }
        }
    }
}

fn ledger_table(lines: &[Transfer]) -> Markup {
    html! {
        section aria-labelledby="ledger" {
            h2 id="ledger" { "Last movements" }
            @if lines.is_empty() {
                p class="muted" { "Nothing has moved yet." }
            } @else {
                div class="scroll" role="region" aria-labelledby="ledger" tabindex="0" { table {
                    thead { tr {
                        th scope="col" { "Time" }
                        th scope="col" class="number" { "Sat" }
                        th scope="col" { "From" }
                        th scope="col" { "To" }
                        th scope="col" { "State" }
                        th scope="col" { "What for" }
                    } }
                    tbody { @for line in lines { (ledger_row(line)) } }
                } }
            }
        }
    }
}

fn ledger_row(line: &Transfer) -> Markup {
    let state = match line.state {
        TransferState::Pending => "pending",
        TransferState::Posted => "posted",
        TransferState::Voided => "voided",
    };
    html! {
        tr class=(state) {
            td class="time" { (when::utc(line.created_ms)) }
            td class="number" { (sat(line.posted_msat.unwrap_or(line.amount_msat))) }
            td { (line.debit) }
            td { (line.credit) }
            td { (state) }
            td { (line.memo) }
        }
    }
}

fn facts(status: &Status) -> Markup {
    let model = status.model.as_deref().unwrap_or("none");
    let state = if status.model_running {
        "loaded"
    } else {
        "loaded when needed"
    };
    html! {
        section aria-labelledby="node" {
            h2 id="node" { "This node" }
            dl class="facts" {
                (page::fact("Address", html! { code { (status.url) } }))
                (page::fact("Model", html! { (model) " (" (state) ")" }))
                (page::fact("Price for strangers", page::price(status)))
                (page::fact("Mint", html! { code { (status.mint_url) } }))
                (page::fact("Receipts signed by", page::signed_by(status)))
                (page::fact("In flight", html! { (status.in_flight) " sales and payments" }))
                (page::fact("Up for", html! { (when::duration(status.uptime_ms)) }))
                (page::fact("Version", html! { (status.version) }))
            }
        }
    }
}
