//! Pages of a list, as Relay's connections.

use async_graphql::OutputType;
use async_graphql::connection::{Connection, CursorType, Edge};

use super::error::bad_argument;
use crate::page::{Cursor, InvalidCursor, Items, LIMIT_DEFAULT, LIMIT_MAX, Page};

impl CursorType for Cursor {
    type Error = InvalidCursor;

    fn decode_cursor(text: &str) -> Result<Self, InvalidCursor> {
        text.parse()
    }

    fn encode_cursor(&self) -> String {
        self.to_string()
    }
}

/// The page that the arguments `first` and `after` ask for.
pub(crate) fn page(first: Option<i32>, after: Option<&str>) -> async_graphql::Result<Page> {
    let after = after.map(str::parse).transpose();
    let after = after.map_err(|error: InvalidCursor| bad_argument("after", error))?;
    Page::new(first.map(i64::from), after).map_err(|error| bad_argument("first", error))
}

/// What a page costs, counted before it is read: each of its items costs what is asked of it.
pub(crate) fn page_complexity(first: Option<i32>, of_each: usize) -> usize {
    let items = first.map_or(LIMIT_DEFAULT, |first| u32::try_from(first).unwrap_or(LIMIT_MAX));
    let items = usize::try_from(items.min(LIMIT_MAX)).unwrap_or(usize::MAX);
    items.saturating_mul(of_each).saturating_add(1)
}

pub(crate) fn connection<T, N: OutputType>(
    found: Items<T>,
    cursor: impl Fn(&T) -> Cursor,
    node: impl Fn(T) -> N,
) -> Connection<Cursor, N> {
    // Pages only go forward, and what lies before one is not looked at.
    let mut connection = Connection::new(false, found.more);
    let edges = found.items.into_iter().map(|item| Edge::new(cursor(&item), node(item)));
    connection.edges.extend(edges);
    connection
}
