//! Bodies are small, so each is read whole before its route is asked: too much, too slow and broken
//! off are answered alike everywhere.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::problem::ApiError;

/// The largest body of a request.
pub(crate) const BYTES_MAX: usize = 64 * 1024;

pub(crate) async fn collect(
    State(within): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BYTES_MAX) {
        return ApiError::too_large().into_response();
    }
    match timeout(within, Limited::new(body, BYTES_MAX).collect()).await {
        Ok(Ok(whole)) => next.run(Request::from_parts(parts, Body::from(whole.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => ApiError::too_large().into_response(),
        Ok(Err(_)) => ApiError::bad_request("The body could not be read").into_response(),
        Err(_) => ApiError::body_too_slow().into_response(),
    }
}
