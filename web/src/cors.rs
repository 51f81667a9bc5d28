//! Which other sites' pages may use the API in a browser: none, unless they are named.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what it was allowed.
const REMEMBERED: Duration = Duration::from_secs(600);

const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];

const SENT: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("ticketing-position"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-request-id"),
];

const SHOWN: [HeaderName; 9] = [
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::RETRY_AFTER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("ticketing-position"),
    HeaderName::from_static("ticketing-stale"),
    HeaderName::from_static("x-request-id"),
];

/// Lets pages of these origins do what our own may, cookies included.
pub(crate) fn layer(origins: &[String]) -> CorsLayer {
    // What is no header value is no origin that a browser could send.
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods(METHODS)
        .allow_headers(SENT)
        .expose_headers(SHOWN)
        .max_age(REMEMBERED)
}
