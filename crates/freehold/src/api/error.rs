//! Errors as HTTP answers, in the shape that OpenAI's clients understand.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use node::{NodeError, Settled};
use serde_json::{Value, json};

/// The class of errors that are ours to mend.
pub const SERVER_ERROR: &str = "server_error";

/// An answer that isn't a success.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
    hint: String,
    is_ours: bool,
    headers: Vec<(&'static str, String)>,
    /// The approval that a payment waits for.
    approval: Option<Box<Value>>,
}

impl ApiError {
    /// An error with a stable code.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            hint: hint.into(),
            is_ours: status.is_server_error(),
            headers: Vec::new(),
            approval: None,
        }
    }

    /// The request itself is wrong.
    pub fn bad_request(
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, hint)
    }

    /// The answer stopped without an end: the program is shutting down, or has a bug.
    pub fn interrupted() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "answer_interrupted",
            "the answer was interrupted",
            "send the same request with the same payment again: it is served once",
        )
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    pub fn body(&self) -> Value {
        let mut body = json!({"error": {
            "message": self.message,
            "type": self.kind(),
            "param": null,
            "code": self.code,
            "hint": self.hint,
        }});
        if let Some(approval) = &self.approval {
            body["error"]["approval"] = (**approval).clone();
        }
        body
    }

    /// OpenAI's name for a class of errors. What is broken here but for the owner to mend, such
    /// as a missing model, has a name of its own: `freehold` tells by it whose fault it was.
    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "authentication_error",
            402 => "payment_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            500.. if self.is_ours => SERVER_ERROR,
            500.. => "setup_error",
            _ => "invalid_request_error",
        }
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        let status =
            StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // What others do wrong is no news; it must not fill the log.
        if !error.is_users() && status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::warn!(code = error.code(), %error, "a request failed");
        }
        let later = error.retry_after_s();
        let later = later.map(|seconds| ("Retry-After", seconds.to_string()));
        let refund = error.refund().map(Settled::headers).unwrap_or_default();
        Self {
            headers: refund.into_iter().chain(later).collect(),
            is_ours: !error.is_users(),
            approval: error.approval().map(|approval| Box::new(json!(approval))),
            ..Self::new(
                status,
                error.code().to_owned(),
                error.to_string(),
                error.hint(),
            )
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert("www-authenticate", scheme);
        }
        add_headers(&mut response, &self.headers);
        response
    }
}

/// Adds headers whose values are made at run time.
pub fn add_headers(response: &mut Response, headers: &[(&'static str, String)]) {
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// The answer for a path that leads nowhere.
pub async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there's nothing at {}", uri.path()),
        "the API is under /v1 and /api, the mint under /mint",
    )
}

/// The answer for a method that a path doesn't know. The `Allow` header says which it does.
pub async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} doesn't take {method}", uri.path()),
        "see the Allow header for the methods that it takes",
    )
}
