//! Headers of the answers.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use serde::Serialize;

use crate::page::{Cursor, Items, Page};

/// A page of a list with its headers.
pub(super) struct Listed<W> {
    items: Vec<W>,
    next: NextPage,
    cached: Cached,
}

impl<W: Serialize> Listed<W> {
    /// Of the list at `path`; `place` is where in it an item stands.
    pub(super) fn new<T>(
        path: &str,
        page: &Page,
        found: Items<T>,
        place: impl Fn(&T) -> Cursor,
    ) -> Self
    where
        W: From<T>,
    {
        let next = NextPage::new(path, page, found.later, found.items.last().map(place));
        let items: Vec<W> = found.items.into_iter().map(W::from).collect();
        let cached = Cached::of_list(&items, &next);
        Self { items, next, cached }
    }

    pub(super) fn for_one_person(self) -> Self {
        Self { cached: self.cached.for_one_person(), ..self }
    }

    /// 304 when the client has it already.
    pub(super) fn answer(self, request: &HeaderMap, seen: impl IntoResponseParts) -> Response {
        self.cached.answer(request, (seen, self.next, Json(self.items)))
    }
}

/// Where the next page is, if there is one: `Link: <…>; rel="next"`.
struct NextPage(Option<String>);

impl NextPage {
    fn new(path: &str, page: &Page, more: bool, last: Option<Cursor>) -> Self {
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

/// An answer that a client need not be sent again as long as it has not changed.
pub(super) struct Cached {
    etag: String,
    /// Whose it is: everybody's, or one person's.
    control: &'static str,
}

/// To be asked for each time, because it may have changed; what has not is not sent again.
const EVERYBODYS: &str = "public, no-cache";
const ONE_PERSONS: &str = "private, no-cache";

impl Cached {
    /// Of one thing, by its version, as a later `If-Match` may name it.
    pub(super) fn of_version(version: u64) -> Self {
        Self { etag: format!("\"{version}\""), control: EVERYBODYS }
    }

    /// Of a list, by what it says.
    fn of_list(items: &impl Serialize, next: &NextPage) -> Self {
        let mut hasher = DefaultHasher::new();
        serde_json::to_vec(items).unwrap_or_default().hash(&mut hasher);
        next.0.hash(&mut hasher);
        Self { etag: format!("W/\"{:016x}\"", hasher.finish()), control: EVERYBODYS }
    }

    pub(super) fn for_one_person(self) -> Self {
        Self { control: ONE_PERSONS, ..self }
    }

    /// 304 when the client has it already.
    pub(super) fn answer(self, request: &HeaderMap, answer: impl IntoResponse) -> Response {
        let headers = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, self.control.to_owned()),
            (header::VARY, "Authorization, Cookie, Ticketing-Position".to_owned()),
        ];
        if self.is_known(request) {
            let (mut parts, _) = answer.into_response().into_parts();
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.remove(header::CONTENT_TYPE);
            parts.headers.remove(header::CONTENT_LENGTH);
            return (headers, Response::from_parts(parts, Body::empty())).into_response();
        }
        (headers, answer).into_response()
    }

    fn is_known(&self, request: &HeaderMap) -> bool {
        let bare = self.etag.trim_start_matches("W/");
        let named = request.get_all(header::IF_NONE_MATCH).iter();
        named.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
            |tag| {
                let tag = tag.trim();
                tag == "*" || tag.trim_start_matches("W/") == bare
            },
        )
    }
}
