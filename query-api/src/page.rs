//! Keyset paging, in both directions. A page goes on from the place of an item in its order, so
//! pages stay whole while new things appear before them.

mod cursor;
mod query;

use sqlx::{Postgres, QueryBuilder};

pub(crate) use cursor::{Cursor, InvalidCursor, TicketCursor};
pub(crate) use query::{PageQuery, RestPage};

/// How many items a page has unless asked otherwise.
pub(crate) const LIMIT_DEFAULT: u32 = 20;
/// The most items of a page.
pub(crate) const LIMIT_MAX: u32 = 100;

/// Which part of a list is wanted: what comes after and before some items, and of that the first or
/// the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Page<K = Cursor> {
    limit: u32,
    after: Option<K>,
    before: Option<K>,
    last: bool,
}

/// No number of items that a page can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {LIMIT_MAX}")]
pub(crate) struct InvalidLimit;

/// The place of an item in its order, as SQL compares it.
pub(crate) trait Key: Copy {
    fn push(self, sql: &mut QueryBuilder<Postgres>);
}

/// An order that an index has, walked either way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) columns: &'static [&'static str],
    pub(crate) descending: bool,
}

impl<K: Copy> Page<K> {
    pub(crate) fn first(limit: Option<i64>, after: Option<K>) -> Result<Self, InvalidLimit> {
        Ok(Self { limit: checked(limit)?, after, before: None, last: false })
    }

    pub(crate) fn last(limit: i64, before: Option<K>) -> Result<Self, InvalidLimit> {
        Ok(Self { limit: checked(Some(limit))?, after: None, before, last: true })
    }

    /// Whatever else is asked, it comes after this.
    pub(crate) fn and_after(self, after: Option<K>) -> Self {
        Self { after: after.or(self.after), ..self }
    }

    /// And before this.
    pub(crate) fn and_before(self, before: Option<K>) -> Self {
        Self { before: before.or(self.before), ..self }
    }

    /// The same page of a list whose items have other places.
    pub(crate) fn map<L: Copy>(self, place: impl Fn(K) -> L) -> Page<L> {
        let Self { limit, after, before, last } = self;
        Page { limit, after: after.map(&place), before: before.map(&place), last }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    pub(crate) fn after(&self) -> Option<K> {
        self.after
    }

    pub(crate) fn before(&self) -> Option<K> {
        self.before
    }

    pub(crate) fn is_last(&self) -> bool {
        self.last
    }

    /// The page out of the rows that were read.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>) -> Items<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        if self.last {
            rows.reverse();
            return Items { items: rows, earlier: more, later: self.before.is_some() };
        }
        Items { items: rows, earlier: self.after.is_some(), later: more }
    }
}

impl<K: Key> Page<K> {
    /// Adds to a statement that ends within its conditions what makes it read this page, and one row
    /// more, which tells whether there is another page.
    pub(crate) fn push(&self, sql: &mut QueryBuilder<Postgres>, order: Order) {
        let columns = order.columns.join(", ");
        let (later, earlier) = if order.descending { ("<", ">") } else { (">", "<") };
        for (bound, comparison) in [(self.after, later), (self.before, earlier)] {
            if let Some(key) = bound {
                sql.push(format_args!(" AND ({columns}) {comparison} "));
                key.push(sql);
            }
        }
        let direction = if order.descending == self.last { "ASC" } else { "DESC" };
        sql.push(" ORDER BY ");
        let mut parts = sql.separated(", ");
        for column in order.columns {
            parts.push(format_args!("{column} {direction}"));
        }
        sql.push(" LIMIT ").push_bind(i64::from(self.limit) + 1);
    }
}

/// The items of a page.
#[derive(Clone, Debug)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
    /// There are items before these. Where the page was asked for by what lies before it, that is
    /// not looked up.
    pub(crate) earlier: bool,
    /// There are items after these; likewise.
    pub(crate) later: bool,
}

fn checked(limit: Option<i64>) -> Result<u32, InvalidLimit> {
    let limit = limit.map_or(Ok(LIMIT_DEFAULT), u32::try_from).map_err(|_| InvalidLimit)?;
    if (1..=LIMIT_MAX).contains(&limit) { Ok(limit) } else { Err(InvalidLimit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST: Order = Order { columns: &["c", "p"], descending: true };

    fn statement(page: &Page) -> String {
        let mut sql = QueryBuilder::new("WHERE true");
        page.push(&mut sql, NEWEST);
        sql.into_string()
    }

    #[test]
    fn a_page_has_from_1_to_100_items() {
        assert_eq!(Page::<Cursor>::first(None, None).unwrap().limit(), LIMIT_DEFAULT);
        assert_eq!(Page::<Cursor>::first(Some(100), None).unwrap().limit(), 100);
        for bad in [0, -1, 101, i64::MAX] {
            assert_eq!(Page::<Cursor>::first(Some(bad), None), Err(InvalidLimit));
            assert_eq!(Page::<Cursor>::last(bad, None), Err(InvalidLimit));
        }
    }

    #[test]
    fn the_last_items_are_read_from_the_other_end() {
        let at = Some(Cursor { commit: 9, prepare: 8 });
        assert_eq!(
            statement(&Page::first(Some(2), at).unwrap()),
            "WHERE true AND (c, p) < ($1, $2) ORDER BY c DESC, p DESC LIMIT $3"
        );
        let last = Page::last(2, at).unwrap();
        assert_eq!(
            statement(&last),
            "WHERE true AND (c, p) > ($1, $2) ORDER BY c ASC, p ASC LIMIT $3"
        );
        let cut = last.cut(vec![7, 6, 5]);
        assert_eq!(cut.items, [6, 7]);
        assert!(cut.earlier && cut.later);
    }
}
