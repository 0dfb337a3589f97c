//! The owner's way into the home page: a link that works once sets a cookie.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::auth::{self, COOKIE, Owner};
use super::error::ApiError;
use super::extract::Params;
use super::hosts::check_origin;
use super::sessions::SESSION_LIFETIME;
use crate::web;

/// What a login link carries.
#[derive(Deserialize)]
pub struct Link {
    #[serde(default)]
    token: String,
}

/// `GET /login?token=…`
pub async fn login(State(app): State<App>, Params(link): Params<Link>) -> Response {
    let Some(session) = app.sessions.redeem(&link.token, Instant::now()) else {
        return (StatusCode::FORBIDDEN, web::stale_link()).into_response();
    };
    let lifetime_s = SESSION_LIFETIME.as_secs();
    let cookie =
        format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={lifetime_s}");
    // A page that leads on rather than a redirect: when the link was clicked on another site, a
    // browser would follow the redirect without this cookie.
    ([(header::SET_COOKIE, cookie)], web::welcome()).into_response()
}

/// `POST /logout`
pub async fn logout(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(session) = auth::session(&app, &headers) {
        check_origin(&headers)?;
        app.sessions.close(session, Instant::now());
    }
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// `POST /api/login-links`
pub async fn new_link(State(app): State<App>, _: Owner) -> Json<Value> {
    let url = app.node.config().url();
    Json(json!({"path": link_path(&app), "url": format!("{url}{}", link_path(&app))}))
}

/// The path of a new login link.
pub fn link_path(app: &App) -> String {
    format!("/login?token={}", app.sessions.new_link(Instant::now()))
}
