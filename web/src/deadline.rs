//! By when a request has to be answered.

use std::convert::Infallible;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// When whoever asked is told that it took too long. What a route does for the request should end by
/// then, and nothing more should begin.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Option<Instant>);

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}
