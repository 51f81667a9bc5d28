//! How large the head of a request may be. Beyond these the answer is 431; several times as much is
//! not even read, and the connection ends with a bare 431.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::ApiError;

/// The most headers.
const HEADERS_MAX: usize = 64;
/// The most bytes of their names and values.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// The longest address.
const ADDRESS_BYTES_MAX: usize = 8 * 1024;

pub(crate) fn check(request: &Request) -> Result<(), ApiError> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > ADDRESS_BYTES_MAX {
        return Err(ApiError::address_too_long());
    }
    if is_too_large(request.headers()) {
        return Err(ApiError::headers_too_large());
    }
    Ok(())
}

fn is_too_large(headers: &HeaderMap) -> bool {
    let bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    headers.len() > HEADERS_MAX || headers.iter().map(bytes).sum::<usize>() > HEADER_BYTES_MAX
}
