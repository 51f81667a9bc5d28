//! Comparing the tables of two schemas: by digest, and row by row where those differ.

use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};

/// What two tables of the same name hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableDigest {
    pub table: String,
    /// Of the tables that are looked at.
    pub rows: i64,
    /// The sum of the hashes of all rows, in whatever order.
    pub digest: String,
    /// Whether the other table holds the same.
    pub same: bool,
}

/// A row that one table has and the other has not, or not like that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub table: String,
    /// The columns of the primary key.
    pub key: Map<String, Value>,
    /// As it should be; none when there should be no such row.
    pub expected: Option<Map<String, Value>>,
    /// As it is; none when there is no such row.
    pub found: Option<Map<String, Value>>,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub tables: Vec<TableDigest>,
    /// The first of each table, by key.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether all tables hold the same.
    #[must_use]
    pub fn same(&self) -> bool {
        self.tables.iter().all(|table| table.same)
    }
}

/// Compares what `found` holds with what it should hold, as far as both have the same columns.
/// Of each table at most `differences_max` rows are named.
pub(crate) async fn compare(
    db: &mut PgConnection,
    expected: &str,
    found: &str,
    differences_max: u32,
) -> sqlx::Result<Comparison> {
    let mut comparison = Comparison::default();
    for table in tables(db, expected).await? {
        let columns = columns(db, [expected, found], &table).await?;
        let wanted = digest(db, expected, &table, &columns).await?;
        let (rows, digest) = digest(db, found, &table, &columns).await?;
        let same = wanted == (rows, digest.clone());
        if !same {
            let key = key(db, expected, &table).await?;
            let differences =
                differences(db, [expected, found], &table, &columns, &key, differences_max);
            comparison.differences.extend(differences.await?);
        }
        comparison.tables.push(TableDigest { table, rows, digest, same });
    }
    Ok(comparison)
}

async fn tables(db: &mut PgConnection, schema: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY tablename")
        .bind(schema)
        .fetch_all(db)
        .await
}

/// Those that the table has in both schemas, by name.
async fn columns(
    db: &mut PgConnection,
    schemas: [&str; 2],
    table: &str,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.columns \
         WHERE table_schema = ANY($1) AND table_name = $2 \
         GROUP BY column_name HAVING count(*) = 2 ORDER BY column_name",
    )
    .bind(schemas.map(str::to_owned).to_vec())
    .bind(table)
    .fetch_all(db)
    .await
}

async fn key(db: &mut PgConnection, schema: &str, table: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT attname::text FROM pg_index \
         JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey) \
         WHERE indisprimary AND indrelid = (quote_ident($1) || '.' || quote_ident($2))::regclass \
         ORDER BY attname",
    )
    .bind(schema)
    .bind(table)
    .fetch_all(db)
    .await
}

async fn digest(
    db: &mut PgConnection,
    schema: &str,
    table: &str,
    columns: &[String],
) -> sqlx::Result<(i64, String)> {
    let columns = columns.join(", ");
    let query = format!(
        "SELECT count(*), COALESCE(sum(hashtextextended(each::text, 0)), 0)::text \
         FROM (SELECT {columns} FROM {schema}.{table}) AS each"
    );
    sqlx::query_as(AssertSqlSafe(query)).fetch_one(db).await
}

type Row = Option<Json<Map<String, Value>>>;

async fn differences(
    db: &mut PgConnection,
    [expected, found]: [&str; 2],
    table: &str,
    columns: &[String],
    key: &[String],
    differences_max: u32,
) -> sqlx::Result<Vec<Difference>> {
    let (columns, keys) = (columns.join(", "), key.join(", "));
    let query = format!(
        "SELECT wanted.content, there.content FROM \
             (SELECT {keys}, to_jsonb(each) AS content FROM \
                 (SELECT {columns} FROM {expected}.{table}) AS each) AS wanted \
         FULL JOIN \
             (SELECT {keys}, to_jsonb(each) AS content FROM \
                 (SELECT {columns} FROM {found}.{table}) AS each) AS there USING ({keys}) \
         WHERE wanted.content IS DISTINCT FROM there.content ORDER BY {keys} LIMIT {differences_max}"
    );
    let rows: Vec<(Row, Row)> = sqlx::query_as(AssertSqlSafe(query)).fetch_all(db).await?;
    let difference = |(expected, found): (Row, Row)| {
        let (expected, found) = (expected.map(|row| row.0), found.map(|row| row.0));
        let row = expected.as_ref().or(found.as_ref());
        let value = |column: &String| Some((column.clone(), row?.get(column)?.clone()));
        let key = key.iter().filter_map(value).collect();
        Difference { table: table.to_owned(), key, expected, found }
    };
    Ok(rows.into_iter().map(difference).collect())
}
