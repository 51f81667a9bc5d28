//! By when a request has to be answered.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

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

pub(crate) async fn begin(
    State(within): State<Duration>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Deadline(Instant::now().checked_add(within)));
    next.run(request).await
}
