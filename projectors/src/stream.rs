//! From what the log says of an event to what the tables say of it.

use std::error::Error;
use std::num::TryFromIntError;
use std::str::FromStr;

use domain::{Aggregate, Position, Recorded, Revision};

/// A stream that is not named as streams of its events are.
#[derive(Debug, thiserror::Error)]
#[error("{stream} is no stream of a {category}")]
struct ForeignStream {
    stream: String,
    category: &'static str,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The aggregate that an event belongs to.
pub(crate) fn id_of<A: Aggregate, E>(recorded: &Recorded<E>) -> sqlx::Result<A::Id>
where
    A::Id: FromStr<Err: Error + Send + Sync>,
{
    let foreign = |source| {
        let stream = recorded.stream.clone();
        sqlx::Error::Decode(ForeignStream { stream, category: A::CATEGORY, source }.into())
    };
    let id = recorded.stream.strip_prefix(A::CATEGORY).and_then(|rest| rest.strip_prefix('-'));
    id.ok_or_else(|| foreign(None))?.parse::<A::Id>().map_err(|error| foreign(Some(error.into())))
}

/// Bigint columns hold what the log counts without a sign.
pub(crate) fn revision_column(revision: Revision) -> sqlx::Result<i64> {
    column(revision.0)
}

/// Integer columns take less than the domain's counts can hold.
pub(crate) fn integer_column<N: TryInto<i32, Error = TryFromIntError>>(
    number: N,
) -> sqlx::Result<i32> {
    number.try_into().map_err(|error| sqlx::Error::Encode(error.into()))
}

/// The commit and the prepare column.
pub(crate) fn position_columns(position: Position) -> sqlx::Result<(i64, i64)> {
    Ok((column(position.commit)?, column(position.prepare)?))
}

pub(crate) fn position_of(commit: i64, prepare: i64) -> sqlx::Result<Position> {
    let number =
        |column: i64| u64::try_from(column).map_err(|error| sqlx::Error::Decode(error.into()));
    Ok(Position { commit: number(commit)?, prepare: number(prepare)? })
}

fn column(number: u64) -> sqlx::Result<i64> {
    i64::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}
