//! Writing rows that are new. Many go by `COPY` in Postgres's binary form: the least work there is for
//! both sides, and most of what a rebuild does. Few go by `INSERT`: the driver sends the end of a `COPY`
//! by itself, and on a connection without `TCP_NODELAY`, as its are, that waits 40 ms for the
//! acknowledgement of what came before.

use bytes::Buf;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::{PgConnection, Postgres, QueryBuilder, Type};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// No flags, and no more of a header.
const HEADER: [u8; 8] = [0; 8];
const END: i16 = -1;
const NULL: i32 = -1;
/// More go by `COPY`.
const INSERTED_ROWS_MAX: usize = 100;

/// New rows of a table. Nothing is converted on their way: an `integer` column takes an `i32`, a
/// `bigint` column an `i64`.
pub(crate) struct NewRows<const COLUMNS: usize> {
    table: &'static str,
    columns: [&'static str; COLUMNS],
    bytes: PgArgumentBuffer,
    rows: usize,
}

/// A value as `COPY` has it, for a parameter whose type Postgres takes from the column.
struct Encoded<'a>(Option<&'a [u8]>);

impl Type<Postgres> for Encoded<'_> {
    fn type_info() -> PgTypeInfo {
        const UNSPECIFIED: Oid = Oid(0);
        PgTypeInfo::with_oid(UNSPECIFIED)
    }
}

impl Encode<'_, Postgres> for Encoded<'_> {
    fn encode_by_ref(&self, into: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(bytes) = self.0 else { return Ok(IsNull::Yes) };
        into.extend_from_slice(bytes);
        Ok(IsNull::No)
    }
}

/// What a column takes.
pub(crate) trait Value<'q>: Send + Sync {
    fn encode(&self, into: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError>;
}

impl<'q, T: Encode<'q, Postgres> + Send + Sync> Value<'q> for T {
    fn encode(&self, into: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.encode_by_ref(into)
    }
}

impl<const COLUMNS: usize> NewRows<COLUMNS> {
    pub(crate) fn of(table: &'static str, columns: [&'static str; COLUMNS]) -> Self {
        let mut bytes = PgArgumentBuffer::default();
        bytes.extend_from_slice(SIGNATURE);
        bytes.extend_from_slice(&HEADER);
        Self { table, columns, bytes, rows: 0 }
    }

    /// Adds a row, whose values come in the order of the columns.
    pub(crate) fn push<'q>(&mut self, row: [&dyn Value<'q>; COLUMNS]) -> sqlx::Result<()> {
        self.rows += 1;
        let count = i16::try_from(COLUMNS).map_err(unwritable)?;
        self.bytes.extend_from_slice(&count.to_be_bytes());
        for value in row {
            let length_at = self.bytes.len();
            self.bytes.extend_from_slice(&NULL.to_be_bytes());
            let from = self.bytes.len();
            if let IsNull::No = value.encode(&mut self.bytes).map_err(sqlx::Error::Encode)? {
                let length = i32::try_from(self.bytes.len() - from).map_err(unwritable)?;
                self.bytes[length_at..from].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(())
    }

    pub(crate) async fn write(self, db: &mut PgConnection) -> sqlx::Result<()> {
        match self.rows {
            0 => Ok(()),
            1..=INSERTED_ROWS_MAX => self.insert(db).await,
            _ => self.copy(db).await,
        }
    }

    async fn copy(mut self, db: &mut PgConnection) -> sqlx::Result<()> {
        self.bytes.extend_from_slice(&END.to_be_bytes());
        let (table, columns) = (self.table, self.columns.join(", "));
        let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let mut copy = db.copy_in_raw(&statement).await?;
        copy.send(self.bytes.as_slice()).await?;
        copy.finish().await.map(|_| ())
    }

    async fn insert(self, db: &mut PgConnection) -> sqlx::Result<()> {
        let mut insert = QueryBuilder::new("INSERT INTO ");
        insert.push(self.table).push(" (").push(self.columns.join(", ")).push(") ");
        let mut rest = self.bytes.get(SIGNATURE.len() + HEADER.len()..).unwrap_or_default();
        insert.push_values(0..self.rows, |mut row, _| {
            rest.advance(size_of::<i16>());
            for _ in 0..COLUMNS {
                // Negative for NULL.
                let length = usize::try_from(rest.get_i32()).ok();
                let (value, after) = rest.split_at(length.unwrap_or_default());
                row.push_bind(Encoded(length.map(|_| value)));
                rest = after;
            }
        });
        insert.build().execute(db).await.map(|_| ())
    }
}

fn unwritable(error: std::num::TryFromIntError) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
