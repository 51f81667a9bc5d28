//! What is done with every request, whatever its route.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::time::timeout;
use tracing::Instrument;

use crate::deadline::Deadline;
use crate::problem::ApiError;
use crate::request_id::{self, RequestId};
use crate::serve::Bounds;
use crate::{body, command, head};

/// Names the request; gives every error its form and every answer its protective headers; writes how
/// it went to the log and the metrics.
pub(crate) async fn around(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("unknown", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        request.id = id.as_str(),
        method,
        route,
    );
    if let Some(trace) = command::trace(request.headers()) {
        trace_context::go_on(&span, &trace);
    }
    let instance = request.uri().path().to_owned();
    request.extensions_mut().insert(id.clone());

    let began = Instant::now();
    let response = match head::check(&request) {
        Ok(()) => next.run(request).instrument(span.clone()).await,
        Err(refused) => refused.into_response(),
    };
    let mut response = complete(response, &instance);
    protect(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(request_id::HEADER, value);
    }
    let took = began.elapsed();

    let status = response.status();
    span.in_scope(|| tracing::debug!(status = status.as_u16(), ?took, "request answered"));
    let labels =
        [("method", method.to_owned()), ("route", route), ("status", status.as_u16().to_string())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels).record(took);
    response
}

/// Reads the body, then asks the route, both in time. A handler that panics costs its request only.
pub(crate) async fn bounded(
    State(bounds): State<Bounds>,
    mut request: Request,
    next: Next,
) -> Response {
    let until = Instant::now().checked_add(bounds.request_within);
    request.extensions_mut().insert(Deadline(until));
    let answer = async {
        let request = body::collected(request, bounds.body_within).await?;
        Ok::<_, ApiError>(next.run(request).await)
    };
    match timeout(bounds.request_within, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(answer)) => answer.into_response(),
        Ok(Err(panic)) => panicked(&*panic).into_response(),
        Err(_) => ApiError::of_status(StatusCode::SERVICE_UNAVAILABLE).into_response(),
    }
}

/// Gives an error its whole body: errors of ours the address they are about, and those of other
/// layers, which are a bare status or a line of text, the form that all errors have.
fn complete(response: Response, instance: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let known = response.extensions().get::<ApiError>().cloned();
    let foreign = || is_bare_error(&response).then(|| ApiError::of_status(status));
    let Some(error) = known.or_else(foreign) else { return response };
    let (mut parts, problem) = error.respond(Some(instance)).into_parts();
    let (old, _) = response.into_parts();
    // Cookies, `Allow` and the like stay; what describes the old body goes.
    let describes_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];
    for (name, value) in &old.headers {
        if !describes_body.contains(name) && !parts.headers.contains_key(name) {
            parts.headers.append(name, value.clone());
        }
    }
    Response::from_parts(parts, problem)
}

fn is_bare_error(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    !kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().contains("json")
}

/// Headers that keep a browser from doing more with an answer than it should. A route that needs
/// more, such as a page, sets its own.
fn protect(headers: &mut HeaderMap) {
    const DEFAULTS: [(HeaderName, HeaderValue); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
}

/// The answer when a handler panicked. What it said is in the log only.
fn panicked(panic: &(dyn Any + Send)) -> ApiError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!("a handler panicked: {}", text.unwrap_or("without a word"));
    ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Only names that we know: a label made up by a client would be a new time series each.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
