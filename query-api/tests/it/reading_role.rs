//! The login that only reads.

use local_services::testing::TestDatabase;
use sqlx::{Executor, PgPool};

#[tokio::test]
async fn the_reading_role_reads_the_views_and_nothing_else() {
    let database = TestDatabase::create().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    projectors::install(&pool).await.unwrap();
    eventlog::Vault::new(pool.clone(), &[1; 32]).install().await.unwrap();
    let mut reader = pool.acquire().await.unwrap();
    reader.execute("SET ROLE ticketing_reader").await.unwrap();
    let views =
        ["tickets", "orders", "accounts", "sales_by_day", "disputes", "timeline", "checkpoint"];
    for view in views {
        let read = format!("SELECT * FROM read.{view} LIMIT 0");
        reader.execute(sqlx::AssertSqlSafe(read)).await.unwrap();
    }
    reader.execute("LISTEN projection").await.unwrap();

    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(tables.iter().any(|table| table.contains("vault")), "{tables:?}");
    let mut refused = vec!["CREATE TABLE read.mine ()".to_owned(), "CREATE SCHEMA mine".to_owned()];
    refused.extend(tables.iter().map(|table| format!("SELECT FROM {table} LIMIT 0")));
    refused.extend(tables.iter().map(|table| format!("DELETE FROM {table}")));
    refused.extend(views.map(|view| format!("DELETE FROM read.{view}")));
    for statement in refused {
        let outcome = reader.execute(sqlx::AssertSqlSafe(statement.clone())).await;
        let error = outcome.unwrap_err().into_database_error().unwrap();
        let code = error.code().unwrap();
        // 42501: no right to; 55000: of a view that nobody can write.
        assert!(["42501", "55000"].contains(&code.as_ref()), "{statement}: {error}");
    }
}
