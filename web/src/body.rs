//! Bodies are small, so each is read whole before its route is asked: too much, too slow and broken
//! off are answered alike everywhere.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::problem::ApiError;

/// The largest body of a request.
pub(crate) const BYTES_MAX: usize = 64 * 1024;

/// The same request with its body at hand.
pub(crate) async fn collected(request: Request, within: Duration) -> Result<Request, ApiError> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BYTES_MAX) {
        return Err(ApiError::too_large());
    }
    match timeout(within, Limited::new(body, BYTES_MAX).collect()).await {
        Ok(Ok(whole)) => Ok(Request::from_parts(parts, Body::from(whole.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large()),
        Ok(Err(_)) => Err(ApiError::bad_request("The body could not be read")),
        Err(_) => Err(ApiError::body_too_slow()),
    }
}
