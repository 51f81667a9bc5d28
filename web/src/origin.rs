//! Keeping other sites from using a visitor's cookie.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::problem::ApiError;
use crate::session::Web;

/// Lets a request through unless a browser says that another site made it. Programs that are no
/// browsers send neither header and no cookie of somebody else.
#[derive(Clone, Copy, Debug)]
pub struct SameOrigin;

impl<S> FromRequestParts<S> for SameOrigin
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        check(parts, &Web::from_ref(state)).map(|()| Self)
    }
}

/// A site that was named as one of ours passes as well.
pub(crate) fn check(parts: &Parts, web: &Web) -> Result<(), ApiError> {
    let origin = text(&parts.headers, header::ORIGIN.as_str());
    if origin.is_some_and(|origin| web.origins().iter().any(|known| known == origin)) {
        return Ok(());
    }
    let own = match text(&parts.headers, "sec-fetch-site") {
        // `none`: typed by the person, no site at all.
        Some(site) => matches!(site, "same-origin" | "none"),
        None => match origin {
            Some(origin) => host(parts).is_some_and(|host| is_at(origin, host)),
            None => !parts.headers.contains_key(header::ORIGIN),
        },
    };
    if own { Ok(()) } else { Err(ApiError::forbidden("This came from another site")) }
}

fn is_at(origin: &str, host: &str) -> bool {
    let at = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    at.is_some_and(|at| at.eq_ignore_ascii_case(host))
}

fn host(parts: &Parts) -> Option<&str> {
    let of_uri = parts.uri.authority().map(|authority| authority.as_str());
    text(&parts.headers, header::HOST.as_str()).or(of_uri)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
