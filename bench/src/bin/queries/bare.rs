//! The least that can be done: a handler that sends the one `SELECT` and writes what it gives as JSON.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::{FromRow, PgPool};
use tokio::net::TcpListener;

/// As many as `query-api` has.
const CONNECTIONS_MAX: u32 = 16;

/// As `query-api` asks it for the same list.
const SELECT: &str = "SELECT id, seller, title, price_minor, currency, quantity, reserved, sold, \
     available, max_per_order, withdrawn, order_id, version, listed_at, listed_commit, \
     listed_prepare, changed_commit, changed_prepare FROM read.tickets WHERE available > 0 \
     AND currency = $1 AND price_minor >= $2 AND price_minor <= $3 \
     ORDER BY listed_commit DESC, listed_prepare DESC LIMIT $4";

#[derive(FromRow)]
struct Row {
    id: uuid::Uuid,
    title: String,
    price_minor: i64,
    currency: String,
    available: i32,
    version: i64,
}

#[derive(Serialize)]
struct Ticket {
    id: uuid::Uuid,
    title: String,
    price: Price,
    available: i32,
    version: i64,
}

#[derive(Serialize)]
struct Price {
    amount: String,
    currency: String,
}

pub(crate) async fn serve(database_url: &str) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect(database_url).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("bare: http://{}", listener.local_addr()?);
    let router = Router::new().route("/", post(list)).with_state(pool);
    axum::serve(listener, router).await?;
    Ok(())
}

/// The body is read, as any handler of a question would.
async fn list(State(pool): State<PgPool>, _body: String) -> Result<Json<Vec<Ticket>>, String> {
    let rows: Vec<Row> = sqlx::query_as(SELECT)
        .bind("usd")
        .bind(1_000_i64)
        .bind(5_000_i64)
        .bind(21_i64)
        .fetch_all(&pool)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Json(rows.into_iter().take(20).map(Ticket::from).collect()))
}

impl From<Row> for Ticket {
    fn from(row: Row) -> Self {
        let amount = format!("{}.{:02}", row.price_minor / 100, row.price_minor % 100);
        Self {
            id: row.id,
            title: row.title,
            price: Price { amount, currency: row.currency },
            available: row.available,
            version: row.version,
        }
    }
}
