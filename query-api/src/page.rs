//! Keyset paging: newest first, by the place in the log where a thing began.

use std::fmt::{self, Display};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use domain::Position;
use serde::Deserialize;
use utoipa::IntoParams;
use web::ApiError;

/// How many items a page has unless asked otherwise.
pub(crate) const LIMIT_DEFAULT: u32 = 20;
/// The most items of a page.
pub(crate) const LIMIT_MAX: u32 = 100;

/// Where a page ended. Opaque to clients; pages stay whole while new things appear before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) commit: i64,
    pub(crate) prepare: i64,
}

impl Cursor {
    /// Before everything: where the first page starts.
    const START: Self = Self { commit: i64::MAX, prepare: i64::MAX };
}

/// The text was not given out as a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor that was given out")]
pub(crate) struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let position: Position = text.parse().map_err(|_| InvalidCursor)?;
        let column = |number: u64| i64::try_from(number).map_err(|_| InvalidCursor);
        Ok(Self { commit: column(position.commit)?, prepare: column(position.prepare)? })
    }
}

impl Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.commit, self.prepare)
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    limit: u32,
    after: Cursor,
}

/// No number of items that a page can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {LIMIT_MAX}")]
pub(crate) struct InvalidLimit;

impl Page {
    pub(crate) fn new(limit: Option<i64>, after: Option<Cursor>) -> Result<Self, InvalidLimit> {
        let limit = limit.map_or(Ok(LIMIT_DEFAULT), u32::try_from).map_err(|_| InvalidLimit)?;
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(InvalidLimit);
        }
        Ok(Self { limit, after: after.unwrap_or(Cursor::START) })
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// The items wanted come after this one.
    pub(crate) fn after(&self) -> Cursor {
        self.after
    }

    /// One more than the page has: it tells whether there is another page.
    pub(crate) fn rows_to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page out of the rows that were read.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>) -> Items<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        Items { items: rows, more }
    }
}

/// The items of a page.
#[derive(Clone, Debug)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
    /// There is another page after this one.
    pub(crate) more: bool,
}

/// `?limit=&after=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many; 20 unless said.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// Where the page before ended, from its `Link` header.
    #[param(pattern = "^[0-9]{1,18}-[0-9]{1,18}$")]
    after: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<PageQuery>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|_| ApiError::bad_request("The query cannot be read"))?;
        let limit = given(query.limit.as_deref()).map(str::parse).transpose();
        let limit = limit.map_err(|_| ApiError::invalid("limit", InvalidLimit.to_string()))?;
        let after = given(query.after.as_deref()).map(str::parse).transpose();
        let after = after.map_err(|error: InvalidCursor| invalid("after", error))?;
        Self::new(limit, after).map_err(|error| invalid("limit", error))
    }
}

/// An empty parameter is one that was left out.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn invalid(field: &str, error: impl Display) -> ApiError {
    ApiError::invalid(field, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_from_1_to_100_items() {
        assert_eq!(Page::new(None, None).unwrap().limit(), LIMIT_DEFAULT);
        assert_eq!(Page::new(Some(100), None).unwrap().limit(), 100);
        for bad in [0, -1, 101, i64::MAX] {
            assert_eq!(Page::new(Some(bad), None), Err(InvalidLimit));
        }
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let cursor = Cursor { commit: 1024, prepare: 1000 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "1024", "-1-1", "a-b", "18446744073709551615-0"] {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor));
        }
    }
}
