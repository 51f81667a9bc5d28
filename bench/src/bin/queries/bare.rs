//! The least that can be done: a handler that sends the one `SELECT` and writes what it gives as JSON.
//! Once with the pool of `sqlx` as it comes, which tests a connection when it gives it out and when it
//! gets it back, and once without any tests.

use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, FromRow, PgConnection, PgPool};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

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

pub(crate) async fn serve(database_url: &str, tested: bool) -> anyhow::Result<()> {
    let connections = if tested {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX);
        Connections::Tested(pool.connect(database_url).await?)
    } else {
        let (sender, receiver) = mpsc::unbounded_channel();
        for _ in 0..CONNECTIONS_MAX {
            sender.send(PgConnection::connect(database_url).await?)?;
        }
        Connections::Untested(sender, Arc::new(Mutex::new(receiver)))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("bare: http://{}", listener.local_addr()?);
    let router = Router::new().route("/", post(list)).with_state(connections);
    axum::serve(listener, router).await?;
    Ok(())
}

#[derive(Clone)]
enum Connections {
    Tested(PgPool),
    /// Those that are free wait in the channel.
    Untested(
        mpsc::UnboundedSender<PgConnection>,
        Arc<Mutex<mpsc::UnboundedReceiver<PgConnection>>>,
    ),
}

/// The body is read, as any handler of a question would.
async fn list(
    State(connections): State<Connections>,
    _body: String,
) -> Result<Json<Vec<Ticket>>, String> {
    let rows = rows(&connections).await.map_err(|error| error.to_string())?;
    Ok(Json(rows.into_iter().take(20).map(Ticket::from).collect()))
}

async fn rows(connections: &Connections) -> anyhow::Result<Vec<Row>> {
    let select = sqlx::query_as(SELECT).bind("usd").bind(1_000_i64).bind(5_000_i64).bind(21_i64);
    match connections {
        Connections::Tested(pool) => Ok(select.fetch_all(pool).await?),
        Connections::Untested(sender, receiver) => {
            let free = receiver.lock().await.recv().await;
            let mut connection = free.context("no connections are left")?;
            let rows = select.fetch_all(&mut connection).await?;
            sender.send(connection)?;
            Ok(rows)
        }
    }
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
