//! Where an item is in its list. Opaque to clients.

use std::fmt::{self, Display};
use std::str::FromStr;

use domain::Position;
use sqlx::{Postgres, QueryBuilder};

use super::Key;

/// A place in the log: where a thing began, or last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cursor {
    pub(crate) commit: i64,
    pub(crate) prepare: i64,
}

/// A ticket's place in a list: when it was listed, and first of all its price where that is what the
/// list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TicketCursor {
    pub(crate) listed: Cursor,
    pub(crate) price_minor: Option<i64>,
}

/// The text was not given out as a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor that was given out")]
pub(crate) struct InvalidCursor;

impl Key for Cursor {
    fn push(self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("(").push_bind(self.commit).push(", ").push_bind(self.prepare).push(")");
    }
}

impl Key for TicketCursor {
    fn push(self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("(");
        if let Some(minor) = self.price_minor {
            sql.push_bind(minor).push(", ");
        }
        sql.push_bind(self.listed.commit).push(", ").push_bind(self.listed.prepare).push(")");
    }
}

impl TryFrom<Position> for Cursor {
    type Error = InvalidCursor;

    fn try_from(position: Position) -> Result<Self, InvalidCursor> {
        let column = |number: u64| i64::try_from(number).map_err(|_| InvalidCursor);
        Ok(Self { commit: column(position.commit)?, prepare: column(position.prepare)? })
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        text.parse::<Position>().map_err(|_| InvalidCursor)?.try_into()
    }
}

impl Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.commit, self.prepare)
    }
}

impl FromStr for TicketCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let Some((listed, minor)) = text.split_once('_') else {
            return Ok(Self { listed: text.parse()?, price_minor: None });
        };
        let minor = minor.parse().map_err(|_| InvalidCursor)?;
        Ok(Self { listed: listed.parse()?, price_minor: Some(minor) })
    }
}

impl Display for TicketCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.price_minor {
            None => self.listed.fmt(f),
            Some(minor) => write!(f, "{}_{minor}", self.listed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let listed = Cursor { commit: 1024, prepare: 1000 };
        assert_eq!(listed.to_string().parse(), Ok(listed));
        for price_minor in [None, Some(1999)] {
            let cursor = TicketCursor { listed, price_minor };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in ["", "1024", "-1-1", "a-b", "18446744073709551615-0", "1-1_", "1-1_x"] {
            assert_eq!(bad.parse::<TicketCursor>(), Err(InvalidCursor));
        }
    }
}
