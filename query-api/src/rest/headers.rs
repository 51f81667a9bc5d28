//! Headers of the answers.

use std::convert::Infallible;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponseParts, ResponseParts};

use crate::page::{Cursor, Page};

/// Where the next page is, if there is one: `Link: <…>; rel="next"`.
pub(super) struct NextPage(Option<String>);

impl NextPage {
    pub(super) fn new(path: &str, page: &Page, more: bool, last: Option<Cursor>) -> Self {
        let last = last.filter(|_| more);
        let limit = page.limit();
        Self(last.map(|last| format!("<{path}?limit={limit}&after={last}>; rel=\"next\"")))
    }
}

impl IntoResponseParts for NextPage {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Some(Ok(link)) = self.0.map(HeaderValue::try_from) {
            parts.headers_mut().insert(header::LINK, link);
        }
        Ok(parts)
    }
}

/// The version as `ETag`, as a later `If-Match` may name it.
pub(super) fn etag(version: u64) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}
