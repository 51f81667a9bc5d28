//! Error answers: `application/problem+json` (RFC 9457) with the `errors` list that clients of the
//! old system read.

use std::error::Error;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Unavailable;

/// How to show who one is, told to whoever has not (RFC 9110, 11.6.1).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");
/// When to try again after the log, the vault or the read models were away.
const RETRY_AFTER_OUTAGE_SECONDS: u32 = 1;
/// When to try again after too many others changed the same thing.
const RETRY_AFTER_CONTENTION_SECONDS: u32 = 1;

/// An error answer. It says what the client can do something about; of the inside it says nothing.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
    code: Option<String>,
}

/// One thing that is wrong, and with which member of the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    #[schema(example = "Title is required")]
    pub message: String,
    /// The member of the body, or the parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "title")]
    pub field: Option<String>,
}

impl FieldError {
    #[must_use]
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), field: Some(field.to_owned()) }
    }
}

impl ApiError {
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// One bad member of the body.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::many(vec![FieldError::new(field, message)])
    }

    /// Several bad members of the body, at least one.
    #[must_use]
    pub fn many(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::bad_request("Invalid request") }
    }

    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Not authorized")
    }

    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// The payment was declined; `code` is the provider's word for why.
    #[must_use]
    pub fn payment_required(message: impl Into<String>, code: &str) -> Self {
        let code = Some(code.to_owned());
        Self { code, ..Self::new(StatusCode::PAYMENT_REQUIRED, message) }
    }

    /// It contradicts what is under way; asking again at once would not help.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// Too many others changed the same thing meanwhile; asking again will do.
    #[must_use]
    pub fn contended() -> Self {
        let message = "Too many people are changing this just now, please try again";
        let retry_after_seconds = Some(RETRY_AFTER_CONTENTION_SECONDS);
        Self { retry_after_seconds, ..Self::new(StatusCode::CONFLICT, message) }
    }

    #[must_use]
    pub fn precondition_failed() -> Self {
        let message = "It has changed since the version named in If-Match";
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// The body did not come in time.
    #[must_use]
    pub(crate) fn body_too_slow() -> Self {
        Self::of_status(StatusCode::REQUEST_TIMEOUT)
    }

    #[must_use]
    pub(crate) fn address_too_long() -> Self {
        Self::of_status(StatusCode::URI_TOO_LONG)
    }

    #[must_use]
    pub(crate) fn headers_too_large() -> Self {
        Self::of_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    }

    #[must_use]
    pub fn too_large() -> Self {
        Self::of_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// The same `Idempotency-Key` came with another request before.
    #[must_use]
    pub fn key_reused() -> Self {
        let message = "This Idempotency-Key was used for another request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    #[must_use]
    pub fn too_many_requests(retry_after_seconds: u32) -> Self {
        let message = "Too many requests, please slow down";
        let retry_after_seconds = Some(retry_after_seconds);
        Self { retry_after_seconds, ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    #[must_use]
    pub fn unavailable(retry_after_seconds: u32) -> Self {
        let message = "This cannot be done just now, please try again";
        let retry_after_seconds = Some(retry_after_seconds);
        Self { retry_after_seconds, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// Something here is broken: logged with all its causes, answered without any.
    #[must_use]
    pub fn internal(error: &dyn Error) -> Self {
        let mut causes = String::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push_str(&format!(": {error}"));
            cause = error.source();
        }
        tracing::error!("request failed: {error}{causes}");
        Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer to a status alone, for errors that the server's own layers make.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::not_found("There is nothing at this address"),
            405 => Self::new(status, "This address does not know that method"),
            408 => Self::new(status, "The body did not come in time"),
            413 => Self::new(status, "The body is too large"),
            414 => Self::new(status, "The address is too long"),
            415 => Self::new(status, "The body must be application/json"),
            431 => Self::new(status, "The headers are too large"),
            500 => Self::new(status, "Something went wrong"),
            503 => Self::unavailable(RETRY_AFTER_OUTAGE_SECONDS),
            _ => Self::new(status, status.canonical_reason().unwrap_or("Error")),
        }
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let errors = vec![FieldError { message: message.into(), field: None }];
        Self { status, errors, retry_after_seconds: None, code: None }
    }

    /// The whole answer, for the request to `instance`.
    pub(crate) fn respond(&self, instance: Option<&str>) -> Response {
        let (slug, title) = name(self.status);
        let messages: Vec<&str> = self.errors.iter().map(|error| error.message.as_str()).collect();
        let body = Problem {
            kind: format!("/problems/{slug}"),
            title,
            status: self.status.as_u16(),
            detail: messages.join("; "),
            instance,
            errors: &self.errors,
            code: self.code.as_deref(),
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.respond(None);
        // The layer around all routes knows the address and writes the body again with it.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Unavailable> for ApiError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::unavailable(RETRY_AFTER_OUTAGE_SECONDS)
    }
}

/// A problem (RFC 9457) with the list of what is wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    #[serde(rename = "type")]
    #[schema(example = "/problems/bad-request")]
    kind: String,
    #[schema(example = "Bad request")]
    title: &'a str,
    #[schema(example = 400)]
    status: u16,
    #[schema(example = "Title is required")]
    detail: String,
    /// The address that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api/tickets")]
    instance: Option<&'a str>,
    errors: &'a [FieldError],
    /// Of a declined payment: the provider's word for why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "card_declined")]
    code: Option<&'a str>,
}

/// Status, name in the description of the API, and title of each.
pub(crate) const PROBLEMS: [(u16, &str, &str); 16] = [
    (400, "BadRequest", "Bad request"),
    (401, "NotSignedIn", "Not signed in"),
    (402, "PaymentDeclined", "Payment declined"),
    (403, "Forbidden", "Forbidden"),
    (404, "NotFound", "Not found"),
    (405, "MethodNotAllowed", "Method not allowed"),
    (408, "BodyTooSlow", "Body too slow"),
    (409, "Conflict", "Conflict"),
    (412, "PreconditionFailed", "Precondition failed"),
    (413, "TooLarge", "Too large"),
    (415, "UnsupportedMediaType", "Unsupported media type"),
    (422, "IdempotencyKeyReused", "Idempotency key reused"),
    (429, "TooManyRequests", "Too many requests"),
    (431, "HeadersTooLarge", "Headers too large"),
    (500, "Internal", "Internal error"),
    (503, "Unavailable", "Unavailable"),
];

/// What stands in the type's address, and the title.
pub(crate) fn name(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("bad-request", "Bad request"),
        401 => ("not-signed-in", "Not signed in"),
        402 => ("payment-declined", "Payment declined"),
        403 => ("forbidden", "Forbidden"),
        404 => ("not-found", "Not found"),
        405 => ("method-not-allowed", "Method not allowed"),
        408 => ("body-too-slow", "Body too slow"),
        409 => ("conflict", "Conflict"),
        412 => ("precondition-failed", "Precondition failed"),
        413 => ("too-large", "Too large"),
        414 => ("address-too-long", "Address too long"),
        415 => ("unsupported-media-type", "Unsupported media type"),
        422 => ("idempotency-key-reused", "Idempotency key reused"),
        429 => ("too-many-requests", "Too many requests"),
        431 => ("headers-too-large", "Headers too large"),
        500 => ("internal", "Internal error"),
        503 => ("unavailable", "Unavailable"),
        _ => ("error", status.canonical_reason().unwrap_or("Error")),
    }
}
