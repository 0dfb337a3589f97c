//! The home page: what this node is for a visitor, and how it is doing for its owner.

mod owner;
mod page;
mod visitor;

use axum::Form;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use node::{Caller, Served};
use serde::Deserialize;
use serde_json::json;

use crate::api::App;
use crate::api::auth::{self, Owner};
use crate::api::chat::whole;
use crate::api::error::ApiError;
use owner::Turn;

/// The pages and what they are made of.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/chat", post(chat))
        .route("/approvals/{id}/approve", post(approve))
        .route("/approvals/{id}/deny", post(deny))
        .route("/assets/style.css", get(style))
        .route("/assets/chat.js", get(script))
        .route("/assets/icon.svg", get(icon))
}

/// `GET /`
async fn home(State(app): State<App>, headers: HeaderMap) -> Result<Markup, ApiError> {
    match auth::session(&app, &headers) {
        Some(_) => owner::page(&app, None).await,
        None => visitor::page(&app).await,
    }
}

/// What the chat box sends where scripts don't run.
#[derive(Deserialize)]
struct Question {
    prompt: String,
}

/// `POST /chat`: the same chat box without a script; the answer comes at once.
async fn chat(
    State(app): State<App>,
    _: Owner,
    Form(question): Form<Question>,
) -> Result<Markup, ApiError> {
    let messages = json!([{"role": "user", "content": question.prompt}]);
    let body = json!({"messages": messages}).to_string().into_bytes();
    let answer = match app.node.serve(Caller::Owner, None, body).await {
        Ok(Served::Answer(answer)) => whole(answer).await,
        Ok(Served::PaymentRequired(_)) => Err(ApiError::interrupted()),
        Err(error) => Err(error.into()),
    };
    let answer = answer.map(|whole| {
        let text = whole.body["choices"][0]["message"]["content"].as_str();
        text.unwrap_or_default().to_owned()
    });
    let turn = Turn {
        question: question.prompt,
        answer,
    };
    owner::page(&app, Some(turn)).await
}

/// `POST /approvals/{id}/approve`
async fn approve(
    State(app): State<App>,
    _: Owner,
    Path(id): Path<i64>,
) -> Result<Redirect, ApiError> {
    app.node.approve(id).await?;
    Ok(Redirect::to("/"))
}

/// `POST /approvals/{id}/deny`
async fn deny(State(app): State<App>, _: Owner, Path(id): Path<i64>) -> Result<Redirect, ApiError> {
    app.node.deny(id).await?;
    Ok(Redirect::to("/"))
}

/// After a login: leads on to the home page.
pub fn welcome() -> Markup {
    page::shell(
        "Welcome",
        true,
        html! {
            main class="narrow" {
                h1 { "Welcome home" }
                p { a class="button" href="/" { "Go to your home page" } }
            }
        },
    )
}

/// For a login link that was used, or is too old.
pub fn stale_link() -> Markup {
    page::shell(
        "Link expired",
        false,
        html! {
            main class="narrow" {
                h1 { "This link doesn't work any more" }
                p { "A login link works once, for ten minutes. This makes a new one:" }
                pre { code { "freehold status --login-link" } }
                p { a href="/" { "Home page for visitors" } }
            }
        },
    )
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("assets/style.css"))
}

async fn script() -> Response {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("assets/chat.js"),
    )
}

async fn icon() -> Response {
    asset("image/svg+xml", include_str!("assets/icon.svg"))
}

/// A file that is a part of the program. A browser asks each time, for after an update it must
/// not mix the old with the new; they are small.
fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, &str); 2] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Bytes::from_static(text.as_bytes())).into_response()
}
