//! Every account that was ever registered, without what is personal in it.

mod sessions;

use std::collections::HashMap;

use domain::account::AccountEvent;
use domain::id::AccountId;
use domain::{Account, Aggregate, DomainEvent, Position, Recorded, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use self::sessions::Sessions;
use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::{id_of, position_columns, revision_column};

pub(crate) struct Accounts;

impl Projection for Accounts {
    const NAME: &'static str = "accounts";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("accounts.sql");
    const ROWS: &'static [RowsOf] = &[
        RowsOf { table: "account", column: "id", category: Some(Account::CATEGORY) },
        RowsOf { table: "account_sessions", column: "account", category: Some(Account::CATEGORY) },
    ];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        let mut ours = Vec::new();
        for record in events {
            if let DomainEvent::Account(event) = &record.event {
                ours.push((id_of::<Account, _>(record)?, event, record));
            }
        }
        if ours.is_empty() {
            return Ok(Changed::default());
        }
        let touched = ours.iter().filter(|(_, event, _)| sessions::touched_by(event));
        let mut sessions = Sessions::load(db, touched.map(|(account, ..)| *account)).await?;
        let mut changes: HashMap<AccountId, Change> = HashMap::new();
        for (account, event, record) in ours {
            changes.entry(account).or_default().take(event, record)?;
            sessions.take(account, event);
        }
        let rows = changes.keys().map(|account| account.0).collect();
        sessions.store(db).await?;
        store(db, changes).await?;
        Ok(rows)
    }
}

/// What a batch changes in one account; none: as it was.
#[derive(Default)]
struct Change {
    registered_at: Option<Timestamp>,
    erasure_requested_at: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    version: i64,
    /// Of the last event.
    position: Position,
}

impl Change {
    fn take(&mut self, event: &AccountEvent, record: &Recorded<DomainEvent>) -> sqlx::Result<()> {
        let at = record.metadata.occurred_at;
        self.version = revision_column(record.revision)?;
        self.position = record.position;
        match event {
            AccountEvent::AccountRegistered(_) => self.registered_at = Some(at),
            AccountEvent::ErasureRequested(_) => self.erasure_requested_at = Some(at),
            AccountEvent::PersonalDataErased(_) => self.erased_at = Some(at),
            AccountEvent::PasswordChanged(_)
            | AccountEvent::SessionOpened(_)
            | AccountEvent::TokenRefreshed(_)
            | AccountEvent::RefreshReused(_)
            | AccountEvent::SessionRevoked(_) => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    registered_at: Vec<Option<Timestamp>>,
    erasure_requested_at: Vec<Option<Timestamp>>,
    erased_at: Vec<Option<Timestamp>>,
    version: Vec<i64>,
    changed_commit: Vec<i64>,
    changed_prepare: Vec<i64>,
}

impl Columns {
    fn push(&mut self, account: AccountId, change: &Change) -> sqlx::Result<()> {
        let (commit, prepare) = position_columns(change.position)?;
        self.id.push(account.0);
        self.registered_at.push(change.registered_at);
        self.erasure_requested_at.push(change.erasure_requested_at);
        self.erased_at.push(change.erased_at);
        self.version.push(change.version);
        self.changed_commit.push(commit);
        self.changed_prepare.push(prepare);
        Ok(())
    }
}

async fn store(db: &mut PgConnection, changes: HashMap<AccountId, Change>) -> sqlx::Result<()> {
    let (mut registered, mut changed) = (Columns::default(), Columns::default());
    for (account, change) in changes {
        let columns = if change.registered_at.is_some() { &mut registered } else { &mut changed };
        columns.push(account, &change)?;
    }
    const INSERT: &str = "INSERT INTO account (id, registered_at, erasure_requested_at, \
            erased_at, version, changed_commit, changed_prepare) \
         SELECT * FROM UNNEST($1::uuid[], $2::timestamptz[], $3::timestamptz[], \
            $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[])";
    const UPDATE: &str = "UPDATE account SET \
            erasure_requested_at = COALESCE(new.erasure_requested_at, account.erasure_requested_at), \
            erased_at = COALESCE(new.erased_at, account.erased_at), \
            version = new.version, \
            changed_commit = new.changed_commit, \
            changed_prepare = new.changed_prepare \
         FROM UNNEST($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], \
            $5::bigint[], $6::bigint[], $7::bigint[]) \
            AS new (id, registered_at, erasure_requested_at, erased_at, version, changed_commit, \
                changed_prepare) \
         WHERE account.id = new.id";
    for (statement, columns) in [(INSERT, registered), (UPDATE, changed)] {
        if columns.id.is_empty() {
            continue;
        }
        sqlx::query(statement)
            .bind(columns.id)
            .bind(columns.registered_at)
            .bind(columns.erasure_requested_at)
            .bind(columns.erased_at)
            .bind(columns.version)
            .bind(columns.changed_commit)
            .bind(columns.changed_prepare)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
