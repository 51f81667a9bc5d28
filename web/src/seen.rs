//! Which state a client has seen (`If-Match`, `Ticketing-Position`) and which it has made.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponseParts, ResponseParts};
use domain::{Position, Revision};

use crate::cookie::{self, SetCookie};
use crate::problem::ApiError;
use crate::session::Web;

const POSITION_HEADER: HeaderName = HeaderName::from_static("ticketing-position");
const POSITION_COOKIE: &str = "ticketing_position";
/// Every read model has long caught up after this.
const POSITION_COOKIE_LIVES: Duration = Duration::from_secs(3_600);

/// The version a change is meant for; none when the client does not mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<Revision>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        // A tag that we never gave out cannot match.
        match tag.and_then(|tag| tag.parse().ok()) {
            Some(revision) => Ok(Self(Some(Revision(revision)))),
            None => Err(ApiError::precondition_failed()),
        }
    }
}

/// What the route makes has no version yet, so no `If-Match` that names one can hold.
#[derive(Clone, Copy, Debug)]
pub struct NoVersion;

impl<S: Send + Sync> FromRequestParts<S> for NoVersion {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match IfMatch::from_request_parts(parts, state).await? {
            IfMatch(None) => Ok(Self),
            IfMatch(Some(_)) => Err(ApiError::precondition_failed()),
        }
    }
}

/// The newest write that the client knows of: it may read nothing older. The later of the header
/// `Ticketing-Position` and the cookie; what is no position is taken for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPosition(pub Option<Position>);

impl ReadPosition {
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(POSITION_HEADER).and_then(|value| value.to_str().ok());
        let known = cookie::values(headers, POSITION_COOKIE);
        Self(known.chain(sent).filter_map(|text| text.trim().parse().ok()).max())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ReadPosition {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// What a write has made, as headers of its answer: `Ticketing-Position` with its cookie, and the
/// `ETag` that a later `If-Match` may name.
#[derive(Clone, Debug)]
pub struct Written {
    position: Option<(Position, SetCookie)>,
    revision: Option<Revision>,
}

impl Web {
    #[must_use]
    pub fn written(&self, position: Option<Position>, revision: Option<Revision>) -> Written {
        let cookie = |position: Position| {
            let text = position.to_string();
            let secure = self.secure_cookies();
            SetCookie::new(POSITION_COOKIE, &text, POSITION_COOKIE_LIVES, secure)
        };
        Written { position: position.map(|position| (position, cookie(position))), revision }
    }
}

impl IntoResponseParts for Written {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Some(value) = self.revision.and_then(|revision| text(&format!("\"{revision}\""))) {
            parts.headers_mut().insert(header::ETAG, value);
        }
        let Some((position, cookie)) = self.position else { return Ok(parts) };
        if let Some(value) = text(&position.to_string()) {
            parts.headers_mut().insert(POSITION_HEADER, value);
        }
        cookie.into_response_parts(parts)
    }
}

fn text(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn if_match(value: &str) -> Result<IfMatch, ApiError> {
        let (mut parts, ()) =
            Request::get("/").header("if-match", value).body(()).unwrap().into_parts();
        IfMatch::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn if_match_names_a_version_we_gave_out() {
        assert_eq!(if_match("\"7\"").await.unwrap(), IfMatch(Some(Revision(7))));
        assert_eq!(if_match("*").await.unwrap(), IfMatch(None));
        for value in ["7", "W/\"7\"", "\"x\"", "\"1\", \"2\"", ""] {
            assert!(if_match(value).await.is_err(), "{value}");
        }
    }

    #[test]
    fn the_later_of_header_and_cookie_is_what_was_written_last() {
        let read = |header: &'static str, cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("ticketing-position", HeaderValue::from_static(header));
            headers.insert("cookie", HeaderValue::from_static(cookie));
            ReadPosition::of(&headers).0.map(|position| position.commit)
        };
        assert_eq!(read("5-5", "ticketing_position=9-9"), Some(9));
        assert_eq!(read("12-12", "a=b; ticketing_position=9-9"), Some(12));
        assert_eq!(read("nonsense", "ticketing_position=-"), None);
    }
}
