//! Pages of a list, as Relay's connections.

use std::str::FromStr;

use async_graphql::OutputType;
use async_graphql::connection::{Connection, CursorType, Edge};

use super::error::{Code, bad_argument};
use crate::page::{Cursor, InvalidCursor, Items, LIMIT_DEFAULT, LIMIT_MAX, Page, TicketCursor};

impl CursorType for Cursor {
    type Error = InvalidCursor;

    fn decode_cursor(text: &str) -> Result<Self, InvalidCursor> {
        text.parse()
    }

    fn encode_cursor(&self) -> String {
        self.to_string()
    }
}

impl CursorType for TicketCursor {
    type Error = InvalidCursor;

    fn decode_cursor(text: &str) -> Result<Self, InvalidCursor> {
        text.parse()
    }

    fn encode_cursor(&self) -> String {
        self.to_string()
    }
}

/// Relay's four arguments: the first ones after a cursor, or the last ones before one.
pub(crate) struct Window {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

impl Window {
    pub(crate) fn page<K: Copy + FromStr>(&self) -> async_graphql::Result<Page<K>> {
        let cursor = |name: &str, text: &Option<String>| {
            let cursor = text.as_deref().map(str::parse).transpose();
            cursor.map_err(|_| bad_argument(name, InvalidCursor))
        };
        let (after, before) = (cursor("after", &self.after)?, cursor("before", &self.before)?);
        let page = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(Code::BadInput.error("first and last cannot both be given"));
            }
            (first, None) => Page::first(first.map(i64::from), after)
                .map_err(|error| bad_argument("first", error)),
            (None, Some(last)) => {
                Page::last(last.into(), before).map_err(|error| bad_argument("last", error))
            }
        };
        page.map(|page| page.and_after(after).and_before(before))
    }
}

/// What a page costs, counted before it is read: each of its items costs what is asked of it.
pub(crate) fn page_complexity(first: Option<i32>, last: Option<i32>, of_each: usize) -> usize {
    let items = first.or(last);
    let items = items.map_or(LIMIT_DEFAULT, |items| u32::try_from(items).unwrap_or(LIMIT_MAX));
    let items = usize::try_from(items.min(LIMIT_MAX)).unwrap_or(usize::MAX);
    items.saturating_mul(of_each).saturating_add(1)
}

pub(crate) fn connection<T, C: CursorType + Send + Sync, N: OutputType>(
    found: Items<T>,
    cursor: impl Fn(&T) -> C,
    node: impl Fn(T) -> N,
) -> Connection<C, N> {
    let mut connection = Connection::new(found.earlier, found.later);
    let edges = found.items.into_iter().map(|item| Edge::new(cursor(&item), node(item)));
    connection.edges.extend(edges);
    connection
}
