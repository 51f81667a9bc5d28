//! Writing rows that are new, by `COPY` in Postgres's binary form: the least work there is for both
//! sides, and most of what a rebuild does.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArgumentBuffer;
use sqlx::{PgConnection, Postgres};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// No flags, and no more of a header.
const HEADER: [u8; 8] = [0; 8];
const END: i16 = -1;
const NULL: i32 = -1;

/// New rows of a table. Nothing is converted on their way: an `integer` column takes an `i32`, a
/// `bigint` column an `i64`.
pub(crate) struct NewRows<const COLUMNS: usize> {
    table: &'static str,
    columns: [&'static str; COLUMNS],
    bytes: PgArgumentBuffer,
    empty: bool,
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
        Self { table, columns, bytes, empty: true }
    }

    /// Adds a row, whose values come in the order of the columns.
    pub(crate) fn push<'q>(&mut self, row: [&dyn Value<'q>; COLUMNS]) -> sqlx::Result<()> {
        self.empty = false;
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

    pub(crate) async fn write(mut self, db: &mut PgConnection) -> sqlx::Result<()> {
        if self.empty {
            return Ok(());
        }
        self.bytes.extend_from_slice(&END.to_be_bytes());
        let (table, columns) = (self.table, self.columns.join(", "));
        let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let mut copy = db.copy_in_raw(&statement).await?;
        copy.send(self.bytes.as_slice()).await?;
        copy.finish().await.map(|_| ())
    }
}

fn unwritable(error: std::num::TryFromIntError) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
