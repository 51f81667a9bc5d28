//! The to-do lists as the people see them who run the shop: what is parked and why, to be tried
//! again, given up, or made anew from the log.

use domain::Timestamp;
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::erasure::Erasure;
use crate::feed::follower_name;
use crate::notice::NoticeProcess;
use crate::order_expiry::OrderExpiry;
use crate::order_placement::OrderPlacement;
use crate::payment::PaymentProcess;
use crate::process_manager::ProcessManager;
use crate::refund::RefundProcess;

/// The names of all process managers.
pub const PROCESSES: &[&str] = &[
    OrderPlacement::NAME,
    OrderExpiry::NAME,
    PaymentProcess::NAME,
    RefundProcess::NAME,
    NoticeProcess::NAME,
    Erasure::NAME,
];

/// A task on a list.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize)]
pub struct Entry {
    pub process: String,
    /// The id of the order, payment or refund that it is about.
    pub key: Uuid,
    /// When it is tried next, unless it is parked.
    pub due: Timestamp,
    pub attempts: i32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Since when it is not tried any more.
    pub parked_at: Option<Timestamp>,
    pub task: serde_json::Value,
}

/// Which parked tasks are meant.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// All when absent.
    pub key: Option<Uuid>,
    /// Any when absent.
    pub process: Option<String>,
}

/// Where the lists are looked at. Safe beside process managers at work.
#[derive(Clone, Debug)]
pub struct Desk {
    pool: PgPool,
}

impl Desk {
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// What is parked, or with `waiting` everything that is to be done; the oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list(&self, waiting: bool, limit: u32) -> sqlx::Result<Vec<Entry>> {
        sqlx::query_as(
            "SELECT process, key, due, attempts, last_error, parked_at, task
             FROM process_managers.task WHERE $1 OR parked_at IS NOT NULL
             ORDER BY parked_at NULLS LAST, due, process, key LIMIT $2",
        )
        .bind(waiting)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
    }

    /// Puts parked tasks back on their lists, due at once; gives what it put back.
    ///
    /// # Errors
    /// Of the database.
    pub async fn retry(&self, which: &Which) -> sqlx::Result<Vec<Entry>> {
        sqlx::query_as(
            "UPDATE process_managers.task
             SET parked_at = NULL, refusals = 0, attempts = 0, due = now()
             WHERE parked_at IS NOT NULL
                 AND ($1 IS NULL OR key = $1) AND ($2 IS NULL OR process = $2)
             RETURNING process, key, due, attempts, last_error, parked_at, task",
        )
        .bind(which.key)
        .bind(&which.process)
        .fetch_all(&self.pool)
        .await
    }

    /// Takes parked tasks off their lists: what they were to do is left undone. Gives what it took.
    ///
    /// # Errors
    /// Of the database.
    pub async fn skip(&self, which: &Which) -> sqlx::Result<Vec<Entry>> {
        sqlx::query_as(
            "DELETE FROM process_managers.task
             WHERE parked_at IS NOT NULL
                 AND ($1 IS NULL OR key = $1) AND ($2 IS NULL OR process = $2)
             RETURNING process, key, due, attempts, last_error, parked_at, task",
        )
        .bind(which.key)
        .bind(&which.process)
        .fetch_all(&self.pool)
        .await
    }

    /// Empties the list of a process manager, to be filled again from the start of the log. All its
    /// tasks are then performed anew, which changes nothing where they have been before.
    ///
    /// # Errors
    /// Of the database.
    pub async fn rebuild(&self, process: &str) -> sqlx::Result<()> {
        let mut transaction = self.pool.begin().await?;
        // First, as whoever fills the list does.
        eventlog::checkpoint::forget(&mut transaction, &follower_name(process)).await?;
        sqlx::query("DELETE FROM process_managers.task WHERE process = $1")
            .bind(process)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}
