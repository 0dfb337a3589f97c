//! Chat completions, as OpenAI's clients ask for them: free for the owner, from a purse, or paid
//! with ecash in the `X-Cashu` header.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use node::sell::Chat;
use node::{Answer, AnswerEvent, ModelList, PaymentRequired, Served, Settled};
use serde_json::Value;

use super::App;
use super::auth::{Anyone, X_CASHU};
use super::error::{ApiError, add_headers};
use super::stream;
use crate::proxy;

/// The answer header with the sale's id.
const SALE: &str = "Freehold-Sale";

/// `GET /v1/models`
pub async fn models(State(app): State<App>) -> Result<Json<ModelList>, ApiError> {
    Ok(Json(app.node.models().await?))
}

/// `POST /v1/chat/completions`
pub async fn completions(
    State(app): State<App>,
    Anyone(caller): Anyone,
    request: Request,
) -> Result<Response, ApiError> {
    let call = proxy::call(&request);
    let payment = payment_of(request.headers());
    let body = Bytes::from_request(request, &app).await;
    let body = body.map_err(|_| ApiError::interrupted())?.into();
    let is_proven =
        |(name, value): &(&str, String)| *name == "Authorization" && proxy::is_payment(value);
    if call.credentials.iter().any(is_proven) {
        return match Box::pin(app.node.serve_proven(call, body)).await? {
            Chat::Door(answer) => Ok(proxy::answered(answer)),
            Chat::Answer(answer) => answered(answer).await,
        };
    }
    match app.node.serve(caller, payment, body).await? {
        Served::PaymentRequired(challenge) => {
            let accept = call.accept_payment.as_deref();
            let ways = app
                .node
                .chat_challenges(challenge.price_sat, call.address, accept)
                .await;
            let mut response = payment_required(challenge);
            proxy::append(response.headers_mut(), &ways);
            Ok(response)
        }
        Served::Answer(answer) => answered(answer).await,
    }
}

async fn answered(mut answer: Answer) -> Result<Response, ApiError> {
    let receipt = answer.payment_receipt.take();
    let mut response = match answer.stream {
        true => streamed(answer).await?,
        false => respond(whole(answer).await?),
    };
    let receipt = receipt.map(|receipt| ("Payment-Receipt", receipt));
    proxy::append(response.headers_mut(), receipt.as_slice());
    Ok(response)
}

/// The payment header. Several lines are one list (RFC 9110, section 5.3), which is refused
/// as such: taking one of two tokens would leave the buyer guessing which. What isn't text
/// isn't a token either, and is refused with the reason, like any malformed one.
fn payment_of(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(X_CASHU).iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

fn payment_required(challenge: PaymentRequired) -> Response {
    let status = StatusCode::from_u16(challenge.status).unwrap_or(StatusCode::PAYMENT_REQUIRED);
    let kind = HeaderValue::from_static(challenge.content_type);
    let mut response = (status, challenge.body.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    add_headers(&mut response, &[challenge.header]);
    response
}

/// A whole answer.
pub struct Whole {
    /// Names the sale.
    pub sale_id: String,
    /// The answer as OpenAI's clients expect it, with what was paid and proven beside it.
    pub body: Value,
    /// What it cost.
    pub settled: Box<Settled>,
}

/// Waits for the end of an answer.
///
/// # Errors
/// If the work failed; the error has what goes back to the payer.
pub async fn whole(mut answer: Answer) -> Result<Whole, ApiError> {
    let mut text = String::new();
    while let Some(event) = answer.events.recv().await {
        match event {
            AnswerEvent::Text(piece) => text.push_str(&piece),
            AnswerEvent::Failed(error) => return Err(error.into()),
            AnswerEvent::End(settled) => {
                let summary = settled.summary.as_ref().ok_or_else(ApiError::interrupted)?;
                let body = serde_json::to_value(answer.reply.response(text, summary));
                let mut body = body.unwrap_or_default();
                body["payment"] = settled.payment_json();
                return Ok(Whole {
                    sale_id: answer.sale_id,
                    body,
                    settled,
                });
            }
        }
    }
    Err(ApiError::interrupted())
}

fn respond(whole: Whole) -> Response {
    let mut response = Json(whole.body).into_response();
    add_headers(&mut response, &whole.settled.headers());
    add_headers(&mut response, &[(SALE, whole.sale_id)]);
    response
}

/// Answers in pieces. Nothing is sent before the first of them is there, so that a request that
/// fails at once is answered with its own status.
async fn streamed(mut answer: Answer) -> Result<Response, ApiError> {
    let first = match answer.events.recv().await {
        Some(AnswerEvent::Failed(error)) => return Err(error.into()),
        Some(first) => first,
        None => return Err(ApiError::interrupted()),
    };
    let sale_id = answer.sale_id.clone();
    let pieces = stream::pieces(answer, first);
    let mut response = Body::from_stream(pieces).into_response();
    let headers = [
        ("content-type", "text/event-stream".to_owned()),
        // Asks a proxy in front of us not to collect the pieces.
        ("x-accel-buffering", "no".to_owned()),
        (SALE, sale_id),
    ];
    add_headers(&mut response, &headers);
    Ok(response)
}
